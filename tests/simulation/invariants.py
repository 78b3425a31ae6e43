"""What must be true of every run, and what must be true at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection

from cloud.core.orders import FINISHED, Order, OrderState
from kiosk.core.entries import Entry, Kind
from tests.simulation.cabinetside import Cabinet
from tests.simulation.cloudside import EPOCH, CloudSide

FREE = "free_"
REFUND = 50  # cents that the operator gives back by a command

# The resume window, and the time that a few orders in a row take to be pulsed.
WINDOW = 300.0 + 60.0


HOUR = 3600.0
TOLD_S = HOUR + 600.0  # what is stuck is told within the hour, and looked at every ten minutes
MOST_UNANSWERED = 20  # heartbeats in a row; faults alone never come to as many


class Broken(AssertionError):
    """An invariant does not hold; the message names it and the order."""


# Those that have a name.
NAMES = (
    "a payment becomes a pulse",
    "what was given for nothing is told",
    "a screen has a cause that exists now",
    "what is stuck is told within the hour",
    "reconcile takes back nothing that was earned",
    "nobody hides the code",
    "no old price is sold",
    "a cancelled hold gives no plays",
    "a contradiction is told",
    "the operator's pages can be read",
    "a dead cabinet's link is off",
    "offline has a cause that exists now",
    "a stuck cabinet is told within the hour",
    "an ambiguous pulse is told",
    "what was given for nothing is told the same day",
    "forgiveness has its limits",
    "a cabinet's token is of no use at another one",
    "a heartbeat that is stored is answered",
    "a heartbeat shows no claim id",
)


def hold(name: str, holds: bool, text: str) -> None:
    """Raises :class:`Broken` if the invariant ``name`` does not hold."""
    assert name in NAMES, name
    if not holds:
        raise Broken(f"{name}: {text}")


def at_a_coin(
    cloud: CloudSide,
    coins: Counter[tuple[str, int]],
    cabinet: Cabinet,
    order_id: str,
    number: int,
) -> None:
    """Checked as the relay closes."""
    if coins[order_id, number] > 1:
        raise Broken(f"pulse {number} of {order_id} was made twice")
    if (order_id, number) not in cabinet.begun:
        raise Broken(f"pulse {number} of {order_id} is not in the journal")
    order = cloud.ledger.inner.order(order_id)
    if order_id in cloud.lost or (order is None and order_id in cloud.stripe.payments):
        return  # the ledger was restored from before the claim
    if order is None and order_id.startswith(FREE) and cloud.restored_at > 0:
        return  # the ledger was restored from before it was given
    if order is None:
        raise Broken(f"a pulse for {order_id}, which nobody paid")
    if order.machine_id != cabinet.machine_id:
        raise Broken(f"a pulse for {order_id} at another cabinet")
    if order.state is not OrderState.CLAIMED:
        raise Broken(f"a pulse for {order_id}, which is {order.state.value} and not claimed")
    late = cloud.clock() - order.claimed_at_ms / 1000
    if late > WINDOW:
        raise Broken(f"a pulse for {order_id}, {late:.0f} s after it was claimed")
    if number > order.credits * cabinet.each:
        raise Broken(f"more pulses than were paid for {order_id}")
    known_at = cloud.cancelled_at.get(order.intent_id)
    if known_at is not None:
        hold(
            "a cancelled hold gives no plays",
            order.claimed_at_ms / 1000 - EPOCH < known_at + 5.0,
            f"a pulse for {order_id}, claimed after the cloud knew that its hold was cancelled",
        )


def at_a_line(cabinet: Cabinet, entry: Entry) -> None:
    """Checked as the journal gets a line."""
    kept = cabinet.kept[entry.order_id]
    # What a cabinet does not forgive any more today is charged, though the game forgot it.
    charged_anyway = any(
        e.kind is Kind.NOT_FORGIVEN and e.order_id == entry.order_id for e in cabinet.lines
    )
    if entry.kind is Kind.SETTLE and entry.number > kept and not charged_anyway:
        raise Broken(
            f"{entry.order_id} is settled with {entry.number} pulses, the game knows of {kept}"
        )
    if entry.kind is Kind.POWER_LOST and kept:
        raise Broken(f"pulses of {entry.order_id} are forgiven, and the game knows of {kept}")


def at_an_acknowledgement(cloud: CloudSide, cabinet: Cabinet, order_id: str) -> None:
    """Checked as a hint is acknowledged: it is in the journal, or there was nothing to take."""
    order = cloud.ledger.inner.order(order_id)
    known = any(e.kind is Kind.CLAIM for e in cabinet.lines_of.get(order_id, ()))
    engine = cabinet.engine
    able = engine is not None and engine.state.can_pulse
    if order is not None and order.state is OrderState.OPEN and able and not known:
        raise Broken(f"the hint of {order_id} was acknowledged before the journal held it")


def earned(cloud: CloudSide, cabinets: list[Cabinet], session_id: str) -> int:
    """What the journals say that a payment has earned, in the currency's smallest unit."""
    payment = cloud.stripe.payments[session_id]
    for cabinet in cabinets:
        if session_id in cabinet.lost and not cloud.stripe.accounts[payment.intent_id].pulses:
            return 0  # its journal was lost before the settle: nobody can know any more
        if cabinet.machine_id == payment.machine_id:
            pulses = next(
                (
                    e.pulses
                    for e in cabinet.lines_of.get(session_id, ())
                    if e.kind is Kind.CLAIMED and e.pulses
                ),
                0,
            )
            if pulses:
                return payment.amount * _to_charge(cabinet, session_id) // pulses
    return 0


