"""The cloud: what Lambda runs. It keeps the ledger of orders and talks to Stripe and the broker."""

from __future__ import annotations
