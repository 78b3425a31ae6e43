"""The page that a player's phone ends on: what became of this payment, in one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from string import Template

from cloud.core import money
from cloud.core.orders import Order, OrderState


@dataclass(frozen=True)
class Told:
    """The words of a receipt. ``final`` pages do not reload; ``mood`` picks the colour."""

    title: str
    sentence: str
    mood: str
    final: bool


def told(order: Order | None) -> Told:
    """What a receipt says of an order; ``None`` is a payment that Stripe has not told us of yet."""
    if order is None:
        return Told(
            "One moment",
            "Your payment has not reached us yet. This page asks again by itself. "
            "If the cabinet gives you nothing, you are charged nothing.",
            "wait",
            final=False,
        )
    amount = money.text(order.amount, order.currency)
    plays = "1 play" if order.credits == 1 else f"{order.credits} plays"
    match order.state:
        case OrderState.OPEN:
            return Told(
                "Waking the cabinet",
                f"{amount} is reserved for {plays}. You are charged once the coins have dropped.",
                "wait",
                final=False,
            )
        case OrderState.CLAIMED:
            return Told(
                "Coins are dropping",
                f"{plays} on the way. Have fun!",
                "go",
                final=False,
            )
        case OrderState.SETTLING | OrderState.SETTLED:
            return _settled(order, plays, amount)
        case OrderState.RELEASING:
            return Told(
                "You get your money back",
                f"The cabinet could not give you {plays}, so {amount} goes back to your card.",
                "back",
                final=False,
            )
        case OrderState.RELEASED:
            return Told(
                "You were not charged",
                f"The cabinet could not give you {plays}. {amount} went back to your card; "
                "your bank may take some days to show it.",
                "back",
                final=True,
            )


def _settled(order: Order, plays: str, amount: str) -> Told:
    final = order.state is OrderState.SETTLED
    if order.pulsed >= order.pulses:
        paid = money.text(order.charged, order.currency) if final else amount
        return Told("Enjoy your game", f"{plays} for {paid}. Thank you!", "go", final)
    if order.pulsed == 0:
        return Told(
            "You were not charged",
            f"The cabinet could not give you {plays}, so you pay nothing.",
            "back",
            final,
        )
    paid = money.text(order.charged, order.currency) if final else "only the part that you got"
    return Told(
        "You pay for what you got",
        f"The cabinet gave {order.pulsed} of {order.pulses} coins. You pay {paid} of {amount}.",
        "back",
        final,
    )


def page(order: Order | None) -> str:
    """The receipt as an HTML page; nothing in it comes from the player."""
    words = told(order)
    template = resources.files("cloud.http").joinpath("pages/receipt.html").read_text("utf-8")
    return Template(template).substitute(
        title=words.title,
        sentence=words.sentence,
        mood=words.mood,
        reload="" if words.final else '<meta http-equiv="refresh" content="2">',
        reference=order.order_id[-8:] if order else "",
    )
