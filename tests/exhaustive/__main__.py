"""``make exhaustive``: every interleaving of one cabinet, its orders, the cloud, Stripe and each
fault once, as far as the time allows.

First every world without a fault is seen, then every one with one fault, and so on; within each
number of faults those of fewer steps come first. Worlds that are equal are one.
"""

from __future__ import annotations

import argparse
import gc
import logging
import sys

from tabulate import tabulate

from tests.exhaustive.invariants import INVARIANTS
from tests.exhaustive.model import Model
from tests.exhaustive.search import Found, search
from tests.exhaustive.world import FAULTS


def main() -> int:
    """Searches; returns 1 if an invariant broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.exhaustive", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="when to end (300)")
    parser.add_argument(
        "--orders",
        default="hold",
        help="how each order is paid: hold, charge, or two of them as in hold,charge (hold)",
    )
    parser.add_argument(
        "--faults", default=",".join(FAULTS), help="which may happen, each once (all)"
    )
    parser.add_argument(
        "--most-faults", type=int, default=len(FAULTS), help="how many on one path (all)"
    )
    parser.add_argument(
        "--by-steps", action="store_true", help="by the steps alone, not by the faults first"
    )
    parser.add_argument("--depth", type=int, default=10_000, help="the most steps (no limit)")
    chosen = parser.parse_args()
    orders = chosen.orders.split(",")
    faults = frozenset(filter(None, chosen.faults.split(",")))
    if len(orders) > 2 or not set(orders) <= {"hold", "charge"}:
        parser.error("--orders is one or two of hold and charge, as in hold,charge")
    if not faults <= set(FAULTS):
        parser.error(f"--faults are some of: {','.join(FAULTS)}")
    logging.disable(logging.CRITICAL)
    print(f"one cabinet, orders paid by {' and '.join(orders)}, and each once, in any order:")
    print(f"{', '.join(sorted(faults))}\n", flush=True)
    model = Model(tuple(order == "hold" for order in orders), faults)
    # Nothing of a search is ever garbage.
    gc.disable()
    found = search(
        model, chosen.seconds, chosen.most_faults, chosen.depth, chosen.by_steps, on_layer=_tell
    )
    print(f"\n{found.states:,} states seen, {found.steps:,} steps, {found.seconds:.0f} s;")
    print(f"in {found.ends:,} of them everything had come to its end\n")
    print(tabulate([(text,) for text in INVARIANTS], ("checked",)))
    if found.violation is None:
        print("\nno invariant broke")
        return 0
    print("\nThe shortest way to a broken invariant:\n")
    for number, step in enumerate(found.violation.path, 1):
        print(f"{number:3}  {step}")
    print(f"\n{found.violation.told}")
    return 1


def _tell(found: Found) -> None:
    layer = found.layers[-1]
    seen = "all of them" if layer.is_complete else "not all of them"
    print(
        f"{layer.faults} faults: {layer.states:,} states, {seen}, {layer.depth} steps deep, "
        f"{found.seconds:.0f} s",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
