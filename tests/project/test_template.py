"""The SAM template: SAM itself takes it, and it serves the contract's calls and no others."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloud.parameter_path import KEPT_ELSEWHERE, parameter_path
from cloud.settings import SettingsError, Table, from_environment, ledger_mistakes, table_of
from cloud.stores.dynamodb_table import TABLE, TTL
from cloud.wiring import read_settings
from tests.cloud.test_settings import GOOD


class _Loader(yaml.SafeLoader):
    """Takes CloudFormation's short forms (!Ref, !Sub, …) for what stands behind them."""


def _short(loader: _Loader, _suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node)
    assert isinstance(node, yaml.MappingNode)
    return loader.construct_mapping(node)


_Loader.add_multi_constructor("!", _short)


@pytest.fixture
def file(root: Path) -> Path:
    return root / "lambda" / "template.yaml"


@pytest.fixture
def template(file: Path) -> dict[str, Any]:
    loaded = yaml.load(file.read_text(), _Loader)
    assert isinstance(loaded, dict)
    return loaded


@pytest.fixture
def validate(need: Callable[..., str], tmp_path: Path) -> Callable[[Path], str]:
    """What ``sam validate --lint`` has against a template; nothing, if all is well."""
    sam = need("sam", package="it with `make sam`")

    def run(template: Path) -> str:
        # With a home of its own and no account: it reads the file, and asks nobody.
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "SAM_CLI_TELEMETRY": "0",
            "LANG": "C.UTF-8",
        }
        done = subprocess.run(
            [sam, "validate", "--lint", "--region", "eu-west-1", "--template", template],
            capture_output=True,
            text=True,
            timeout=120,
            env=environment,
            cwd=tmp_path,
        )
        return "" if done.returncode == 0 else done.stdout + done.stderr

    return run


