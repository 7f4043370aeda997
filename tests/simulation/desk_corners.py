"""Rare situations, each brought about on purpose: of people who are paid, and of operators who look after it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from uuid import UUID

import asyncpg

from app.gateways.stripe import reach_by
from app.money.outgoing import stripe_of
from market import ids, ledger, payouts
from tests.simulation.cast import Somebody
from tests.simulation.corners import Corners
from tests.simulation.world import Json

OPERATIONS = "/v1/operator/operations"
CALLS = {"refund": "/v1/refunds$", "charge": "/v1/payment_intents$", "transfer": "/v1/transfers$"}


class DeskCorners(Corners):
    """Acts that begin with what they need, and lead to one rare place."""

    # ---- runs

    async def payable(self) -> Somebody | None:
        """Somebody with an account at Stripe who has earned something, and money to pay it with."""
        await self.funded(self.buyers[0])
        person = self.one(self.people)
        link = await self.ask(person, "POST", "/v1/people/payout-account")
        if link:
            await self.world.press(link["onboarding_url"].removeprefix(self.world.sandbox.url), action="finish")
        await self.under_way()
        worked = await self.work_of(self.buyers[0], person)
        await self.world.later(4_000)
        await self.world.sweep("earnings")
        return person if worked else None

    async def approved(self) -> str | None:
        """A run that pays somebody, approved by another operator: its path."""
        if await self.payable() is None:
            return None
        await self.calm()
        maker, checker = self.operators
        run = await self.ask(maker, "POST", "/v1/operator/payout-runs", {"minimum": 1})
        if not run or not run["lines"]:
            return None
        path = f"/v1/operator/payout-runs/{run['id']}"
        await self.ask(maker, "POST", f"{path}/submit")
        seen = await self.ask(checker, "GET", path)
        await self.ask(checker, "POST", f"{path}/approve", {"lines_sha256": seen.get("lines_sha256")})
        return path

    async def paid(self) -> str | None:
        """A run that has paid, or tried to: its path."""
        path = await self.approved()
        if path is not None:
            await self.ask(self.operators[0], "POST", f"{path}/execute")
            await self.under_way()
        return path

    async def out_of_order(self) -> None:
        """Everything that a run cannot do any more is refused."""
        path = await self.paid()
        if path is not None:
            for step in ("submit", "approve", "execute", "reopen", "freeze"):
                await self.ask(self.operators[1], "POST", f"{path}/{step}", {} if step == "approve" else None)

    async def reconsidered(self) -> None:
        """A draft that pays somebody is changed this way and that."""
        await self.payable()
        for _ in range(2):
            await self.change_draft()

    async def made_at_once(self) -> None:
        """A program of ours makes a run in one go, and nobody submits it."""
        await self.payable()

        async def make() -> UUID:
            async with self.world.services.database.transaction() as connection:
                return await payouts.make(connection, ids.read("operator", self.operators[0].id), "usd", 1)

        for _ in range(3):
            await self.world.run(make())

    async def connection_lost(self) -> None:
        """Somebody locks the mirror of Stripe's balance, and ends who waits for it: a run goes on line by line."""
        path = await self.approved()
        if path is None:
            return
        started = asyncio.Event()

        async def in_the_way() -> None:
            connection = await asyncpg.connect(self.world.services.config.database_url)
            try:
                async with connection.transaction():
                    await connection.execute("LOCK TABLE stripe_balance_txn IN EXCLUSIVE MODE")
                    started.set()
                    for _ in range(100):
                        ended = await connection.fetch(
                            """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                               WHERE datname = current_database() AND wait_event_type = 'Lock'"""
                        )
                        if ended:
                            return
                        await asyncio.sleep(0.02)
            finally:
                await connection.close()

        await self.ask(self.operators[0], "POST", f"{path}/execute")
        other = asyncio.create_task(in_the_way())
        await started.wait()
        await self.world.jobs()
        other.cancel()
        with suppress(asyncio.CancelledError):
            await other
        await self.under_way()

    async def to_bank(self) -> None:
        """What was paid goes on to a bank, which takes it, and days later sends it back."""
        await self.paid()
        for account in self.world.objects("v2.core.account"):
            rows = self.world.sandbox.api.store._db.execute(
                "SELECT available FROM balance WHERE account = ?", (account["id"],)
            ).fetchall()
            if sum(row[0] for row in rows) >= 100:
                made = await self.world.control(f"accounts/{account['id']}/payout", {"amount": 100})
                await self.under_way()
                for step, body in (("pay", {}), ("fail", {"failure_code": "account_closed"})):
                    if step == "fail" or self.one([True, False]):
                        await self.world.control(f"payouts/{made['id']}/{step}", body)
                        await self.under_way()
                return

    async def sent_back(self) -> None:
        """Somebody takes a transfer back in the dashboard, a part of it and then the rest."""
        await self.paid()
        for transfer in self.world.objects("transfer")[-1:]:
            left = transfer["amount"] - transfer["amount_reversed"]
            for amount in (left // 2, left - left // 2):
                await self.world.stripe(f"/v1/transfers/{transfer['id']}/reversals", amount=str(amount))
                await self.under_way()

    async def capability_lost(self) -> None:
        """Stripe stops paying to somebody's account, says what it wants, and goes on; everybody looks at theirs."""
        await self.payable()
        for account in self.world.objects("v2.core.account")[-1:]:
            for status in ("active", "restricted", "active"):
                await self.world.control(f"accounts/{account['id']}/capability", {"status": status})
                await self.under_way()
                for person in self.people:
                    await self.ask(person, "GET", "/v1/people/payout-account")

    async def debt(self) -> None:
        """Pay is taken back that was paid, or is still pending. Who owes has it netted, and the rest is written off."""
        if self.one([True, False]):
            await self.work_of(self.buyers[0], self.one(self.people))
            earned = "e.released_at IS NULL"
        else:
            await self.paid()
            earned = "e.payout_id IS NOT NULL"
        row = await self.find(
            f"""SELECT array[e.submission_id, e.person_id] FROM earning e WHERE {earned} AND clawed_back_at IS NULL
                ORDER BY e.submission_id DESC LIMIT 1"""
        )
        if row is None:
            return
        await self.decided("clawback", "submission", row[0], "forged photo")
        person = next(each for each in self.people if ids.read("person", each.id) == row[1])
        if self.one([True, False]):
            await self.work_of(self.buyers[0], person)
            await self.world.later(4_000)
            await self.world.sweep("earnings")
        await self.decided("write_off", "person", row[1], "moved away")

    async def decided(self, kind: str, about: str, subject: UUID, reason: str) -> None:
        """One operator asks, another decides; both try what is not theirs."""
        olu, pia = self.operators
        asked = {"kind": kind, "subject": ids.show(about, subject), "reason": reason}
        decision = await self.ask(olu, "POST", "/v1/operator/decisions", asked)
        if not decision:
            return
        path = f"/v1/operator/decisions/{decision['id']}"
        await self.mistake(pia, "POST", f"{path}/withdraw")
        end = self.one(["approve", "approve", "approve", "refuse"])
        await self.ask(pia, "POST", f"{path}/{end}")
        await self.mistake(pia, "POST", f"{path}/refuse")
        await self.mistake(olu, "POST", f"{path}/withdraw")
        await self.ask(olu, "GET", path)

    # ---- operations in doubt

    async def persist(self, path: str, body: Json | None = None) -> None:
        """By an operator's hand, and again when the one who held it has died and its lease is over."""
        for _ in range(6):
            if await self.ask(self.operators[0], "POST", path, body):
                return
            await self.world.later(100)

    async def doubtful(self, kind: str, fault: str, card: str = "pm_card_visa") -> str | None:
        """An operation of which nobody knows whether it has happened: its path."""
        buyer = self.one(self.buyers)
        if kind == "transfer":
            path = await self.approved()
            await self.lose(CALLS[kind], fault, 40)
            if path is not None:
                await self.ask(self.operators[0], "POST", f"{path}/execute")
        else:
            await self.funded(buyer)
            await self.lose(CALLS[kind], fault, 40)
            amount = {"amount": {"amount": 700, "currency": "usd"}}
            if kind == "refund":
                await self.ask(buyer, "POST", "/v1/refunds", amount)
            else:
                await self.ask(buyer, "POST", "/v1/funding", {**amount, "payment_method": card})
        for _ in range(2):
            await self.world.jobs()
            await self.world.sweep("stripe", "payout runs")
            await self.world.later(10)
        found = await self.find(
            "SELECT id FROM stripe_op WHERE kind = $1 AND status = 'unknown' ORDER BY created_at DESC LIMIT 1", kind
        )
        return None if found is None else f"{OPERATIONS}/{ids.show('stripe_op', found)}"

    async def found_by_hand(self) -> None:
        """An operator looks, and it has happened; or it was declined."""
        kind = self.one(["refund", "charge", "transfer"])
        card = self.one(["pm_card_visa", "pm_card_chargeDeclined"])
        path = await self.doubtful(kind, self.one(["error_after", "timeout_after"]), card)
        if path is not None:
            if self.one([True, False]):
                await self.persist(f"{path}/look")
            else:
                await self.persist(f"{path}/give-up", GIVE_UP)
            await self.under_way()
            for step in ("retry", "look"):  # mostly it has ended by now
                await self.ask(self.operators[0], "POST", f"{path}/{step}")

    async def given_up(self) -> None:
        """Nothing is found, too early, while Stripe does not answer, and at last it is given up."""
        kind = self.one(["refund", "charge", "transfer"])
        path = await self.doubtful(kind, "error_before")
        if path is None:
            return
        await self.persist(f"{path}/look")
        await self.ask(self.operators[0], "POST", f"{path}/give-up", GIVE_UP)
        await self.world.later(100)
        calls = "/v1/(refunds|payment_intents|transfers)"
        await self.world.control("faults", {"rules": [{"fault": "error_before", "path": calls, "times": 60}]})
        await self.ask(self.operators[0], "POST", f"{path}/look")
        await self.world.control("faults", method="DELETE")
        await self.world.later(200)
        await self.persist(f"{path}/give-up", GIVE_UP)
        await self.under_way()

    async def set_aside(self) -> None:
        """What was tried for hours waits for an operator, who has it tried again."""
        path = await self.doubtful("refund", "error_before")
        if path is None:
            return
        async with self.world.services.database.transaction() as connection:
            op = ids.read("stripe_op", path.rsplit("/", 1)[-1])
            await connection.execute("UPDATE stripe_op SET tries = 250 WHERE id = $1", op)
        await self.world.later(60)
        for _ in range(3):
            await self.world.sweep("stripe")
            await self.world.jobs()
            await self.world.later(100)
        await self.world.control("faults", method="DELETE")
        await self.persist(f"{path}/retry")
        await self.under_way()

    # ---- what operators look at

    async def searched(self) -> None:
        """The first page, a number opened down to its entries, what is not there, and a row that somebody changed."""
        olu = self.operators[0]
        await self.ask(olu, "GET", "/operator")
        for entry in (await self.ask(olu, "GET", ENTRIES)).get("items", [])[:1]:
            await self.ask(olu, "GET", f"/v1/operator/ledger/transactions/{entry['transaction']}")
        await self.mistake(olu, "POST", "/v1/operator/stripe-events/evt_none/retry")
        line = await self.find("SELECT id FROM stripe_balance_txn WHERE ledger_key LIKE 'fund:%' LIMIT 1")
        await self._changed_by_hand(line, 1)
        for _ in range(2):
            await self.ask(olu, "GET", "/v1/operator/reconciliation")
        await self._changed_by_hand(line, -1)

    async def _changed_by_hand(self, line: str, by: int) -> None:
        async with self.world.services.database.transaction() as connection:
            await connection.execute(
                "UPDATE stripe_balance_txn SET amount = amount + $2, net = net + $2 WHERE id = $1", line, by
            )

    async def summed(self) -> None:
        """A program of ours sums an account from its entries, reads a page of Stripe's lines, and ends cleanly."""

        async def read() -> None:
            async with self.world.services.database.read() as connection:
                await ledger.derived(connection, ledger.CLEARING, "usd")

        for _ in range(3):
            await self.world.run(read())
        for _ in range(3):
            await self.world.run(stripe_of(self.world.services).close())
            reach_by(self.world.sandbox.url, self.world.sandbox.transport)


GIVE_UP: Json = {"reason": "looked at Stripe", "confirm_absent": True}
ENTRIES = "/v1/operator/ledger/accounts/stripe:clearing/entries"
