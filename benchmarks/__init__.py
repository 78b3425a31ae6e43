"""Measurements that anyone can run: ``make bench``. Each stands beside its floor of the same run."""