def functions(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        name: resource["Properties"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def test_sam_is_content(file: Path, validate: Callable[[Path], str]) -> None:
    assert validate(file) == ""


def test_sam_would_find_a_wrong_setting(
    file: Path, validate: Callable[[Path], str], tmp_path: Path
) -> None:
    wrong = tmp_path / "template.yaml"
    wrong.write_text(file.read_text().replace("RetentionInDays: 30", "RetentionInDays: 31"))
    assert "31 is not one of" in validate(wrong)


def test_its_routes_are_the_contracts(template: dict[str, Any], root: Path) -> None:
    served = {
        f"{event['Properties']['Method']} {event['Properties']['Path']}"
        for function in functions(template).values()
        for event in function["Events"].values()
        if event["Type"] == "HttpApi"
    }
    contract = (root / "docs" / "protocol.md").read_text()
    promised = set(re.findall(r"^\| `((?:GET|POST) /[\w-]+)", contract, re.MULTILINE))
    assert promised
    assert served == promised


def test_junk_on_one_route_takes_nothing_from_stripes_webhook(
    template: dict[str, Any], root: Path
) -> None:
    limits = template["Resources"]["Api"]["Properties"]["RouteSettings"]
    contract = (root / "docs" / "protocol.md").read_text()
    promised = set(re.findall(r"^\| `((?:GET|POST) /[\w-]+)", contract, re.MULTILINE))
    assert set(limits) == promised
    rates = {route: limit["ThrottlingRateLimit"] for route, limit in limits.items()}
    assert max(rates.values()) == rates["POST /addCredit"]
    # What a call may take at worst, Stripe hanging: below a new account's thousand at once.
    assert rates["POST /create-payment-link"] * 2 * 23 < 1000
    assert all(limit["ThrottlingBurstLimit"] <= 100 for limit in limits.values())


def test_throttled_calls_are_logged_and_counted_without_addresses(
    template: dict[str, Any],
) -> None:
    resources = template["Resources"]
    api = resources["Api"]["Properties"]
    told = set(re.findall(r"\$context\.([\w.]+)", api["AccessLogSettings"]["Format"]))
    assert told == {"routeKey", "status", "error.responseType"}
    assert api["AccessLogSettings"]["DestinationArn"] == "AccessLog.Arn"
    assert resources["AccessLog"]["Properties"] == {"RetentionInDays": 30}
    assert "429" in resources["Throttled"]["Properties"]["FilterPattern"]


def test_its_functions_are_in_the_cloud(template: dict[str, Any]) -> None:
    for function in functions(template).values():
        module, name = function["Handler"].rsplit(".", 1)
        assert callable(getattr(import_module(module), name))


def test_the_cloud_is_told_all_that_it_must_know(template: dict[str, Any]) -> None:
    told = template["Globals"]["Function"]["Environment"]["Variables"]
    with pytest.raises(SettingsError) as raised:
        from_environment({})
    wanted = set(re.findall(r"^([A-Z_]+) is not set", str(raised.value), re.MULTILINE))
    assert wanted <= set(told) | set(KEPT_ELSEWHERE)
    # With an environment that says nothing of it, the cloud reads each of these all the same.
    read: set[str] = set()

    class Environment(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            read.add(name)
            return super().get(name, default)

    with pytest.raises(SettingsError):
        read_settings(Environment())
    assert set(told) <= read


def test_the_parameters_defaults_are_taken_by_the_cloud(template: dict[str, Any]) -> None:
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    defaults = {
        name: str(template["Parameters"][value]["Default"])
        for name, value in variables.items()
        if isinstance(value, str) and "Default" in template["Parameters"].get(value, {})
    }
    assert set(defaults) >= {"PAYMENT_METHODS", "MQTT_CA_FILE"}
    assert from_environment(GOOD | defaults) == from_environment(GOOD)


def test_no_secret_is_in_the_functions_configuration_or_a_parameter(
    template: dict[str, Any],
) -> None:
    told = template["Globals"]["Function"]["Environment"]["Variables"]
    assert not set(told) & set(KEPT_ELSEWHERE)
    for function in functions(template).values():
        assert "Environment" not in function
    assert not re.search("resolve:|NoEcho", str(template))
    place = told["SECRETS"].replace("${Stage}", template["Parameters"]["Stage"]["Default"])
    assert parameter_path({"SECRETS": place, "AWS_REGION": "eu-west-1"}).path == (
        "/arcade-kiosk/main"
    )


def test_the_receipts_address_is_the_apis_own_without_a_second_deployment(
    template: dict[str, Any],
) -> None:
    resources = template["Resources"]
    address = resources["ApiAddress"]
    assert address["Type"] == "AWS::SSM::Parameter"
    secrets = template["Globals"]["Function"]["Environment"]["Variables"]["SECRETS"]
    assert f"ssm:{address['Properties']['Name']}" == f"{secrets}/PUBLIC_URL"
    assert address["Properties"]["Value"] == [
        "HasPublicUrl",
        "PublicUrl",
        template["Outputs"]["ApiUrl"]["Value"],
    ]
    # The first sweep finds it.
    assert resources["Sweep"]["DependsOn"] == "ApiAddress"


def test_a_sweep_ends_before_the_next_begins(template: dict[str, Any]) -> None:
    [sweep] = [
        function
        for function in functions(template).values()
        if function["Handler"] == "cloud.handler.sweep"
    ]
    assert [event["Properties"] for event in sweep["Events"].values()] == [
        {"Schedule": "rate(1 minute)"}
    ]
    assert sweep["Timeout"] < 60
    assert sweep["EventInvokeConfig"]["MaximumRetryAttempts"] == 0


def test_logs_are_kept_for_30_days(template: dict[str, Any]) -> None:
    resources = template["Resources"]
    for function in functions(template).values():
        assert resources[function["LoggingConfig"]["LogGroup"]]["Properties"] == {
            "RetentionInDays": 30
        }


def test_the_functions_may_write_logs_read_secrets_and_use_the_ledgers_items_and_nothing_else(
    template: dict[str, Any],
) -> None:
    rules = [
        rule
        for policy in template["Resources"]["Role"]["Properties"]["Policies"]
        for rule in policy["PolicyDocument"]["Statement"]
    ]
    allowed = {
        str(rule["Resource"]): set(rule["Action"]) for rule in rules if rule["Effect"] == "Allow"
    }
    path = "parameter/arcade-kiosk/${Stage}"
    assert allowed == {
        "['HandlerLog.Arn', 'SweepLog.Arn']": {"logs:CreateLogStream", "logs:PutLogEvents"},
        f"arn:${{AWS::Partition}}:ssm:${{AWS::Region}}:${{AWS::AccountId}}:{path}": {
            "ssm:GetParametersByPath"
        },
        "Table.Arn": {
            "dynamodb:BatchGetItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
        },
        "${Table.Arn}/index/*": {"dynamodb:Query"},
    }
    assert len(rules) == len(allowed)


def test_its_table_is_the_stores_and_outlives_every_mistake(template: dict[str, Any]) -> None:
    table = template["Resources"]["Table"]
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Retain", "Retain")
    properties = table["Properties"]
    assert {name: properties[name] for name in TABLE} == TABLE
    assert properties["DeletionProtectionEnabled"] is True
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["TimeToLiveSpecification"] == {"AttributeName": TTL, "Enabled": True}


def test_its_ledger_is_the_table_with_the_years_that_the_cloud_has(
    template: dict[str, Any],
) -> None:
    told = template["Globals"]["Function"]["Environment"]["Variables"]["LEDGER"]
    years = template["Parameters"]["KeepYears"]["Default"]
    for name, value in (("Table", "arcade"), ("AWS::Region", "eu-west-1"), ("KeepYears", years)):
        told = told.replace(f"${{{name}}}", str(value))
    assert list(ledger_mistakes("LEDGER", told)) == []
    assert table_of(told) == Table("arcade", "eu-west-1")


def test_the_lambda_is_pinned_to_what_the_tests_use(root: Path) -> None:
    lambdas = set((root / "lambda" / "requirements.txt").read_text().split())
    assert any(line.startswith("stripe==") for line in lambdas)
    assert lambdas <= set((root / "requirements.txt").read_text().split())


def test_a_machine_of_ones_own_is_pinned_to_what_the_tests_use(root: Path) -> None:
    lambdas = (root / "lambda" / "requirements.txt").read_text().splitlines()
    served = (root / "lambda" / "requirements-serve.txt").read_text().splitlines()
    assert set(lambdas) <= set(served) <= set((root / "requirements.txt").read_text().splitlines())
    assert {"waitress", "werkzeug"} <= {line.partition("==")[0] for line in served}
