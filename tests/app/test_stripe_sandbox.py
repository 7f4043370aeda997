"""The sandbox answers as Stripe does: shapes, balances, refusals, idempotency, and nothing lost at kill -9."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from app.sandbox.stripe.form import decode
from tests.app.stripe_api import CHECKOUT, RECIPIENT, Caller, onboarding
from tests.app.stripe_sandbox import Sandbox, running_sandbox, sandbox, webhook_receiver

__all__ = ["sandbox"]


@pytest.fixture
def caller(sandbox: Sandbox) -> Caller:
    return Caller(sandbox)


# ---- balances


def test_a_charge_raises_the_balance_by_its_amount_less_the_fee(caller: Caller) -> None:
    before = caller.balance()
    intent = caller.charge(10_000, **{"expand[]": "latest_charge.balance_transaction"}).json()
    txn = intent["latest_charge"]["balance_transaction"]
    assert (intent["status"], txn["amount"], txn["fee"], txn["net"]) == ("succeeded", 10_000, 320, 9_680)
    assert caller.balance() == before + 9_680


def test_a_transfer_moves_money_from_the_platform_to_the_recipient(caller: Caller, sandbox: Sandbox) -> None:
    caller.charge(10_000)
    account, before = caller.recipient(sandbox), caller.balance()
    sent = {"amount": "700", "currency": "usd", "destination": account, "transfer_group": "run_1"}
    transfer = caller.post("/v1/transfers", sent).json()
    assert caller.balance() == before - 700
    assert caller.balance(account) == 700
    listed = caller.get("/v1/transfers?transfer_group=run_1")["data"]
    assert [one["id"] for one in listed] == [transfer["id"]]
    line = caller.get(f"/v1/balance_transactions/{transfer['balance_transaction']}")
    assert (line["type"], line["net"], line["source"]) == ("transfer", -700, transfer["id"])


def test_a_transfer_beyond_the_balance_is_refused_and_moves_nothing(caller: Caller, sandbox: Sandbox) -> None:
    account, before = caller.recipient(sandbox), caller.balance()
    sent = {"amount": str(before + 1), "currency": "usd", "destination": account}
    refused = caller.post("/v1/transfers", sent)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "balance_insufficient")
    assert (caller.balance(), caller.balance(account)) == (before, 0)


def test_a_recipient_who_has_not_finished_onboarding_gets_nothing(caller: Caller, sandbox: Sandbox) -> None:
    caller.charge(10_000)
    sent = {"amount": "100", "currency": "usd", "destination": caller.recipient(sandbox, onboarded=False)}
    refused = caller.post("/v1/transfers", sent)
    assert refused.json()["error"]["code"] == "insufficient_capabilities_for_transfer"


def test_the_balance_is_the_sum_of_its_transactions(caller: Caller, sandbox: Sandbox) -> None:
    caller.charge(5_000)
    caller.post("/v1/transfers", {"amount": "50", "currency": "usd", "destination": caller.recipient(sandbox)})
    total, after = 0, ""
    while True:
        page = caller.get(f"/v1/balance_transactions?limit=2{after}")
        total += sum(one["net"] for one in page["data"])
        if not page["has_more"]:
            break
        after = f"&starting_after={page['data'][-1]['id']}"
    assert total == caller.balance()


# ---- cards


@pytest.mark.parametrize(
    ("card", "code", "decline"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_authenticationRequired", "authentication_required", "authentication_required"),
    ],
)
def test_a_declined_card_answers_402_and_keeps_the_failed_attempt(
    caller: Caller, card: str, code: str, decline: str
) -> None:
    before = caller.balance()
    refused = caller.charge(card=card, off_session="true")
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], error["decline_code"]) == (402, code, decline)
    kept = caller.get(f"/v1/payment_intents/{error['payment_intent']['id']}")
    assert (kept["status"], kept["last_payment_error"]["decline_code"]) == ("requires_payment_method", decline)
    assert caller.balance() == before


def test_a_declined_intent_can_be_paid_with_another_card(caller: Caller) -> None:
    intent = caller.charge(card="pm_card_chargeCustomerFail").json()["error"]["payment_intent"]["id"]
    paid = caller.post(f"/v1/payment_intents/{intent}/confirm", {"payment_method": "pm_card_visa"}).json()
    assert paid["status"] == "succeeded"
    again = caller.post(f"/v1/payment_intents/{intent}/confirm", {"payment_method": "pm_card_visa"})
    assert again.json()["error"]["code"] == "payment_intent_unexpected_state"


def test_a_card_that_wants_its_owner_waits_when_the_owner_is_there(caller: Caller) -> None:
    assert caller.charge(card="pm_card_authenticationRequired").json()["status"] == "requires_action"


def test_the_card_of_another_customer_is_refused(caller: Caller) -> None:
    ada, cy = (caller.post("/v1/customers", {"email": f"{who}@example.test"}).json()["id"] for who in ("ada", "cy"))
    card = caller.post("/v1/payment_methods/pm_card_visa/attach", {"customer": ada}).json()["id"]
    assert caller.charge(card=card, customer=cy).status_code == 400
    assert caller.charge(card=card, customer=ada).json()["status"] == "succeeded"


# ---- checkout


def test_a_checkout_is_paid_on_its_page_and_keeps_the_card(caller: Caller, sandbox: Sandbox) -> None:
    customer = caller.post("/v1/customers", {"email": "ada@example.test"}).json()["id"]
    session = caller.post("/v1/checkout/sessions", {**CHECKOUT, "customer": customer}).json()
    page = httpx.get(session["url"], trust_env=False)
    assert "5000" in page.text and "<form" in page.text and "<script" not in page.text
    declined = sandbox.press(session["url"], action="pay", card="pm_card_chargeCustomerFail")
    assert declined.status_code == 402 and "declined" in declined.text
    assert caller.get(f"/v1/checkout/sessions/{session['id']}")["status"] == "open"
    paid = sandbox.press(session["url"], action="pay", card="pm_card_visa")
    assert paid.headers["location"] == f"http://example.test/ok?session={session['id']}"
    done = caller.get(f"/v1/checkout/sessions/{session['id']}?expand[]=payment_intent")
    assert (done["status"], done["payment_status"]) == ("complete", "paid")
    assert done["payment_intent"]["metadata"] == {"funding": "fund_1"}
    assert len(caller.get(f"/v1/customers/{customer}/payment_methods")["data"]) == 1
    before = caller.balance()
    assert sandbox.press(session["url"], action="pay", card="pm_card_visa").status_code == 400
    assert caller.balance() == before


def test_a_cancelled_checkout_stays_open_and_an_expired_one_cannot_be_paid(caller: Caller, sandbox: Sandbox) -> None:
    session = caller.post("/v1/checkout/sessions", CHECKOUT).json()
    assert sandbox.press(session["url"], action="cancel").headers["location"] == "http://example.test/no"
    assert caller.post(f"/v1/checkout/sessions/{session['id']}/expire").json()["status"] == "expired"
    assert sandbox.press(session["url"], action="pay", card="pm_card_visa").status_code == 400


def test_an_onboarding_link_works_once(caller: Caller, sandbox: Sandbox) -> None:
    account = caller.recipient(sandbox, onboarded=False)
    url = caller.post("/v2/core/account_links", onboarding(account)).json()["url"]
    assert sandbox.press(url, action="finish").headers["location"] == "http://example.test/done"
    found = caller.get(f"/v2/core/accounts/{account}?include[0]=configuration.recipient")
    granted = found["configuration"]["recipient"]["capabilities"]["stripe_balance"]["stripe_transfers"]
    assert granted == {"status": "active", "status_details": []}
    assert sandbox.press(url, action="finish").status_code == 400


# ---- what is refused


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"currency": "usd"}, "parameter_missing", "amount"),
        ({"amount": "ten", "currency": "usd"}, "parameter_invalid_integer", "amount"),
        ({"amount": "1000", "currency": "usd", "tip": "1"}, "parameter_unknown", "tip"),
        ({"amount": "1000", "currency": "usd", "transfer_data[destination]": "acct_1", "transfer_data[x]": "1"},
         "parameter_unknown", "transfer_data[x]"),
        ({"amount": "1000", "currency": "usd", "receipt_email": "a@b.c"}, "sandbox_unsupported_parameter",
         "receipt_email"),
        ({"amount": "49", "currency": "usd"}, "amount_too_small", "amount"),
        ({"amount": "100000000", "currency": "usd"}, "amount_too_large", "amount"),
        ({"amount": "-5", "currency": "usd"}, "amount_too_small", "amount"),
    ],
)  # fmt: skip
def test_a_request_that_stripe_would_refuse_is_refused(
    caller: Caller, fields: dict[str, str], code: str, param: str
) -> None:
    refused = caller.post("/v1/payment_intents", fields)
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], error["param"]) == (400, code, param)


def test_v2_takes_json_with_the_right_types_only(caller: Caller) -> None:
    assert caller.post("/v2/core/accounts", {"display_name": 5}).json()["error"]["param"] == "display_name"
    assert caller.post("/v2/core/accounts", {"dashboard": "none!"}).json()["error"]["param"] == "dashboard"
    assert caller.http.post("/v2/core/accounts", content=b"{").status_code == 400


def test_only_test_keys_are_let_in(sandbox: Sandbox) -> None:
    for header in ({}, {"Authorization": "Bearer sk_live_x"}, {"Authorization": "Basic sk_test_x"}):
        assert httpx.get(f"{sandbox.url}/v1/balance", headers=header, trust_env=False).status_code == 401


def test_unknown_paths_and_objects_are_404_in_stripes_shape(caller: Caller) -> None:
    for path in ("/v1/invoices", "/v1/charges/ch_none", "/v1/payment_intents/cus_1/x", "/nothing"):
        found = caller.http.get(path)
        assert found.status_code == 404 and found.json()["error"]["type"] == "invalid_request_error"


def test_forms_nest_and_refuse_contradictions() -> None:
    assert decode("a[b][0]=x&a[b][1]=y&c=1") == {"a": {"b": ["x", "y"]}, "c": "1"}
    assert decode("a[]=x&a[]=y") == {"a": ["x", "y"]}
    for bad in ("a=1&a[b]=2", "a=1&a=2", "a[=1", "[a]=1", "a" + "[b]" * 20 + "=1"):
        with pytest.raises(Exception, match=r"Invalid|twice|both|deeply"):
            decode(bad)


# ---- idempotency


def test_a_key_sent_again_replays_and_does_nothing(caller: Caller) -> None:
    first = caller.charge(key="charge-1")
    before = caller.balance()
    again = caller.charge(key="charge-1")
    assert again.json() == first.json() and again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers and caller.balance() == before


def test_a_key_with_other_parameters_or_another_path_is_refused(caller: Caller) -> None:
    caller.charge(1_000, key="charge-2")
    for refused in (caller.charge(1_001, key="charge-2"), caller.post("/v1/customers", {}, "charge-2")):
        assert (refused.status_code, refused.json()["error"]["type"]) == (400, "idempotency_error")


def test_a_refusal_is_replayed_even_when_its_cause_is_gone(caller: Caller, sandbox: Sandbox) -> None:
    account, short = caller.recipient(sandbox), caller.balance() + 500
    sent = {"amount": str(short), "currency": "usd", "destination": account}
    assert caller.post("/v1/transfers", sent, "transfer-1").status_code == 400
    caller.charge(10_000)
    again = caller.post("/v1/transfers", sent, "transfer-1")
    assert (again.status_code, again.headers.get("Idempotent-Replayed")) == (400, "true")
    assert caller.post("/v1/transfers", sent, "transfer-2").status_code == 200


def test_a_key_that_is_forgotten_begins_anew_also_when_it_is_refused(caller: Caller, sandbox: Sandbox) -> None:
    account, short = caller.recipient(sandbox), caller.balance() + 500
    sent = {"amount": str(short), "currency": "usd", "destination": account}
    assert caller.post("/v1/transfers", sent, "transfer-1").status_code == 400
    caller.control("/clock", advance_s=25 * 3600)
    answers = [caller.post("/v1/transfers", sent, "transfer-1") for _ in range(2)]
    assert [(one.status_code, one.headers.get("Idempotent-Replayed")) for one in answers] == [
        (400, None),
        (400, "true"),
    ]
    assert answers[0].json()["error"]["code"] == "balance_insufficient"


def test_text_that_is_no_unicode_is_refused(caller: Caller) -> None:
    body = json.dumps({**RECIPIENT, "display_name": "\ud800"}).encode()
    answer = caller.http.post("/v2/core/accounts", content=body, headers={"Stripe-Version": "2026-10-28.endive"})
    assert answer.status_code == 400 and "JSON" in answer.json()["error"]["message"]


def test_a_request_that_never_began_is_not_remembered(caller: Caller) -> None:
    assert caller.post("/v1/payment_intents", {"amount": "x", "currency": "usd"}, "charge-3").status_code == 400
    assert caller.charge(key="charge-3").status_code == 200


def test_a_declined_card_is_replayed_without_a_second_attempt(caller: Caller) -> None:
    first, again = (caller.charge(card="pm_card_chargeDeclined", key="charge-4") for _ in range(2))
    assert first.json() == again.json() and again.headers["Idempotent-Replayed"] == "true"


def test_v2_replays_successes_and_executes_failures_again(caller: Caller) -> None:
    first, again = (caller.post("/v2/core/accounts", RECIPIENT, "account-1") for _ in range(2))
    assert first.json()["id"] == again.json()["id"]
    gone = onboarding("acct_none")
    for _ in range(2):
        assert "Idempotent-Replayed" not in caller.post("/v2/core/account_links", gone, "link-1").headers
    other = caller.post("/v2/core/accounts", {**RECIPIENT, "display_name": "Cy"}, "account-1")
    assert other.json()["error"]["type"] == "idempotency_error"


def test_a_key_whose_first_request_is_still_running_is_answered_409(caller: Caller, sandbox: Sandbox) -> None:
    holder = sqlite3.connect(sandbox.state, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")  # the first request now waits for the file

    async def both() -> tuple[httpx.Response, httpx.Response]:
        first = asyncio.create_task(asyncio.to_thread(caller.charge, 1_000, "pm_card_visa", "charge-5"))
        await asyncio.sleep(0.3)
        second = await asyncio.to_thread(Caller(sandbox).charge, 1_000, "pm_card_visa", "charge-5")
        holder.execute("ROLLBACK")
        return await first, second

    first, second = asyncio.run(both())
    holder.close()
    assert (second.status_code, second.json()["error"]["code"]) == (409, "idempotency_key_in_use")
    assert first.json()["status"] == "succeeded"


# ---- the process


def test_kill_9_loses_no_acknowledged_call_and_no_key() -> None:
    with running_sandbox() as sandbox:
        caller = Caller(sandbox)
        kept = [caller.charge(1_000 + n, key=f"k{n}").json() for n in range(5)]
        before = caller.balance()
        sandbox.end(signal.SIGKILL)
        sandbox.start()
        caller = Caller(sandbox)
        assert caller.balance() == before
        for n, one in enumerate(kept):
            assert caller.get(f"/v1/payment_intents/{one['id']}")["status"] == "succeeded"
            assert caller.charge(1_000 + n, key=f"k{n}").json() == one
        assert caller.balance() == before


BEFORE_CONTROL = """
CREATE TABLE balance (
  account TEXT NOT NULL, currency TEXT NOT NULL, available INTEGER NOT NULL, PRIMARY KEY (account, currency));
