"""What people see of their money on a phone: nothing earned, a payout, a loss, a bank that refuses, a statement."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import asyncpg
import httpx
from playwright.sync_api import Page, expect

from app.db import init_connection
from app.supervisor import System
from market import operators
from tests.app.conftest import picture
from tests.web.conftest import BAKERY, Phone, post_task, sign_in, wait_for

T = TypeVar("T")
RUNS = "/v1/operator/payout-runs"
HERE = {"lat": BAKERY["latitude"], "lon": BAKERY["longitude"]}


def in_database(system: System, act: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    """Do something to the system's database; in a thread, since Playwright has the loop of this one."""

    async def run() -> T:
        connection = await asyncpg.connect(system.database_url)
        try:
            await init_connection(connection)
            return await act(connection)
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(run())).result()


def operator(system: System, name: str) -> httpx.Client:
    key = in_database(system, lambda connection: operators.add(connection, f"{name}@ops.example", name))[1]
    return httpx.Client(base_url=system.url, headers={"authorization": f"Bearer {key}"}, timeout=30)


def keyed(client: httpx.Client, path: str, body: Any = None) -> Any:
    answer = client.post(path, json=body, headers={"idempotency-key": os.urandom(8).hex()})
    assert answer.is_success, answer.text
    return answer.json()


def session(phone: Phone) -> httpx.Client:
    """The phone's own session, for what this test is not about."""
    cookie = next(each for each in phone.page.context.cookies() if each["name"].endswith("session"))
    return httpx.Client(base_url=phone.url, headers={"authorization": f"Bearer {cookie['value']}"}, timeout=30)


def answer(ada: httpx.Client, who: httpx.Client, title: str, seed: int, reward: int) -> None:
    """One accepted answer to a task of Ada's."""
    task = post_task(
        ada, title=title, reward={"amount": reward, "currency": "usd"},
        acceptance={"mode": "manual", "checks": ["decodes"]},
    )  # fmt: skip
    held = keyed(who, f"/v1/people/tasks/{task['id']}/claims", {**HERE, "accuracy_m": 5})
    headers = {"content-type": "image/jpeg"}
    who.put(f"/v1/people/claims/{held['id']}/photos/1", content=picture(seed), headers=headers).raise_for_status()
    made = keyed(who, f"/v1/people/claims/{held['id']}/submission", {"answers": {"open": "open"}})
    wait_for(lambda: ada.get(f"/v1/submissions/{made['id']}").json()["status"] == "needs_review")
    keyed(ada, f"/v1/submissions/{made['id']}/accept", {"bonus": {"amount": 50, "currency": "usd"}})


def at_stripe(system: System, path: str, **body: Any) -> Any:
    happened = httpx.post(f"{system.stripe_url}/control{path}", json=body)
    assert happened.is_success, happened.text
    return happened.json()


def pay(olu: httpx.Client, pia: httpx.Client) -> None:
    run = keyed(olu, RUNS, {"minimum": 1})
    for who, act in ((olu, "submit"), (pia, "approve"), (olu, "execute")):
        keyed(who, f"{RUNS}/{run['id']}/{act}")
    wait_for(lambda: olu.get(f"{RUNS}/{run['id']}").json()["status"] == "done")


def sees(page: Page, words: str) -> None:
    expect(page.get_by_text(words).first).to_be_visible()


