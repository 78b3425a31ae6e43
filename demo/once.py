"""One purchase of three credits that plays and checks itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from demo import player
from demo.arcade import Arcade, wait_until
from kiosk.core.view import Screen

PLAYS = 3
PRICE = 100
SECONDS = 60.0
PICTURES = ("ready", "paying", "crediting-1-of-3", "crediting-3-of-3", "playing", "game-over")


class PurchaseFailed(Exception):
    """The purchase did not go as it should; the message says where."""


def play(arcade: Arcade) -> list[str]:
    """Attract, pay, three pulses, playing, three game overs, attract. Returns the summary."""
    until = time.monotonic() + SECONDS
    summary = []
    begun = time.monotonic()

    def shows(screen: Screen, **more: object) -> Callable[[dict[str, Any]], bool]:
        return lambda state: (
            state["screen"] == screen.value
            and all(state[key] == value for key, value in more.items())
        )

    def step(text: str) -> None:
        nonlocal begun
        now = time.monotonic()
        summary.append(f"{now - begun:6.2f} s  {text}")
        begun = now

    state = wait_until(arcade, shows(Screen.READY, shows_qr=True), "the attract screen", until)
    before = arcade.pulses()
    link = state["qr"]["url"]
    step(f"attract: the code leads to {link}")
    receipt = player.pay(link, PLAYS)
    step(f"paid: {PLAYS} plays, {PLAYS * PRICE / 100:.2f} USD")
    playing = shows(Screen.PLAYING, credits_left=PLAYS, shows_qr=True)
    wait_until(arcade, playing, "the credits", until)
    pulses = arcade.pulses() - before
    if pulses != PLAYS:
        raise PurchaseFailed(f"the relay closed {pulses} times for {PLAYS} plays")
    step(f"pulsed: {pulses} times")
    charged = _charged(arcade, receipt, until)
    if charged != PLAYS * PRICE:
        raise PurchaseFailed(f"Stripe charged {charged} for {PLAYS} plays of {PRICE}")
    if "Enjoy your game" not in player.read(receipt):
        raise PurchaseFailed("the receipt does not say what was bought")
    step(f"charged: {charged / 100:.2f} USD")
    for left in range(PLAYS - 1, -1, -1):
        arcade.game_over()
        screen = Screen.PLAYING if left else Screen.GAME_OVER
        wait_until(arcade, shows(screen, credits_left=left), f"{left} credits left", until)
    step(f"played: {PLAYS} games")
    state = wait_until(
        arcade, shows(Screen.READY, shows_qr=True), "the attract screen's code again", until
    )
    if state["qr"]["url"] != link:
        raise PurchaseFailed(f"the code leads to {state['qr']['url']} now, and led to {link}")
    step("attract again")
    return summary


def _charged(arcade: Arcade, receipt: player.Receipt, until: float) -> int:
    """What was charged, once the settle is through."""
    while not (charged := arcade.charged(receipt.session_id)) and time.monotonic() < until:
        time.sleep(0.05)
    return charged


def check_pictures(folder: Path) -> list[str]:
    """The names of the pictures; raises :class:`PurchaseFailed` if a screen has none."""
    names = sorted(path.name for path in folder.glob("*.png"))
    for wanted in PICTURES:
        if not any(name.partition("-")[2] == f"{wanted}.png" for name in names):
            raise PurchaseFailed(f"there is no picture of the screen {wanted} in {folder}")
    return names
