"""One payment at Stripe as a value: a hold, or money that was charged at once."""

from __future__ import annotations

from dataclasses import dataclass, replace

AMOUNT = 200
SMALLEST = 50


@dataclass(frozen=True)
class Account:
    """A PaymentIntent, and the answers that its idempotency keys have had."""

    held: bool
    status: str
    received: int = 0
    refunded: int = 0
    answers: tuple[tuple[str, str], ...] = ()

    @property
    def charged(self) -> int:
        """What the player has paid."""
        return min(self.received, AMOUNT - self.refunded)


def paid(held: bool) -> Account:
    """A payment that a player has just made."""
    return Account(held, "requires_capture") if held else Account(held, "succeeded", AMOUNT)


def cancelled(account: Account) -> Account:
    """The account after a hand in the dashboard gave the hold up."""
    return replace(account, status="canceled", refunded=AMOUNT)


def ask(account: Account, call: str, amount: int, key: str) -> tuple[Account, str]:
    """The account after a call, and the code of Stripe's refusal; empty if it was done."""
    for known, answer in account.answers:
        if known == key:
            return account, answer
    after, refusal = _do(account, call, amount)
    return replace(after, answers=tuple(sorted((*account.answers, (key, refusal))))), refusal


def _do(account: Account, call: str, amount: int) -> tuple[Account, str]:
    waits = account.status == "requires_capture"
    if call == "capture" and waits and amount < SMALLEST:
        return account, "amount_too_small"
    if call == "capture" and waits and amount <= AMOUNT:
        # Stripe counts what a capture leaves of the hold as refunded.
        return replace(account, status="succeeded", received=amount, refunded=AMOUNT - amount), ""
    if call == "cancel" and waits:
        return replace(account, status="canceled", refunded=AMOUNT), ""
    if call == "refund" and account.status == "succeeded" and amount <= account.charged:
        return replace(account, refunded=account.refunded + amount), ""
    return account, "payment_intent_unexpected_state"
