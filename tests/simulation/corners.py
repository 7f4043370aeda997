"""Rare situations, each brought about on purpose: of buyers, their cards and their banks."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from market import ids, ledger
from tests.simulation.cast import Buyer
from tests.simulation.desk import Desk
from tests.simulation.world import Json

LOST = ("error_before", "timeout_after", "error_after")


class Corners(Desk):
    """Acts that begin with what they need, and lead to one rare place."""

    async def calm(self) -> None:
        """Mostly the weather is fair, so that something rare can happen at all."""
        if self.world.random.random() < 0.8:
            await self.world.control("faults", method="DELETE")

    async def lose(self, path: str, fault: str, times: int = 6) -> None:
        """Calls that send something to this path fail so often."""
        rule = {"fault": fault, "path": path, "verb": "post", "times": times}
        await self.world.control("faults", {"rules": [rule]})

    async def funded(self, buyer: Buyer, amount: int = 5_000) -> str | None:
        """A payment by card that has arrived, as its charge at Stripe; None where something has come between."""
        await self.calm()
        body = {"amount": {"amount": amount, "currency": "usd"}, "payment_method": "pm_card_visa"}
        asked = await self.ask(buyer, "POST", "/v1/funding", body)
        await self.under_way()
        if not asked:
            return None
        charge: str | None = await self.find(
            "SELECT charge_id FROM funding WHERE id = $1 AND status = 'succeeded'", ids.read("funding", asked["id"])
        )
        return charge

    async def opened(self, buyer: Buyer, methods: list[str]) -> Json | None:
        """A checkout page that waits for its buyer."""
        await self.calm()
        body = {"amount": {"amount": 3_000, "currency": "usd"}, "methods": methods}
        asked = await self.ask(buyer, "POST", "/v1/funding", body)
        await self.under_way()
        if not asked:
            return None
        number = str(ids.read("funding", asked["id"]))
        pages = [one for one in self.world.objects("checkout.session") if one["metadata"].get("funding") == number]
        return pages[0] if pages and pages[0]["status"] == "open" else None

    async def kept(self, buyer: Buyer, card: str) -> str | None:
        """A card that somebody has paid with, and that is saved by that."""
        page = await self.opened(buyer, ["card"])
        if page is None:
            return None
        await self.world.press(f"/checkout/{page['id']}", action="pay", card=card)
        await self.under_way(3)
        cards = (await self.ask(buyer, "GET", "/v1/cards")).get("items", [])
        newest = [one["id"] for one in self.world.objects("payment_method") if one["customer"] is not None][-1:]
        return next((each["id"] for each in cards if each["id"] in newest), None)

    # ---- cards, pages, and who pays by itself

    async def top_up(self) -> None:
        """Automatic top-ups begin at once and by the sweep, are refused or paid, and end; then their card goes."""
        buyer = self.one(self.buyers)
        card = await self.kept(buyer, self.one(["pm_card_visa", "pm_card_authenticationRequired"]))
        if card is None:
            return
        body = {"threshold": 900_000, "amount": 2_500, "max_per_day": 5_000, "card": card}
        await self.ask(buyer, "PUT", "/v1/auto-top-up", body)
        await self.under_way(3)
        await self.ask(buyer, "GET", "/v1/auto-top-up")
        await self.world.later(90_000)
        await self.world.sweep("top_ups")
        await self.under_way()
        await self.ask(buyer, "DELETE", f"/v1/cards/{card}")
        await self.ask(buyer, "DELETE", "/v1/auto-top-up")
        await self.ask(buyer, "DELETE", f"/v1/cards/{card}")
        await self.under_way()

    async def top_ups_pause(self) -> None:
        """Automatic top-ups pause: somebody takes their card away in the dashboard, or a bank doubts a payment."""
        buyer = self.one(self.buyers)
        card = await self.kept(buyer, "pm_card_visa")
        if card is not None:
            body = {"threshold": 0, "amount": 2_500, "max_per_day": 5_000, "card": card}
            await self.ask(buyer, "PUT", "/v1/auto-top-up", body)
            doubt = self.one(["dispute", "fraud_warning", None])
            charge = await self.find(
                """SELECT charge_id FROM funding WHERE account_id = $1 AND status = 'succeeded' AND disputed = 0
                     AND refunded < amount ORDER BY created_at DESC LIMIT 1""",
                ids.read("account", buyer.id),
            )
            free = [one["id"] for one in self.world.objects("charge") if one["paid"] and not one["disputed"]]
            if doubt is None or charge not in free:
                await self.world.stripe(f"/v1/payment_methods/{card}/detach")
            else:
                await self.world.control(f"charges/{charge}/{doubt}")
            await self.under_way()

    async def page_expires(self) -> None:
        """Somebody opens a page before it is there, goes away, comes again, and does not pay in time."""
        buyer = self.one(self.buyers)
        asked = await self.ask(buyer, "POST", "/v1/funding", {"amount": {"amount": 2_000, "currency": "usd"}})
        if asked:
            number = ids.read("funding", asked["id"]).hex
            with suppress(TimeoutError):
                await asyncio.wait_for(self.world.run(self.world.ask("GET", f"/checkout/{number}")), 0.25)
        page = await self.opened(buyer, ["card"])
        if page is not None:
            number = page["metadata"]["funding"].replace("-", "")
            await self.ask(buyer, "GET", f"/checkout/{number}")
            await self.world.stripe(f"/v1/checkout/sessions/{page['id']}/expire")
            await self.under_way()

    async def payment_canceled(self) -> None:
        """A card is declined on the page, and somebody cancels the payment in the dashboard."""
        page = await self.opened(self.one(self.buyers), ["card"])
        if page is not None:
            await self.world.press(f"/checkout/{page['id']}", action="pay", card="pm_card_chargeCustomerFail")
            await self.under_way()
            for intent in self.world.objects("payment_intent"):
                if intent["metadata"].get("funding") == page["metadata"]["funding"]:
                    await self.world.stripe(f"/v1/payment_intents/{intent['id']}/cancel")
            await self.under_way()

    async def debit_fails(self) -> None:
        """A bank takes days, and then does not pay."""
        page = await self.opened(self.one(self.buyers), ["card", "us_bank_account"])
        if page is not None:
            await self.world.press(f"/checkout/{page['id']}", action="pay", card="pm_usBankAccount_success")
            await self.under_way()
            for intent in self.world.objects("payment_intent"):
                if intent["status"] == "processing":
                    await self.world.control(f"payment_intents/{intent['id']}/settle", {"succeed": False})
            await self.under_way()

    async def receipt(self) -> None:
        """A receipt to print."""
        buyer = self.one(self.buyers)
        for each in (await self.ask(buyer, "GET", "/v1/funding")).get("items", []):
            if each["status"] == "succeeded":
                path = f"/v1/funding/{each['id']}/receipt"
                for _ in range(3):
                    await self.world.run(self.world.ask("GET", path, buyer.secret, accept="text/html"))
                return

    # ---- what banks doubt

    async def _disputed(self, buyer: Buyer, amount: int = 5_000, **more: Any) -> tuple[Json, str] | None:
        """A dispute of a payment: as Stripe has it, and its path here."""
        charge = await self.funded(buyer, amount)
        return None if charge is None else await self._dispute_of(charge, **more)

    async def _dispute_of(self, charge: str, **more: Any) -> tuple[Json, str] | None:
        dispute = await self.world.control(f"charges/{charge}/dispute", more)
        await self.under_way()
        found = await self.find("SELECT id FROM dispute WHERE stripe_id = $1", dispute["id"])
        return None if found is None else (dispute, f"/v1/operator/disputes/{ids.show('dispute', found)}")

    async def answered_or_given_up(self, path: str) -> None:
        """What an operator makes of a chargeback."""
        if self.one([True, False]):
            body = {"evidence": {"uncategorized_text": "The work was done."}}
            await self.ask(self.operators[0], "POST", f"{path}/answer", body)
        else:
            await self.ask(self.operators[0], "POST", f"{path}/accept")

    async def quarrel(self) -> None:
        """A chargeback is answered or given up: at once, through a storm, or when the bank has decided already."""
        made = await self._disputed(self.one(self.buyers))
        if made is None:
            return
        dispute, path = made
        way = self.one(["plain", "lost", "late"])
        if way == "lost":
            await self.lose("/v1/disputes/", self.one(list(LOST)))
        await self.answered_or_given_up(path)
        if way == "late":
            await self.world.control(f"disputes/{dispute['id']}/lose")
        await self.under_way(4)
        await self.ask(self.operators[0], "GET", f"{path}/evidence-draft")

    async def inquiry(self) -> None:
        """A bank only asks, and the payment is given back."""
        made = await self._disputed(self.one(self.buyers), inquiry=True)
        if made is not None:
            await self.ask(self.operators[0], "POST", f"{made[1]}/refund")
            await self.under_way()

    async def spent(self) -> None:
        """A chargeback comes while the money is in a task. It comes free, while it is open or when it was our loss;
        and what was lost comes back late."""
        buyer = self.one(self.buyers)
        charge = await self.funded(buyer)
        if charge is None:
            return
        number = ids.read("account", buyer.id)
        available = await self.find("SELECT -posted FROM ledger_account WHERE code = $1", ledger.buyer(number)) or 0
        task = await self.ask(buyer, "POST", "/v1/tasks", self.task(max(100, int(available * 0.7)), quantity=1))
        made = await self._dispute_of(charge)
        if made is None:
            return
        dispute, path = made
        lost = self.one([True, False])
        if lost:
            await self.world.control(f"disputes/{dispute['id']}/lose")
            await self.under_way()
        if task:
            await self.ask(buyer, "POST", f"/v1/tasks/{task['id']}/cancel")
        if not lost and self.one([True, False]):
            await self.ask(self.operators[0], "POST", f"{path}/freeze")
        if lost or self.one([True, False]):
            await self.ask(buyer, "POST", "/v1/refunds", {"amount": {"amount": 100, "currency": "usd"}})
        await self.under_way()
        if lost:
            await self.world.control(f"disputes/{dispute['id']}/return", {"amount": self.one([None, 700])})
            await self.under_way()

    async def warned(self) -> None:
        """An early fraud warning is refunded, dismissed, or becomes a chargeback."""
        charge = await self.funded(self.one(self.buyers))
        if charge is None:
            return
        warning = await self.world.control(f"charges/{charge}/fraud_warning")
        await self.under_way()
        found = await self.find("SELECT id FROM fraud_warning WHERE stripe_id = $1", warning["id"])
        if found is None:
            return
        path = f"/v1/operator/fraud-warnings/{ids.show('fraud_warning', found)}"
        await self.ask(self.operators[0], "GET", path)
        end = self.one(["refund", "dismiss", "dispute"])
        if end == "dispute":
            await self.world.control(f"charges/{charge}/dispute")
        else:
            await self.ask(self.operators[0], "POST", f"{path}/{end}")
        await self.under_way()

    async def refund_returns(self) -> None:
        """A refund fails long after it has succeeded, perhaps while its payment is being charged back."""
        buyer = self.one(self.buyers)
        charge = await self.funded(buyer)
        await self.ask(buyer, "POST", "/v1/refunds", {"amount": {"amount": 500, "currency": "usd"}})
        await self.under_way()
        done = [one for one in self.world.objects("refund") if one["status"] == "succeeded"]
        if done:
            against = next(one for one in self.world.objects("charge") if one["id"] == done[-1]["charge"])
            if charge is not None and self.one([True, False]) and not against["disputed"] and not against["refunded"]:
                await self.world.control(f"charges/{against['id']}/dispute")
                await self.under_way()
            await self.world.control(f"refunds/{done[-1]['id']}/fail")
            await self.under_way()

    async def refunded_elsewhere(self) -> None:
        """Somebody refunds in the dashboard what the buyer wants back here too."""
        buyer = self.one(self.buyers)
        charge = await self.funded(buyer)
        if charge is not None:
            await self.world.stripe("/v1/refunds", charge=charge, amount="4900")
            early = self.one([True, False])
            if early:
                await self.under_way()
            await self.ask(buyer, "POST", "/v1/refunds", {})
            await self.under_way(3)

    # ---- work

    async def rejected(self) -> None:
        """A buyer looks for themselves, and refuses an answer."""
        buyer, person = self.one(self.buyers), self.one(self.people)
        task = self.task(200, quantity=1) | {"acceptance": {"mode": "manual"}}
        posted = await self.ask(buyer, "POST", "/v1/tasks", task)
        if not posted:
            return
        handed_in = await self.handed_in(posted["id"], person)
        await self.judged(handed_in)
        path = f"/v1/submissions/{ids.show('submission', handed_in)}"
        why = {"reason_code": "unreadable", "comment": "The door cannot be seen."}
        await self.ask(buyer, "POST", f"{path}/reject", why)

    async def too_much(self) -> None:
        """A buyer wants more than they have, than the account's day allows, or while an operator holds it."""
        buyer = self.one(self.buyers)
        await self.mistake(buyer, "POST", "/v1/tasks", self.task(900_000))
        if self.one([True, False]):
            await self.ask(buyer, "PATCH", "/v1/account", {"max_per_day": 1})
            await self.mistake(buyer, "POST", "/v1/tasks", self.task(200))
            await self.ask(buyer, "PATCH", "/v1/account", {"max_per_day": None})
            return
        path = f"/v1/operator/accounts/{buyer.id}/hold"
        over, ahead = datetime(2020, 1, 1, tzinfo=UTC).isoformat(), datetime(2999, 1, 1, tzinfo=UTC).isoformat()
        await self.mistake(self.operators[0], "PUT", path, {"reason": "review", "expires_at": over})
        await self.ask(self.operators[0], "PUT", path, {"reason": "review", "expires_at": ahead})
        await self.mistake(buyer, "POST", "/v1/tasks", self.task(200))
        await self.ask(self.operators[0], "DELETE", path)
