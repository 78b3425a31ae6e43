"""A machine-century: as many purchases as one cabinet sells in a hundred years, with every fault.

The seeds are played in their order, and what they came to is added up in the same order, so a
century that was stopped and continued comes to the same as one in one go.
"""

from __future__ import annotations

import json
import multiprocessing
import signal
import subprocess
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from tests.simulation.run import simulate

PURCHASES = 50 * 365 * 100  # fifty a day
STATE = Path("out/century.json")
SAVE_S = 5.0


@dataclass
class Century:
    """How far it is: ``runs`` seeds from ``seed`` on were played. Stored as JSON."""

    seed: int
    commit: str
    cabinets: int
    players: int
    runs: int = 0
    purchases: int = 0
    cpu: float = 0.0
    struck: dict[str, int] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)

    def line(self) -> str:
        """The one line that can be published."""
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(self.struck.items()))
        return (
            f"seed {self.seed}, commit {self.commit}: {self.purchases:,} purchases, "
            f"{sum(self.struck.values()):,} faults ({kinds}), "
            f"{len(self.broken)} broken invariants"
        )


@dataclass(frozen=True)
class _Played:
    purchases: int
    cpu: float
    struck: Counter[str]
    broken: str


def _play(seed: int, cabinets: int, players: int) -> _Played:
    begun = time.process_time()
    result = simulate(seed, cabinets, players)
    kinds = Counter(fault.kind for fault in result.struck)
    return _Played(result.purchases, time.process_time() - begun, kinds, result.broken)


def commit() -> str:
    """The commit that is played, with a ``+`` if files were changed since."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        return f"{head}+" if _git("status", "--porcelain", "--untracked-files=no") else head
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*words: str) -> str:
    return subprocess.run(
        ("git", *words), capture_output=True, text=True, check=True
    ).stdout.strip()


class StateError(Exception):
    """The state file is not of this century."""


def begin(fresh: Century, state: Path) -> Century:
    """The century that ``state`` holds, or ``fresh``. Raises :class:`StateError`."""
    if not state.exists():
        return fresh
    try:
        stored = Century(**json.loads(state.read_text()))
    except (ValueError, TypeError) as error:
        raise StateError(f"{state} is no state of a century: name another --state") from error
    for name in ("seed", "commit", "cabinets", "players"):
        was, now = getattr(stored, name), getattr(fresh, name)
        if was != now:
            raise StateError(
                f"{state} is of {name} {was}, and this would be {now}: go on with that one, or "
                "remove the file to begin anew"
            )
    return stored


def save(century: Century, state: Path) -> None:
    """Stores how far it is; a stop in the middle leaves the file of before."""
    state.parent.mkdir(parents=True, exist_ok=True)
    new = state.with_name(state.name + ".new")
    new.write_text(json.dumps(asdict(century)))
    new.replace(state)


def play(century: Century, state: Path, purchases: int, stop_after: int = 0) -> bool:
    """Plays until there are ``purchases``; returns whether there are.

    Ctrl-C stops it, and so do ``stop_after`` runs of this call. What was played is in ``state``.
    """
    one = partial(
        _play,
        cabinets=century.cabinets,
        players=century.players,
    )
    saved, before = time.monotonic(), century.runs
    # No more seeds than are left at the most: each has as many purchases as players, or nearly.
    first = century.seed + century.runs
    with multiprocessing.Pool(initializer=_ignore_interrupts) as pool:
        try:
            while century.purchases < purchases:
                left = purchases - century.purchases
                runs = max(multiprocessing.cpu_count(), left // (century.players + 1))
                seeds = range(first, first + min(runs, 1000))
                first = seeds.stop
                for played in pool.imap(one, seeds):
                    _add(century, played)
                    if time.monotonic() - saved > SAVE_S:
                        save(century, state)
                        _tell(century, purchases)
                        saved = time.monotonic()
                    if century.purchases >= purchases:
                        break
                    if stop_after and century.runs - before >= stop_after:
                        return False
        except KeyboardInterrupt:
            return False
        finally:
            pool.terminate()
            save(century, state)
    return True


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _add(century: Century, played: _Played) -> None:
    if played.broken:
        seed = century.seed + century.runs
        century.broken[str(seed)] = played.broken
        print(f"seed {seed}: {played.broken}", flush=True)
    century.runs += 1
    century.purchases += played.purchases
    century.cpu += played.cpu
    struck = Counter(century.struck)
    struck.update(played.struck)
    century.struck = dict(struck)


def _tell(century: Century, purchases: int) -> None:
    share = 100 * century.purchases / purchases
    speed = century.purchases / max(century.cpu, 0.001)
    print(
        f"\r{century.purchases:,} of {purchases:,} purchases ({share:.1f} %), "
        f"{speed:.0f} a second and core ",
        end="",
        flush=True,
    )
