"""The page that a player's phone ends on: what became of this payment, in one sentence."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template

from cloud.core import hand_refunds, money
from cloud.core.orders import FINISHED, Order, OrderState

# How long a page waits before it asks again, by how often it has: most payments are over in
# seconds. A page that nobody closes asks a hundred times in its first hour, and then no more.
_PAUSES = ((15, 2), (27, 5), (60, 20), (100, 90))  # (asked so often at most, seconds)
MOST_VISITS = _PAUSES[-1][0]
# A payment that the cloud never hears of: its event is there within seconds, so five minutes do.
UNKNOWN_VISITS = 37


@dataclass(frozen=True)
class ReceiptText:
    """What a receipt says. ``final`` pages do not reload; ``tone`` picks colour and icon."""

    title: str
    sentence: str
    tone: str
    final: bool


def pause(visit: int, known: bool) -> int | None:
    """After how many seconds the page asks again; ``None`` if it has asked often enough."""
    if visit >= (MOST_VISITS if known else UNKNOWN_VISITS):
        return None
    return next(seconds for most, seconds in _PAUSES if visit < most)


def text_of(order: Order | None, visit: int = 0) -> ReceiptText:
    """What a receipt says of an order; ``None`` is a payment whose event has not come yet, or has
    not come in ``visit`` visits."""
    if order is None and visit >= UNKNOWN_VISITS:
        return ReceiptText(
            "We know of no such payment",
            "If you paid just now, open this page again in some minutes. A payment that never "
            "reaches us charges you nothing.",
            "back",
            final=True,
        )
    if order is None:
        return ReceiptText(
            "One moment",
            "Your payment has not reached us yet. This page asks again by itself. "
            "If the cabinet gives you nothing, you are charged nothing.",
            "wait",
            final=False,
        )
    amount = money.text(order.amount, order.currency)
    plays = "1 play" if order.credits == 1 else f"{order.credits} plays"
    if order.free:
        return _free(order, plays)
    if order.refunded and order.state is OrderState.SETTLED:
        return _refunded(order, amount)
    match order.state:
        case OrderState.OPEN:
            return ReceiptText(
                "Waking the cabinet",
                f"{amount} is reserved for {plays}. You are charged once the coins have dropped.",
                "wait",
                final=False,
            )
        case OrderState.CLAIMED:
            return ReceiptText(
                "Coins are dropping",
                f"{plays} on the way. Have fun!",
                "go",
                final=False,
            )
        case OrderState.SETTLING | OrderState.SETTLED:
            return _settled(order, plays, amount)
        case OrderState.RELEASING:
            return ReceiptText(
                "You get your money back",
                f"{_why(order, plays)}, so {amount} goes back to your card.",
                "back",
                final=False,
            )
        case OrderState.RELEASED:
            return ReceiptText(
                "You were not charged",
                f"{_why(order, plays)}. {amount} went back to your card; your bank may take some "
                "days to show it.",
                "back",
                final=True,
            )


def _why(order: Order, plays: str) -> str:
    """Why an order was released: what the operator said, or that the cabinet gave nothing."""
    if order.note:
        return f"The operator gave your money back ({order.note})"
    return f"The cabinet could not give you {plays}"


def _refunded(order: Order, amount: str) -> ReceiptText:
    """An order of which money went back after it was settled."""
    back = money.text(order.refunded, order.currency)
    reason = hand_refunds.last_reason(order.refunds)
    paid = money.text(max(0, order.charged - order.refunded), order.currency)
    return ReceiptText(
        "You got money back",
        f"{back} went back to your card{f' ({reason})' if reason else ''}: you pay {paid} of "
        f"{amount}. Your bank may take some days to show it.",
        "back",
        final=True,
    )


def _free(order: Order, plays: str) -> ReceiptText:
    """Credits that an operator gave: there is no money in them."""
    given = order.state in (OrderState.SETTLING, OrderState.SETTLED)
    over = order.state in FINISHED
    if over and not given:
        return ReceiptText("Free credits", f"{plays} were free and not fetched.", "back", True)
    return ReceiptText("Free credits", f"{plays}, free. Have fun!", "go", over)


def _settled(order: Order, plays: str, amount: str) -> ReceiptText:
    final = order.state is OrderState.SETTLED
    if order.pulsed >= order.pulses:
        paid = money.text(order.charged, order.currency) if final else amount
        return ReceiptText("Enjoy your game", f"{plays} for {paid}. Thank you!", "go", final)
    if order.pulsed == 0:
        return ReceiptText(
            "You were not charged",
            f"The cabinet could not give you {plays}, so you pay nothing.",
            "back",
            final,
        )
    paid = money.text(order.charged, order.currency) if final else "only the part that you got"
    return ReceiptText(
        "You pay for what you got",
        f"The cabinet gave {order.pulsed} of {order.pulses} coins. You pay {paid} of {amount}.",
        "back",
        final,
    )


def page(order: Order | None, session_id: str, visit: int) -> str:
    """The receipt as an HTML page, at the phone's ``visit``-th visit, from 0 on. Nothing of what
    the player sent is in it but the session's id, which is of letters that mean nothing in HTML."""
    text = text_of(order, visit)
    seconds = None if text.final else pause(visit, order is not None)
    again = f"{seconds}; url=?session_id={session_id}&amp;again={visit + 1}"
    return _template().substitute(
        title=text.title,
        sentence=html.escape(text.sentence),
        tone=text.tone,
        reload="" if seconds is None else f'<meta http-equiv="refresh" content="{again}">',
        reference=order.order_id[-8:] if order else "",
    )


@cache
def content_security_policy() -> str:
    """What the page may load: its one style, known by its hash. No page may have it in a frame."""
    style = re.search("<style>(.*?)</style>", _template().template, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


@cache
def _template() -> Template:
    return Template((Path(__file__).parent / "pages" / "receipt.html").read_text("utf-8"))
