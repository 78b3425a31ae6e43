"""The demo's page: what it shows, and what it passes on to the sandbox and the mirror."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from flask.testing import FlaskClient

from demo.page import create_page


class _Behind(BaseHTTPRequestHandler):
    """Stands for the sandbox and the mirror: tells what it was asked."""

    protocol_version = "HTTP/1.0"
    go_on = threading.Event()

    def do_GET(self) -> None:
        if self.path == "/stream":
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            self.wfile.write(b"one")
            self.wfile.flush()
            self.go_on.wait(10)
            self.wfile.write(b"two")
            return
        self._tell(b"")

    def do_POST(self) -> None:
        self._tell(self.rfile.read(int(self.headers["Content-Length"])))

    def _tell(self, body: bytes) -> None:
        away = self.path.startswith("/pay/away")
        self.send_response(302 if away else 200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Security-Policy", "style-src 'self'; frame-ancestors 'none'")
        if away:
            self.send_header("Location", "/receipt?session_id=cs_1")
        self.end_headers()
        self.wfile.write(f"{self.command} {self.path} ".encode() + body)

    def log_message(self, *_words: object) -> None:
        """Says nothing."""


@pytest.fixture
def client() -> Iterator[FlaskClient]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Behind)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    base = f"http://127.0.0.1:{server.server_address[1]}"
    over: list[str] = []

    def fail() -> None:
        raise ValueError("there is no code on the screen to scan")

    arcade = SimpleNamespace(
        api=base,
        mirror=base,
        game_over=lambda: over.append("over"),
        over=over,
        facts={"plugged": True, "powered": True, "price": "1.00"},
        pull_network=lambda: over.append("network"),
        cut_power=lambda: over.append("power"),
        decline=fail,
        next_price=lambda: over.append("price"),
    )
    app = create_page(arcade)  # type: ignore[arg-type]
    app.testing = True
    made = app.test_client()
    made.arcade = arcade  # type: ignore[attr-defined]
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_page_shows_the_cabinet_and_a_phone(client: FlaskClient) -> None:
    page = client.get("/").get_data(as_text=True)
    for part in ('id="screen"', 'id="phone"', 'id="network"', 'id="game-over"', 'id="coins"'):
        assert part in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_what_the_phone_opens_is_passed_on_both_ways(client: FlaskClient) -> None:
    assert client.get("/pay/plink_1?a=1&a=2").data == b"GET /pay/plink_1?a=1&a=2 "
    answer = client.post("/pay/session/cs_1", data={"quantity": "3"})
    assert answer.data == b"POST /pay/session/cs_1 quantity=3"
    assert client.get("/receipt?session_id=cs_1").data == b"GET /receipt?session_id=cs_1 "


def test_the_way_to_the_receipt_is_not_followed_for_the_phone(client: FlaskClient) -> None:
    answer = client.post("/pay/away", data={})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/receipt?session_id=cs_1")


def test_a_stream_is_passed_on_as_it_comes(client: FlaskClient) -> None:
    _Behind.go_on.clear()
    answer = client.get("/cabinet/stream", buffered=False)
    pieces = answer.iter_encoded()
    assert next(iter(pieces)) == b"one"
    _Behind.go_on.set()
    assert b"".join(pieces) == b"two"
    answer.close()


def test_the_button_ends_the_game(client: FlaskClient) -> None:
    assert client.post("/game-over").status_code == 204
    assert client.arcade.over == ["over"]  # type: ignore[attr-defined]
    assert client.get("/game-over").status_code == 405


def test_parts_that_are_away_are_a_sentence(client: FlaskClient) -> None:
    client.arcade.mirror = "http://127.0.0.1:9"  # type: ignore[attr-defined]
    answer = client.get("/cabinet/state")
    assert answer.status_code == 502
    assert "does not answer" in answer.get_data(as_text=True)


def test_an_operators_actions_are_done_and_answered_with_the_cabinets_state(
    client: FlaskClient,
) -> None:
    for action in ("network", "power", "price"):
        answer = client.post(f"/operator/{action}")
        assert (answer.status_code, answer.json) == (200, client.get("/operator").json)
    assert client.arcade.over == ["network", "power", "price"]  # type: ignore[attr-defined]


def test_an_action_that_cannot_be_done_is_one_sentence(client: FlaskClient) -> None:
    answer = client.post("/operator/decline")
    assert answer.status_code == 409
    assert answer.json == {"error": "there is no code on the screen to scan"}
    assert client.post("/operator/burn").status_code == 404


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8000", 200),
        ("127.0.0.1", 200),
        ("[::1]:8000", 200),
        ("evil.example", 403),
        ("localhost.evil.example:8000", 403),
        ("192.168.1.5:8000", 403),
    ],
)
def test_a_name_of_somebody_elses_that_leads_here_gets_nothing(
    client: FlaskClient, host: str, status: int
) -> None:
    for path in ("/", "/operator", "/cabinet/state", "/pay/plink_1", "/receipt?session_id=cs_1"):
        assert client.get(path, headers={"Host": host}).status_code == status, path
    assert client.post("/operator/price", headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),
        ("http://localhost", 200),
        ("https://evil.example", 403),
        ("http://localhost:9999", 403),
        ("null", 403),
    ],
)
def test_a_page_from_elsewhere_cannot_push_the_operators_buttons(
    client: FlaskClient, origin: str | None, status: int
) -> None:
    headers = {} if origin is None else {"Origin": origin}
    assert client.post("/operator/power", headers=headers).status_code == status
    over = client.post("/game-over", headers=headers).status_code
    assert over == (204 if status == 200 else 403)
    done = client.arcade.over  # type: ignore[attr-defined]
    assert done == (["power", "over"] if status == 200 else [])


def test_a_checkout_without_a_script_is_paid_though_its_origin_is_hidden(
    client: FlaskClient,
) -> None:
    """Its page tells no referrer, so a browser sends null for the form's origin."""
    answer = client.post("/pay/session/cs_1", data={"do": "pay"}, headers={"Origin": "null"})
    assert answer.status_code == 200


def test_the_phones_pages_may_be_a_frame_of_this_page_and_of_no_other(
    client: FlaskClient,
) -> None:
    for path in ("/pay/plink_1", "/receipt?session_id=cs_1"):
        policy = client.get(path).headers["Content-Security-Policy"]
        assert policy == "style-src 'self'; frame-ancestors 'self'"
    own = client.get("/").headers
    assert "default-src 'self'" in own["Content-Security-Policy"]
    assert "frame-ancestors 'self'" in own["Content-Security-Policy"]
    assert own["X-Content-Type-Options"] == "nosniff"


def test_typefaces_are_the_kiosks_own_and_nothing_else_is_served(client: FlaskClient) -> None:
    with client.get("/typeface/Bungee-Regular.ttf") as file:
        assert file.status_code == 200
    assert client.get("/typeface/..%2Fkiosk.example.toml").status_code == 404
