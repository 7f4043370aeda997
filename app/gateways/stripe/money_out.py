"""Calls that send money out: recipients (Accounts v2), transfers to them, and what becomes of it at their bank."""

from __future__ import annotations

from app.gateways.stripe import objects
from app.gateways.stripe.calls import Calls
from app.gateways.stripe.objects import BankPayout, Recipient, Reversal, Transfer

_RECIPIENT = {"include": ["configuration.recipient", "identity", "requirements"]}
_TXN = {"expand": ["balance_transaction"]}


class MoneyOut(Calls):
    """How people are paid."""

    async def create_recipient(self, key: str, person_id: str, email: str, name: str, country: str) -> Recipient:
        params = {
            "contact_email": email,
            "display_name": name,
            "dashboard": "express",
            "identity": {"country": country, "entity_type": "individual"},
            "defaults": {"responsibilities": {"fees_collector": "application", "losses_collector": "application"}},
            "configuration": {
                "recipient": {"capabilities": {"stripe_balance": {"stripe_transfers": {"requested": True}}}}
            },
            "metadata": {"person": person_id},
            **_RECIPIENT,
        }
        return objects.recipient(await self._ask(self._client.v2.core.accounts.create_async, params, key))

    async def retrieve_recipient(self, recipient_id: str) -> Recipient:
        return objects.recipient(
            await self._ask(self._client.v2.core.accounts.retrieve_async, _RECIPIENT, None, recipient_id)
        )

    async def find_recipient(self, person_id: str) -> Recipient | None:
        """The account that carries this person in its metadata, as it stands now; None when there is none.

        Stripe cannot filter accounts by metadata, so this reads the list of all: for the rare doubt only.
        """
        page = await self._ask(self._client.v2.core.accounts.list_async, {"limit": 100}, None)
        while True:
            for one in page["data"]:
                if (one.get("metadata") or {}).get("person") == person_id:
                    return await self.retrieve_recipient(one["id"])
            following = page.get("next_page_url")
            if not following or not page["data"]:
                return None
            page = await self._next_page(str(following))

    async def onboarding_link(self, key: str, recipient_id: str, refresh_url: str, return_url: str) -> str:
        """A page of Stripe's, good for some minutes, where the person says how to be paid."""
        onboarding = {"refresh_url": refresh_url, "return_url": return_url}
        params = {
            "account": recipient_id,
            "use_case": {"type": "account_onboarding", "account_onboarding": onboarding},
        }
        link = await self._ask(self._client.v2.core.account_links.create_async, params, key)
        return str(link["url"])

    async def create_transfer(
        self, key: str, *, amount: int, currency: str, destination: str, group: str, metadata: dict[str, str]
    ) -> Transfer:
        params = {
            "amount": amount,
            "currency": currency,
            "destination": destination,
            "transfer_group": group,
            "metadata": metadata,
            **_TXN,
        }
        return objects.transfer(await self._ask(self._client.v1.transfers.create_async, params, key))

    async def retrieve_transfer(self, transfer_id: str) -> Transfer:
        return objects.transfer(await self._ask(self._client.v1.transfers.retrieve_async, _TXN, None, transfer_id))

    async def find_transfer(self, group: str, metadata: dict[str, str], destination: str = "") -> Transfer | None:
        """The transfer of a group that carries all of `metadata`; `destination` makes the list short."""
        params = {"transfer_group": group, "expand": ["data.balance_transaction"]}
        if destination:
            params["destination"] = destination
        async for one in self._all(self._client.v1.transfers.list_async, params):
            if metadata.items() <= one["metadata"].items():
                return objects.transfer(one)
        return None

    async def reversals(self, transfer_id: str) -> list[Reversal]:
        """What has come back of a transfer, oldest first, each with its line of the platform's balance."""
        found: list[Reversal] = []
        after: dict[str, str] = {}
        while True:
            params = {"limit": 100, "expand": ["data.balance_transaction"], **after}
            page = await self._ask(self._client.v1.transfers.reversals.list_async, params, None, transfer_id)
            found += [objects.reversal(one) for one in page["data"]]
            if not page["has_more"]:
                return found[::-1]
            after = {"starting_after": page["data"][-1]["id"]}

    async def retrieve_bank_payout(self, account: str, payout_id: str) -> BankPayout:
        """A payout of a connected account to its bank."""
        return objects.bank_payout(
            await self._ask(self._client.v1.payouts.retrieve_async, {}, None, payout_id, account=account)
        )
