"""What a Checkout Session may ask for, beyond the names of its parameters.

After Stripe's API reference, "Create a Checkout Session", and its docs, "Minimum and maximum charge amounts"
and "Metadata". Only one item with a price of its own is understood, in US dollars.
"""

from __future__ import annotations

from local.stripe.errors import invalid, missing, money, whole
from local.stripe.objects import Json

LEAST_CENTS = 50
PRICE = "line_items[0][price_data]"
# How many characters each of these may have.
LENGTHS = {
    "client_reference_id": 200,
    "custom_text[submit][message]": 1_200,
    "payment_intent_data[description]": 1_000,
    "success_url": 5_000,
    "cancel_url": 5_000,
}
SUBMIT_TYPES = ("", "auto", "book", "donate", "pay", "subscribe")
MOST_METADATA, LONGEST_KEY, LONGEST_VALUE = 50, 40, 500


def require_item(parameters: Json) -> int:
    """What the one item costs, in cents; raises ApiError where Stripe refuses it."""
    match parameters.get("line_items"):
        case [{"price_data": dict(price), "quantity": "1"}]:
            pass
        case [{"price_data": _, "quantity": _}]:
            raise invalid("The quantity must be 1.", "", "line_items[0][quantity]")
        case [{"quantity": _}]:
            raise missing(PRICE)
        case [_]:
            raise missing("line_items[0][quantity]")
        case _:
            raise missing("line_items")
    if "currency" not in price:
        raise missing(f"{PRICE}[currency]")
    if price["currency"] != "usd":
        raise invalid(f"Invalid currency: {price['currency']}", "", f"{PRICE}[currency]")
    if not price.get("product_data", {}).get("name"):
        raise missing(f"{PRICE}[product_data][name]")
    if "unit_amount" not in price:
        raise missing(f"{PRICE}[unit_amount]")
    cents = whole(f"{PRICE}[unit_amount]", price["unit_amount"])
    if cents < LEAST_CENTS:
        message = f"The Checkout Session's total amount due must add up to at least {money(LEAST_CENTS)} usd"
        raise invalid(message, "amount_too_small", "")
    return cents


def require_values(parameters: Json) -> None:
    """Raises ApiError for what is longer than Stripe takes it, and for what is no yes or no."""
    for name, most in LENGTHS.items():
        value = at(parameters, name)
        if len(value) > most:
            raise invalid(f"Invalid string: {name} must have at most {most} characters", "", name)
    if at(parameters, "submit_type") not in SUBMIT_TYPES:
        raise invalid("Invalid submit_type", "", "submit_type")
    if at(parameters, "adaptive_pricing[enabled]") not in ("", "true", "false"):
        raise invalid("Invalid boolean", "parameter_invalid", "adaptive_pricing[enabled]")
    for place in (parameters, parameters.get("payment_intent_data", {})):
        metadata = place.get("metadata", {})
        if len(metadata) > MOST_METADATA:
            raise invalid("Metadata can have up to 50 keys.", "", "metadata")
        for key, value in metadata.items():
            if len(key) > LONGEST_KEY or len(value) > LONGEST_VALUE:
                raise invalid(f"Metadata {key[:LONGEST_KEY]} is too long.", "", f"metadata[{key}]")


def at(parameters: Json, name: str) -> str:
    """A text by its name, as forms name it; '' when it isn't there."""
    found: object = parameters
    for key in name.replace("]", "").split("["):
        found = found.get(key, "") if isinstance(found, dict) else ""
    return found if isinstance(found, str) else ""
