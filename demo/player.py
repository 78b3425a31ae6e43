"""A phone that pays by itself: it opens the link and fills in the checkout's form."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import requests

GOOD_CARD = "4242424242424242"
EMPTY_CARD = "4000000000009995"


@dataclass(frozen=True)
class Receipt:
    """Where the phone was sent after the payment."""

    session_id: str
    url: str


def pay(link: str, quantity: int, card: str = GOOD_CARD) -> Receipt:
    """Buys ``quantity`` plays at a payment link; raises :class:`ValueError` if it does not work."""
    phone = requests.Session()
    page = phone.get(link, timeout=10)
    if not page.ok:
        raise ValueError(f"the link {link} answered {page.status_code}")
    form = {"quantity": str(quantity), "card": card, "do": "pay"}
    paid = phone.post(page.url, data=form, allow_redirects=False, timeout=10)
    if not paid.is_redirect:
        raise ValueError(f"the checkout answered {paid.status_code} and no receipt")
    url = paid.headers["Location"]
    return Receipt(parse_qs(urlsplit(url).query)["session_id"][0], url)


def be_declined(link: str) -> None:
    """Tries to buy a play with a card that has no money on it."""
    phone = requests.Session()
    page = phone.get(link, timeout=10)
    form = {"quantity": "1", "card": EMPTY_CARD, "do": "pay"}
    answer = phone.post(page.url, data=form, allow_redirects=False, timeout=10)
    if answer.status_code != 402:
        raise ValueError(f"the checkout answered {answer.status_code} to a card without money")


def read(receipt: Receipt) -> str:
    """The receipt's page."""
    page = requests.get(receipt.url, timeout=10)
    page.raise_for_status()
    return page.text
