"""The one list of events that the cloud reads: everything else agrees with it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from stripe.params import WebhookEndpointCreateParams

from cloud.services.stripe_events import EVENTS_READ
from tests.fakes.arcade import Arcade

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("kind", EVENTS_READ)
def test_each_event_of_the_list_is_read(arcade: Arcade, kind: str) -> None:
    status, body = arcade.deliver(arcade.event(kind, {"id": "x"}))
    assert status == 200
    assert "nothing to do" not in body["message"]


def test_no_other_event_is_read(arcade: Arcade) -> None:
    for kind in ("payment_intent.amount_capturable_updated", "charge.captured", "invoice.paid"):
        body = arcade.deliver(arcade.event(kind, {"id": "x"}))[1]
        assert body["message"] == f"nothing to do for {kind}"


def test_an_endpoint_can_be_made_with_them() -> None:
    """By the types of Stripe's own library."""
    wanted = str(WebhookEndpointCreateParams.__annotations__["enabled_events"])
    known = set(re.findall(r"['\"]([a-z_.0-9]+)['\"]", wanted)) or {
        name for part in get_args(wanted) for name in get_args(part)
    }
    assert len(known) > 100
    assert set(EVENTS_READ) <= known


def test_the_page_for_operators_names_them_all() -> None:
    page = (ROOT / "docs/cloud.md").read_text()
    paragraph = next(p for p in page.split("\n\n") if p.startswith("Stripe's webhook endpoint"))
    assert sorted(re.findall(r"`([a-z_.]+)`", paragraph)) == sorted(EVENTS_READ)
