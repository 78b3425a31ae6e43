"""After a real payment the three books agree: the commands an operator types, as processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import requests

from tests.system.hall import Hall, until


def typed(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words], capture_output=True, text=True, check=False, timeout=30
    )


def test_ledger_and_reconcile_agree_until_somebody_refunds(tmp_path: Path) -> None:
    hall = Hall(tmp_path)
    hall.open()
    try:
        cabinet = hall.add("cab001")
        kiosk = hall.kiosk(cabinet)
        order_id = hall.pay(cabinet, 2)
        assert hall.finished(order_id).charged == 200

        def book() -> str:
            return typed("kiosk", "ledger", "--csv", "--config", str(cabinet.config)).stdout

        until(lambda: f"{order_id}," in book() and ",settled," in book(), "the cabinet's book")
        file = tmp_path / "cab001.csv"
        file.write_text(book())
        admin = ("cloud.admin", "--data", str(tmp_path), "reconcile")
        agreed = typed(*admin, "--journal", f"cab001={file}")
        assert (agreed.returncode, agreed.stderr) == (0, "")
        assert "cab001  1 orders, charged 2.00 USD" in agreed.stdout
        assert "the books agree" in agreed.stdout

        refund_by_hand(hall, order_id, 50)
        until(lambda: refunded(hall, order_id) == 50, "the refund beside the order")
        after = typed(*admin)
        assert after.returncode == 0
        assert "1 refunded by hand (0.50 USD)" in after.stdout
        assert cabinet.closings() == 2
        assert kiosk.running
    finally:
        hall.close()


def refund_by_hand(hall: Hall, order_id: str, amount: int) -> None:
    """As somebody does in Stripe's dashboard."""
    stripe, auth = hall.ready["stripe"], {"Authorization": f"Bearer {hall.ready['stripe_key']}"}
    session = requests.get(
        f"{stripe}/v1/checkout/sessions/{order_id}", headers=auth, timeout=5
    ).json()
    requests.post(
        f"{stripe}/v1/refunds",
        data={"payment_intent": session["payment_intent"], "amount": amount},
        headers=auth,
        timeout=5,
    ).raise_for_status()


def refunded(hall: Hall, order_id: str) -> int:
    order = hall.order(order_id)
    return order.refunded if order else 0
