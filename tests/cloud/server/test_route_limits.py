"""The limits of ``cloud.serve``: those of the template, each route with its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from cloud.http.refusals import Refusals
from cloud.server.route_limits import LIMITS, Limit, RouteLimits


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def limited(clock: Clock, **limits: Limit) -> RouteLimits:
    return RouteLimits(lambda event, _context: event["routeKey"], Refusals(clock), clock, limits)


def ask(handler: RouteLimits, route: str) -> Any:
    answer = handler({"routeKey": route}, None)
    return answer if isinstance(answer, str) else answer["statusCode"]


def test_a_burst_is_taken_and_then_so_many_a_second() -> None:
    clock = Clock()
    handler = limited(clock, claim=Limit(2, 3))
    assert [ask(handler, "claim") for _ in range(4)] == ["claim"] * 3 + [429]
    clock.now += 0.5
    assert [ask(handler, "claim") for _ in range(2)] == ["claim", 429]
    clock.now += 3600
    assert [ask(handler, "claim") for _ in range(4)] == ["claim"] * 3 + [429]


def test_junk_on_one_route_takes_nothing_from_another() -> None:
    handler = limited(Clock(), webhook=Limit(1, 1), claim=Limit(1, 1))
    assert [ask(handler, "$default") for _ in range(200)].count(429) == 100
    assert [ask(handler, "claim") for _ in range(5)][1:] == [429] * 4
    assert ask(handler, "webhook") == "webhook"


def test_they_are_those_of_the_template(root: Path) -> None:
    text = (root / "lambda" / "template.yaml").read_text()
    routes = text.partition("RouteSettings:\n")[2].partition("RouteSettings:\n")[2]
    lines = [line for line in routes.splitlines() if "ThrottlingRateLimit" in line]
    settings: dict[str, dict[str, int]] = yaml.safe_load("\n".join(line.strip() for line in lines))
    assert {
        route: Limit(each["ThrottlingRateLimit"], each["ThrottlingBurstLimit"])
        for route, each in settings.items()
    } == dict(LIMITS)
