"""The demo's page: the cabinet's live screen and a phone side by side, on one port.

What phones open (the checkout, the receipt) and what the mirror shows are passed through, so that
one forwarded port is enough to look at a demo that runs elsewhere.

Whoever forwards it opens it as localhost. A page from elsewhere can neither reach the demo under a
name of its own, nor push the operator's buttons.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import requests
from flask import Flask, Response, render_template, request, send_from_directory

from demo.arcade import NAME, Arcade
from demo.processes import ChildFailed
from kiosk import assets
from kiosk.config.schema import is_loopback

_NO_FRAME, _FRAME_HERE = "frame-ancestors 'none'", "frame-ancestors 'self'"
_POLICY = f"default-src 'self'; img-src 'self' data:; base-uri 'none'; {_FRAME_HERE}"
_PASSED_ON = ("Content-Type", "Location", "Cache-Control", "Content-Security-Policy")


def create_page(arcade: Arcade) -> Flask:
    """The page as a WSGI application."""
    app = Flask("demo.page", template_folder="pages", static_folder="pages/static")

    @app.before_request
    def refuse_strangers() -> tuple[str, int] | None:
        if not is_loopback(_host_of(f"//{request.host}")):
            return "The demo is for this machine: open it as localhost.", 403
        # The checkout is for everybody who has its address; the rest is for this page's buttons.
        # A browser names the page that sends a POST; what is no browser names none.
        origin = request.headers.get("Origin")
        own = origin is None or urlsplit(origin).netloc == request.host
        if request.method == "POST" and request.endpoint != "pay" and not own:
            return "Only the demo's own page may do this.", 403
        return None

    @app.after_request
    def add_headers(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", _POLICY)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    @app.get("/")
    def page() -> str:
        return render_template("demo.html", name=NAME)

    @app.post("/game-over")
    def game_over() -> tuple[str, int]:
        arcade.game_over()
        return "", 204

    @app.get("/typeface/<name>")
    def typeface(name: str) -> Response:
        return send_from_directory(assets.path("fonts"), name)

    @app.get("/operator")
    def facts() -> dict[str, object]:
        return arcade.facts

    actions = {
        "network": arcade.pull_network,
        "power": arcade.cut_power,
        "decline": arcade.decline,
        "price": arcade.next_price,
    }

    @app.post("/operator/<action>")
    def operate(action: str) -> tuple[dict[str, object], int]:
        if action not in actions:
            return {"error": "there is no such action"}, 404
        try:
            actions[action]()
        except (ValueError, ChildFailed) as error:
            return {"error": str(error)}, 409
        return arcade.facts, 200

    @app.get("/cabinet/<what>")
    def cabinet(what: str) -> Response:
        return _pass(f"{arcade.mirror}/{what}")

    @app.route("/pay/<path:rest>", methods=["GET", "POST"])
    def pay(rest: str) -> Response:
        return _pass(f"{arcade.api}/pay/{rest}")

    @app.get("/receipt")
    def receipt() -> Response:
        return _pass(f"{arcade.api}/receipt")

    @app.errorhandler(requests.RequestException)
    def away(_error: requests.RequestException) -> tuple[str, int]:
        return "The sandbox or the kiosk does not answer: look at the terminal.", 502

    return app


def _pass(url: str) -> Response:
    """Asks ``url`` as we were asked, and answers as it answers, while it does."""
    headers = {k: v for k, v in request.headers if k in ("Content-Type", "Accept", "Cookie")}
    answer = requests.request(
        request.method,
        url,
        params=list(request.args.items(multi=True)),
        data=request.get_data(),
        headers=headers,
        allow_redirects=False,
        stream=True,
        timeout=(5, 60),
    )

    passed = {k: v for k, v in answer.headers.items() if k.title() in _PASSED_ON}
    if policy := passed.get("Content-Security-Policy"):
        # Here, and only here, the phone is a frame of this page.
        passed["Content-Security-Policy"] = policy.replace(_NO_FRAME, _FRAME_HERE)
    return Response(_pieces(answer), answer.status_code, passed)


def _host_of(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _pieces(answer: requests.Response) -> Iterator[bytes]:
    """The body as it comes: a stream's frames must not wait for each other."""
    with answer:
        while piece := answer.raw.read1(64 * 1024):
            yield piece
