"""Stripe's webhook endpoint for an API: the right events, the right version, and a secret that is
in Parameter Store.

    endpoint made ── secret stored ── its id stored ── the others deleted

Broken off between any two of these, the id in the store is not that of a whole endpoint, and it is
made anew: the secret of the one before is known to nobody.
"""

from __future__ import annotations

from deploy.site import Site
from deploy.stripe_account import Endpoint, StripeAccount

ID = "WEBHOOK_ENDPOINT"
SECRET = "STRIPE_WEBHOOK_SECRET"  # noqa: S105 - a name


class Webhook:
    """The endpoint of one installation, in the account of the key in Parameter Store."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def missing(self) -> str:
        """What is not right; nothing, if all is."""
        ours, others, _ = self._look()
        if ours is None:
            return "there is none whose secret is known"
        return ours.missing() or ("there are others at the same address" if others else "")

    def act(self) -> None:
        """Makes, mends, and deletes what is left over."""
        ours, others, stripe = self._look()
        if ours is not None and ours.missing():
            stripe.mend(ours.id)
            ours, others, stripe = self._look()
        if ours is None or ours.missing():
            old = [*others, *([ours] if ours else [])]
            made, secret = stripe.create(self.url())
            self._site.aws.put_parameter(self._site.path, SECRET, secret)
            self._site.aws.put_parameter(self._site.path, ID, made.id, secret=False)
            others = old
        for one in others:
            stripe.delete(one.id)

    def url(self) -> str:
        """Where Stripe sends events."""
        return f"{self._site.api()}/addCredit"

    def _look(self) -> tuple[Endpoint | None, list[Endpoint], StripeAccount]:
        """Ours, the others at this address, and the account."""
        kept = self._site.parameters()
        stripe = self._site.stripe(kept.get("STRIPE_KEY", ""))
        found = stripe.endpoints(self.url())
        known = kept.get(ID, "") if kept.get(SECRET) else ""
        ours = next((one for one in found if one.id == known), None)
        return ours, [one for one in found if one.id != known], stripe
