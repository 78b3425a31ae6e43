"""The alarms: each has a metric that somebody makes, somebody to tell, and a page that says what
to do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloud.core.metrics import METRICS, NAMESPACE
from tests.project.test_template import _Loader, functions

# What AWS counts by itself. Source: AWS, "Lambda function metrics".
OF_LAMBDA = {"Invocations", "Errors", "Throttles", "Duration"}
FREE_ALARMS = 10


@pytest.fixture
def template(root: Path) -> dict[str, Any]:
    loaded = yaml.load((root / "lambda" / "template.yaml").read_text(), _Loader)
    assert isinstance(loaded, dict)
    return loaded


@pytest.fixture
def page(root: Path) -> str:
    return (root / "docs" / "operate.md").read_text()


def of_type(template: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {
        name: resource["Properties"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == kind
    }


def alarms(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return of_type(template, "AWS::CloudWatch::Alarm")


def watched(alarm: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The namespace, the name and the statistic of each metric that an alarm looks at."""
    if "Metrics" in alarm:
        for query in alarm["Metrics"]:
            if "MetricStat" in query:
                stat = query["MetricStat"]
                metric = stat["Metric"]
                yield metric["Namespace"], metric["MetricName"], stat["Stat"]
    else:
        yield alarm["Namespace"], alarm["MetricName"], alarm["Statistic"]


def counted(template: dict[str, Any]) -> set[str]:
    """The metrics of our namespace: those of the log's lines, and those of the template."""
    found = set(METRICS)
    for filter_ in of_type(template, "AWS::Logs::MetricFilter").values():
        for made in filter_["MetricTransformations"]:
            assert made["MetricNamespace"] == NAMESPACE
            found.add(made["MetricName"])
    return found


def test_each_alarm_looks_at_a_metric_that_is_made(template: dict[str, Any]) -> None:
    assert alarms(template)
    for name, alarm in alarms(template).items():
        for namespace, metric, _ in watched(alarm):
            made = {NAMESPACE: counted(template), "AWS/Lambda": OF_LAMBDA}[namespace]
            assert metric in made, name


def test_amounts_are_counted_by_how_often_they_happened(template: dict[str, Any]) -> None:
    """An amount may be 0, and nobody knows how large one is in yen."""
    for alarm in alarms(template).values():
        for namespace, metric, statistic in watched(alarm):
            if namespace == NAMESPACE:
                money = METRICS.get(metric) == "None"
                assert statistic == ("SampleCount" if money else "Sum")


def test_each_metric_that_only_trouble_makes_has_an_alarm(template: dict[str, Any]) -> None:
    seen = {metric for alarm in alarms(template).values() for _, metric, _ in watched(alarm)}
    of_play = {"paid", "claimed", "settled", "released", "forgiven"}
    of_play |= {"event_to_claim_ms", "claim_to_settle_ms"}
    assert counted(template) - of_play <= seen


def test_each_alarm_tells_somebody(template: dict[str, Any]) -> None:
    for alarm in alarms(template).values():
        assert alarm["AlarmActions"] == ["Alarms"]
    told = template["Resources"]["AlarmsByEmail"]["Properties"]
    assert (told["Protocol"], told["Endpoint"]) == ("email", "AlarmEmail")
    for notice in template["Resources"]["Spend"]["Properties"]["NotificationsWithSubscribers"]:
        assert notice["Subscribers"] == [{"SubscriptionType": "SNS", "Address": "Alarms"}]
    [rule] = template["Resources"]["AlarmsPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert set(rule["Principal"]["Service"]) == {
        "cloudwatch.amazonaws.com",
        "budgets.amazonaws.com",
    }


def test_silence_of_a_metric_is_well_but_for_the_sweeps(template: dict[str, Any]) -> None:
    breaching = {
        name for name, alarm in alarms(template).items() if alarm["TreatMissingData"] == "breaching"
    }
    assert breaching == {"SweepStopped"}


def test_the_alarms_are_within_those_that_cost_nothing(template: dict[str, Any]) -> None:
    assert sum(len(list(watched(alarm))) for alarm in alarms(template).values()) <= FREE_ALARMS


def test_every_function_that_fails_raises_an_alarm(template: dict[str, Any]) -> None:
    seen = {
        dimension["Value"]
        for query in alarms(template)["FunctionFails"]["Metrics"]
        if "MetricStat" in query
        for dimension in query["MetricStat"]["Metric"]["Dimensions"]
    }
    assert seen == set(functions(template))


def test_the_page_has_each_alarm_with_what_it_means_and_what_to_do(
    template: dict[str, Any], page: str
) -> None:
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL))
    assert set(sections) == {*alarms(template), "Spend"}
    for name, text in sections.items():
        assert "**Means:**" in text, name
        assert "**Do:**" in text, name


def test_the_page_says_when_each_alarm_is_raised(template: dict[str, Any], page: str) -> None:
    for name, alarm in alarms(template).items():
        [section] = re.findall(rf"^### {name}\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL)
        for namespace, metric, _ in watched(alarm):
            if namespace == NAMESPACE:
                assert f"`{metric}`" in section, name


def test_the_page_has_each_metric(template: dict[str, Any], page: str) -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == counted(template)


def test_the_dashboard_shows_the_alarms_and_metrics_that_there_are(
    template: dict[str, Any],
) -> None:
    body = json.loads(template["Resources"]["Dashboard"]["Properties"]["DashboardBody"])
    [shown] = [w["properties"]["alarms"] for w in body["widgets"] if w["type"] == "alarm"]
    assert set(shown) == {f"${{{name}.Arn}}" for name in alarms(template)}
    metrics = set()
    for widget in body["widgets"]:
        namespace = ""
        for line in widget["properties"].get("metrics", []):
            namespace = line[0] if line[0] not in (".", "...") else namespace
            if namespace == NAMESPACE and line[0] != "...":
                metrics.add(line[1])
    assert metrics == counted(template)