def the_screen_has_a_cause(cloud: CloudSide, cabinet: Cabinet, now: float) -> None:
    """Checked every half minute: what the screen has shown for a while is so now."""
    if cabinet.engine is None or now - cabinet.screen_since < 20.0:
        return
    state, view = cabinet.engine.state, cabinet.engine.view
    name = "a screen has a cause that exists now"
    told = f"{cabinet.machine_id} shows {view.screen.name} since {now - cabinet.screen_since:.0f} s"
    match view.screen.name:
        case "PAYING":
            has_order = any(
                (order := cloud.ledger.inner.order(order_id)) is not None
                and order.state in (OrderState.OPEN, OrderState.CLAIMED)
                for order_id in cloud.ledger.inner.lagging_unfinished_ids(cabinet.machine_id)
            )
            paying = now - cabinet.payment_at < 240.0
            # The cloud may have released the order; a cabinet that cannot ask does not know that.
            # It begins anew to wait when its journal is back.
            begun = cabinet.part_failed_at
            asks = any(now - max(since, begun) < 70.0 for since in cabinet.asked_at.values())
            hold(name, has_order or paying or asks, f"{told}, and nobody pays")
        case "CREDITING":
            recent = now - max(cabinet.coin_at, cabinet.screen_since) < 120.0
            hold(name, recent, f"{told}, and no coin has dropped for two minutes")
        case "OUT_OF_ORDER":
            broken = now - cabinet.part_failed_at < 60.0
            hold(name, broken, f"{told}, and no part has failed for a minute")
        case "OFFLINE":
            hold(
                "offline has a cause that exists now",
                cabinet.removed or bool(state.waiting_since) or now - cabinet.trouble_at < 90.0,
                f"{told}, and nothing has gone wrong for {now - cabinet.trouble_at:.0f} s",
            )
    orders = state.order_book.unfinished
    if state.payment_is_processing and not orders and cabinet.can_sell:
        hold(
            "nobody hides the code",
            view.offer is not None,
            f"{cabinet.machine_id} could sell, and shows no code while somebody else pays",
        )


