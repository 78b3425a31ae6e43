"""``python -m tests.faults.cloud POINT …``: the sandbox, whose cloud is killed at a point.

``write-before:2`` is the point before its second write of a hold or an order; ``stripe`` are the
calls that ask for a payment or move money. What follows the point is the sandbox's own command
line.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cloud.adapters.mqtt_publisher import MqttPublisher
from cloud.adapters.stripe_gateway import Gateway, StripeGateway
from cloud.core.holds import Hold
from cloud.core.orders import Order
from cloud.settings import Settings
from cloud.stores.base import Ledger
from cloud.wiring import Cloud, open_ledger
from sandbox import __main__ as sandbox
from tests.faults.fail_point import FailPoint, faulty

KINDS = ("write", "stripe")


def faulty_ledger(ledger: Ledger, fail_point: FailPoint) -> Ledger:
    """A ledger where the process can be killed at the writes of holds and orders."""
    return faulty(
        ledger,
        fail_point,
        "write",
        ("insert", "replace"),
        counts=lambda item, *_args, **_kwargs: isinstance(item, Hold | Order),
    )


def faulty_gateway(gateway: Gateway, fail_point: FailPoint) -> Gateway:
    """Stripe, where the process can be killed at the calls about a payment."""
    return faulty(gateway, fail_point, "stripe", ("payment", "capture", "cancel", "refund"))


def main(arguments: Sequence[str]) -> int:
    fail_point = FailPoint.parse(arguments[0], KINDS)

    def build(settings: Settings) -> Cloud:
        stripe = StripeGateway(settings.stripe_key, settings.stripe_api_base)
        return Cloud(
            ledger=faulty_ledger(open_ledger(settings.ledger), fail_point),
            stripe=faulty_gateway(stripe, fail_point),
            publisher=MqttPublisher(settings.mqtt_url),
            settings=settings,
        )

    return sandbox.main(arguments[1:], build)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
