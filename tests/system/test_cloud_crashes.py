"""The real cloud, killed between each two steps of /addCredit, /claim, /settle and the sweep."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.core.orders import OrderState
from tests.marks import slow_after
from tests.system.hall import Hall, until

# The hold is kept; the order is stored, claimed, settling, settled. Stripe is asked to capture, and
# after a kill at the hold also for the payment, since its session's event comes first then.
SERVED = [f"write-{when}:{n}" for when in ("before", "after") for n in (1, 2, 3, 4, 5)]
SERVED += [f"stripe-{when}:1" for when in ("before", "after")]
# The hold is kept; the order is stored, releasing, released. Stripe is asked to cancel.
RELEASED = [f"write-{when}:{n}" for when in ("before", "after") for n in (3, 4)]
RELEASED += [f"stripe-{when}:1" for when in ("before", "after")]


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    made = Hall(tmp_path)
    yield made
    made.close()


def restart_after_the_kill(hall: Hall) -> None:
    """Waits until the cloud is killed, and starts the sandbox again, without a fail point."""
    assert hall.sandbox
    assert hall.sandbox.ended(20) == -signal.SIGKILL
    hall.sandbox.stop()
    hall.open({"ORDER_DEADLINE_SECONDS": "60"})


@pytest.mark.parametrize("point", slow_after(1, SERVED))
def test_an_order_is_served_and_charged_once(hall: Hall, point: str) -> None:
    hall.open({"ORDER_DEADLINE_SECONDS": "60"}, fail_point=point)
    cabinet = hall.add("cab001", rules="ask_s = 1\n")
    hall.kiosk(cabinet)
    order_id = hall.pay(cabinet, 2)
    restart_after_the_kill(hall)
    order = hall.finished(order_id)
    assert (order.state, order.pulsed, order.charged) == (OrderState.SETTLED, 2, 200)
    assert cabinet.closings() == 2
    assert hall.charged(order_id) == 200


@pytest.mark.parametrize("point", slow_after(1, RELEASED))
def test_an_order_that_nobody_claims_goes_back_once(hall: Hall, point: str) -> None:
    hall.open({"ORDER_DEADLINE_SECONDS": "1"}, fail_point=point)
    cabinet = hall.add("cab001")
    kiosk = hall.kiosk(cabinet)
    until(lambda: cabinet.shows("ready"), "the code")
    kiosk.stop()
    # The kiosk is off and the link is on a photo: the link stays on until the cabinet is missed.
    order_id = hall.pay_at(hall.link_of("cab001"), 2)
    restart_after_the_kill(hall)
    order = hall.finished(order_id)
    assert (order.state, order.charged) == (OrderState.RELEASED, 0)
    assert cabinet.closings() == 0
    assert hall.charged(order_id) == 0
