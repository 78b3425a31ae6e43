"""Runs the measurements and prints them: ``python -m benchmarks [NAME …]``."""

from __future__ import annotations

import argparse
import logging
import platform
import sys
from collections.abc import Callable
from dataclasses import astuple
from importlib.metadata import version
from pathlib import Path

from tabulate import tabulate

from benchmarks import (
    add_credit_rate,
    cloud_start,
    journal_start,
    load,
    load_dynamodb,
    network_delays,
    payment_latency,
    screen,
    start,
)
from benchmarks.rows import Row

ALL: dict[str, Callable[[], list[Row]]] = {
    "payment": payment_latency.run,
    "network": network_delays.run,
    "screen": screen.run,
    "start": start.run,
    "journal_start": journal_start.run,
    "cloud_start": cloud_start.run,
    "add_credit_rate": add_credit_rate.run,
    "load": load.run,
    "load_dynamodb": load_dynamodb.run,
}


def main() -> int:
    """Runs those that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=" or ".join(ALL))
    names = parser.parse_args().names or list(ALL)
    for name in names:
        if name not in ALL:
            parser.error(f"there is no measurement {name}: take {', '.join(ALL)}")
    logging.disable(logging.CRITICAL)
    print(_machine())
    for name in names:
        print()
        print(f"{name}: {(sys.modules[ALL[name].__module__].__doc__ or '').splitlines()[0]}")
        print(tabulate([astuple(row) for row in ALL[name]()], ("what", "value", "ratio", "note")))
    return 0


def _machine() -> str:
    """The machine and the versions that the figures are of."""
    cpu = platform.processor() or platform.machine()
    told = Path("/proc/cpuinfo")
    if told.exists():
        models = [line for line in told.read_text().splitlines() if line.startswith("model name")]
        cpu = f"{len(models)} × {models[0].partition(':')[2].strip()}" if models else cpu
    names = ("pygame-ce", "paho-mqtt", "requests", "stripe", "iotcore")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{cpu}; {system}; {versions}"


if __name__ == "__main__":
    sys.exit(main())
