"""Those who act on the arcade besides its honest players: an operator, strangers and a thief."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import random
from collections.abc import Callable, Mapping
from typing import Any

from cloud.adapters.stripe_gateway import StripeRefused, StripeUnavailable
from cloud.cli import admin
from cloud.cli.desk import AdminError, Desk
from cloud.core import cabinets as cabinet_rules
from cloud.core.orders import OrderState
from cloud.core.stamps import Stamp
from cloud.services import cabinet_tokens
from cloud.services.clock import Clock
from cloud.stores.base import LedgerUnavailable
from tests.simulation.cabinetside import Cabinet
from tests.simulation.cloudside import CloudSide
from tests.simulation.invariants import REFUND, earned, hold
from tests.simulation.stripeside import Nonsense
from tests.simulation.world import PowerCut, World, void

MINUTE = 60.0
SURROGATE = "\ud800"
FORGED = "FORGED"

_parser = functools.cache(admin.parser)  # to make it costs more than most commands


class Operator:
    """Uses the real commands; those that fail are typed again, a few times."""

    def __init__(
        self,
        world: World,
        cloud: CloudSide,
        cabinets: list[Cabinet],
    ) -> None:
        self.world = world
        self.cloud = cloud
        self.cabinets = cabinets
        self.prices_changed: dict[str, float] = {}
        self.gifts = 0
        self.refunds: set[tuple[str, str]] = set()
        self.told = ""  # what ``reconcile`` has said

    def command(self, *words: str) -> str:
        """Types a command; returns what it printed. Raises what is no failure of the world."""
        printed = io.StringIO()
        args = _parser().parse_args(words)
        for _ in range(4):
            try:
                with self.cloud.lambda_() as cloud, contextlib.redirect_stdout(printed):
                    admin.run(Desk(cloud, self.cloud.settings, {}, None), args)
                break
            except (AdminError, LedgerUnavailable, StripeRefused, StripeUnavailable):
                continue
            except (PowerCut, Nonsense):
                continue
        return printed.getvalue()

    def raise_price(self, cabinet: Cabinet) -> None:
        """A play costs more from now on."""
        stored = self.cloud.ledger.inner.cabinet(cabinet.machine_id)
        if stored is None or stored.prices.amount > 2000:
            return
        before = stored.prices
        self.world.note(f"operator: raises the price at {cabinet.machine_id}")
        self.command("price", cabinet.machine_id, "--price", f"{before.amount / 100 + 0.5:.2f}")
        stored = self.cloud.ledger.inner.cabinet(cabinet.machine_id)
        if stored is not None and stored.prices != before:
            self.prices_changed[cabinet.machine_id] = self.world.now

    def mistype(self, cabinet: Cabinet) -> None:
        """``5=60`` for ``5=6``, seen after an hour."""
        self._bonus(cabinet, "5=60")

    def mistype_hugely(self, cabinet: Cabinet) -> None:
        """More plays than a cabinet takes in one order."""
        self._bonus(cabinet, "5=1200")

    def _bonus(self, cabinet: Cabinet, bonus: str) -> None:
        self.world.note(f"operator: types --bonus {bonus} at {cabinet.machine_id}")
        self.command("price", cabinet.machine_id, "--bonus", bonus)

        def mend() -> None:
            self.command("price", cabinet.machine_id, "--bonus", "5=6")

        self.world.at(3600.0, mend)

    def rotate_token(self, cabinet: Cabinet, at_once: bool = False) -> None:
        """A new token, which is in the cabinet some minutes later."""
        ledger = self.cloud.ledger.inner
        stored = ledger.cabinet(cabinet.machine_id)
        if stored is None or stored.removed:
            return
        token, digest = cabinet_tokens.new(cabinet.machine_id)
        self._replace(cabinet_rules.with_token(stored, digest, self._stamp()), stored)
        self.world.note(f"operator: a new token for {cabinet.machine_id}")

        def install() -> None:
            stored = ledger.cabinet(cabinet.machine_id)
            # Whoever was given a newer one meanwhile keeps that.
            if stored is not None and stored.token_hash == digest:
                cabinet.token = token

        if at_once:
            install()
        else:
            self.world.at(10 * MINUTE, install)

    def rename(self, cabinet: Cabinet) -> None:
        """Another name on the checkout page, by the commands that there are for it."""
        self.remove_and_add(cabinet, 1.0)

    def remove_and_add(self, cabinet: Cabinet, after: float = 15 * MINUTE) -> None:
        """Out of service, and back under another name, with the new config file in place."""
        if cabinet.removed:
            return
        self.world.note(f"operator: removes {cabinet.machine_id}")
        self.command("remove", cabinet.machine_id)
        stored = self.cloud.ledger.inner.cabinet(cabinet.machine_id)
        if stored is None or not stored.removed:
            return
        cabinet.removed, cabinet.removed_at = True, self.world.now

        self.world.at(after, lambda: self._add_again(cabinet))

    def _add_again(self, cabinet: Cabinet) -> None:
        stored = self.cloud.ledger.inner.cabinet(cabinet.machine_id)
        assert stored is not None
        token, digest = cabinet_tokens.new(cabinet.machine_id)
        write_id = self._stamp().write_id
        name = f"{stored.machine_id} of {self.world.now:.0f}"
        new = cabinet_rules.Cabinet(cabinet.machine_id, name, digest, stored.prices, write_id)
        self._replace(cabinet_rules.add_again(stored, new), stored)
        cabinet.token, cabinet.removed = token, False
        self.world.note(f"operator: adds {cabinet.machine_id} again")

    def change_public_url(self, _cabinet: Cabinet) -> None:
        """Phones reach the API elsewhere from now on."""
        self.world.note("operator: changes PUBLIC_URL")
        self.cloud.set_public_url(f"https://simulated-{self.world.now:.0f}")

    def change_account(self, _cabinet: Cabinet) -> None:
        """The key of another Stripe account, as from test to live mode."""
        if self.cloud.stripe.account == 0:
            self.world.note("operator: another Stripe account")
            self.cloud.change_stripe_account()

    def back_up(self) -> None:
        """Keeps the ledger as it is; some time later it may be put back."""
        self.cloud.ledger.back_up()

    def restore(self, _cabinet: Cabinet) -> None:
        """The ledger of some time ago, and then what the docs say: tokens and ``reconcile``."""
        if not self.cloud.restore_ledger():
            return
        self.world.note("operator: restores the ledger's backup")
        for cabinet in self.cabinets:
            stored = self.cloud.ledger.inner.cabinet(cabinet.machine_id)
            if stored is not None and stored.removed:
                self._add_again(cabinet)
            self.rotate_token(cabinet, at_once=True)
        self.world.at(16 * MINUTE, lambda: self.reconcile_and_fix(self.cabinets[0]))

    def reconcile_and_fix(self, _cabinet: Cabinet) -> None:
        """``reconcile --fix``, at any moment."""
        self.world.note("operator: reconcile --fix")
        stripe = self.cloud.stripe
        before = {session_id: stripe.charged(session_id) for session_id in stripe.payments}
        words = ["reconcile", "--fix", "--days", "3660"]
        if self.cloud.restored_at > 0:
            # What the ledger has lost and Stripe never knew, the cabinets still have.
            words += [f"--journal={c.machine_id}={c.export()}" for c in self.cabinets]
            # And links that were lost are switched off in the dashboard, as the docs say.
            for link_id, link in stripe.links.items():
                if stripe.ours(link_id) and self.cloud.ledger.inner.link(link_id) is None:
                    link["active"] = False
        self.told += self.command(*words)
        for session_id, was in before.items():
            now = stripe.charged(session_id)
            if now < was and now < (due := earned(self.cloud, self.cabinets, session_id)):
                hold(
                    "reconcile takes back nothing that was earned",
                    False,
                    f"reconcile --fix took {was - now} of {session_id} back: {due} was earned",
                )

    def give_credits(self, cabinet: Cabinet) -> None:
        """Free credits, for a coin that was lost; the command is typed twice."""
        if cabinet.removed:
            return
        self.gifts += 1
        request = f"g{self.gifts}"
        self.world.note(f"operator: free credits {request} at {cabinet.machine_id}")
        for _ in range(2):
            self.command(
                "credit", cabinet.machine_id, "2", "--reason", "ate a coin", "--request", request
            )

    def refund(self, cabinet: Cabinet) -> None:
        """Half a dollar of the cabinet's last charge goes back; the command is typed twice."""
        ledger, stripe = self.cloud.ledger.inner, self.cloud.stripe
        for order in reversed(list(ledger.lagging_orders(cabinet.machine_id))):
            mine = order.intent_id in stripe.accounts and stripe.ours(order.order_id)
            if order.state is OrderState.SETTLED and mine and order.charged >= REFUND:
                request = f"r{len(self.refunds) + 1}"
                self.refunds.add((order.intent_id, request))
                stripe.by_hand.setdefault(order.intent_id, self.world.now)
                self.world.note(f"operator: refunds {order.order_id}, {request}")
                for _ in range(2):
                    self.command(
                        "refund", order.order_id, "--amount", f"{REFUND / 100:.2f}",
                        "--reason", "a bad stick", "--request", request,
                    )  # fmt: skip
                return

    # In Stripe's dashboard

    def dashboard(self, what: str) -> Callable[[Cabinet], None]:
        """A hand on the newest payment of a cabinet."""

        def act(cabinet: Cabinet) -> None:
            stripe = self.cloud.stripe
            session_id = next(
                (
                    s
                    for s, p in reversed(stripe.payments.items())
                    if p.machine_id == cabinet.machine_id and stripe.ours(s)
                ),
                None,
            )
            if session_id is None:
                return
            intent_id = stripe.payments[session_id].intent_id
            if not getattr(stripe, what)(intent_id, self.world.now):
                return
            self.world.note(f"dashboard: {what} {session_id}")
            event = {
                "cancel_by_hand": "payment_intent.canceled",
                "refund_by_hand": "charge.refunded",
                "dispute": "charge.dispute.created",
            }.get(what)
            metadata = {"machine_id": cabinet.machine_id}
            if event == "payment_intent.canceled":
                self.cloud.tell(event, {"id": intent_id, "metadata": metadata})
            elif event:
                self.cloud.tell(event, {"payment_intent": intent_id})

        return act

    def switch_link_off(self, cabinet: Cabinet) -> None:
        """The cabinet's link, in the dashboard."""
        link_id = next(self.cloud.ledger.inner.lagging_link_ids(cabinet.machine_id), None)
        if link_id and self.cloud.stripe.ours(link_id):
            self.world.note(f"dashboard: switches {link_id} off")
            self.cloud.stripe.links[link_id]["active"] = False

    def read_problems(self) -> str:
        """``problems``, which must be readable whatever cabinets say."""
        text = ""
        for name in ("problems", "list"):
            try:
                text += self.command(name)
                text.encode()
                wrong = any(line.lstrip().startswith(FORGED) for line in text.splitlines())
                wrong = wrong or "\x1b" in text
            except UnicodeError:
                wrong = True
            hold(
                "the operator's pages can be read",
                not wrong,
                f"`{name}` cannot be read, or has lines that a cabinet forged",
            )
        return text

    def _stamp(self) -> Stamp:
        return Clock(self.cloud.clock).stamp()

    def _replace(self, new: Any, old: Any) -> None:
        self.cloud.ledger.catch_up()
        self.cloud.ledger.inner.replace(old, new)
        self.cloud.ledger._index.replace(old, new)


