"""The answer to a call that failed in one of the ways that services, Stripe and the ledger have.

Imported by a call that fails, so that the others start without all that can fail.
"""

from __future__ import annotations

import logging

from cloud.adapters.stripe_gateway import StripeRefused, StripeUnavailable
from cloud.core.orders import Code
from cloud.http import presence_signature, webhook_signature
from cloud.http.api_gateway import Response, UnknownEvent, error_response
from cloud.http.refusals import Refusals
from cloud.logs import about
from cloud.services.claims import Changing, UnknownOrder
from cloud.services.payment_links import CabinetDisabled, UnknownPrice
from cloud.stores.base import LedgerUnavailable

log = logging.getLogger("cloud.http.api")


def answer(error: Exception, route: str, refusals: Refusals) -> Response:
    """The answer to a call of ``route`` that raised ``error``; what nobody foresaw is a 500, with
    its traceback in the log. To be called where ``error`` is handled."""
    match error:
        case webhook_signature.BadSignature():
            refusals.note(400, route, error.cause)
            return error_response(400, str(error))
        case presence_signature.BadSignature():
            refusals.note(401, route, error.cause)
            return error_response(401, str(error))
        case UnknownOrder():
            return error_response(404, str(error), Code.ORDER_UNKNOWN.value)
        case UnknownPrice():
            return error_response(404, str(error))
        case CabinetDisabled():
            return error_response(409, str(error), "disabled")
        case Changing():
            return error_response(503, str(error))
        case StripeUnavailable():
            log.error("%s", error, extra=about(status=503))
            return error_response(503, "Stripe cannot be asked now: try again")
        case StripeRefused():
            log.error("%s", error, extra=about(status=502))
            return error_response(502, "Stripe refused: see the cloud's log")
        case LedgerUnavailable():
            log.error("%s", error, extra=about(status=503))
            return error_response(503, "the ledger cannot be used now: try again")
        case UnknownEvent():
            log.error("%s", error, extra=about(status=500))
            return error_response(500, str(error))
    log.exception("a call failed", extra=about(status=500))
    return error_response(500, "the cloud failed on this call: see its log")
