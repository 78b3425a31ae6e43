"""A server on loopback that answers as EMQX's HTTP APIs do, each answer with its source.

The pages are those of https://docs.emqx.com/en/cloud/latest/api/, by their names.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

KEY = "app-id", "app/secret"
_KEY = "app-id:app%2Fsecret"
Reply = tuple[int, object]

# publish_v5.html, "Response Example".
PUBLISHED: Reply = (200, {"id": "000600D09A099053F445000014C30000"})
NO_SUBSCRIBERS: Reply = (202, {"message": "no_matching_subscribers", "reason_code": 16})
# EMQX's apps/emqx_management/src/emqx_mgmt_api_publish.erl, publish_result_to_http_reply/2.
NOT_DISPATCHED: Reply = (503, {"reason_code": 131, "message": "failed_to_dispatch"})
# https://docs.emqx.com/en/emqx/latest/admin/api.html, "Authentication", on a key that is not known.
BAD_KEY: Reply = (401, {"code": "BAD_API_KEY_OR_SECRET", "message": "Check api_key/api_secret"})
# auth_v5.html, "View Authentication Information for a Specific User".
NO_USER: Reply = (404, {"code": "NOT_FOUND", "message": "User not found"})
# EMQX's apps/emqx_auth/src/emqx_authn/emqx_authn_api.erl, add_user/3.
USER_EXISTS: Reply = (409, {"code": "ALREADY_EXISTS", "message": "User already exists"})
# The limit is in https://docs.emqx.com/en/cloud/latest/create/restriction.html; no page has
# the body of the answer, and deployment_manage.html has its status.
TOO_MANY: Reply = (429, {"code": "TOO_MANY_REQUESTS", "message": "too many requests"})

USERS = "/api/v5/authentication/password_based:built_in_database/users"
RULES = "/api/v5/authorization/sources/built_in_database/rules/all"
CLIENTS = "/api/v5/clients"


class _Server(ThreadingHTTPServer):
    """Says nothing of a client that goes in the middle, as one does that trusts no certificate."""

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@dataclass
class Call:
    """One request as it came."""

    method: str
    path: str
    body: Any
    query: str = ""


@dataclass
class Emqx:
    """The deployment: its accounts, its rules for all users, who subscribes to what, who is
    connected. ``replies`` are given first, before it answers by itself; bytes are sent as HTML.
    """

    users: dict[str, str] = field(default_factory=dict)
    rules: list[dict[str, str]] = field(default_factory=list)
    subscribed: set[str] = field(default_factory=set)
    clients: dict[str, str] = field(default_factory=dict)  # client id to account
    away: set[str] = field(default_factory=set)  # those whose session is all that is left
    calls: list[Call] = field(default_factory=list)
    connections: set[int] = field(default_factory=set)
    replies: list[Reply] = field(default_factory=list)
    status: str = "running"
    hangs: int = 0  # so many calls get no answer
    tls: tuple[Path, Path] | None = None  # certificate and key for localhost

    def __post_init__(self) -> None:
        emqx = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def _serve(self) -> None:
                emqx.connections.add(self.client_address[1])
                length = int(self.headers.get("Content-Length") or 0)
                raw = self.rfile.read(length)
                address = urlsplit(self.path)
                call = Call(
                    self.command,
                    unquote(address.path),
                    json.loads(raw) if raw else None,
                    address.query,
                )
                emqx.calls.append(call)
                if emqx.hangs:
                    emqx.hangs -= 1
                    emqx.ended.wait(8.0)
                    self.close_connection = True
                    return
                sent = self.headers.get("Authorization", "")
                right = "Basic " + base64.b64encode(":".join(KEY).encode()).decode()
                reply = emqx.replies.pop(0) if emqx.replies else None
                status, body = reply or (BAD_KEY if sent != right else emqx.answer(call))
                kind = "text/html" if isinstance(body, bytes) else "application/json"
                said = body if isinstance(body, bytes) else json.dumps(body).encode()
                if body is None:
                    said = b""
                self.send_response(status)
                self.send_header("Content-Type", kind)
                if status != 204:
                    self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            do_GET = do_POST = do_PUT = do_DELETE = _serve

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.ended = threading.Event()
        self._server = _Server(("127.0.0.1", 0), Handler)
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.tls)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.port = self._server.server_address[1]

    @property
    def url(self) -> str:
        """The deployment's API with its key."""
        where = f"https://{_KEY}@localhost" if self.tls else f"http://{_KEY}@127.0.0.1"
        return f"{where}:{self.port}/api/v5"

    @property
    def platform_url(self) -> str:
        """The platform's API of this deployment, with a key."""
        return f"http://{_KEY}@127.0.0.1:{self.port}/public_api/v1/deployments/w41b1"

    def stop(self) -> None:
        """Ends the server and its connections."""
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def published(self) -> list[Any]:
        """The bodies of the calls that publish."""
        return [call.body for call in self.calls if call.path == "/api/v5/publish"]

    def answer(self, call: Call) -> Reply:
        """What EMQX answers to one call."""
        path = call.path
        if path == "/api/v5/publish":
            return PUBLISHED if call.body["topic"] in self.subscribed else NO_SUBSCRIBERS
        if path.startswith(USERS):
            return self._user(call, path.removeprefix(USERS).strip("/"))
        if path == RULES:
            return self._rules(call)
        if path.startswith(CLIENTS):
            return self._client(call, path.removeprefix(CLIENTS).strip("/"))
        if path == "/public_api/v1/deployments/w41b1":
            # deployment_manage.html, "View Status of a Specific Deployment".
            return 200, {
                "connections": 1000,
                "createAt": "2024-07-22 05:32",
                "deploymentID": "w41b1",
                "deploymentName": "deployment-w41b1",
                "deploymentType": "serverless",
                "platform": "AWS",
                "region": "N. Virginia (us-east-1)",
                "status": self.status,
            }
        return 404, {"code": "NOT_FOUND", "message": "Not Found"}

    def _user(self, call: Call, name: str) -> Reply:
        """auth_v5.html, "Create", "Update" and "Delete User Authentication"."""
        if call.method == "POST":
            if call.body["user_id"] in self.users:
                return USER_EXISTS
            self.users[call.body["user_id"]] = call.body["password"]
            return 201, {"user_id": call.body["user_id"], "is_superuser": False}
        if name not in self.users:
            return NO_USER
        if call.method == "PUT":
            self.users[name] = call.body["password"]
            return 200, {"user_id": name, "is_superuser": False}
        del self.users[name]
        return 204, None

    def _rules(self, call: Call) -> Reply:
        """acl_v5.html, "View All ACL Rules" and "Create ACL Rules Based on All"."""
        if call.method == "GET":
            return 200, {"rules": self.rules}
        self.rules = call.body["rules"]
        return 204, None

    def _client(self, call: Call, name: str) -> Reply:
        """clients_v5.html, "View All Clients" and "Kick a Client"."""
        if call.method == "GET":
            query = parse_qs(call.query)
            wanted = query.get("username")
            listed = [
                {"clientid": client, "username": user, "connected": client not in self.away}
                for client, user in self.clients.items()
                if (wanted is None or user == wanted[0])
                and not (query.get("conn_state") == ["connected"] and client in self.away)
            ]
            meta = {"page": 1, "limit": 100, "hasnext": False, "count": len(listed)}
            return 200, {"meta": meta, "data": listed[:100]}
        if name not in self.clients:
            return 404, {"code": "CLIENTID_NOT_FOUND", "message": "Client ID not found"}
        del self.clients[name]
        return 204, None
