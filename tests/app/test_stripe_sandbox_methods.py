"""Payment methods: kept for later, wanting their owner, paying after days, and money that is pending."""

from __future__ import annotations

import pytest

from tests.app.stripe_api import CHECKOUT, Caller
from tests.app.stripe_sandbox import Sandbox, running_sandbox, sandbox

__all__ = ["sandbox"]
DAY = 86400


@pytest.fixture
def caller(sandbox: Sandbox) -> Caller:
    return Caller(sandbox)


def paid_on_page(caller: Caller, sandbox: Sandbox, card: str, **more: str) -> tuple[str, str]:
    """(session, customer) after paying on the page and keeping the payment method."""
    customer = caller.post("/v1/customers", {"email": "ada@example.test"}).json()["id"]
    session = caller.post("/v1/checkout/sessions", {**CHECKOUT, **more, "customer": customer}).json()
    assert sandbox.press(session["url"], action="pay", card=card).status_code == 303
    return session["id"], customer


def kept_card(caller: Caller, customer: str) -> str:
    [card] = caller.list(f"/v1/customers/{customer}/payment_methods")
    return str(card["id"])


# ---- kept cards


def test_a_card_that_wants_its_owner_wants_them_again_after_checkout(caller: Caller, sandbox: Sandbox) -> None:
    session, customer = paid_on_page(caller, sandbox, "pm_card_authenticationRequired")
    assert caller.get(f"/v1/checkout/sessions/{session}")["payment_status"] == "paid"
    before = caller.balance()
    refused = caller.charge(card=kept_card(caller, customer), customer=customer, off_session="true")
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (402, "authentication_required")
    assert error["payment_intent"]["status"] == "requires_payment_method" and caller.balance() == before


def test_another_card_works_while_its_owner_is_away(caller: Caller, sandbox: Sandbox) -> None:
    _, customer = paid_on_page(caller, sandbox, "pm_card_visa")
    again = caller.charge(card=kept_card(caller, customer), customer=customer, off_session="true")
    assert again.json()["status"] == "succeeded"


def test_a_card_is_the_customers_default_until_it_is_detached(caller: Caller, sandbox: Sandbox) -> None:
    _, customer = paid_on_page(caller, sandbox, "pm_card_visa")
    card = kept_card(caller, customer)
    name = "invoice_settings[default_payment_method]"
    path = f"/v1/customers/{customer}"
    assert caller.post(path, {name: card}).json()["invoice_settings"]["default_payment_method"] == card
    other = caller.post("/v1/customers", {"email": "cy@example.test"}).json()["id"]
    assert caller.post(f"/v1/customers/{other}", {name: card}).status_code == 400
    assert caller.post(f"/v1/payment_methods/{card}/detach").json()["customer"] is None
    assert caller.get(path)["invoice_settings"]["default_payment_method"] is None
    assert caller.list(f"{path}/payment_methods") == []
    assert caller.post(f"/v1/payment_methods/{card}/detach").status_code == 400
    assert caller.events_of(card) == ["payment_method.attached", "payment_method.detached"]


def test_setup_mode_keeps_a_card_and_takes_nothing(caller: Caller, sandbox: Sandbox) -> None:
    customer = caller.post("/v1/customers", {"email": "ada@example.test"}).json()["id"]
    wanted = {"mode": "setup", "customer": customer, "success_url": "http://example.test/ok",
              "setup_intent_data[metadata][account]": "acct_1"}  # fmt: skip
    session = caller.post("/v1/checkout/sessions", wanted).json()
    assert (session["payment_status"], session["amount_total"]) == ("no_payment_required", None)
    before = caller.balance()
    page = caller.http.get(session["url"])
    assert "Nothing is paid now" in page.text and ">Save<" in page.text
    refused = sandbox.press(session["url"], action="pay", card="pm_usBankAccount_success")
    assert refused.status_code == 400
    assert sandbox.press(session["url"], action="pay", card="pm_card_visa").status_code == 303
    done = caller.get(f"/v1/checkout/sessions/{session['id']}?expand[]=setup_intent")
    setup = done["setup_intent"]
    assert (done["status"], setup["status"], setup["metadata"]) == ("complete", "succeeded", {"account": "acct_1"})
    assert setup["payment_method"] == kept_card(caller, customer) and caller.balance() == before
    assert caller.events_of(setup["id"]) == ["setup_intent.created", "setup_intent.succeeded"]
    assert caller.post("/v1/checkout/sessions", {**CHECKOUT, "mode": "setup"}).status_code == 400


# ---- bank debits

DEBIT = {"allowed_payment_method_types[0]": "card", "allowed_payment_method_types[1]": "us_bank_account"}


