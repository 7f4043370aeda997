"""What operators do in a life: settle, hold, decide, look, close."""

from __future__ import annotations

from datetime import date, timedelta

from market import ids
from tests.simulation.cast import Cast, Somebody
from tests.simulation.world import Json

REASONS = ("forged photo", "same photo twice")
LISTS = (
    "payout-runs", "operations", "stripe-events", "holds", "disputes", "fraud-warnings", "decisions", "debts",
    "balance-lines", "closes", "people", "accounts", "ledger/accounts",
)  # fmt: skip
PAGES = (
    "reconciliation", "switches", "ledger/trial-balance", "ledger/accounts/stripe:clearing/entries", "closes/next",
    "closes/key",
    "payout-runs/preview", "exports/journal", "exports/trial-balance", "exports/balance-lines",
)  # fmt: skip


class Desk(Cast):
    """Acts of operators."""

    async def settle(self) -> None:
        maker, checker = self.operators
        await self.wait()
        await self.world.sweep("earnings")
        draft: Json = {"minimum": self.one([1, 100]), "draft": self.world.random.random() < 0.3}
        if self.world.random.random() < 0.3:
            draft |= {"most_per_line": 600}
        run = await self.ask(maker, "POST", "/v1/operator/payout-runs", draft)
        path = f"/v1/operator/payout-runs/{run.get('id')}"
        if not run or not await self._frozen(maker, run, path):
            return
        await self.ask(maker, "POST", f"{path}/submit")
        seen = await self.ask(checker, "GET", path)
        await self.ask(checker, "POST", f"{path}/approve", {"lines_sha256": seen.get("lines_sha256")})
        if self.world.random.random() < 0.2:
            await self.ask(maker, "POST", f"{path}/reopen")
        await self.ask(maker, "POST", f"{path}/execute")

    async def _frozen(self, maker: Somebody, run: Json, path: str) -> bool:
        if run["status"] == "draft":
            if run["lines"] and self.world.random.random() < 0.5:
                out = {"person_id": run["lines"][0]["person_id"], "note": "not yet"}
                await self.ask(maker, "POST", f"{path}/exclude", out)
            return bool(await self.ask(maker, "POST", f"{path}/freeze"))
        return True

    async def carry_on_run(self) -> None:
        for run in await self.listed("/v1/operator/payout-runs"):
            if run["status"] in ("approved", "partial"):
                path = f"/v1/operator/payout-runs/{run['id']}"
                await self.ask(self.operators[1], "POST", f"{path}/approve", {"lines_sha256": run["lines_sha256"]})
                await self.ask(self.operators[0], "POST", f"{path}/execute")

    async def switch(self) -> None:
        name = self.one(["payouts", "refunds", "top_ups"])
        for stopped in (True, False):
            body = {"stopped": stopped, "reason": "storm" if stopped else "over"}
            await self.ask(self.operators[0], "PUT", f"/v1/operator/switches/{name}", body)
            await self.world.jobs()

    async def hold(self) -> None:
        person = self.one(self.people)
        path = f"/v1/operator/people/{person.id}/hold"
        await self.ask(self.operators[0], "PUT", path, {"reason": "identity under review"})
        await self.world.jobs()
        await self.ask(self.operators[0], "DELETE", path)

    async def claw_back(self) -> None:
        async with self.world.services.database.read() as connection:
            rows = await connection.fetch("SELECT submission_id FROM earning WHERE clawed_back_at IS NULL")
        found = self.one([ids.show("submission", row["submission_id"]) for row in rows])
        if found:
            body = {"kind": "clawback", "subject": found, "reason": self.one(list(REASONS))}
            await self.ask(self.operators[0], "POST", "/v1/operator/decisions", body)

    async def decide(self) -> None:
        async with self.world.services.database.read() as connection:
            rows = await connection.fetch(
                """SELECT split_part(code, ':', 2)::uuid AS person, posted, currency FROM ledger_account
                   WHERE code LIKE 'person:%:receivable' AND posted > 0"""
            )
        for row in rows:
            person = ids.show("person", row["person"])
            body = {"kind": "write_off", "subject": person, "reason": "moved away"}
            body["amount"] = {"amount": row["posted"], "currency": row["currency"]}
            await self.ask(self.operators[0], "POST", "/v1/operator/decisions", body)
        for each in await self.listed("/v1/operator/decisions"):
            if each["status"] == "asked":
                end = self.one(["approve", "approve", "approve", "refuse", "withdraw"])
                who = self.operators[0 if end == "withdraw" else 1]
                await self.ask(who, "POST", f"/v1/operator/decisions/{each['id']}/{end}")

    async def resolve(self) -> None:
        """The queue of what is in doubt, after a storm that leaves much of it."""
        rules = [{"fault": self.one(["error_after", "error_before", "timeout_after"]), "verb": "post", "times": 9,
                  "path": "/v1/(refunds|payment_intents|transfers)$"}]  # fmt: skip
        await self.world.control("faults", {"rules": rules})
        body = {"amount": {"amount": 700, "currency": "usd"}}
        await self.ask(self.one(self.buyers), "POST", "/v1/refunds", body)
        await self.ask(self.one(self.buyers), "POST", "/v1/funding", {**body, "payment_method": "pm_card_visa"})
        for _ in range(3):
            await self.world.sweep("stripe", "payout runs")
            await self.world.jobs()
            await self.world.later(40)
        await self.world.later(700)
        for each in await self.listed("/v1/operator/operations?doubtful=true"):
            end = self.one(["look", "retry", "give-up"])
            body = {"reason": "looked at Stripe", "confirm_absent": True} if end == "give-up" else None
            await self.ask(self.operators[0], "POST", f"/v1/operator/operations/{each['id']}/{end}", body)

    async def change_draft(self) -> None:
        """A draft is changed, somebody is taken out and in again, and it is thrown away."""
        olu = self.operators[0]
        run = await self.ask(olu, "POST", "/v1/operator/payout-runs", {"minimum": 1, "draft": True})
        if not run:
            return
        path = f"/v1/operator/payout-runs/{run['id']}"
        await self.ask(olu, "PATCH", path, {"most_in_all": 5_000, "note": "small"})
        for line in run["lines"][:1]:
            await self.ask(olu, "POST", f"{path}/exclude", {"person_id": line["person_id"], "note": "asked"})
            await self.ask(olu, "POST", f"{path}/include", {"person_id": line["person_id"]})
        await self.ask(olu, "DELETE", path)

    async def hold_account(self) -> None:
        path = f"/v1/operator/accounts/{self.one(self.buyers).id}/hold"
        await self.ask(self.operators[0], "PUT", path, {"reason": "card under review"})
        await self.world.jobs()
        await self.ask(self.operators[0], "DELETE", path)

    async def explain(self) -> None:
        """Lines in suspense get their account, by two operators."""
        await self.world.control("charge_elsewhere", {"amount": 640})
        for _ in range(3):
            await self.world.sweep("mirror")
            await self.world.later(3_700)
        targets = ["platform:losses", "stripe:fees", f"buyer:{ids.read('account', self.buyers[0].id)}:available"]
        for line in await self.listed("/v1/operator/balance-lines?state=suspense"):
            body = {"target": self.one(targets), "reason": "seen in the dashboard"}
            await self.ask(self.operators[0], "POST", f"/v1/operator/balance-lines/{line['id']}/resolution", body)
        await self.decide()

    async def retry_events(self) -> None:
        for event in await self.listed("/v1/operator/stripe-events?waiting=true"):
            await self.ask(self.operators[0], "POST", f"/v1/operator/stripe-events/{event['id']}/retry")

    async def close(self) -> None:
        """Close the next day, and some after it."""
        for _ in range(3):
            following = await self.ask(self.operators[0], "GET", "/v1/operator/closes/next")
            day = following.get("day")
            if not day or not await self.ask(self.operators[0], "POST", "/v1/operator/closes", {"day": day}):
                return
            assert date.fromisoformat(day) + timedelta(days=1) > date.min

    async def look(self) -> None:
        """Everything that can be looked at is, here and there."""
        olu = self.operators[0]
        for name in LISTS:
            path = f"/v1/operator/{name}"
            items = await self.listed(path)
            for each in items[:1]:
                place = each.get("id") or each.get("day")
                if name not in ("holds", "stripe-events", "debts") and place:
                    await self._open(olu, path, str(place))
        for name in PAGES:
            await self.ask(olu, "GET", f"/v1/operator/{name}")
        for buyer in self.buyers:
            for path in ("account", "auto-top-up", "ledger", "account/statement"):
                await self.ask(buyer, "GET", f"/v1/{path}")
            for path in ("funding", "refunds"):
                for each in (await self.ask(buyer, "GET", f"/v1/{path}")).get("items", [])[:1]:
                    await self.ask(buyer, "GET", f"/v1/{path}/{each['id']}")
                    if path == "funding":
                        await self.ask(buyer, "GET", f"/v1/funding/{each['id']}/receipt")
                        number = ids.read("funding", each["id"]).hex
                        if each["status"] != "pending":  # that one waits for its page to be made
                            await self.ask(buyer, "GET", f"/checkout/{number}")
                        await self.ask(buyer, "GET", f"/checkout/{number}/done")
        for person in self.people:
            for path in ("payout-account", "payouts", "earnings", "earnings/statement", "earnings/tax-years"):
                await self.ask(person, "GET", f"/v1/people/{path}")

    async def _open(self, olu: Somebody, path: str, place: str) -> None:
        await self.ask(olu, "GET", f"{path}/{place}")
        if path.endswith("payout-runs"):
            for part in ("lines", "exclusions"):
                for line in (await self.ask(olu, "GET", f"{path}/{place}/{part}")).get("items", [])[:1]:
                    if part == "lines":
                        await self.ask(olu, "GET", f"/v1/operator/payouts/{line['id']}")
            await self.ask(olu, "GET", f"/v1/operator/exports/payout-runs/{place}")
        if path.endswith("disputes"):
            await self.ask(olu, "GET", f"{path}/{place}/evidence-draft")
            await self.ask(olu, "POST", f"{path}/{place}/freeze")
