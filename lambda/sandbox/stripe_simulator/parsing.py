"""From a request's form or query string to its parameters, or to Stripe's error about them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import qs_codec
from pydantic import ValidationError

from sandbox.stripe_simulator.errors import StripeError
from sandbox.stripe_simulator.parameters import Parameters

P = TypeVar("P", bound=Parameters)


def decode(form: str) -> dict[str, Any]:
    """A form body or query string as nested hashes and arrays of strings."""
    decoded = qs_codec.decode(form, qs_codec.DecodeOptions(depth=8, list_limit=100))
    return {str(key): value for key, value in decoded.items()}


def parse(model: type[P], raw: Mapping[str, Any]) -> P:
    """``raw`` as ``model``; raises Stripe's error for the first parameter that is wrong."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise _first_error(error) from None


def _first_error(error: ValidationError) -> StripeError:
    problems = error.errors(include_url=False)
    unknown = [p for p in problems if p["type"] == "extra_forbidden"]
    if unknown:
        names = [_name(problem["loc"]) for problem in unknown]
        return StripeError(
            f"Received unknown parameter{'s' if len(names) > 1 else ''}: {', '.join(names)}",
            code="parameter_unknown",
            param=names[0],
        )
    problem = problems[0]
    name = _name(problem["loc"])
    kind, value = problem["type"], problem["input"]
    limits = problem.get("ctx", {})
    match kind:
        case "missing":
            return StripeError(
                f"Missing required param: {name}.", code="parameter_missing", param=name
            )
        case "whole":
            return StripeError(problem["msg"], code="parameter_invalid_integer", param=name)
        case "greater_than_equal":
            return StripeError(
                f"This value must be greater than or equal to {limits['ge']}.",
                code="parameter_invalid_integer",
                param=name,
            )
        case "less_than_equal":
            return StripeError(
                f"This value must be less than or equal to {limits['le']}.",
                code="parameter_invalid_integer",
                param=name,
            )
        case "string_too_short":
            return StripeError(
                f"You passed an empty string for '{name}'. We assume empty values are an attempt "
                "to unset a parameter; however this parameter cannot be unset.",
                code="parameter_invalid_empty",
                param=name,
            )
        case "string_too_long":
            return StripeError(
                f"Invalid string: must be at most {limits['max_length']} characters", param=name
            )
        case "literal_error":
            return StripeError(f"Invalid {name}: must be one of {limits['expected']}", param=name)
        case "string_type":
            return StripeError(f"Invalid string: {value}", param=name)
        case "list_type":
            return StripeError("Invalid array", param=name)
        case "model_type" | "model_attributes_type" | "dict_type":
            return StripeError("Invalid object", param=name)
        case _:
            return StripeError(problem["msg"], param=name)


def _name(location: tuple[int | str, ...]) -> str:
    """Stripe's name of a parameter, as in ``line_items[0][price]``."""
    # A union's location also has the member that was tried, as in Range or list[...]: left out.
    names = [
        str(part) for part in location if isinstance(part, int) or re.fullmatch(r"[a-z_]+", part)
    ]
    return names[0] + "".join(f"[{name}]" for name in names[1:])
