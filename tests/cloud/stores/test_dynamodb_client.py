"""The client of DynamoDB: its signature, its connections, and what it says when it is refused."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from cloud.stores.base import LedgerUnavailable
from cloud.stores.dynamodb_client import LIMIT_S, ConditionFailed, DynamoDBClient
from tests.fakes.dynamodb_proxy import Answer, DynamoDBProxy

SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "hush",
    "AWS_SESSION_TOKEN": "whisper",
}


class Stub(DynamoDBProxy):
    """Answers by itself, and keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__("http://nobody")
        self.answer: list[Answer] = [(200, {}, b"{}")]
        self.sent: list[tuple[dict[str, str], bytes]] = []

    def answers(self, headers: dict[str, str], body: bytes) -> list[Answer]:
        self.sent.append((headers, body))
        return self.answer


@pytest.fixture
def stub() -> Iterator[Stub]:
    made = Stub()
    with made:
        yield made


@pytest.fixture
def client(stub: Stub) -> Iterator[DynamoDBClient]:
    made = DynamoDBClient("eu-west-1", stub.address, SECRETS, sleep=lambda _: None)
    yield made
    made.close()


def test_its_signature_is_the_one_that_amazons_other_library_makes(
    stub: Stub, client: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.call("GetItem", {"TableName": "Zoë ☂"})
    [(sent, body)] = stub.sent
    signed = ("Content-Type", "X-Amz-Target")
    request = AWSRequest(
        "POST", f"{stub.address}/", {name: sent[name] for name in signed}, data=body
    )
    date = sent["X-Amz-Date"]
    signer = SigV4Auth(Credentials("AKIDEXAMPLE", "hush", "whisper"), "dynamodb", "eu-west-1")
    request.context["timestamp"] = date
    request.headers["X-Amz-Date"] = date
    request.headers["X-Amz-Security-Token"] = "whisper"
    text = signer.string_to_sign(request, signer.canonical_request(request))
    assert sent["Authorization"].endswith(f"Signature={signer.signature(text, request)}")


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("AccessDeniedException", "the role lacks a right"),
        ("ExpiredTokenException", "have expired"),
        ("InvalidSignatureException", "or the clock is"),
        ("ResourceNotFoundException", "no such table"),
        ("UnrecognizedClientException", "are not known"),
        ("SomethingNewException", "see its documentation"),
    ],
)
def test_a_refusal_is_told_at_once_in_a_sentence_without_secrets(
    stub: Stub, client: DynamoDBClient, kind: str, told: str
) -> None:
    body = f'{{"__type": "com.amazon.coral.service#{kind}", "message": "hush, whisper"}}'
    stub.answer = [(400, {}, body.encode())]
    with pytest.raises(LedgerUnavailable, match=told) as raised:
        client.call("GetItem", {})
    assert len(stub.sent) == 1
    assert "hush" not in str(raised.value)
    assert "whisper" not in str(raised.value)


def test_what_it_takes_for_wrong_is_told_without_control_characters(
    stub: Stub, client: DynamoDBClient
) -> None:
    stub.answer = [(400, {}, b'{"__type": "x#ValidationException", "message": "no \\u001b[2J"}')]
    with pytest.raises(LedgerUnavailable, match=r"wrong: no \[2J$"):
        client.call("GetItem", {})


def test_a_broken_condition_says_what_is_stored(stub: Stub, client: DynamoDBClient) -> None:
    stub.answer = [
        (400, {}, b'{"__type": "x#ConditionalCheckFailedException", "Item": {"a": {"S": "b"}}}')
    ]
    with pytest.raises(ConditionFailed) as raised:
        client.call("PutItem", {})
    assert raised.value.item == {"a": {"S": "b"}}


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"__type": 3}'])
@pytest.mark.parametrize("status", [404, 403, 301, 503])
def test_an_answer_of_somebody_else_is_none(
    stub: Stub, client: DynamoDBClient, status: int, body: bytes
) -> None:
    stub.answer = [(status, {}, body)]
    with pytest.raises(LedgerUnavailable, match="cannot be used now"):
        client.call("GetItem", {})


def test_an_answer_that_is_not_what_was_sent_is_none(stub: Stub, client: DynamoDBClient) -> None:
    stub.answer = [(200, {"x-amz-crc32": str(zlib.crc32(b"{}"))}, b"{}")]
    assert client.call("GetItem", {}) == {}
    stub.answer = [(200, {"x-amz-crc32": "1"}, b"{}")]
    with pytest.raises(LedgerUnavailable, match="damaged"):
        client.call("GetItem", {})


def test_one_connection_serves_many_calls(stub: Stub, client: DynamoDBClient) -> None:
    for _ in range(5):
        client.call("GetItem", {})
    assert stub.connections == 1


def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next_ones(
    stub: Stub, client: DynamoDBClient
) -> None:
    stub.answer = [(200, {}, b'{"number": 1}')]
    client.call("GetItem", {})
    stub.say(b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"number": 1}')
    stub.answer = [(200, {}, b'{"number": 2}')]
    assert client.call("GetItem", {}) == {"number": 2}
    assert stub.connections == 2


def test_waits_grow_and_end_with_the_limit(stub: Stub) -> None:
    now, waits = [0.0], []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds + LIMIT_S / 3

    client = DynamoDBClient("eu-west-1", stub.address, SECRETS, lambda: now[0], sleep)
    stub.answer = [(500, {}, b'{"__type": "x#InternalServerError"}')]
    with pytest.raises(LedgerUnavailable, match="InternalServerError"):
        client.call("GetItem", {})
    client.close()
    assert len(waits) == 3
    assert all(0 <= wait <= 0.05 * 2**number for number, wait in enumerate(waits))


def test_nobody_who_listens_is_told_as_unavailable() -> None:
    client = DynamoDBClient("eu-west-1", "http://127.0.0.1:9", SECRETS, sleep=lambda _: None)
    with pytest.raises(LedgerUnavailable, match="no connection: ConnectionRefusedError"):
        client.call("GetItem", {})