def nothing_is_stuck_in_silence(
    cloud: CloudSide,
    cabinets: list[Cabinet],
    problems: Callable[[], str],
    now: float,
) -> None:
    """Checked every ten minutes: what waits for longer than an hour is on the operator's page."""
    ledger, page = cloud.ledger.inner, ""
    for cabinet in cabinets:
        for order_id in ledger.lagging_unfinished_ids(cabinet.machine_id):
            order = ledger.order(order_id)
            if order is None:
                continue
            since = max(order.deadline_ms, order.changed_at_ms) / 1000 - EPOCH
            if now - max(since, cloud.restored_at) < TOLD_S:
                continue
            page = page or problems()
            hold(
                "what is stuck is told within the hour",
                order_id in page,
                f"{order_id} is {order.state.value} for {now - since:.0f} s, and not in `problems`",
            )
        hold(
            "a heartbeat that is stored is answered",
            cabinet.unanswered < MOST_UNANSWERED,
            f"{cabinet.unanswered} heartbeats of {cabinet.machine_id} in a row were stored, and "
            "none was answered with 200: it hears of no order that waits",
        )
        silent = cabinet.heard_at and now - cabinet.heard_at > TOLD_S and not cabinet.removed
        seen = ledger.presence(cabinet.machine_id)
        if cloud.restored_at > cabinet.heard_at and not (seen and seen.seen_at_ms):
            silent = False  # the ledger was restored from before its first heartbeat
        stored = ledger.cabinet(cabinet.machine_id)
        if silent and stored and not stored.removed:
            page = page or problems()
            hold(
                "a stuck cabinet is told within the hour",
                any(
                    line.startswith("now ") and cabinet.machine_id in line
                    for line in page.splitlines()
                ),
                f"{cabinet.machine_id} was last heard of {now - cabinet.heard_at:.0f} s ago, and "
                "`problems` does not say so",
            )
        # A link that it asked for is on until the cloud misses its heartbeats.
        dead = cabinet.removed or now - max(cabinet.heard_at, cabinet.linked_at) > 2 * HOUR
        for link_id, link in cloud.stripe.links.items() if dead else ():
            if link["machine_id"] != cabinet.machine_id or not link["active"]:
                continue
            if not cloud.stripe.ours(link_id) or cabinet.removed_at > now - HOUR:
                continue
            if cloud.restored_at > now - HOUR:
                continue  # `reconcile` was not run yet
            page = page or problems()
            hold(
                "a dead cabinet's link is off",
                link_id in page,
                f"{link_id} can be paid, {cabinet.machine_id} was last heard of "
                f"{now - cabinet.heard_at:.0f} s ago, and it is not in `problems`",
            )


def what_people_did_is_told(cloud: CloudSide, touched: Collection[str], now: float) -> None:
    """Checked at the end: contradictions, disputes and captures that were declined."""
    told = {incident.order_id for incident in cloud.ledger.inner.lagging_incidents()}
    for session_id in touched:
        hold(
            "a contradiction is told",
            session_id in told or session_id in cloud.lost,
            f"two settles of {session_id} contradict each other, and no incident says so",
        )
    for session_id, payment in cloud.stripe.payments.items():
        if session_id in cloud.lost or not cloud.stripe.ours(session_id):
            continue
        account = cloud.stripe.accounts[payment.intent_id]
        if account.disputed:
            hold(
                "what is stuck is told within the hour",
                session_id in told,
                f"{session_id} is disputed, and no incident says so",
            )


