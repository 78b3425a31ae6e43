"""Takes an installation away, so that nobody pays into nothing.

no order under way ── cabinets removed: links off, pages ended, accounts deleted
  ── webhook endpoint ── stack (the table stays) ── secrets ── and the table, if told twice
"""

from __future__ import annotations

from cloud.adapters.stripe_gateway import StripeRefused, StripeUnavailable
from cloud.settings import table_of
from cloud.stores.base import Ledger, LedgerUnavailable
from cloud.wiring import build
from deploy.errors import DeployError
from deploy.going_live import refuse_unfinished
from deploy.site import Site
from deploy.webhook import Webhook

LINKS_S = 600.0
POLL_S = 5.0


def destroy(site: Site, ledger_too: bool) -> None:
    """Does it all, or the rest of it; raises :class:`DeployError` before anything is lost."""
    say = site.terminal.say
    found = site.aws.settled_stack(site.name)
    table = ""
    if found is not None and "Ledger" in found.outputs:
        table = table_of(found.outputs["Ledger"]).name
        # Known after the stack is gone, if this is broken off.
        site.aws.put_parameter(site.path, "LEDGER_TABLE", table, secret=False)
    table = table or site.parameters().get("LEDGER_TABLE", "")
    say(f"This takes away {site.name}: API, functions, alarms, secrets, webhook endpoint, links.")
    if site.terminal.ask(f"Type {site.stage} to go on") != site.stage:
        raise DeployError("nothing was changed")
    if ledger_too and table:
        say(f"The table {table} goes too, with every order in it, for good.")
        if site.terminal.ask(f"Type {table} to go on") != table:
            raise DeployError("nothing was changed")
    if found is not None:
        # Also where an update of it failed half-way: as long as it can be paid into.
        if table:
            refuse_unfinished(site)
            _end_selling(site)
            _delete_endpoints(site)
        site.aws.delete_stack(site.name)
        say("The stack is deleted")
    if ledger_too and table:
        site.aws.delete_table(table)
        say(f"The table {table} is deleted")
    elif table:
        say(f"The ledger stays, in the table {table}")
    for name in site.parameters():
        site.aws.delete_parameter(site.path, name)
    site.env_file.unlink(missing_ok=True)
    say(
        "The secrets are deleted; delete the EMQX deployment in its console if nothing else uses it"
    )


def _end_selling(site: Site) -> None:
    """Removes the cabinets, and waits until no page of theirs can be paid."""
    ledger = site.ledger()
    try:
        for cabinet in list(ledger.lagging_cabinets()):
            if not cabinet.removed:
                site.tell(site.admin("remove", cabinet.machine_id).strip().splitlines())
        waited = 0.0
        while open_links(ledger):
            if waited > LINKS_S:
                raise DeployError(
                    "some payment links are still on: look at them in Stripe's dashboard, then run "
                    "this again"
                )
            cloud = build(site.settings())
            try:
                cloud.sweep()
            except (LedgerUnavailable, StripeRefused, StripeUnavailable) as error:
                site.terminal.say(f"not yet: {error}")
            finally:
                cloud.close()
            site.sleep(POLL_S)
            waited += POLL_S
    finally:
        ledger.close()
    site.terminal.say("No link can be paid any more")


def open_links(ledger: Ledger) -> list[str]:
    """The links that can be paid, or whose open pages may still be."""
    found = []
    for cabinet in ledger.lagging_cabinets():
        for link_id in ledger.lagging_link_ids(cabinet.machine_id):
            link = ledger.link(link_id)
            if (
                link
                and (link.payable or link.due_at_ms is not None)
                and not (link.withdrawn and link.due_at_ms is None)
            ):
                found.append(link_id)
    return found


def _delete_endpoints(site: Site) -> None:
    stripe, url = site.stripe(), Webhook(site).url()
    for endpoint in stripe.endpoints(url):
        stripe.delete(endpoint.id)
    site.terminal.say("The webhook endpoint is deleted")