@pytest.mark.parametrize(("succeed", "status"), [(True, "succeeded"), (False, "requires_payment_method")])
def test_a_bank_debit_is_decided_long_after_the_page(
    caller: Caller, sandbox: Sandbox, succeed: bool, status: str
) -> None:
    before = caller.balance()
    session, _ = paid_on_page(caller, sandbox, "pm_usBankAccount_success", **DEBIT)
    found = caller.get(f"/v1/checkout/sessions/{session}")
    assert (found["status"], found["payment_status"]) == ("complete", "unpaid")
    intent = found["payment_intent"]
    assert caller.get(f"/v1/payment_intents/{intent}")["status"] == "processing" and caller.balance() == before
    caller.control(f"/payment_intents/{intent}/settle", succeed=succeed)
    settled = caller.get(f"/v1/payment_intents/{intent}?expand[]=latest_charge.balance_transaction")
    assert settled["status"] == status
    line = settled["latest_charge"]["balance_transaction"]
    told = caller.events_of(session)
    if succeed:
        assert (line["type"], line["amount"], line["fee"]) == ("payment", 5_000, 40)
        assert caller.balance() == before + 4_960 and caller.adds_up()
        assert told == ["checkout.session.completed", "checkout.session.async_payment_succeeded"]
        assert caller.get(f"/v1/checkout/sessions/{session}")["payment_status"] == "paid"
    else:
        assert line is None and caller.balance() == before
        assert settled["last_payment_error"]["decline_code"] == "declined"
        assert told == ["checkout.session.completed", "checkout.session.async_payment_failed"]
    assert caller.events_of(intent)[-1] == f"payment_intent.{'succeeded' if succeed else 'payment_failed'}"
    assert caller.http.post(f"/control/payment_intents/{intent}/settle", json={"succeed": True}).status_code == 400


@pytest.mark.parametrize(
    ("account", "status"),
    [("pm_usBankAccount_success", "succeeded"), ("pm_usBankAccount_insufficientFunds", "requires_payment_method")],
)
def test_a_bank_debit_settles_by_itself_after_days(caller: Caller, sandbox: Sandbox, account: str, status: str) -> None:
    session, _ = paid_on_page(caller, sandbox, account, **DEBIT)
    intent = caller.get(f"/v1/checkout/sessions/{session}")["payment_intent"]
    caller.control("/clock", advance_s=4 * DAY - 60)
    assert caller.get(f"/v1/payment_intents/{intent}")["status"] == "processing"
    caller.control("/clock", advance_s=60)
    assert caller.get(f"/v1/payment_intents/{intent}")["status"] == status


def test_a_debit_is_refunded_as_a_payment(caller: Caller, sandbox: Sandbox) -> None:
    session, _ = paid_on_page(caller, sandbox, "pm_usBankAccount_success", **DEBIT)
    intent = caller.get(f"/v1/checkout/sessions/{session}")["payment_intent"]
    caller.control("/charge_elsewhere", amount=10_000)
    assert caller.post("/v1/refunds", {"payment_intent": intent}).status_code == 400
    caller.control(f"/payment_intents/{intent}/settle", succeed=True)
    refund = caller.post("/v1/refunds", {"payment_intent": intent, "expand[]": "balance_transaction"}).json()
    assert refund["balance_transaction"]["type"] == "payment_refund" and caller.adds_up()


def test_a_page_offers_what_was_allowed_and_what_the_currency_takes(caller: Caller, sandbox: Sandbox) -> None:
    plain = caller.post("/v1/checkout/sessions", CHECKOUT).json()
    assert "Bank account" not in caller.http.get(plain["url"]).text
    assert sandbox.press(plain["url"], action="pay", card="pm_usBankAccount_success").status_code == 400
    both = caller.post("/v1/checkout/sessions", {**CHECKOUT, **DEBIT}).json()
    assert both["payment_method_types"] == ["card", "us_bank_account"]
    assert "Bank account" in caller.http.get(both["url"]).text
    euros = {"line_items[0][price_data][currency]": "eur"}
    assert caller.post("/v1/checkout/sessions", {**CHECKOUT, **DEBIT, **euros}).json()["payment_method_types"] == [
        "card"
    ]
    only = {"allowed_payment_method_types[0]": "us_bank_account"}
    assert caller.post("/v1/checkout/sessions", {**CHECKOUT, **only, **euros}).status_code == 400
    assert (
        caller.post("/v1/checkout/sessions", {**CHECKOUT, "allowed_payment_method_types[0]": "ideal"}).status_code
        == 400
    )
    assert caller.charge(card="pm_usBankAccount_success").status_code == 400


# ---- pending money


def test_money_is_pending_for_a_while_and_cannot_be_sent_before() -> None:
    with running_sandbox() as slow:
        caller = Caller(slow)
        account = caller.recipient(slow)
        caller.control("/balance", pending_s=2 * DAY)
        intent = caller.charge(10_000, **{"expand[]": "latest_charge.balance_transaction"}).json()
        line = intent["latest_charge"]["balance_transaction"]
        assert (line["status"], line["available_on"] - line["created"]) == ("pending", 2 * DAY)
        found = caller.get("/v1/balance")
        assert (found["available"][0]["amount"], found["pending"][0]["amount"]) == (0, 9_680)
        sent = {"amount": "100", "currency": "usd", "destination": account}
        assert caller.post("/v1/transfers", sent).json()["error"]["code"] == "balance_insufficient"
        refund = caller.post("/v1/refunds", {"payment_intent": intent["id"], "amount": "100"}).json()
        assert refund["pending_reason"] == "insufficient_funds" and caller.adds_up()
        caller.charge(1_000, card="pm_card_bypassPending")
        assert caller.get(f"/v1/refunds/{refund['id']}")["status"] == "succeeded"
        caller.control("/clock", advance_s=2 * DAY)
        assert caller.get(f"/v1/balance_transactions/{line['id']}")["status"] == "available"
        found = caller.get("/v1/balance")
        assert (found["available"][0]["amount"], found["pending"][0]["amount"]) == (9_680 + 941 - 100, 0)
        assert "balance.available" in [event["type"] for event in caller.list("/v1/events?limit=100")]
        assert caller.post("/v1/transfers", sent).status_code == 200 and caller.adds_up()
