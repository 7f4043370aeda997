"""Rare situations, each brought about on purpose: what nobody was told of in time, and those whom nobody knows yet."""

from __future__ import annotations

from market import accounts, ids, keys, people
from tests.simulation.cast import Buyer, Somebody
from tests.simulation.desk_corners import DeskCorners
from tests.simulation.world import Json

LINES = "/v1/operator/balance-lines"
TWICE_LOST = ("error_before", "timeout_after", "timeout_after")


class Unheard(DeskCorners):
    """Acts that begin with what they need, and lead to one rare place."""

    async def new_person(self) -> None:
        """Somebody new wants to be paid; their account is looked up in a list of many short pages."""
        await self.world.control("lists", {"most": self.one([1, 2])})
        await self.calm()
        person = await self._somebody()
        await self.ask(person, "GET", "/v1/people/earnings")
        await self.lose("/v2/core/accounts$", self.one(list(TWICE_LOST)), 2)
        await self.ask(person, "POST", "/v1/people/payout-account")
        await self._tried()
        await self.world.sweep("mirror")
        await self.world.control("lists", {})

    async def _somebody(self) -> Somebody:
        """A person who has just signed up."""
        name = f"p{len(self.people)}"
        draft = people.PersonDraft(email=f"{name}@example.com", display_name=name, accept_terms=True)
        async with self.world.services.database.transaction() as connection:
            found = await people.sign_up(connection, draft)
            _, secret = await keys.first(connection, "person", found, actor="test")
        person = Somebody(ids.show("person", found), secret)
        self.people.append(person)
        return person

    async def account_unheard(self) -> None:
        """Somebody's account is made, and only Stripe's webhook says so."""
        person = await self._somebody()
        await self.lose("/v2/core/accounts$", "timeout_after", 1)
        await self.ask(person, "POST", "/v1/people/payout-account")
        await self.world.webhooks(all_of_them=True)
        await self.world.jobs()

    async def answer_unheard(self) -> None:
        """A chargeback is answered or given up, nobody hears what came of it, and a day later that is looked up."""
        made = await self._disputed(self.one(self.buyers))
        if made is None:
            return
        await self.lose("/v1/disputes/", "timeout_after", 1)
        await self.answered_or_given_up(made[1])
        await self.world.jobs()
        await self.world.sandbox.take_webhooks()
        await self.world.later(90_000)
        await self.world.sweep("stripe")
        await self.world.jobs()
        await self.under_way()

    async def news_unreadable(self) -> None:
        """Stripe sends news, and cannot be asked what is behind them; an operator has them read again."""
        await self.calm()
        body = {"amount": {"amount": 3_000, "currency": "usd"}, "payment_method": "pm_card_visa"}
        await self.ask(self.one(self.buyers[:2]), "POST", "/v1/funding", body)
        await self.world.jobs()
        await self.world.control("faults", {"rules": [{"fault": "error_before", "verb": "get", "times": 40}]})
        await self.world.webhooks(all_of_them=True)
        for _ in range(2):
            await self.world.jobs()
            await self.retry_events()
        await self.world.control("faults", method="DELETE")
        await self.under_way()

    async def day_ends(self) -> None:
        """Stripe takes a fee, the day is over and closed, and what was signed is looked at."""
        await self.calm()
        await self.world.control("fee", {"amount": 70})
        await self.under_way()
        await self.world.later(90_000)
        await self.close()
        for each in (await self.listed("/v1/operator/closes"))[:2]:
            await self.ask(self.operators[0], "GET", f"/v1/operator/closes/{each['day']}")

    async def _tried(self) -> None:
        """What failed is tried until it is looked up, and no webhook says how it stands."""
        for _ in range(5):
            await self.world.sweep("stripe")
            await self.world.jobs()
            await self.world.later(40)

    async def new_buyer(self) -> None:
        """Somebody new wants to pay on a page; they, or the page, were made and nobody heard of it."""
        await self.calm()
        name = f"b{len(self.buyers)}"
        async with self.world.services.database.transaction() as connection:
            draft = accounts.AccountDraft(name=name, email=f"{name}@example.com")
            account, secret = await accounts.open_account(connection, draft)
            buyer = Buyer(account.id, secret, await keys.find(connection, secret))
        self.buyers.append(buyer)
        for path in ("/v1/customers$", "/v1/checkout/sessions$"):
            await self.lose(path, self.one(list(TWICE_LOST)), 2)
            await self.ask(buyer, "POST", "/v1/funding", {"amount": {"amount": 2_000, "currency": "usd"}})
            await self._tried()

    async def _untold(self) -> Json | None:
        """A card is charged, and the news of it are lost: the charge at Stripe."""
        await self.calm()
        body = {"amount": {"amount": 3_000, "currency": "usd"}, "payment_method": "pm_card_visa"}
        asked = await self.ask(self.one(self.buyers[:2]), "POST", "/v1/funding", body)
        if not asked:
            return None
        for _ in range(3):
            await self.world.jobs()
            await self.world.later(2)
        await self.world.sandbox.take_webhooks()
        number = str(ids.read("funding", asked["id"]))
        intents = [one for one in self.world.objects("payment_intent") if one["metadata"].get("funding") == number]
        charges = {one["id"]: one for one in self.world.objects("charge")}
        found = charges.get(intents[0]["latest_charge"]) if intents else None
        return found if found is not None and found["paid"] and not found["disputed"] else None

    async def doubted_first(self) -> None:
        """The chargeback, or the warning, of a payment is heard of before the payment."""
        charge = await self._untold()
        if charge is not None:
            await self.world.control(f"charges/{charge['id']}/{self.one(['dispute', 'fraud_warning'])}")
            await self.under_way()

    async def explained_too_soon(self) -> None:
        """Two operators say what a line in suspense was, and then its true cause comes."""
        charge = await self._untold()
        if charge is None:
            return
        rule = {"fault": "error_before", "path": "/v1/events$", "verb": "get"}
        await self.world.control("faults", {"rules": [rule]})
        for _ in range(2):
            await self.world.sweep("mirror")
            await self.world.later(3_700)
        await self.world.sweep("mirror")
        line = await self.find(
            "SELECT id FROM stripe_balance_txn WHERE id = $1 AND suspense_key IS NOT NULL AND ledger_key IS NULL",
            charge["balance_transaction"],
        )
        if line is not None:
            await self._explained(line)
        await self.world.control("faults", method="DELETE")
        await self.world.sweep("mirror")
        await self.under_way()

    async def _explained(self, line: str) -> None:
        """One operator says what a line was, and another agrees."""
        buyer = f"buyer:{ids.read('account', self.buyers[0].id)}:available"
        body = {"target": self.one([buyer, "platform:losses"]), "reason": "seen in the dashboard"}
        decision = await self.ask(self.operators[0], "POST", f"{LINES}/{line}/resolution", body)
        if decision:
            await self.ask(self.operators[1], "POST", f"/v1/operator/decisions/{decision['id']}/approve")

    async def retried(self) -> None:
        """An operator has a transfer tried again, which a worker then does apart from its run."""
        path = await self.doubtful("transfer", self.one(["error_before", "timeout_after"]))
        if path is not None:
            await self.world.control("faults", method="DELETE")
            for _ in range(3):
                await self.ask(self.operators[0], "POST", f"{path}/retry")
                await self.world.jobs()
            await self.under_way()
