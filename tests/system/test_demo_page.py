"""The demo as a person plays it: in a real browser, a tap on the code, a payment, a game."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.processes import Child
from tests.plugins.phone import Phone


@pytest.fixture
def page(tmp_path: Path) -> Iterator[str]:
    """The address of a running demo's page."""
    words = ["-m", "demo", "--no-window", "--port", "0", "--data", str(tmp_path)]
    child = Child("demo", words, verbose=False)
    try:
        while "http://" not in (line := child.line(40)):
            pass
        yield line.partition("open: ")[2].strip()
    finally:
        child.stop()


def coins(phone: Phone) -> int:
    return int(phone.text("#coins"))


def in_the_phone(phone: Phone, script: str) -> object:
    return phone.run(f"const page = document.getElementById('page').contentDocument; {script}")


def test_one_payment_with_nothing_but_a_browser(page: str, phone: Phone, tmp_path: Path) -> None:
    phone.resize(1400, 900)
    phone.open(page)
    phone.wait(lambda p: p.shows("#code"))
    assert coins(phone) == 0
    phone.wait(lambda p: bool(p.run("return document.getElementById('screen').naturalWidth")))

    phone.tap("#code")
    phone.wait(lambda p: bool(in_the_phone(p, "return !!page.querySelector('button.pay')")))
    in_the_phone(phone, "page.querySelector('button[value=more]').click()")
    phone.wait(lambda p: in_the_phone(p, "return page.querySelector('#count').value") == "2")
    in_the_phone(phone, "page.querySelector('button.pay').click()")

    phone.wait(lambda p: coins(p) == 2)
    phone.wait(lambda p: "2 credits" in p.text("#log"))
    phone.wait(lambda p: p.shows("#code"))
    phone.picture(tmp_path / "playing.png")
    for _ in range(2):
        phone.wait(lambda p: not p.run("return document.getElementById('game-over').disabled"))
        phone.tap("#game-over")
    phone.wait(lambda p: "Game over" in p.text("#log"))
    phone.wait(lambda p: "2.00" in str(in_the_phone(p, "return page.body.innerText")))
    assert coins(phone) == 2


@pytest.mark.slow
def test_whoever_plays_operator_sees_what_the_kiosk_does(
    page: str, phone: Phone, tmp_path: Path
) -> None:
    phone.resize(1400, 1100)
    phone.open(page)
    phone.wait(lambda p: p.shows("#code"))

    phone.tap("#network")
    phone.wait(lambda p: "Offline. E" in p.text("#log"))
    assert not phone.shows("#code")
    assert phone.run("return document.getElementById('decline').disabled")
    phone.tap("#network")
    phone.wait(lambda p: p.shows("#code"))

    phone.tap("#decline")
    phone.wait(lambda p: "The payment did not go through." in p.text("#log"))
    assert coins(phone) == 0

    phone.tap("#price")
    phone.wait(lambda p: "2.00" in p.text("#price"))

    phone.tap("#power")
    phone.wait(lambda p: p.shows("#dark"))
    assert not phone.shows("#code")
    phone.wait(lambda p: not p.shows("#dark"))
    phone.wait(lambda p: p.shows("#code"))
    phone.wait(lambda p: bool(p.run("return document.getElementById('screen').naturalWidth > 99")))
    phone.picture(tmp_path / "page.png")


@pytest.mark.slow
def test_a_page_that_nobody_looks_at_asks_for_no_frames(page: str, phone: Phone) -> None:
    phone.open(page)
    phone.wait(lambda p: bool(p.run("return document.getElementById('screen').naturalWidth > 99")))
    hide = "Object.defineProperty(document, 'hidden', {value: true});"
    phone.run(hide + "document.dispatchEvent(new Event('visibilitychange'));")
    assert str(phone.run("return document.getElementById('screen').src")).startswith("data:")
