"""``make sim``: plays the simulated arcade many times and tells what happened.

``python -m tests.simulation --runs 10000 --seed 0`` plays the seeds 0 to 9999. A run that breaks an
invariant is played again with fewer and fewer faults, and its shortest trace is printed.
``--defects`` plants each deliberate defect instead, and tells what catches it after how many runs.
``--century`` plays a machine-century, which can be stopped and continued.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from tabulate import tabulate

from tests.simulation import century
from tests.simulation.defects import OFTEN
from tests.simulation.run import RATES, Result, shrink, simulate
from tests.simulation.wide_defects import ALL_DEFECTS

TRACE_LINES = 80
MOST_RUNS = 60
SEARCHES = 3  # first seeds from which each defect is looked for


def main() -> int:
    """Plays; returns 1 if an invariant broke, or a defect was not caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--cabinets", type=int, default=2)
    parser.add_argument("--players", type=int, default=0, help="three for each cabinet if not said")
    parser.add_argument("--defects", action="store_true", help="plant each defect, and catch it")
    parser.add_argument("--century", action="store_true", help="play a machine-century")
    parser.add_argument("--purchases", type=int, default=century.PURCHASES, help="of a century")
    parser.add_argument("--state", type=Path, default=century.STATE, help="how far a century is")
    chosen = parser.parse_args()
    if chosen.defects:
        return _defects(chosen.seed)
    if chosen.century:
        return _century(chosen)
    players = chosen.players or 3 * chosen.cabinets
    begun = time.monotonic()
    play = partial(_one, cabinets=chosen.cabinets, players=players)
    seeds = range(chosen.seed, chosen.seed + chosen.runs)
    struck: Counter[str] = Counter()
    branches: Counter[str] = Counter()
    broken: list[Result] = []
    coins = purchases = 0
    cpu = 0.0
    with multiprocessing.Pool() as pool:
        for result, kinds in pool.imap_unordered(play, seeds, chunksize=4):
            struck += kinds
            branches += result.branches
            coins += result.coins
            purchases += result.purchases
            cpu += result.cpu
            if result.broken:
                broken.append(result)
                print(f"seed {result.seed}: {result.broken}", flush=True)
    spent = time.monotonic() - begun
    print(f"\n{chosen.runs} runs from seed {chosen.seed}, each with {chosen.cabinets} cabinets and")
    print(f"{players} players; {coins} coins; {spent:.0f} s")
    print(f"{purchases} purchases, {purchases / max(cpu, 0.001):.0f} a second and core\n")
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


def _century(chosen: argparse.Namespace) -> int:
    players = chosen.players or 20 * chosen.cabinets
    fresh = century.Century(chosen.seed, century.commit(), chosen.cabinets, players)
    try:
        played = century.begin(fresh, chosen.state)
    except century.StateError as error:
        print(error, file=sys.stderr)
        return 2
    if not century.play(played, chosen.state, chosen.purchases):
        print(
            f"\nstopped at {played.purchases:,} of {chosen.purchases:,} purchases: the same "
            f"command goes on from {chosen.state}"
        )
        return 130
    print(f"\n{played.line()}")
    return int(bool(played.broken))


def _one(seed: int, cabinets: int, players: int) -> tuple[Result, Counter[str]]:
    """One run, with as little of it as has to travel between processes."""
    begun = time.process_time()
    result = simulate(seed, cabinets, players)
    result.cpu = time.process_time() - begun
    kinds = Counter(struck.kind for struck in result.struck)
    result.struck = []
    result.trace = []
    return result, kinds


def _telling(trace: list[str]) -> Iterator[str]:
    """The last lines of a trace without the heartbeats."""
    yield from [line for line in trace if "heartbeat" not in line][-TRACE_LINES:]


def catch(name: str, seed: int = 0, most: int = MOST_RUNS) -> tuple[int, str]:
    """Plants a defect and plays until an invariant breaks that holds without it; after how many
    runs, and which."""
    rates = RATES | {kind: min(0.5, 10 * RATES[kind]) for kind in OFTEN[name]}
    play = partial(simulate, rates=rates)
    for number in range(most):
        with pytest.MonkeyPatch.context() as monkeypatch:
            ALL_DEFECTS[name](monkeypatch)
            result = play(seed + number)
        if result.broken and not play(seed + number).broken:
            return number + 1, result.broken
    return 0, "not caught"


def _defects(seed: int) -> int:
    """Each defect from several first seeds; a search that catches nothing counts as the most."""
    missed = 0
    with multiprocessing.Pool() as pool:
        for name, told, runs in pool.imap(partial(_searches, seed=seed), ALL_DEFECTS):
            missed += not told
            print(
                f"median {statistics.median(runs):5.0f}, of {runs}: {name}: {told or 'not caught'}",
                flush=True,
            )
    print(f"{len(ALL_DEFECTS) - missed} of {len(ALL_DEFECTS)} defects were caught")
    return int(bool(missed))


def _searches(name: str, seed: int) -> tuple[str, str, list[int]]:
    found = [catch(name, seed + 1000 * number) for number in range(SEARCHES)]
    told = next((told for runs, told in found if runs), "")
    return name, told, [runs or MOST_RUNS for runs, _ in found]


if __name__ == "__main__":
    sys.exit(main())