def at_the_end(
    cloud: CloudSide,
    cabinets: list[Cabinet],
    coins: Counter[tuple[str, int]],
    stolen: Collection[str],
    reconciled: str,
) -> None:
    """Checked once everything is healed and quiet. The orders ``stolen`` were settled by somebody
    else in their cabinet's name: what they charge is that one's word. ``reconciled`` is what
    ``reconcile`` has told the operator."""
    ledger = cloud.ledger.inner
    fallen: Counter[str] = Counter()
    for (order_id, _), count in coins.items():
        fallen[order_id] += count
    for session_id, payment in cloud.stripe.payments.items():
        link_id = payment.link_id
        if session_id in cloud.old_accounts:
            continue  # no key reaches its money any more: its hold has run out
        order = ledger.order(session_id)
        if order is None:
            is_told = _told(cloud, session_id) or session_id in reconciled
            if cloud.restored_at > 0 and cloud.ledger.inner.link(link_id) is None and is_told:
                continue  # its link was lost with the ledger: it may be another installation's
            empty = not cloud.stripe.charged(session_id) and not cloud.stripe.holds(session_id)
            lost = any(session_id in cabinet.lost for cabinet in cabinets)
            if empty and (is_told or lost or not fallen[session_id]):
                # No money is in it, and the ledger was restored if it ever knew it. If its journal
                # was lost, too, nobody can know any more what was made.
                continue
            if (
                cloud.restored_at > 0
                and session_id in reconciled
                and not cloud.stripe.holds(session_id)
                and earned(cloud, cabinets, session_id)
            ):
                continue  # charged at once, settled, and lost before Stripe was told: a person's
            raise Broken(f"the ledger does not know {session_id}, which was paid")
        if order.state not in FINISHED:
            raise Broken(f"{session_id} stays {order.state.value} for ever")
        if session_id not in stolen:
            cabinet = next(c for c in cabinets if c.machine_id == order.machine_id)
            _the_books_agree(cloud, order, cabinet, fallen[session_id])
    for finding in cloud.reconcile():
        if finding.order_id in cloud.old_accounts or finding.order_id in stolen:
            continue
        raise Broken(f"{finding.order_id}: reconcile finds that {finding.reason}")
    for cabinet in cabinets:
        begun = over = 0
        for order_id in cabinet.lines_of:
            made = _made(cabinet, order_id)
            begun, over = begun + made[0], over + made[1]
        if begun - over > cabinet.cuts + cabinet.failures:
            raise Broken(f"{begun - over} ambiguous pulses at {cabinet.machine_id}")
        if cabinet.engine is None or cabinet.engine.state.order_book.unfinished:
            raise Broken(f"{cabinet.machine_id} is not done with its orders")


def what_the_operator_gave(
    cloud: CloudSide, cabinets: list[Cabinet], coins: Counter[tuple[str, int]]
) -> None:
    """Checked at the end: free credits are pulsed once and are no money, and what was refunded by
    command was refunded once."""
    for (intent_id, request), amount in cloud.stripe.requests.items():
        if amount != REFUND:
            raise Broken(f"request {request} of {intent_id} has refunded {amount}")
    each = {cabinet.machine_id: cabinet.each for cabinet in cabinets}
    for order in cloud.ledger.inner.lagging_orders():
        if not order.free:
            continue
        name = f"{order.order_id} ({order.state.value})"
        if order.charged or order.refunded or order.intent_id:
            raise Broken(f"{name}: free credits became money")
        if order.state not in FINISHED:
            raise Broken(f"{name} stays so for ever")
        fallen = sum(count for (order_id, _), count in coins.items() if order_id == order.order_id)
        if fallen > order.credits * each[order.machine_id]:
            raise Broken(f"{name}: {fallen} coins fell")
        if not order.lost and not order.made <= fallen <= order.made + order.ambiguous:
            raise Broken(f"{name}: {fallen} coins fell, the cloud was told of {order.made}")


def _told(cloud: CloudSide, order_id: str) -> bool:
    return any(i.order_id == order_id for i in cloud.ledger.inner.lagging_incidents())


def _made(cabinet: Cabinet, order_id: str) -> tuple[int, int]:
    """How many pulses began and how many were over, by the journal."""
    lines = cabinet.lines_of.get(order_id, ())
    begun = sum(e.kind is Kind.PULSE_BEGINS for e in lines)
    return begun, sum(e.kind is Kind.PULSE_OVER for e in lines)


def _to_charge(cabinet: Cabinet, order_id: str) -> int:
    """How many pulses the player pays: those that were over since the game last lost its memory,
    and none if the journal was lost."""
    count = 0
    for entry in cabinet.lines_of.get(order_id, ()):
        if entry.kind is Kind.PULSE_OVER:
            count += 1
        elif entry.kind is Kind.FORGIVEN or entry.note == "not in the journal":
            count = 0
    return count


