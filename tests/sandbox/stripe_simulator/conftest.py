"""A served Stripe simulator under the watch of Stripe's own description."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins import stripe_description as plugin
from tests.plugins.stripe_description import Described
from tests.sandbox.stripe_simulator.bench import Bench, Clock, Endpoint, opened, served

# As fixtures of these tests, too, whether or not the whole suite registers the plugin.
described = plugin.described
stripe_description = plugin.stripe_description


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def endpoint(clock: Clock) -> Iterator[Endpoint]:
    """The endpoint that the bench's webhooks go to."""
    made = Endpoint(clock)
    with served(made.app()) as url:
        made.url = f"{url}/addCredit"
        yield made


@pytest.fixture
def bench(tmp_path: Path, clock: Clock, described: Described) -> Iterator[Bench]:
    """A simulator without an endpoint."""
    with opened(tmp_path, clock, described, None) as made:
        yield made


@pytest.fixture
def hooked(
    tmp_path: Path, clock: Clock, described: Described, endpoint: Endpoint
) -> Iterator[Bench]:
    """A simulator with an endpoint."""
    with opened(tmp_path, clock, described, endpoint.url) as made:
        yield made


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/addCredit"
