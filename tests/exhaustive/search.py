"""Breadth-first search over all worlds, by the number of faults first and by steps within."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.exhaustive.invariants import Broken
from tests.exhaustive.model import Model
from tests.exhaustive.world import World


@dataclass(frozen=True)
class Violation:
    """A broken invariant, and the shortest way to it with the fewest faults."""

    told: str
    path: tuple[str, ...]


@dataclass(frozen=True)
class Layer:
    """All worlds with a number of faults, so far as they were seen.

    ``depth`` is the steps after the last fault up to which all were seen; in a search by steps,
    those from the start, with any faults.
    """

    faults: int
    states: int
    depth: int
    is_complete: bool


@dataclass
class Found:
    """What a search has seen. In ``ends`` worlds everything had come to its end."""

    states: int = 0
    steps: int = 0
    ends: int = 0
    seconds: float = 0.0
    layers: list[Layer] = field(default_factory=list)
    violation: Violation | None = None


def search(
    model: Model,
    seconds: float = 300.0,
    most_faults: int = 99,
    most_depth: int = 10_000,
    by_steps: bool = False,
    on_layer: Callable[[Found], None] = lambda found: None,
) -> Found:
    """Sees every world that can be reached, until the time is over or an invariant breaks.

    First all worlds without a fault, then all with one, and so on: what is seen is complete for the
    faults and steps that are told. With ``by_steps``, all worlds by their steps, however many
    faults there were.
    """
    begun = time.monotonic()
    found = Found()
    parents: dict[World, World | None] = {model.first: None}
    good: set[World] = set()
    frontier = [model.first]
    # One step may have two faults: a lost request, and a crash while the cabinet reads of it.
    later: defaultdict[int, list[World]] = defaultdict(list)
    for faults in range(most_faults + 1):
        count, depth, is_complete = 0, 0, True
        while frontier and is_complete:
            following: list[World] = []
            for number, world in enumerate(frontier):
                if number % 256 == 0 and time.monotonic() - begun > seconds:
                    is_complete = False
                    break
                count += 1
                try:
                    _expand(model, world, parents, good, following, later, found, by_steps)
                except _Stop as stop:
                    found.violation = stop.violation
                    break
            if found.violation or depth >= most_depth:
                is_complete = False
                break
            if is_complete:
                depth += 1
            frontier = following
        found.states += count
        found.seconds = time.monotonic() - begun
        found.layers.append(Layer(faults, count, depth, is_complete))
        on_layer(found)
        if found.violation or not is_complete or not later:
            break
        frontier = later.pop(faults + 1, [])
    return found


class _Stop(Exception):
    def __init__(self, violation: Violation) -> None:
        super().__init__()
        self.violation = violation


def _expand(
    model: Model,
    world: World,
    parents: dict[World, World | None],
    good: set[World],
    following: list[World],
    later: defaultdict[int, list[World]],
    found: Found,
    by_steps: bool,
) -> None:
    if model.is_over(world):
        found.ends += 1
    steps = model.steps(world)
    found.steps += len(steps)
    for label, _, to in steps:
        if isinstance(to, Broken):
            path = (*_path(model, parents, world), model.tell(label))
            raise _Stop(Violation(str(to), path))
        if to not in parents:
            parents[to] = world
            if by_steps or to.faults == world.faults:
                following.append(to)
            else:
                later[to.faults.bit_count()].append(to)
    # Steps without a fault come first.
    if steps and steps[0].to in good and not steps[0].fault:
        good.add(world)
    if world not in good:
        told = _ends_well(model, world, good)
        if told:
            raise _Stop(Violation(told[0], (*_path(model, parents, world), *told[1:])))


def _ends_well(model: Model, world: World, good: set[World]) -> tuple[str, ...]:
    """Whether all comes to its end from here, if no other fault happens and everything that is
    under way arrives; if not, what is wrong and the steps to it."""
    seen = {world}
    way: list[tuple[World, list[tuple[str, World]]]] = []
    here, last = world, ""
    labels: list[str] = []
    while here not in good:
        if model.is_over(here):
            try:
                model.check_end(here)
            except Broken as broken:
                return (str(broken), *labels)
            break
        # The most urgent step is the last of the list.
        open_steps = []
        for label, _, to in reversed(model.steps(here, with_faults=False)):
            if isinstance(to, Broken):
                return (str(to), *labels, model.tell(label))
            open_steps.append((model.tell(label), to))
        way.append((here, open_steps))
        while way:
            choices = way[-1][1]
            while choices and choices[-1][1] in seen:
                choices.pop()
            if choices:
                break
            way.pop()
            if labels:
                labels.pop()
        if not way:
            return ("an order never comes to its end, whatever happens from here", last)
        last, here = way[-1][1].pop()
        labels.append(last)
        seen.add(here)
    good.add(here)
    good.update(passed for passed, _ in way)
    return ()


def _path(model: Model, parents: dict[World, World | None], world: World) -> tuple[str, ...]:
    """The steps that lead to a world, for people."""
    told: list[str] = []
    here: World = world
    while (before := parents[here]) is not None:
        step = next(step for step in model.steps(before) if step.to == here)
        told.append(model.tell(step.label))
        here = before
    return tuple(reversed(told))
