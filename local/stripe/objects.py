"""Stripe's objects, as far as a top-up has any: made here, kept in one file, told as the API tells them.

After Stripe's API reference: "Checkout Sessions", "PaymentIntents", "Charges", "Refunds", "Disputes".
"""

from __future__ import annotations

import json
import secrets
import time
from pathlib import Path
from typing import Any

Json = dict[str, Any]
RETURNED = ("failed", "canceled")  # refunds whose money came back
SESSION_SECONDS = 24 * 3600


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


def now() -> int:
    return int(time.time())


class Objects:
    """All objects by their ids, and the events that are still to be delivered."""

    def __init__(self, path: Path, origin: str) -> None:
        self._path, self._origin = path, origin
        content = json.loads(path.read_text()) if path.exists() else {}
        self.all: dict[str, Json] = content.get("all", {})
        self.undelivered: list[str] = content.get("undelivered", [])

    def save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".new")
        temporary.write_text(json.dumps({"all": self.all, "undelivered": self.undelivered}))
        temporary.replace(self._path)

    def get(self, kind: str, id_: str) -> Json | None:
        found = self.all.get(id_)
        return found if found is not None and found["object"] == kind else None

    def of(self, kind: str, **fields: object) -> list[Json]:
        """Newest first."""
        found = [
            item
            for item in self.all.values()
            if item["object"] == kind and all(item.get(name) == value for name, value in fields.items())
        ]
        return found[::-1]

    def add(self, prefix: str, kind: str, **fields: Any) -> Json:
        item = {"id": new_id(prefix), "object": kind, "created": now(), "livemode": False, **fields}
        self.all[item["id"]] = item
        return item

    def add_session(self, parameters: Json, cents: int | None = None, **fields: Any) -> Json:
        session = self.add(
            "cs_test",
            "checkout.session",
            amount_subtotal=cents,
            amount_total=cents,
            cancel_url=parameters.get("cancel_url"),
            client_reference_id=parameters.get("client_reference_id"),
            currency="usd",
            custom_text=parameters.get("custom_text", {}),
            customer=None,
            expires_at=now() + SESSION_SECONDS,
            metadata=parameters.get("metadata", {}),
            mode=parameters["mode"],
            payment_intent=None,
            payment_status="unpaid",
            status="open",
            submit_type=parameters.get("submit_type"),
            success_url=parameters.get("success_url"),
            url=None,
        )
        session["url"] = f"{self._origin}/c/pay/{session['id']}"
        session |= fields
        return session

    def add_item(self, session: Json, parameters: Json) -> None:
        """What is bought, beside what its payment is described as."""
        (asked,) = parameters["line_items"]
        price = asked["price_data"]
        self.add(
            "li",
            "item",
            amount_total=int(price["unit_amount"]),
            currency=price["currency"],
            description=price["product_data"]["name"],
            payment_description=parameters.get("payment_intent_data", {}).get("description"),
            product_description=price["product_data"].get("description"),
            quantity=1,
            session=session["id"],
        )

    def item_of(self, session: Json) -> Json:
        items = self.of("item", session=session["id"])
        return items[0] if items else {"description": "Something", "payment_description": None}

    def pay(self, session: Json, settles_later: bool) -> None:
        """A customer has paid: at once, or by something that takes days."""
        intent = self.add(
            "pi",
            "payment_intent",
            amount=session["amount_total"],
            currency=session["currency"],
            description=self.item_of(session)["payment_description"],
            last_payment_error=None,
            latest_charge=None,
            metadata=session["metadata"],
            status="processing" if settles_later else "succeeded",
        )
        session |= {
            "payment_intent": intent["id"],
            "status": "complete",
            "url": None,
        }
        if not settles_later:
            self.settle(session)

    def settle(self, session: Json) -> Json:
        """The money is there; return the charge."""
        intent = self.all[session["payment_intent"]]
        charge = self.add(
            "ch",
            "charge",
            amount=intent["amount"],
            amount_refunded=0,
            currency=intent["currency"],
            description=intent["description"],
            disputed=False,
            metadata=intent["metadata"],
            paid=True,
            payment_intent=intent["id"],
            receipt_url=f"{self._origin}/receipts/{secrets.token_urlsafe(16)}",
            refunded=False,
            status="succeeded",
        )
        intent |= {"status": "succeeded", "last_payment_error": None, "latest_charge": charge["id"]}
        session["payment_status"] = "paid"
        return charge

    def fail(self, session: Json) -> None:
        """The money won't come: the session stays complete and unpaid."""
        error = {"type": "invalid_request_error", "message": "The customer's bank refused the debit."}
        self.all[session["payment_intent"]] |= {
            "status": "requires_payment_method",
            "last_payment_error": error,
        }

    def refund(self, charge: Json, cents: int, status: str = "succeeded") -> Json:
        refund = self.add(
            "re",
            "refund",
            amount=cents,
            charge=charge["id"],
            currency=charge["currency"],
            payment_intent=charge["payment_intent"],
            reason=None,
            status=status,
        )
        self._count_refunded(charge, cents)
        return refund

    def end_refund(self, refund: Json, status: str) -> None:
        """A refund arrives, fails or is canceled; what doesn't arrive can be refunded again."""
        refund["status"] = status
        if status in RETURNED:
            self._count_refunded(self.all[refund["charge"]], -refund["amount"])

    def _count_refunded(self, charge: Json, cents: int) -> None:
        charge["amount_refunded"] += cents
        charge["refunded"] = charge["amount_refunded"] == charge["amount"]

    def dispute(self, charge: Json, cents: int, is_inquiry: bool) -> Json:
        """The bank takes the money, or first asks a question."""
        charge["disputed"] = True
        dispute = self.add(
            "dp",
            "dispute",
            amount=cents,
            balance_transactions=[],
            charge=charge["id"],
            currency=charge["currency"],
            payment_intent=charge["payment_intent"],
            is_charge_refundable=is_inquiry,
            reason="fraudulent",
            status="warning_needs_response",
        )
        if not is_inquiry:
            self.escalate(dispute)
        return dispute

    def escalate(self, dispute: Json) -> None:
        """A question becomes a dispute: the money is withdrawn."""
        dispute |= {"status": "needs_response", "is_charge_refundable": False}
        self._move(dispute, -dispute["amount"])

    def change_dispute(self, dispute: Json, cents: int) -> None:
        """The amount was wrong: what was withdrawn too much comes back, or the other way round."""
        if dispute["balance_transactions"]:
            self._move(dispute, dispute["amount"] - cents)
        dispute["amount"] = cents

    def close_dispute(self, dispute: Json, status: str, returned: int) -> None:
        """A dispute ends; so much of what was withdrawn comes back."""
        dispute["status"] = status
        if returned:
            self._move(dispute, returned)

    def _move(self, dispute: Json, cents: int) -> None:
        moved = self.add(
            "txn", "balance_transaction", amount=cents, currency=dispute["currency"], source=dispute["id"]
        )
        dispute["balance_transactions"].append(moved)

    def add_event(self, type_: str, item: Json, api_version: str) -> Json:
        event = self.add(
            "evt",
            "event",
            api_version=api_version,
            data={"object": json.loads(json.dumps(item))},
            pending_webhooks=1,
            request={"id": None, "idempotency_key": None},
            type=type_,
        )
        self.undelivered.append(event["id"])
        return event
