"""Stripe's error responses. Source: Stripe's API reference, "Errors" and "Error codes"."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]  # a Stripe object as it goes over the wire


class StripeError(Exception):
    """A response that is not 200. ``more`` are further fields of the error object."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str = "invalid_request_error",
        code: str = "",
        param: str = "",
        **more: object,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self._body: Document = {"type": type, "message": message}
        if code:
            page = code.replace("_", "-")
            self._body["code"] = code
            self._body["doc_url"] = f"https://stripe.com/docs/error-codes/{page}"
        if param:
            self._body["param"] = param
        self._body.update(more)

    def body(self) -> Document:
        """The body of the response."""
        return {"error": self._body}


def missing(kind: str, id: str, param: str) -> StripeError:
    """404: there is no such object. ``kind`` is the object's type, as in ``payment_intent``."""
    return StripeError(f"No such {kind}: '{id}'", status=404, code="resource_missing", param=param)


def unexpected_state(message: str, intent: Document) -> StripeError:
    """400: the PaymentIntent's status does not allow it. The error contains the intent."""
    return StripeError(message, code="payment_intent_unexpected_state", payment_intent=intent)
