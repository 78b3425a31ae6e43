"""What the screen shows while the engine does not answer: no code, as nobody would see it paid.

The engine may be busy with one event for as long as a pulse takes, and a commit. A disk that hangs
keeps it for longer, and nothing in the engine can say so: whoever draws the screen has to look.
"""

from __future__ import annotations

from kiosk.core.view import Alert, Screen, View

PATIENCE_S = 3.0  # besides the pulse
START_PATIENCE_S = 30.0  # while relay and journal are opened for the first time, without a code

STUCK = Alert("E7", "the kiosk waits for its disk or its relay: check both, and start it again")


def watched(view: View, busy_s: float, longest_pulse_s: float) -> View:
    """``view``, or what is shown instead of it when the engine is stuck.

    ``busy_s`` is how long the engine has been busy with one event.
    """
    patience = START_PATIENCE_S if view.screen is Screen.STARTING else PATIENCE_S + longest_pulse_s
    if busy_s <= patience:
        return view
    return View(Screen.OUT_OF_ORDER, alerts=(*view.alerts, STUCK))
