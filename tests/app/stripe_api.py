"""Raw calls to the sandbox, to see what the SDK hides."""

from __future__ import annotations

from typing import Any

import httpx

from tests.app.stripe_sandbox import Sandbox

CHECKOUT = {
    "mode": "payment",
    "success_url": "http://example.test/ok?session={CHECKOUT_SESSION_ID}",
    "cancel_url": "http://example.test/no",
    "line_items[0][quantity]": "1",
    "line_items[0][price_data][currency]": "usd",
    "line_items[0][price_data][unit_amount]": "5000",
    "line_items[0][price_data][product_data][name]": "Balance",
    "payment_intent_data[metadata][funding]": "fund_1",
    "payment_intent_data[setup_future_usage]": "off_session",
}


RECIPIENT = {
    "contact_email": "bo@example.test",
    "display_name": "Bo",
    "dashboard": "express",
    "identity": {"country": "us", "entity_type": "individual"},
    "configuration": {"recipient": {"capabilities": {"stripe_balance": {"stripe_transfers": {"requested": True}}}}},
    "include": ["configuration.recipient", "requirements", "defaults", "identity"],
}


class Caller:
    """Raw HTTP with the sandbox, to see what the SDK hides."""

    def __init__(self, sandbox: Sandbox) -> None:
        headers = {"Authorization": "Bearer sk_test_tests", "Stripe-Version": "2026-10-28.endive"}
        self.http = httpx.Client(base_url=sandbox.url, headers=headers, trust_env=False, timeout=20)

    def post(self, path: str, data: dict[str, Any] | None = None, key: str = "", **headers: str) -> httpx.Response:
        more = {**headers, **({"Idempotency-Key": key} if key else {})}
        if path.startswith("/v2/"):
            return self.http.post(path, json=data or {}, headers=more)
        return self.http.post(path, data=data or {}, headers=more)

    def get(self, path: str) -> Any:
        return self.http.get(path).json()

    def list(self, path: str, account: str = "") -> list[Any]:
        headers = {"Stripe-Account": account} if account else {}
        found: list[Any] = self.http.get(path, headers=headers).json()["data"]
        return found

    def control(self, path: str, **body: Any) -> Any:
        """What the control door answers; it must not refuse."""
        answer = self.http.post(f"/control{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def events_of(self, identifier: str) -> list[str]:
        """Types of the v1 events about an object, oldest first."""
        found = self.list("/v1/events?limit=100")[::-1]
        return [event["type"] for event in found if event["data"]["object"].get("id") == identifier]

    def balance(self, account: str = "") -> int:
        headers = {"Stripe-Account": account} if account else {}
        found = self.http.get("/v1/balance", headers=headers).json()
        return sum(part["amount"] for part in found["available"] if part["currency"] == "usd")

    def adds_up(self, account: str = "") -> bool:
        """Whether available and pending are the sums of the transactions, and nothing is missing."""
        headers = {"Stripe-Account": account} if account else {}
        found = self.http.get("/v1/balance", headers=headers).json()
        sums, after = {"available": 0, "pending": 0}, ""
        while True:
            page = self.http.get(f"/v1/balance_transactions?limit=100{after}", headers=headers).json()
            for line in page["data"]:
                sums[line["status"]] += line["net"]
            if not page["has_more"]:
                break
            after = f"&starting_after={page['data'][-1]['id']}"
        return all(sum(part["amount"] for part in found[name]) == total for name, total in sums.items())

    def charge(self, amount: int = 10_000, card: str = "pm_card_visa", key: str = "", **more: str) -> httpx.Response:
        fields = {"amount": str(amount), "currency": "usd", "payment_method": card, "confirm": "true", **more}
        return self.post("/v1/payment_intents", fields, key)

    def recipient(self, sandbox: Sandbox, *, onboarded: bool = True) -> str:
        account = str(self.post("/v2/core/accounts", RECIPIENT).json()["id"])
        if onboarded:
            url = self.post("/v2/core/account_links", onboarding(account)).json()["url"]
            assert sandbox.press(url, action="finish").status_code == 303
        return account


def onboarding(account: str) -> dict[str, Any]:
    onward = {"refresh_url": "http://example.test/again", "return_url": "http://example.test/done"}
    return {"account": account, "use_case": {"type": "account_onboarding", "account_onboarding": onward}}
