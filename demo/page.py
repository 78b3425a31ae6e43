"""The demo's page: the cabinet's live screen and a phone side by side, on one port.

What phones open (the checkout, the receipt) and what the mirror shows are passed through, so that
one forwarded port is enough to look at a demo that runs elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator

import requests
from flask import Flask, Response, render_template, request, send_from_directory

from demo.arcade import NAME, Arcade
from demo.processes import ChildFailed
from kiosk import assets

_PASSED_ON = ("Content-Type", "Location", "Cache-Control", "Content-Security-Policy")


def create_page(arcade: Arcade) -> Flask:
    """The page as a WSGI application."""
    app = Flask("demo.page", template_folder="pages", static_folder="pages/static")

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
    return Response(_pieces(answer), answer.status_code, passed)


def _pieces(answer: requests.Response) -> Iterator[bytes]:
    """The body as it comes: a stream's frames must not wait for each other."""
    with answer:
        while piece := answer.raw.read1(64 * 1024):
            yield piece
