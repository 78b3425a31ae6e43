"""The stack of most tutorials: Flask behind an adapter, and all libraries imported at the top.

It does what ``by_hand`` does. Its libraries are the tests' and the sandbox's.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
from typing import Any

import boto3
import paho.mqtt.client as mqtt
import stripe
from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue
from paho.mqtt.enums import CallbackAPIVersion

_SECRET = os.environ["STRIPE_WEBHOOK_SECRET"]
app = Flask(__name__)
stripe.api_key = os.environ["STRIPE_KEY"]
table = boto3.resource(
    "dynamodb", region_name="eu-west-1", endpoint_url=f"http://{os.environ['BY_HAND_HOST']}"
).Table("by_hand")
publisher = mqtt.Client(CallbackAPIVersion.VERSION2)


def _get(key: str) -> dict[str, Any]:
    item = table.get_item(Key={"pk": key}, ConsistentRead=True)["Item"]
    assert isinstance(item, dict)
    return item


def _known() -> bool:
    token = request.headers["Authorization"][7:]
    return hashlib.sha256(token.encode()).hexdigest() == str(_get("cabinet")["token"])


@app.get("/receipt")
def receipt() -> ResponseReturnValue:
    """A page."""
    return f"<h1>{_get('order')['state']}</h1>"


@app.post("/addCredit")
def add_credit() -> ResponseReturnValue:
    """A webhook."""
    header = request.headers["Stripe-Signature"]
    event = stripe.Webhook.construct_event(request.data.decode(), header, _SECRET)
    subject = event.data.object
    table.put_item(Item={"pk": f"hold#{subject['payment_intent']}", "event": subject["id"]})
    return jsonify(message="noted")


@app.post("/status")
def heartbeat() -> ResponseReturnValue:
    """A heartbeat."""
    if not _known():
        return "", 401
    _get("links")
    table.put_item(Item={"pk": "presence", "seen": str(time.time())})
    return jsonify(time=time.time(), orders=[])


@app.post("/claim")
def claim() -> ResponseReturnValue:
    """A claim."""
    if not _known():
        return "", 401
    body = request.get_json()
    table.put_item(Item={"pk": "order", "state": "claimed", "claim": body["claim_id"]})
    return jsonify(order_id=body["order_id"], state="claimed")


def handle(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """What an adapter between API Gateway and WSGI does."""
    method, path = event["routeKey"].split(" ")
    body = (event.get("body") or "").encode()
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "lambda",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "https",
        "wsgi.version": (1, 0),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in event["headers"].items():
        environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
    told: dict[str, Any] = {}

    def start_response(status: str, headers: list[tuple[str, str]], *_: object) -> None:
        told["statusCode"], told["headers"] = int(status[:3]), dict(headers)

    told["body"] = b"".join(app(environ, start_response)).decode()  # type: ignore[arg-type]
    json.dumps(told)
    return told
