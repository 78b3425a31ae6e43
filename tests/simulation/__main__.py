"""``make sim``: plays the simulated arcade many times and tells what happened.

``python -m tests.simulation --runs 10000 --seed 0`` plays the seeds 0 to 9999. A run that breaks an
invariant is played again with fewer and fewer faults, and its shortest trace is printed.
``--defects`` plants each deliberate defect instead, and tells what catches it after how many runs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial

import pytest
from tabulate import tabulate

from tests.simulation.defects import DEFECTS
from tests.simulation.run import RATES, Result, shrink, simulate

TRACE_LINES = 80
MOST_RUNS = 200


def main() -> int:
    """Plays; returns 1 if an invariant broke, or a defect was not caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--cabinets", type=int, default=2)
    parser.add_argument("--players", type=int, default=0, help="three for each cabinet if not said")
    parser.add_argument("--defects", action="store_true", help="plant each defect, and catch it")
    chosen = parser.parse_args()
    players = chosen.players or 3 * chosen.cabinets
    if chosen.defects:
        return _defects(chosen.seed)
    begun = time.monotonic()
    play = partial(_one, cabinets=chosen.cabinets, players=players)
    seeds = range(chosen.seed, chosen.seed + chosen.runs)
    struck: Counter[str] = Counter()
    branches: Counter[str] = Counter()
    broken: list[Result] = []
    coins = 0
    with multiprocessing.Pool() as pool:
        for result, kinds in pool.imap_unordered(play, seeds, chunksize=4):
            struck += kinds
            branches += result.branches
            coins += result.coins
            if result.broken:
                broken.append(result)
                print(f"seed {result.seed}: {result.broken}", flush=True)
    spent = time.monotonic() - begun
    print(f"\n{chosen.runs} runs from seed {chosen.seed}, each with {chosen.cabinets} cabinets and")
    print(f"{players} players; {coins} coins; {spent:.0f} s\n")
    print(tabulate(sorted(branches.items()), ("what became of orders", "times")))
    print()
    print(tabulate([(kind, struck[kind]) for kind in RATES], ("fault", "times")))
    if not broken:
        print("\nno invariant broke")
        return 0
    first = min(broken, key=lambda result: result.seed)
    print(f"\n{len(broken)} runs broke an invariant. The shortest trace of seed {first.seed}:\n")
    short = shrink(first.seed, chosen.cabinets, players)
    for fault in short.struck:
        print(f"{fault.at:10.3f}  FAULT {fault.kind} (chance {fault.number})")
    print("\n".join(_telling(short.trace)))
    print(f"\n{short.broken}")
    return 1


def _one(seed: int, cabinets: int, players: int) -> tuple[Result, Counter[str]]:
    """One run, with as little of it as has to travel between processes."""
    result = simulate(seed, cabinets, players)
    kinds = Counter(struck.kind for struck in result.struck)
    result.struck = []
    result.trace = []
    return result, kinds


def _telling(trace: list[str]) -> Iterator[str]:
    """The last lines of a trace without the heartbeats."""
    yield from [line for line in trace if "heartbeat" not in line][-TRACE_LINES:]


def catch(name: str, seed: int = 0, most: int = MOST_RUNS) -> tuple[int, str]:
    """Plants a defect and plays until an invariant breaks; after how many runs, and which."""
    for number in range(most):
        with pytest.MonkeyPatch.context() as monkeypatch:
            DEFECTS[name](monkeypatch)
            result = simulate(seed + number)
        if result.broken:
            return number + 1, result.broken
    return 0, "not caught"


def _defects(seed: int) -> int:
    rows = []
    for name in DEFECTS:
        runs, told = catch(name, seed)
        rows.append((name, runs or "-", told))
        print(f"{runs or 'not caught':>4}  {name}: {told}", flush=True)
    return int(any(runs == "-" for _, runs, _ in rows))


if __name__ == "__main__":
    sys.exit(main())
