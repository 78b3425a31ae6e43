"""A deployment as steps that look before they act, so that it may be broken off and begun again.

    look ── right ──────────────────────────▶ next step
      └──── not yet ── act ── look ── right ─▶ next step
                                └──── not ───▶ stop, and say what is missing

What is there decides, not what is remembered: a step that was broken off anywhere is found as it
was left, and what is right already is not touched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deploy.errors import DeployError


@dataclass(frozen=True)
class Step:
    """``missing`` says in a few words what is not right yet; nothing, if all is. ``act`` makes it
    right, and may be repeated."""

    name: str
    missing: Callable[[], str]
    act: Callable[[], None]


def run(steps: Sequence[Step], say: Callable[[str], None]) -> int:
    """Makes everything right, in order; returns how many steps had to act. Raises
    :class:`DeployError` at the first that cannot."""
    acted = 0
    for number, step in enumerate(steps, 1):
        what = step.missing()
        if what:
            say(f"{number}/{len(steps)} {step.name}: {what} ...")
            step.act()
            acted += 1
            if left := step.missing():
                raise DeployError(f"{step.name}: {left}, although it was just done: run this again")
        say(f"{number}/{len(steps)} {step.name}: right")
    return acted


def table(steps: Sequence[Step]) -> list[tuple[str, str]]:
    """Each step with what is missing; a step whose question cannot be asked says why. Changes
    nothing."""
    found = []
    for step in steps:
        try:
            found.append((step.name, step.missing()))
        except DeployError as error:
            found.append((step.name, str(error)))
    return found
