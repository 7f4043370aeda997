"""What happens in a life: buyers, people, operators, Stripe and the clock act in an order that the seed decides."""

from __future__ import annotations

from collections.abc import Set

from market import accounts, ids, keys, operators, people
from tests.simulation import points
from tests.simulation.cast import Buyer, Somebody
from tests.simulation.unheard import Unheard

CARDS = (
    "pm_card_visa", "pm_card_visa", "pm_card_mastercard", "pm_card_chargeCustomerFail",
    "pm_card_authenticationRequired", "pm_card_chargeDeclined",
)  # fmt: skip
FAULTS = (
    "rate_limit", "error_before", "conflict", "reset_before", "error_after", "timeout_after", "reset_after",
)  # fmt: skip
# What happens in every market, and how often.
ACTS = {
    "fund": 6, "check_out": 3, "work": 8, "onboard": 3, "refund": 4, "settle": 6, "carry_on_run": 3, "dispute": 3,
    "answer_dispute": 2, "end_dispute": 2, "suspect": 2, "reverse": 2, "fail_refund": 1, "lose_capability": 1,
    "bank": 2, "elsewhere": 1, "claw_back": 2, "decide": 2, "auto": 2, "bad_weather": 4, "switch": 1, "wait": 4,
    "deliver": 12, "work_off": 12, "debit": 2, "warn": 1, "resolve": 3, "hold": 1, "look": 3, "close": 2,
    "explain": 2, "change_draft": 2, "retry_events": 2, "drop_card": 1, "hold_account": 1, "cap": 1,
}  # fmt: skip
# Acts that lead to one rare place each.
CORNERS = (
    "top_up", "top_ups_pause", "page_expires", "payment_canceled", "debit_fails", "receipt", "quarrel", "inquiry",
    "spent", "warned", "refund_returns", "refunded_elsewhere", "rejected", "too_much", "out_of_order", "made_at_once",
    "connection_lost", "to_bank", "debt", "found_by_hand", "given_up", "set_aside", "searched", "summed", "new_person",
    "new_buyer", "doubted_first", "explained_too_soon", "retried", "reconsidered", "sent_back",
    "capability_lost", "account_unheard", "answer_unheard", "news_unreadable", "day_ends",
)  # fmt: skip
HOW_OFTEN = 0.5  # each of those
PLACES = 3  # acts in which one point is hunted
PATIENCE = 4  # hunts in vain until every act is hunted in


def plan(hunted: Set[str], in_vain: int = 0) -> list[str]:
    """Where to hunt for these points: in the acts that have met them most, and in all for one never met.

    in_vain: after so many hunts that struck nothing, in as many acts more, and in the end in all: what leads to a place
    may be what was done before.
    """
    if in_vain >= PATIENCE or any(point not in points.MET for point in hunted):
        return [*ACTS, *CORNERS, *CORNERS]
    where: set[str] = set()
    for point in hunted:
        met = points.MET[point]
        acts = [name for name in met if name in points.DONE]
        where.update(sorted(acts, key=lambda name: -met[name] / points.DONE[name])[: PLACES + in_vain])
    return 3 * sorted(where)


