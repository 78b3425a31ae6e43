"""The cabinet: what it does about everything that happens to it.

One pure function, :func:`advance`, takes the state and an event and returns the next state and the
effects, in the order in which they are to be done. Its rules:

1. **Money.** A hint makes a claim, a granted claim makes pulses, pulses make a settle. Each is
   written to the journal before it is done (``Append`` stands before ``Pulse``, ``Call`` and
   ``Acknowledge``), and each is done again after a crash unless the journal says that it was done.
2. **Handlers change the state, the drive acts on it.** ``handlers.handle`` records what an event
   says; then ``drive.drive`` looks at the state and starts whatever should be under way and is
   not. A restart is no special case: the journal is folded, and the drive goes on.
3. **After a restart nothing is pulsed before the cloud was asked again** with the same claim id.
   Its answer carries the order's age by the cloud's clock, so no clock of the cabinet decides
   whether the player is still there.
4. **A broken journal or relay stops the money.** The cabinet says so, on its screen and in its
   heartbeat, and tries again by itself.
5. **Nothing waits for ever.** Every call that failed has a time for the next try.

Times are seconds of a monotonic clock.
"""

from __future__ import annotations

from kiosk.core.cabinet.drive import drive
from kiosk.core.cabinet.handlers import handle
from kiosk.core.cabinet.rules import Rules
from kiosk.core.cabinet.state import State
from kiosk.core.cabinet.step import Context, Step
from kiosk.core.effects import Effect
from kiosk.core.events import Event


def advance(
    state: State, event: Event, context: Context, rules: Rules
) -> tuple[State, tuple[Effect, ...]]:
    """The state after ``event``, and what is to be done about it, in this order."""
    step = Step(state, context, rules)
    handle(step, event)
    drive(step)
    return step.state, tuple(step.effects)