class Stranger:
    """Somebody with a photo of the code, and somebody with an old event or message."""

    def __init__(self, world: World, cloud: CloudSide) -> None:
        self.world = world
        self.cloud = cloud

    def begin_and_leave(self, cabinet: Cabinet) -> None:
        """Payments are begun and left at the bank's page, one after the other."""
        self.world.note(f"stranger: begins payments at {cabinet.machine_id}")

        def begin() -> None:
            cabinet.payment_at = self.world.now
            self.cloud.begin_payment(cabinet.machine_id)

        for number in range(8):
            self.world.at(30.0 * number, begin)

    def old_event(self, cabinet: Cabinet) -> None:
        """Stripe sends an event of three days ago, after which nothing came."""
        self.world.note(f"Stripe: an old event for {cabinet.machine_id}")
        intent = {"id": "pi_old", "metadata": {"machine_id": cabinet.machine_id}}
        self.cloud.tell("payment_intent.created", intent, age=3 * 86_400.0)

    def retained_message(self, cabinet: Cabinet) -> None:
        """A message that somebody published as retained: every connection gets it again."""
        message = {
            "machineId": cabinet.machine_id,
            "status": "processing",
            "timestamp": "2026-01-01T00:00:00.000Z",
        }
        topic = f"arcade/machine/{cabinet.machine_id}/payment"
        self.cloud.broker.retain(topic, json.dumps(message).encode())


