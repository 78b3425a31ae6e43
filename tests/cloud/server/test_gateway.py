"""The gateway against what AWS documents of payload format 2.0."""

from __future__ import annotations

import base64
import json
import logging
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from cloud.http.api_gateway import request_of
from cloud.server.gateway import LARGEST_BODY, LambdaContext, lambda_app

NOW = 1_583_348_638.39


class Recorder:
    """A handler that keeps what it was called with and returns ``answer``."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer
        self.event: dict[str, Any] = {}
        self.context: Any = None
        self.calls = 0

    def __call__(self, event: dict[str, Any], context: Any) -> Any:
        self.event, self.context = event, context
        self.calls += 1
        return self.answer


def call(recorder: Recorder, path: str = "/", **how: Any) -> TestResponse:
    return Client(lambda_app(recorder, "arcade", lambda: NOW)).open(path, **how)


def test_an_event_has_every_field_that_aws_sends() -> None:
    recorder = Recorder({"statusCode": 204})
    call(
        recorder,
        "/receipt?session_id=cs_1",
        base_url="http://pay.example.com:8080",
        headers={"User-Agent": "phone/1"},
        environ_base={"REMOTE_ADDR": "192.0.2.1"},
    )
    event = recorder.event
    context = event.pop("requestContext")
    assert {"host": "pay.example.com:8080", "user-agent": "phone/1"}.items() <= event[
        "headers"
    ].items()
    assert event["headers"]["content-length"] == "0"
    assert event["headers"]["x-forwarded-for"] == "192.0.2.1"
    assert event["headers"]["x-forwarded-port"] == "8080"
    assert event["headers"]["x-forwarded-proto"] == "http"
    assert event["headers"]["x-amzn-trace-id"].startswith("Root=1-5e5ffb9e-")
    del event["headers"]
    assert event == {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/receipt",
        "rawQueryString": "session_id=cs_1",
        "queryStringParameters": {"session_id": "cs_1"},
        "isBase64Encoded": False,
    }
    assert context.pop("requestId")
    assert context == {
        "accountId": "000000000000",
        "apiId": "sandbox000",
        "domainName": "pay.example.com",
        "domainPrefix": "pay",
        "http": {
            "method": "GET",
            "path": "/receipt",
            "protocol": "HTTP/1.1",
            "sourceIp": "192.0.2.1",
            "userAgent": "phone/1",
        },
        "routeKey": "$default",
        "stage": "$default",
        "time": "04/Mar/2020:19:03:58 +0000",
        "timeEpoch": 1583348638390,
    }


def test_the_cloud_reads_the_event_as_it_reads_one_of_aws() -> None:
    recorder = Recorder({"statusCode": 204})
    app = lambda_app(recorder, routes=["POST /claim"])
    Client(app).post("/claim?a=1", json={"machine_id": "cab001"})
    http = recorder.event["requestContext"]["http"]
    assert (http["method"], http["path"]) == ("POST", "/claim")
    request = request_of(recorder.event)
    assert request.route == "POST /claim"
    assert request.json_body() == {"machine_id": "cab001"}
    assert request.query == {"a": "1"}
    assert recorder.event["requestContext"]["stage"] == "$default"


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("GET", "/status", "GET /status"),
        ("POST", "/status", "$default"),
        ("HEAD", "/status", "$default"),
        ("GET", "/status/", "$default"),
        ("GET", "/nothing", "$default"),
    ],
)
def test_a_request_has_the_route_of_its_method_and_path(method: str, path: str, route: str) -> None:
    recorder = Recorder({"statusCode": 204})
    Client(lambda_app(recorder, routes=["GET /status", "POST /claim"])).open(path, method=method)
    assert recorder.event["routeKey"] == route
    assert recorder.event["requestContext"]["routeKey"] == route


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/xml",
        "application/javascript",
        "text/plain",
        "text/html",
    ],
)
def test_a_body_of_a_text_type_arrives_as_it_was_sent(content_type: str) -> None:
    recorder = Recorder({"statusCode": 200})
    call(
        recorder,
        method="POST",
        data='{"n":  "\u00e9"}'.encode(),
        content_type=content_type,
    )
    assert recorder.event["body"] == '{"n":  "\u00e9"}'
    assert recorder.event["isBase64Encoded"] is False


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "application/octet-stream",
        "application/x-www-form-urlencoded",
        "image/png",
    ],
)
def test_any_other_body_arrives_as_base64(content_type: str | None) -> None:
    recorder = Recorder({"statusCode": 200})
    call(recorder, method="POST", data=b"a=1&b=2", content_type=content_type)
    assert base64.b64decode(recorder.event["body"]) == b"a=1&b=2"
    assert recorder.event["isBase64Encoded"] is True


def test_text_that_is_not_utf8_loses_no_byte() -> None:
    recorder = Recorder({"statusCode": 200})
    call(recorder, method="POST", data=b'{"a": "\xff"}', content_type="application/json")
    assert recorder.event["isBase64Encoded"] is True
    assert base64.b64decode(recorder.event["body"]) == b'{"a": "\xff"}'


def test_an_empty_body_is_left_out() -> None:
    recorder = Recorder({"statusCode": 200})
    call(recorder, method="POST", data=b"", content_type="application/json")
    assert "body" not in recorder.event
    assert recorder.event["isBase64Encoded"] is False


def test_header_names_are_lower_case_and_repeated_ones_are_joined() -> None:
    recorder = Recorder({"statusCode": 200})
    call(
        recorder,
        headers=[("Stripe-Signature", "t=1,v1=aa"), ("X-Two", "a"), ("X-Two", "b")],
    )
    assert recorder.event["headers"]["stripe-signature"] == "t=1,v1=aa"
    assert recorder.event["headers"]["x-two"].replace(" ", "") == "a,b"


def test_repeated_query_parameters_are_joined_and_the_raw_query_stays_encoded() -> None:
    recorder = Recorder({"statusCode": 200})
    call(recorder, "/?a=1&b=x%20y&a=2&c=")
    assert recorder.event["queryStringParameters"] == {"a": "1,2", "b": "x y", "c": ""}
    assert recorder.event["rawQueryString"] == "a=1&b=x%20y&a=2&c="


def test_no_query_is_left_out() -> None:
    recorder = Recorder({"statusCode": 200})
    call(recorder, "/status")
    assert "queryStringParameters" not in recorder.event
    assert recorder.event["rawQueryString"] == ""


def test_the_path_is_decoded() -> None:
    recorder = Recorder({"statusCode": 200})
    call(recorder, "/caf%C3%A9/a%20b")
    assert recorder.event["rawPath"] == "/caf\u00e9/a b"
    assert recorder.event["requestContext"]["http"]["path"] == "/caf\u00e9/a b"


def test_cookies_come_as_a_list_and_not_among_the_headers() -> None:
    recorder = Recorder({"statusCode": 200})
    Client(lambda_app(recorder), use_cookies=False).get("/", headers={"Cookie": "a=1; b=2"})
    assert recorder.event["cookies"] == ["a=1", "b=2"]
    assert "cookie" not in recorder.event["headers"]


def test_the_handler_gets_a_context_like_lambdas() -> None:
    recorder = Recorder({"statusCode": 200})
    call(recorder)
    context = recorder.context
    assert context.function_name == "arcade"
    assert context.function_version == "$LATEST"
    assert context.invoked_function_arn.endswith(":function:arcade")
    assert context.memory_limit_in_mb == "256"
    assert len(context.aws_request_id) == 36
    assert 0 < context.get_remaining_time_in_millis() <= 30_000


def test_the_remaining_time_runs_out_and_stays_out() -> None:
    now = [100.0]
    context = LambdaContext("f", timeout=2.0, monotonic=lambda: now[0])
    assert context.get_remaining_time_in_millis() == 2000
    now[0] = 101.5
    assert context.get_remaining_time_in_millis() == 500
    now[0] = 200.0
    assert context.get_remaining_time_in_millis() == 0


def test_a_whole_answer_becomes_the_response() -> None:
    answer = {
        "statusCode": 201,
        "headers": {
            "Content-Type": "text/html; charset=utf-8",
            "X-N": 1,
            "Content-Length": "9",
        },
        "cookies": ["a=1; Path=/", "b=2"],
        "body": "<p>\u00e9",
    }
    response = call(Recorder(answer))
    assert response.status_code == 201
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["x-n"] == "1"
    assert response.headers.getlist("set-cookie") == ["a=1; Path=/", "b=2"]
    assert response.headers["apigw-requestid"]
    assert response.data == "<p>\u00e9".encode()


def test_a_base64_answer_is_decoded() -> None:
    body = base64.b64encode(b"\x89PNG").decode()
    response = call(Recorder({"statusCode": 200, "body": body, "isBase64Encoded": True}))
    assert response.data == b"\x89PNG"


def test_an_answer_without_content_type_is_plain_text() -> None:
    response = call(Recorder({"statusCode": 200, "body": "hello"}))
    assert response.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("answer", "body"),
    [({"a": 1}, '{"a": 1}'), ([1], "[1]"), ("hello", "hello"), (None, "null")],
)
def test_an_answer_without_status_is_the_body_of_a_json_response(answer: Any, body: str) -> None:
    response = call(Recorder(answer))
    assert (response.status_code, response.text) == (200, body)
    assert response.headers["content-type"] == "application/json"


def failing(_event: dict[str, Any], _context: Any) -> Any:
    raise RuntimeError("what only the log may tell")


@pytest.mark.parametrize(
    "handler",
    [
        failing,
        Recorder({"statusCode": "no"}),
        Recorder({"statusCode": 99}),
        Recorder({"statusCode": True}),
        Recorder({"statusCode": 200, "body": {"a": 1}}),
        Recorder({"statusCode": 200, "headers": {"a": ["b"]}}),
        Recorder({"statusCode": 200, "headers": ["a"]}),
        Recorder({"statusCode": 200, "cookies": "a=1"}),
        Recorder({"statusCode": 200, "body": "%", "isBase64Encoded": True}),
        Recorder({"statusCode": 200, "body": b"bytes"}),
    ],
)
def test_a_handler_that_fails_gets_the_gateways_500_and_a_line_in_the_log(
    handler: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        response = Client(lambda_app(handler)).post("/claim")
    assert response.status_code == 500
    assert json.loads(response.data) == {"message": "Internal Server Error"}
    assert "the handler failed on POST /claim" in caplog.text


def test_a_status_in_digits_is_a_status() -> None:
    assert call(Recorder({"statusCode": "202"})).status_code == 202


def test_more_than_ten_megabytes_do_not_reach_the_handler() -> None:
    recorder = Recorder({"statusCode": 200})
    response = call(recorder, method="POST", data=b"x" * (LARGEST_BODY + 1))
    assert response.status_code == 413
    assert json.loads(response.data) == {"message": "Request Entity Too Large"}
    assert recorder.calls == 0
    assert call(recorder, method="POST", data=b"x" * LARGEST_BODY).status_code == 200
