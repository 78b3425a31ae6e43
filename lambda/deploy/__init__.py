"""Puts the cloud on AWS and keeps it there: ``make deploy``, ``python -m deploy``."""