class Thief:
    """Has one cabinet's token and its account at the broker, and acts in its name."""

    def __init__(
        self,
        world: World,
        cloud: CloudSide,
        cabinets: list[Cabinet],
    ) -> None:
        self.world = world
        self.cloud = cloud
        self.cabinets = cabinets
        self.orders: set[str] = set()
        self.victims: set[str] = set()
        self.contradicted: dict[str, float] = {}

    def act(self, cabinet: Cabinet) -> None:
        """Heartbeats, claims and settles in the cabinet's name, and tries its neighbours."""
        self.victims.add(cabinet.machine_id)
        self.world.note(f"thief: acts as {cabinet.machine_id}")
        for number in range(12):
            self.world.at(5.0 * number, lambda: self._once(cabinet))

    def _once(self, cabinet: Cabinet) -> None:
        name = cabinet.machine_id
        beat = self._heartbeat(
            cabinet,
            {
                "machine_id": name,
                "state": "ready",
                "version": "1",
                "healthy": True,
                "problems": [],
            },
        )
        if not beat:
            return
        for order in beat.get("orders", ()):
            self.orders.add(order["order_id"])
            body = {"machine_id": name, "order_id": order["order_id"], "claim_id": "thief"}
            self._call(cabinet, "/claim", body)
        for order in beat.get("claimed", ()):
            self.orders.add(order["order_id"])
            hold(
                "a heartbeat shows no claim id",
                "claim_id" not in order,
                f"whoever has the token of {name} is told how {order['order_id']} was claimed",
            )
            body = {
                "machine_id": name,
                "order_id": order["order_id"],
                "claim_id": order.get("claim_id") or "thief",
                "pulsed": 0,
                "pulses": order.get("credits", 1),
            }
            self._call(cabinet, "/settle", body)
        for other in self.cabinets:
            if other is not cabinet:
                hold(
                    "a cabinet's token is of no use at another one",
                    self._call(cabinet, "/create-payment-link", {"machine_id": other.machine_id})
                    is None
                    and self._call(cabinet, "/gameover", {"machine_id": other.machine_id}) is None,
                    f"the token of {name} is taken for {other.machine_id}",
                )
                for order_id in self._orders_of(other):
                    body = {"machine_id": name, "order_id": order_id, "claim_id": "thief"}
                    report = {"pulsed": 0, "pulses": 1}
                    for tried in (body, body | {"machine_id": other.machine_id}):
                        done = self._call(cabinet, "/claim", tried)
                        done = self._call(cabinet, "/settle", tried | report) or done
                        hold(
                            "a cabinet's token is of no use at another one",
                            not done,
                            f"the token of {name} changes {order_id} of {other.machine_id}",
                        )

    def write_nastily(self, cabinet: Cabinet) -> None:
        """A heartbeat whose words would forge lines in the operator's pages."""
        self.world.note(f"thief: writes nasty words as {cabinet.machine_id}")
        self._heartbeat(
            cabinet,
            {
                "machine_id": cabinet.machine_id,
                "state": "ready",
                "version": "1",
                "healthy": True,
                "problems": [f"x\n{FORGED} cab999", "\x1b[2J", SURROGATE],
            },
        )

    def publish(self, cabinet: Cabinet) -> None:
        """Whatever the cabinet's own topics take, in the cloud's name."""
        self.victims.add(cabinet.machine_id)
        self.world.note(f"thief: publishes to {cabinet.machine_id}")
        name, stamp = cabinet.machine_id, self.cloud.stamp_now()
        topic = f"arcade/machine/{name}"
        own, others = ([*self._orders_of(c)] for c in (cabinet, self._another(cabinet)))
        for number, order_id in enumerate(["made-up", *own, *others]):
            hint = {"machineId": name, "credits": 99, "orderId": order_id, "timestamp": stamp}
            self._publish(cabinet, number, f"{topic}/coinpulse", hint)
        for number, status in enumerate(("processing", "declined", "released", "offer_changed")):
            told = {"machineId": name, "status": status, "timestamp": stamp}
            self._publish(cabinet, number, f"{topic}/payment", told)
        for number in range(3):
            over = {"machineId": name, "event": "gameover", "timestamp": f"{stamp}{number}"}
            self._publish(cabinet, number, f"{topic}/gameover", over)
        self.cloud.broker.accept(f"{topic}/coinpulse", b"\xff{")

    def _publish(
        self, cabinet: Cabinet, number: int, topic: str, message: Mapping[str, object]
    ) -> None:
        def publish() -> None:
            cabinet.payment_at = self.world.now
            self.cloud.broker.accept(topic, json.dumps(message).encode())

        self.world.at(20.0 * number, publish)

    def _another(self, cabinet: Cabinet) -> Cabinet:
        return next((c for c in self.cabinets if c is not cabinet), cabinet)

    def _orders_of(self, cabinet: Cabinet) -> list[str]:
        return list(self.cloud.ledger.inner.lagging_unfinished_ids(cabinet.machine_id))

    def _heartbeat(self, cabinet: Cabinet, body: dict[str, Any]) -> dict[str, Any] | None:
        seen_at_ms = self.cloud.seen_at_ms(cabinet.machine_id)
        answer = self._call(cabinet, "/status", body)
        if answer is not None or self.cloud.seen_at_ms(cabinet.machine_id) != seen_at_ms:
            cabinet.heard_at = self.world.now  # for all that the cloud knows
        return answer

    def _call(self, cabinet: Cabinet, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        answer = self.cloud.http(
            "POST",
            path,
            json.dumps(body).encode(),
            {"authorization": f"Bearer {cabinet.token}"},
        )
        return answer.body if answer and answer.status == 200 else None


Act = Callable[[Cabinet], None]


def acts(
    operator: Operator, stranger: Stranger, thief: Thief, rng: random.Random
) -> dict[str, Act]:
    """What people do now and then, by the name of its rate."""

    def write_and_read(cabinet: Cabinet) -> None:
        thief.write_nastily(cabinet)
        thief.world.at(10.0, lambda: void(operator.read_problems()), in_cloud=True)

    return {
        "operator raises the price": operator.raise_price,
        "operator types 5=60": operator.mistype,
        "operator types 5=1200": operator.mistype_hugely,
        "operator rotates a token": operator.rotate_token,
        "operator removes and adds again": operator.remove_and_add,
        "operator renames": operator.rename,
        "operator changes PUBLIC_URL": operator.change_public_url,
        "operator changes the Stripe account": operator.change_account,
        "operator restores the ledger": operator.restore,
        "operator runs reconcile --fix": operator.reconcile_and_fix,
        "operator gives free credits": operator.give_credits,
        "operator refunds by command": operator.refund,
        "dashboard captures": operator.dashboard("capture_by_hand"),
        "dashboard cancels": operator.dashboard("cancel_by_hand"),
        "dashboard refunds": operator.dashboard("refund_by_hand"),
        "bank disputes": operator.dashboard("dispute"),
        "dashboard switches a link off": operator.switch_link_off,
        "payments begun and left": stranger.begin_and_leave,
        "event of three days ago": stranger.old_event,
        "retained message": stranger.retained_message,
        "thief with a token": thief.act,
        "thief writes nasty words": write_and_read,
        "thief with a broker login": thief.publish,
        "thrown off by its id": lambda cabinet: cabinet.throw_off(rng.randint(1, 12)),
    }
