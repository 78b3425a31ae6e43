"""Prints the month's bill: ``python -m benchmarks.bill``."""

from __future__ import annotations

from benchmarks.bill.month import table

if __name__ == "__main__":
    print(table(), end="")
