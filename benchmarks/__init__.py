"""Measurements that anyone can run with ``make bench``, each beside its floor of the same run."""
