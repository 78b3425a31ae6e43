"""From test to live mode: a new key, a new endpoint, new links, and the cabinets are told.

    no order under way ── the test key is kept aside ── live key stored ── endpoint and secret
      ── the functions have read both ── links of the live account, cabinets told ── test endpoint
      deleted ── the test key forgotten

Begun again, it goes on where it was: the live key in the store says that the first half is done.
"""

from __future__ import annotations

from cloud.current_cloud import READ_AGAIN_S
from cloud.stores.base import Ledger
from deploy import questions
from deploy.errors import DeployError
from deploy.site import Site
from deploy.stripe_account import StripeAccount
from deploy.webhook import Webhook

BEFORE = "STRIPE_KEY_BEFORE"
# Every function has read the settings again, with some time for one that is at it.
WAIT_S = READ_AGAIN_S + 30.0
TELL_S = 30.0


def unfinished(ledger: Ledger) -> list[str]:
    """The orders that are under way: their money is with the account of the key in force."""
    return [
        order_id
        for cabinet in ledger.lagging_cabinets()
        for order_id in ledger.lagging_unfinished_ids(cabinet.machine_id)
    ]


def refuse_unfinished(site: Site) -> None:
    """Raises :class:`DeployError` while orders are under way."""
    ledger = site.ledger()
    try:
        left = unfinished(ledger)
    finally:
        ledger.close()
    if left:
        raise DeployError(
            f"{len(left)} orders are under way, as {left[0]}: let them finish first, or look with "
            "`python -m cloud.admin orders`"
        )


def go_live(site: Site) -> None:
    """Does it all, or the rest of it."""
    say, aws = site.terminal.say, site.aws
    kept = site.parameters()
    key = kept.get("STRIPE_KEY", "")
    if not StripeAccount(key).live:
        refuse_unfinished(site)
        live = questions.stripe_key(site.terminal, live=True)
        if site.terminal.ask("Real cards are charged from now on. Type live to go on") != "live":
            raise DeployError("nothing was changed")
        aws.put_parameter(site.path, BEFORE, key)
        aws.put_parameter(site.path, "STRIPE_KEY", live)
        say("The live key is stored")
    webhook = Webhook(site)
    changed = bool(webhook.missing())
    if changed:
        webhook.act()
        say("Stripe's live webhook endpoint is made, its secret stored")
    if changed or BEFORE in site.parameters():
        _wait(site)
    site.tell(site.admin("go-live").strip().splitlines())
    if before := site.parameters().get(BEFORE):
        old = site.stripe(before)
        for endpoint in old.endpoints(webhook.url()):
            old.delete(endpoint.id)
        aws.delete_parameter(site.path, BEFORE)
        say("The test mode's webhook endpoint is deleted")
    say("Live: pay one play with a real card, and look at it with `python -m cloud.admin orders`")


def _wait(site: Site) -> None:
    left = WAIT_S
    while left > 0:
        site.terminal.say(f"The functions read the key within {left:.0f} s ...")
        site.sleep(min(TELL_S, left))
        left -= TELL_S