class Life(Unheard):
    """One life: who is there, and what may happen next."""

    async def begin(self) -> None:
        """Two buyers, three people, two operators; nothing dies yet."""
        async with self.world.services.database.transaction() as connection:
            for name in ("ada", "cy"):
                draft = accounts.AccountDraft(name=name, email=f"{name}@example.com")
                account, secret = await accounts.open_account(connection, draft)
                self.buyers.append(Buyer(account.id, secret, await keys.find(connection, secret)))
            for name in ("bo", "dee", "eve"):
                person = people.PersonDraft(email=f"{name}@example.com", display_name=name, accept_terms=True)
                found = await people.sign_up(connection, person)
                _, secret = await keys.first(connection, "person", found, actor="test")
                self.people.append(Somebody(ids.show("person", found), secret))
            for name in ("olu", "pia"):
                made, secret = await operators.add(connection, f"{name}@sensorium.example", name)
                self.operators.append(Somebody(made.id, secret))
        self.world.strikes.armed = True

    async def live(self, steps: int) -> None:
        """So many acts, after a beginning in which there is money and somebody to pay."""
        acts = ACTS | dict.fromkeys(CORNERS, HOW_OFTEN)
        await self.prosper()
        for name in self.world.random.choices(list(acts), list(acts.values()), k=steps):
            await self._do(name)

    async def hunt(self) -> None:
        """The acts in which something is hunted, in some order, with a few deaths in each."""
        strikes = self.world.strikes
        strikes.left = 3
        await self.prosper()
        for name in self.world.random.sample(strikes.plan, len(strikes.plan)):
            strikes.left = self.one([1, 2, 3, 5])
            await self._do(name)

    async def _do(self, name: str) -> None:
        points.act = name
        points.DONE[name] += 1
        await getattr(self, name)()
        points.act = ""

    async def rest(self) -> None:
        """Nobody dies any more. What waits for an operator is tried again, and everything comes to rest."""
        self.world.strikes.armed = False
        await self.world.control("faults", method="DELETE")
        for each in await self.listed("/v1/operator/operations?doubtful=true"):
            if each["next"] == "waits_for_operator":
                await self.ask(self.operators[0], "POST", f"/v1/operator/operations/{each['id']}/retry")
        await self.world.rest()

    async def prosper(self) -> None:
        """A beginning in which everybody has something to lose: money, answered tasks, payout accounts, a first run."""
        for buyer in self.buyers:
            body = {"amount": {"amount": 12_345, "currency": "usd"}, "payment_method": "pm_card_visa"}
            await self.ask(buyer, "POST", "/v1/funding", body)
        await self.onboard()
        for _ in range(6):
            await self.work_off()
            await self.world.webhooks(all_of_them=True)
            await self.world.later(40)
        for _ in range(4):
            await self.work()
        await self.world.later(4_000)
        await self.settle()
        for _ in range(3):
            await self.work_off()
            await self.world.later(40)

    # ---- buyers

    async def fund(self) -> None:
        amount = self.world.random.choice([1_000, 5_000, 12_345])
        body = {"amount": {"amount": amount, "currency": "usd"}, "payment_method": self.one(list(CARDS))}
        await self.ask(self.one(self.buyers), "POST", "/v1/funding", body)

    async def check_out(self) -> None:
        methods = self.one([["card"], ["card"], ["card", "us_bank_account"]])
        body = {"amount": {"amount": 4_000, "currency": "usd"}, "methods": methods}
        await self.ask(self.one(self.buyers), "POST", "/v1/funding", body)
        await self.world.jobs()
        for session in self.world.objects("checkout.session"):
            if session["status"] == "open" and self.world.random.random() < 0.7:
                cards = ["pm_card_visa", "pm_card_authenticationRequired"]
                if "us_bank_account" in session["payment_method_types"]:
                    cards.append("pm_usBankAccount_success")
                await self.world.press(f"/checkout/{session['id']}", action="pay", card=self.one(cards))

    async def debit(self) -> None:
        for intent in self.world.objects("payment_intent"):
            if intent["status"] == "processing":
                succeed = self.world.random.random() < 0.6
                await self.world.control(f"payment_intents/{intent['id']}/settle", {"succeed": succeed})

    async def refund(self) -> None:
        amount = self.one([None, {"amount": 500, "currency": "usd"}, {"amount": 2_000, "currency": "usd"}])
        await self.ask(self.one(self.buyers), "POST", "/v1/refunds", {"amount": amount} if amount else {})

    async def drop_card(self) -> None:
        buyer = self.one(self.buyers)
        cards = (await self.ask(buyer, "GET", "/v1/cards")).get("items", [])
        if cards:
            await self.ask(buyer, "DELETE", f"/v1/cards/{self.one(cards)['id']}")

    async def cap(self) -> None:
        await self.ask(self.one(self.buyers), "PATCH", "/v1/account", {"max_per_day": self.one([None, 5_000])})

    async def auto(self) -> None:
        buyer = self.one(self.buyers)
        cards = (await self.ask(buyer, "GET", "/v1/cards")).get("items", [])
        if cards and self.world.random.random() < 0.8:
            threshold = self.one([3_000, 900_000])  # the second one tops up at once
            body = {"threshold": threshold, "amount": 2_500, "max_per_day": 5_000, "card": self.one(cards)["id"]}
            await self.ask(buyer, "PUT", "/v1/auto-top-up", body)
            await self.world.sweep()
            await self.world.jobs()
        else:
            await self.ask(buyer, "DELETE", "/v1/auto-top-up")

    # ---- work: a task is posted, answered and judged

    async def work(self) -> None:
        buyer, person = self.one(self.buyers), self.one(self.people)
        posted = await self.work_of(buyer, person)
        if posted and self.world.random.random() < 0.3:
            await self.ask(buyer, "POST", f"/v1/tasks/{posted}/cancel")

    # ---- people

    async def onboard(self) -> None:
        for person in self.people:
            if self.world.random.random() < 0.7:
                link = await self.ask(person, "POST", "/v1/people/payout-account")
                if link:
                    await self.world.press(link["onboarding_url"].removeprefix(self.world.sandbox.url), action="finish")

    async def lose_capability(self) -> None:
        account = self.one(self.world.objects("v2.core.account"))
        if account:
            status = self.one(["active", "active", "restricted", "pending"])
            await self.world.control(f"accounts/{account['id']}/capability", {"status": status})

    async def bank(self) -> None:
        account = self.one(self.world.objects("v2.core.account"))
        if (
            account
            and self.world.sandbox.api.store._db.execute(
                "SELECT 1 FROM balance WHERE account = ? AND available >= 100", (account["id"],)
            ).fetchone()
        ):
            made = await self.world.control(f"accounts/{account['id']}/payout", {"amount": 100})
            end = self.one(["pay", "fail"])
            body = {"failure_code": "account_closed"} if end == "fail" else {}
            await self.world.control(f"payouts/{made['id']}/{end}", body)

    # ---- Stripe, the network, time

    async def dispute(self) -> None:
        charge = self.one([one for one in self.world.objects("charge") if one["paid"] and not one["disputed"]])
        if charge and not charge["refunded"]:
            inquiry = self.world.random.random() < 0.2
            await self.world.control(f"charges/{charge['id']}/dispute", {"inquiry": inquiry})

    async def answer_dispute(self) -> None:
        await self.listed("/v1/operator/disputes")  # as the newest come, too
        for each in await self.listed("/v1/operator/disputes?order=deadline"):
            if each["status"] in ("needs_response", "warning_needs_response"):
                path = f"/v1/operator/disputes/{each['id']}"
                if each["status"] == "warning_needs_response" and self.world.random.random() < 0.5:
                    await self.ask(self.operators[0], "POST", f"{path}/refund")
                elif self.world.random.random() < 0.7:
                    body = {"evidence": {"uncategorized_text": "The work was done."}}
                    await self.ask(self.operators[0], "POST", f"{path}/answer", body)
                else:
                    await self.ask(self.operators[0], "POST", f"{path}/accept")

    async def end_dispute(self) -> None:
        for each in self.world.objects("dispute"):
            if each["status"] in ("needs_response", "under_review"):
                await self.world.control(f"disputes/{each['id']}/{self.one(['win', 'lose'])}")

    async def warn(self) -> None:
        charge = self.one([one for one in self.world.objects("charge") if one["paid"]])
        if charge:
            await self.world.control(f"charges/{charge['id']}/fraud_warning")

    async def suspect(self) -> None:
        for each in await self.listed("/v1/operator/fraud-warnings"):
            if each["status"] == "open":
                path = f"/v1/operator/fraud-warnings/{each['id']}/{self.one(['refund', 'dismiss'])}"
                await self.ask(self.operators[0], "POST", path)

    async def reverse(self) -> None:
        transfer = self.one([one for one in self.world.objects("transfer") if not one["reversed"]])
        if transfer:
            left = transfer["amount"] - transfer["amount_reversed"]
            amount = self.one([left, max(1, left // 2)])
            available = self.world.sandbox.api.store._db.execute(
                "SELECT available FROM balance WHERE account = ?", (transfer["destination"],)
            ).fetchone()
            if available and available[0] >= amount:
                await self.world.control(f"transfers/{transfer['id']}/reverse", {"amount": amount})

    async def fail_refund(self) -> None:
        refund = self.one([one for one in self.world.objects("refund") if one["status"] == "succeeded"])
        if refund:
            await self.world.control(f"refunds/{refund['id']}/fail")

    async def elsewhere(self) -> None:
        what = self.one(["charge_elsewhere", "fee"])
        await self.world.control(what, {"amount": self.world.random.choice([70, 900])})

    async def bad_weather(self) -> None:
        kinds = self.world.random.sample(FAULTS, 2)
        rules = [
            {"fault": kind, "probability": 0.25, "times": 6, "seed": self.world.random.randrange(10**6)}
            for kind in kinds
        ]
        if self.world.random.random() < 0.2:
            rules.append({"fault": "balance_insufficient", "path": "/v1/transfers$", "verb": "post", "times": 1})
        await self.world.control("faults", {"rules": rules})

    async def wait(self) -> None:
        await self.world.later(self.one([2, 30, 700, 4_000, 90_000]))

    async def deliver(self) -> None:
        await self.world.webhooks(all_of_them=False)
        await self.world.jobs()

    async def work_off(self) -> None:
        await self.world.sweep()
        await self.world.jobs()
