"""Calls that bring money in: customers, cards, charges, checkout pages; and what gives it back: refunds, disputes."""

from __future__ import annotations

from typing import Any

from app.gateways.stripe import objects
from app.gateways.stripe.calls import Calls
from app.gateways.stripe.objects import Card, Checkout, Dispute, FraudWarning, Intent, Refund

_INTENT = {"expand": ["latest_charge.balance_transaction"]}
_REFUND = {"expand": ["balance_transaction", "failure_balance_transaction"]}


class MoneyIn(Calls):
    """What buyers pay, and what goes back to them."""

    async def create_customer(self, key: str, account_id: str, email: str, name: str) -> str:
        params = {"email": email, "name": name, "metadata": {"account": account_id}}
        customer = await self._ask(self._client.v1.customers.create_async, params, key)
        return str(customer["id"])

    async def find_customer(self, email: str, account_id: str) -> str | None:
        """The customer made for one of our accounts."""
        async for one in self._all(self._client.v1.customers.list_async, {"email": email}):
            if (one["metadata"] or {}).get("account") == account_id:
                return str(one["id"])
        return None

    async def charge(
        self, key: str, *, amount: int, currency: str, customer: str, method: str, metadata: dict[str, str]
    ) -> Intent:
        """Charge a card while its owner is away. A decline is `Definite`, with the intent as its object."""
        params = {
            "amount": amount,
            "currency": currency,
            "customer": customer,
            "payment_method": method,
            "allowed_payment_method_types": ["card"],
            "confirm": True,
            "off_session": True,
            "metadata": metadata,
            **_INTENT,
        }
        return objects.intent(await self._ask(self._client.v1.payment_intents.create_async, params, key))

    async def retrieve_intent(self, intent_id: str) -> Intent:
        return objects.intent(await self._ask(self._client.v1.payment_intents.retrieve_async, _INTENT, None, intent_id))

    async def find_intent(self, customer: str, metadata: dict[str, str]) -> Intent | None:
        """The newest PaymentIntent of a customer that carries all of `metadata`; one that has succeeded goes first."""
        params = {"customer": customer, "expand": ["data.latest_charge.balance_transaction"]}
        found: list[Intent] = []
        async for one in self._all(self._client.v1.payment_intents.list_async, params):
            if metadata.items() <= one["metadata"].items():
                found.append(objects.intent(one))
        return min(found, key=lambda each: each.status != "succeeded", default=None)

    async def create_checkout(
        self,
        key: str,
        *,
        amount: int,
        currency: str,
        customer: str,
        metadata: dict[str, str],
        methods: list[str],
        success: str,
        cancel: str,
    ) -> Checkout:
        """A hosted page that takes one payment and keeps a card for later ones. methods: card, and what takes days."""
        price = {"currency": currency, "unit_amount": amount, "product_data": {"name": "Balance"}}
        params: dict[str, Any] = {
            "mode": "payment",
            "customer": customer,
            "allowed_payment_method_types": methods,
            "line_items": [{"quantity": 1, "price_data": price}],
            "metadata": metadata,
            "payment_intent_data": {"metadata": metadata, "setup_future_usage": "off_session"},
            "success_url": success,
            "cancel_url": cancel,
        }
        return objects.checkout(await self._ask(self._client.v1.checkout.sessions.create_async, params, key))

    async def retrieve_checkout(self, session_id: str) -> Checkout:
        return objects.checkout(await self._ask(self._client.v1.checkout.sessions.retrieve_async, {}, None, session_id))

    async def find_checkout(self, customer: str, metadata: dict[str, str]) -> Checkout | None:
        """The newest Checkout Session of a customer that carries all of `metadata`."""
        async for one in self._all(self._client.v1.checkout.sessions.list_async, {"customer": customer}):
            if metadata.items() <= (one["metadata"] or {}).items():
                return objects.checkout(one)
        return None

    # ---- cards

    async def cards(self, customer: str) -> list[Card]:
        """The customer's saved cards, newest first."""
        params = {"customer": customer, "type": "card"}
        return [objects.card(one) async for one in self._all(self._client.v1.payment_methods.list_async, params)]

    async def retrieve_card(self, card_id: str) -> tuple[str, Card | None]:
        """(the customer that it is attached to or '', the card or None for another kind of payment method)."""
        found = await self._ask(self._client.v1.payment_methods.retrieve_async, {}, None, card_id)
        return str(found.get("customer") or ""), objects.card(found) if found["type"] == "card" else None

    async def detach_card(self, card_id: str) -> None:
        """Take a card from its customer; it can never be charged again. Raises Definite when it is not attached."""
        await self._ask(self._client.v1.payment_methods.detach_async, {}, None, card_id)

    # ---- back to the card

    async def refund(self, key: str, *, charge: str, amount: int, metadata: dict[str, str]) -> Refund:
        params = {"charge": charge, "amount": amount, "metadata": metadata, **_REFUND}
        return objects.refund(await self._ask(self._client.v1.refunds.create_async, params, key))

    async def retrieve_refund(self, refund_id: str) -> Refund:
        return objects.refund(await self._ask(self._client.v1.refunds.retrieve_async, _REFUND, None, refund_id))

    async def find_refund(self, charge: str, metadata: dict[str, str]) -> Refund | None:
        """The refund of a charge that carries all of `metadata`."""
        return next((one for one in await self.refunds_of(charge) if metadata.items() <= one.metadata.items()), None)

    async def refunds_of(self, charge: str) -> list[Refund]:
        """All refunds of a charge, whoever made them, newest first."""
        expand = ["data.balance_transaction", "data.failure_balance_transaction"]
        params = {"charge": charge, "expand": expand}
        return [objects.refund(one) async for one in self._all(self._client.v1.refunds.list_async, params)]

    # ---- disputes

    async def retrieve_dispute(self, dispute_id: str) -> Dispute:
        return objects.dispute(await self._ask(self._client.v1.disputes.retrieve_async, {}, None, dispute_id))

    async def answer_dispute(self, key: str, dispute_id: str, evidence: dict[str, str]) -> Dispute:
        """Hand evidence in, for good: texts by Stripe's names of them."""
        params = {"evidence": evidence, "submit": True}
        return objects.dispute(await self._ask(self._client.v1.disputes.update_async, params, key, dispute_id))

    async def close_dispute(self, key: str, dispute_id: str) -> Dispute:
        """Give up: the dispute is lost."""
        return objects.dispute(await self._ask(self._client.v1.disputes.close_async, {}, key, dispute_id))

    async def retrieve_fraud_warning(self, warning_id: str) -> FraudWarning:
        return objects.fraud_warning(
            await self._ask(self._client.v1.radar.early_fraud_warnings.retrieve_async, {}, None, warning_id)
        )