def _to_tell(cabinet: Cabinet, order_id: str) -> tuple[int, int, int]:
    """How many pulses were made, forgiven and are ambiguous, by the journal."""
    begun, over = _made(cabinet, order_id)
    made = forgiven = 0
    for entry in cabinet.lines_of.get(order_id, ()):
        made += entry.kind is Kind.PULSE_OVER
        forgiven = made if entry.kind is Kind.FORGIVEN else forgiven
    return over, forgiven, begun - over


def _the_books_agree(cloud: CloudSide, order: Order, cabinet: Cabinet, fallen: int) -> None:
    name = f"{order.order_id} ({order.state.value})"
    begun, over = _made(cabinet, order.order_id)
    to_charge = _to_charge(cabinet, order.order_id)
    charged = cloud.stripe.charged(order.order_id)
    if cloud.stripe.holds(order.order_id):
        raise Broken(f"{name} is still held by the bank")
    if charged + order.refunded != order.charged:
        raise Broken(
            f"{name}: Stripe charged {charged}, the ledger says {order.charged} and "
            f"{order.refunded} refunded"
        )
    if not over <= fallen <= begun:
        raise Broken(f"{name}: {fallen} coins fell, the journal says {over} to {begun}")
    if order.order_id in cloud.lost:
        before = min(cloud.lost[order.order_id], earned(cloud, [cabinet], order.order_id))
        # A person may give it back in Stripe's dashboard, of which a lost order knows nothing.
        intent_id = cloud.stripe.payments[order.order_id].intent_id
        back = max(order.refunded, cloud.stripe.refunded_by_hand.get(intent_id, 0))
        hold(
            "reconcile takes back nothing that was earned",
            charged + back >= before,
            f"{name}: {before} was earned and charged before the restore, now {charged}",
        )
        return  # what was reported before is in the journal and at Stripe only
    # Of an order whose journal was lost nobody knows how many there were: that it was lost is told.
    forgiven = 0 if order.lost else _to_tell(cabinet, order.order_id)[1]
    free = fallen - order.pulsed if order.charged else fallen
    hold(
        "what was given for nothing is told",
        order.forgiven == forgiven and (free <= 0 or _told(cloud, order.order_id)),
        f"{name}: {free} pulses were given for nothing, {forgiven} of them forgiven, and the cloud "
        f"knows of {order.forgiven}",
    )
    if order.state is OrderState.RELEASED:
        if charged:
            raise Broken(f"{name} was charged {charged}")
        if to_charge != order.given_away and order.order_id not in cabinet.lost:
            raise Broken(f"{name}: {to_charge} pulses, of which {order.given_away} are given away")
        return
    told = order.made, order.forgiven, order.ambiguous
    if not order.lost and told != _to_tell(cabinet, order.order_id):
        raise Broken(f"{name}: the cloud was told of {told}, the journal has others")
    if order.pulsed != to_charge:
        raise Broken(f"{name}: settled with {order.pulsed} pulses, the journal has {to_charge}")
    # Reckoned here again, and not with the rules' own function: in dollars, rounded down.
    # A lost order was settled without pulses.
    due = order.amount * to_charge // order.pulses if order.pulses else 0
    intent_id = cloud.stripe.payments[order.order_id].intent_id
    if order.rebuilt and intent_id in cloud.stripe.by_hand:
        # The operator took the money in the dashboard: it stays, and the operator is told.
        if not _told(cloud, order.order_id):
            raise Broken(f"{name}: {charged} charged by hand, and nobody was told")
        return
    if intent_id in cloud.stripe.by_hand or intent_id in cloud.stripe.declined:
        if charged > due:
            raise Broken(f"{name}: {charged} charged, {due} is due")
        if charged < due and not (_told(cloud, order.order_id) or order.refunded or order.disputed):
            raise Broken(f"{name}: {charged} of {due} charged, and nobody was told")
        return
    if charged != due:
        raise Broken(f"{name}: {charged} charged for {to_charge} of {order.pulses} pulses")