def test_bo_sets_up_payouts_is_paid_loses_his_account_and_reads_a_statement(
    system: System, ada: httpx.Client, new_phone: Callable[..., Phone]
) -> None:
    olu, pia = operator(system, "Olu"), operator(system, "Pia")
    phone = new_phone(locale="de-DE")
    page = phone.page
    phone.open("/w/earnings")
    sign_in(phone, "Bo")
    sees(page, "Nothing earned yet.")
    expect(page.get_by_label("Country of your bank")).to_have_value("de")
    phone.look("20-earnings-none")
    bo = session(phone)
    answer(ada, bo, "Is the bakery open?", 501, 300)
    answer(ada, bo, "How long is the queue?", 502, 450)
    page.get_by_role("button", name="Set up payouts").click()
    phone.look("21-on-to-stripe")
    page.get_by_role("link", name="Continue at Stripe").click()
    page.get_by_role("button", name="Give a bank account").click()
    page.wait_for_url("**/w/earnings?back=stripe")
    phone.complaints.clear()  # Stripe's page has no icon
    sees(page, "That is all: you can be paid.")
    sees(page, "(Germany) is ready to be paid.")
    expect(page.locator("#pending")).to_have_text("$8.50")
    phone.look("22-earnings-ready")

    httpx.post(f"{system.url}/sandbox/clock", json={"advance_s": 8 * 86_400}).raise_for_status()
    wait_for(lambda: bo.get("/v1/people/earnings").json()["payable"]["amount"] == 850)
    pay(olu, pia)
    account = in_database(system, lambda connection: connection.fetchval("SELECT stripe_id FROM payout_account"))
    sent = at_stripe(system, f"/accounts/{account}/payout", amount=850)
    at_stripe(system, f"/payouts/{sent['id']}/fail", failure_code="account_closed")
    lost = ["identity.individual.documents.primary_verification", "identity.individual.date_of_birth.day", "new.thing"]
    at_stripe(system, f"/accounts/{account}/capability", status="restricted", requirements=lost, due_s=20 * 86_400)
    wait_for(lambda: bo.get("/v1/people/payout-account").json()["status"] == "lost")
    wait_for(lambda: bool(bo.get("/v1/people/payouts").json()["bank"]))
    wait_for(lambda: bo.get("/v1/people/payouts").json()["bank"][0]["status"] == "failed")
    page.goto(f"{phone.url}/w/earnings")
    sees(page, "Stripe does not pay to your account since")
    sees(page, "Stripe wants a photo of your passport or identity card.")
    sees(page, "Stripe asks for something more: new, thing.")
    sees(page, "The bank account has been closed. Give Stripe the details of an account that works.")
    expect(page.locator("#paid")).to_have_text("$8.50")
    phone.look("23-earnings-lost")

    page.get_by_role("button", name="Show statement").click()
    expect(page.get_by_role("heading", name="Statement of earnings")).to_be_visible()
    sees(page, "Closing balance")
    assert page.evaluate("document.querySelector('.wide').scrollWidth <= document.querySelector('.wide').clientWidth")
    phone.look("24-statement")
    page.emulate_media(media="print")
    expect(page.get_by_role("link", name="Download as CSV")).to_be_hidden()
    page.emulate_media(media="screen")
    page.get_by_role("link", name="Back to earnings").click()
    phone.page.emulate_media(color_scheme="dark")
    phone.look("25-earnings-dark")


def test_a_country_that_stripe_does_not_pay_to_is_told_in_its_words(
    system: System, new_phone: Callable[..., Phone]
) -> None:
    phone = new_phone()
    page = phone.page
    phone.open("/w/earnings")
    sign_in(phone, "Cleo")
    at_stripe(system, "/faults", rules=[
        {"fault": "inactive_capability", "path": "/v2/core/accounts$", "verb": "post", "times": 1},
    ])  # fmt: skip
    page.get_by_label("Country of your bank").select_option("cu")
    page.get_by_role("button", name="Set up payouts").click()
    expect(page.get_by_role("alert")).to_contain_text("Stripe does not open an account:")
    phone.complaints.clear()  # the browser notes the 403
    page.get_by_role("link", name="Back").click()
    sees(page, "Stripe does not open an account for Cuba.")
    phone.look("26-refused")
    page.get_by_label("Country of your bank").select_option("de")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("link", name="Continue at Stripe")).to_be_visible()


def test_bad_days_of_a_statement_are_told_on_a_page(new_phone: Callable[..., Phone]) -> None:
    phone = new_phone()
    page = phone.page
    phone.open("/w/earnings")
    sign_in(phone, "Dora")
    for query, words in (
        ("from=2026-03-02&to=2026-03-01", "The last day lies before the first."),
        ("from=2020-01-01&to=2026-03-01", "A statement covers 366 days at most."),
        ("from=yesterday", "Invalid"),
    ):
        assert phone.open(f"/w/earnings/statement?{query}").status == 422
        expect(page.get_by_role("alert")).to_be_visible()
        sees(page, words)
    assert phone.open("/w/earnings/statement?from=&to=&currency=").status == 200
    sees(page, "Nothing moved on these days.")
