"""The same calls with nothing that could be left out: one file, no classes, no checks but a hash.

It asks DynamoDB as often as the cloud does, in a table of its own. It is the floor for what a
start and a call could cost, and no way to take money: nothing is read again, tried again or
told.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import ssl  # noqa: F401 - AWS is reached over TLS, though not here
import time
from typing import Any

_HOST = os.environ["BY_HAND_HOST"]
_REGION = "eu-west-1"
_SECRET = os.environ["STRIPE_WEBHOOK_SECRET"].encode()
_TABLE = "by_hand"
_connection = http.client.HTTPConnection(_HOST, timeout=2)


def _call(operation: str, request: dict[str, Any]) -> dict[str, Any]:
    body = json.dumps({"TableName": _TABLE, **request}).encode()
    at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    target = f"DynamoDB_20120810.{operation}"
    names = "content-type;host;x-amz-date;x-amz-target"
    told = (
        f"content-type:application/x-amz-json-1.0\nhost:{_HOST}\nx-amz-date:{at}\n"
        f"x-amz-target:{target}\n"
    )
    text = f"POST\n/\n\n{told}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{at[:8]}/{_REGION}/dynamodb/aws4_request"
    key = b"AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"].encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    hashed = hashlib.sha256(text.encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{hashed}"
    signature = hmac.new(key, to_sign.encode(), "sha256").hexdigest()
    who = f"Credential={os.environ['AWS_ACCESS_KEY_ID']}/{scope}"
    headers = {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Date": at,
        "X-Amz-Target": target,
        "Authorization": f"AWS4-HMAC-SHA256 {who}, SignedHeaders={names}, Signature={signature}",
    }
    _connection.request("POST", "/", body, headers)
    answer = json.loads(_connection.getresponse().read())
    assert isinstance(answer, dict)
    return answer


def _get(key: str) -> dict[str, Any]:
    found = _call("GetItem", {"Key": {"pk": {"S": key}}, "ConsistentRead": True})
    item = found["Item"]
    assert isinstance(item, dict)
    return item


def _put(key: str, **fields: str) -> None:
    item = {"pk": {"S": key}} | {name: {"S": value} for name, value in fields.items()}
    _call("PutItem", {"Item": item})


def _json(body: dict[str, Any]) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    return {"statusCode": 200, "headers": headers, "body": json.dumps(body)}


def handle(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answers the four calls that are measured."""
    route, headers = event["routeKey"], event["headers"]
    if route == "GET /receipt":
        order = _get("order")
        return {"statusCode": 200, "body": f"<h1>{order['state']['S']}</h1>"}
    if route == "POST /addCredit":
        given = dict(part.split("=") for part in headers["stripe-signature"].split(","))
        signed = hmac.new(_SECRET, f"{given['t']}.{event['body']}".encode(), "sha256").hexdigest()
        if not hmac.compare_digest(signed, given["v1"]):
            return {"statusCode": 400}
        subject = json.loads(event["body"])["data"]["object"]
        _put(f"hold#{subject['payment_intent']}", event=subject["id"])
        return _json({"message": "noted"})
    body = json.loads(event["body"])
    token = hashlib.sha256(headers["authorization"][7:].encode()).hexdigest()
    if not hmac.compare_digest(token, _get("cabinet")["token"]["S"]):
        return {"statusCode": 401}
    if route == "POST /status":
        _get("links")
        _put("presence", seen=str(time.time()))
        return _json({"time": time.time(), "orders": []})
    _put("order", state="claimed", claim=body["claim_id"])
    return _json({"order_id": body["order_id"], "state": "claimed"})