CREATE TABLE event (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, type TEXT NOT NULL,
  object_id TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE delivery (
  event_seq INTEGER PRIMARY KEY REFERENCES event, attempts INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL,
  last_error TEXT NOT NULL DEFAULT '');
CREATE INDEX delivery_due ON delivery (due);
INSERT INTO balance VALUES ('', 'usd', 777);
INSERT INTO event VALUES (1, 'evt_1', 'event', 'charge.succeeded', 'ch_1', '{"id": "evt_1", "pending_webhooks": 1}');
INSERT INTO delivery VALUES (1, 3, 0, 'HTTP 500');
"""


async def test_a_file_of_an_earlier_version_is_taken_up_with_its_undelivered_events(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "stripe.sqlite")) as before:
        before.executescript(BEFORE_CONTROL)
    async with webhook_receiver() as receiver:
        sandbox = Sandbox(tmp_path / "stripe.sqlite", receiver.url)
        sandbox.start()
        try:
            assert Caller(sandbox).balance() == 777
            await receiver.wait_for(1)
            assert b"evt_1" in receiver.received[0][0]
            await asyncio.to_thread(Caller(sandbox).charge)
            await receiver.wait_for(4)
        finally:
            sandbox.end()


def test_a_port_in_use_stops_the_start(sandbox: Sandbox) -> None:
    second = Sandbox(sandbox.state.with_name("second.sqlite"), port=sandbox.port)
    process = second.launch()
    assert process.wait(10) != 0


def test_sigterm_ends_it_well() -> None:
    with running_sandbox() as sandbox:
        assert sandbox.end() == 0


def test_lists_may_be_told_to_have_short_pages(caller: Caller, sandbox: Sandbox) -> None:
    charges = [caller.charge(1_000).json()["latest_charge"] for _ in range(3)]
    accounts = {caller.recipient(sandbox) for _ in range(2)}
    caller.control("/lists", most=1)
    first = caller.get("/v1/charges?limit=100")
    assert ([one["id"] for one in first["data"]], first["has_more"]) == ([charges[2]], True)
    assert caller.get(f"/v1/charges?limit=100&starting_after={charges[2]}")["data"][0]["id"] == charges[1]
    page = caller.get("/v2/core/accounts?limit=100")
    following = caller.get(page["next_page_url"])
    assert {page["data"][0]["id"], following["data"][0]["id"]} == accounts
    caller.control("/lists")
    assert [one["id"] for one in caller.list("/v1/charges?limit=3")] == charges[::-1]
    assert caller.http.post("/control/lists", json={"most": 0}).status_code == 400
