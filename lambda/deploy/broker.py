"""The broker's address and key: how they are put together, and whether the broker takes them."""

from __future__ import annotations

import queue
from urllib.parse import quote, unquote, urlsplit

from cloud.adapters.emqx_api import EmqxApi, EmqxFailed
from cloud.settings import broker_mistakes, is_loopback
from deploy.errors import DeployError, NotTaken

TIMEOUT_S = 15.0
REFUSED = "refuses the account"


def is_emqx_api(address: str) -> bool:
    """Whether it is the HTTP API of an EMQX deployment, and not a broker over MQTT."""
    return urlsplit(address).scheme in ("https", "http")


def with_account(address: str, name: str, secret: str) -> str:
    """The address with an account in it."""
    parts = urlsplit(address.strip().rstrip("/"))
    account = f"{quote(name, safe='')}:{quote(secret, safe='')}"
    where = parts.netloc.rpartition("@")[2]
    path = parts.path or ("/api/v5" if is_emqx_api(address) else "")
    return f"{parts.scheme}://{account}@{where}{path}"


def mistake(address: str) -> str:
    """What an address without an account has against it; nothing, if it may be one."""
    try:
        parts = urlsplit(address.strip())
        host = parts.hostname or ""
    except ValueError:
        return "the address is like https://HOST:8443/api/v5, or mqtts://HOST:8883"
    if "@" in parts.netloc:
        return "leave the account out of the address: it is asked for next"
    clear = parts.scheme in ("http", "mqtt") and is_loopback(host)
    if not host or not (clear or parts.scheme in ("https", "mqtts")):
        return "the address is like https://HOST:8443/api/v5, or mqtts://HOST:8883"
    return ""


def cabinets_address(address: str) -> str:
    """Where cabinets most likely reach the broker: on an EMQX deployment, by MQTT on its host."""
    parts = urlsplit(address)
    if not is_emqx_api(address):
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    return f"mqtts://{parts.hostname}:8883"


def check(address: str) -> None:
    """Asks the broker itself whether it takes the account; raises :class:`DeployError`."""
    if mistakes := list(broker_mistakes("the broker's address", address)):
        raise DeployError(mistakes[0])
    if is_emqx_api(address):
        api = EmqxApi(address, timeout=TIMEOUT_S)
        try:
            api.call("GET", "clients?_limit=1")
        except EmqxFailed as error:
            kind = NotTaken if error.status in (401, 403) else DeployError
            raise kind(str(error)) from None
        finally:
            api.close()
    else:
        _connect(address)


def _connect(address: str) -> None:
    """Connects over MQTT, and goes again."""
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    from cloud.adapters.broker_tls import context

    parts = urlsplit(address)
    told: queue.SimpleQueue[str] = queue.SimpleQueue()
    client = Client(CallbackAPIVersion.VERSION2, client_id="cloud-deploy")
    client.username_pw_set(unquote(parts.username or ""), unquote(parts.password or ""))
    tls = context("") if parts.scheme == "mqtts" else None
    if tls:
        client.tls_set_context(tls)
    client.on_connect = lambda _c, _u, _f, reason, _p: told.put(
        REFUSED if reason.is_failure else ""
    )
    where = f"{parts.hostname}:{parts.port or (8883 if tls else 1883)}"
    try:
        client.connect(parts.hostname or "", parts.port or (8883 if tls else 1883))
        client.loop_start()
        wrong = told.get(timeout=TIMEOUT_S)
    except (OSError, ValueError, queue.Empty):
        wrong = "cannot be reached"
    finally:
        client.disconnect()
        client.loop_stop()
        if tls:
            tls.close_last()
    if wrong:
        kind = NotTaken if wrong == REFUSED else DeployError
        raise kind(f"the broker at {where} {wrong}: look at address and account")
