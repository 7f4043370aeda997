"""Refunds: paid at once, waiting for money, sent back by the bank days later."""

from __future__ import annotations

import pytest

from tests.app.stripe_api import Caller
from tests.app.stripe_sandbox import Sandbox, running_sandbox, sandbox

__all__ = ["sandbox"]
HOUR = 3600


@pytest.fixture
def caller(sandbox: Sandbox) -> Caller:
    return Caller(sandbox)


def test_a_refund_moves_its_amount_out_and_tells_of_it(caller: Caller) -> None:
    intent = caller.charge(10_000).json()
    before = caller.balance()
    sent = {"payment_intent": intent["id"], "amount": "4000", "metadata[funding]": "fund_1",
            "expand[]": "balance_transaction"}  # fmt: skip
    refund = caller.post("/v1/refunds", sent).json()
    line = refund["balance_transaction"]
    assert (refund["status"], refund["amount"], refund["metadata"]) == ("succeeded", 4_000, {"funding": "fund_1"})
    assert (line["type"], line["amount"], line["fee"], line["source"]) == ("refund", -4_000, 0, refund["id"])
    assert caller.balance() == before - 4_000 and caller.adds_up()
    charge = caller.get(f"/v1/charges/{intent['latest_charge']}")
    assert (charge["amount_refunded"], charge["refunded"]) == (4_000, False)
    rest = caller.post("/v1/refunds", {"charge": charge["id"]}).json()
    assert rest["amount"] == 6_000 and caller.get(f"/v1/charges/{charge['id']}")["refunded"]
    assert caller.events_of(refund["id"]) == ["refund.created", "refund.updated"]
    assert caller.events_of(charge["id"])[-2:] == ["charge.refunded"] * 2
    for name in (f"charge={charge['id']}", f"payment_intent={intent['id']}"):
        assert [one["id"] for one in caller.list(f"/v1/refunds?{name}")] == [rest["id"], refund["id"]]


def test_more_than_was_paid_is_not_refunded(caller: Caller) -> None:
    charge = caller.charge(1_000).json()["latest_charge"]
    failed = caller.charge(card="pm_card_chargeDeclined").json()["error"]["charge"]
    held = caller.post("/v1/payment_intents", {"amount": "500", "currency": "usd"}).json()["id"]

    def refused(**fields: str) -> str:
        answer = caller.post("/v1/refunds", fields)
        assert answer.status_code == 400
        return str(answer.json()["error"].get("code"))

    assert refused(charge=charge, amount="1001") == "amount_too_large"
    assert refused(charge=charge, amount="0") == "parameter_invalid_integer"
    assert refused(charge=charge, payment_intent="pi_1") == "parameter_missing"
    assert refused() == "parameter_missing"
    assert refused(charge=charge, reverse_transfer="true") == "sandbox_unsupported_parameter"
    assert refused(payment_intent=held) == "payment_intent_unexpected_state"
    refused(charge=failed)
    assert caller.post("/v1/refunds", {"charge": charge}).status_code == 200
    assert refused(charge=charge) == "charge_already_refunded"
    assert caller.post("/v1/refunds", {"charge": "ch_none"}).status_code == 404


def test_a_refund_that_the_balance_does_not_cover_waits_for_money() -> None:
    with running_sandbox() as poor:
        caller = Caller(poor)
        charge = caller.charge(10_000).json()["latest_charge"]
        refund = caller.post("/v1/refunds", {"charge": charge}).json()
        assert (refund["status"], refund["pending_reason"]) == ("pending", "insufficient_funds")
        assert refund["balance_transaction"] is None and caller.balance() == 9_680
        assert caller.get(f"/v1/charges/{charge}")["refunded"]
        caller.charge(100)
        assert caller.get(f"/v1/refunds/{refund['id']}")["status"] == "pending"
        caller.charge(10_000)
        paid = caller.get(f"/v1/refunds/{refund['id']}?expand[]=balance_transaction")
        assert paid["status"] == "succeeded" and paid["balance_transaction"]["net"] == -10_000
        assert "pending_reason" not in paid
        assert caller.balance() == 9_680 + 67 + 9_680 - 10_000 and caller.adds_up()
        assert caller.events_of(refund["id"]) == ["refund.created", "refund.updated", "charge.refund.updated"]


def test_a_charge_back_fails_the_refund_that_still_waits() -> None:
    with running_sandbox() as poor:
        caller = Caller(poor)
        charge = caller.charge(10_000).json()["latest_charge"]
        refund = caller.post("/v1/refunds", {"charge": charge, "amount": "9900"}).json()
        caller.control(f"/charges/{charge}/dispute", amount=10_000)
        failed = caller.get(f"/v1/refunds/{refund['id']}")
        assert (failed["status"], failed["failure_reason"]) == ("failed", "charge_for_pending_refund_disputed")
        assert "failure_balance_transaction" not in failed
        caller.charge(50_000)
        assert caller.get(f"/v1/refunds/{refund['id']}")["status"] == "failed"
        assert caller.balance() == 9_680 - 11_500 + 48_520 and caller.adds_up()


def test_the_bank_sends_a_refund_back_after_it_succeeded(caller: Caller) -> None:
    charge = caller.charge(10_000).json()["latest_charge"]
    before = caller.balance()
    refund = caller.post("/v1/refunds", {"charge": charge, "amount": "4000"}).json()
    caller.control(f"/refunds/{refund['id']}/fail", failure_reason="lost_or_stolen_card")
    failed = caller.get(f"/v1/refunds/{refund['id']}?expand[]=failure_balance_transaction")
    line = failed["failure_balance_transaction"]
    assert (failed["status"], failed["failure_reason"]) == ("failed", "lost_or_stolen_card")
    assert (line["type"], line["amount"], line["source"]) == ("refund_failure", 4_000, refund["id"])
    assert caller.balance() == before and caller.adds_up()
    assert caller.get(f"/v1/charges/{charge}")["amount_refunded"] == 0
    assert caller.events_of(refund["id"])[-1] == "refund.failed"
    assert caller.http.post(f"/control/refunds/{refund['id']}/fail", json={}).status_code == 400
    assert caller.post("/v1/refunds", {"charge": charge}).json()["amount"] == 10_000


def test_test_cards_decide_about_refunds_by_themselves(caller: Caller) -> None:
    caller.charge(50_000)  # the fees of the two payments must be there too
    fails, late = (caller.charge(card=f"pm_card_{name}").json() for name in ("refundFail", "pendingRefund"))
    first, second = (caller.post("/v1/refunds", {"payment_intent": one["id"]}).json() for one in (fails, late))
    assert (first["status"], second["status"]) == ("succeeded", "pending")
    assert second["pending_reason"] == "processing" and second["balance_transaction"]
    caller.control("/clock", advance_s=HOUR)
    assert caller.get(f"/v1/refunds/{first['id']}")["status"] == "failed"
    assert caller.get(f"/v1/refunds/{second['id']}")["status"] == "succeeded"
    assert caller.adds_up()


def test_a_refund_is_made_once_under_its_key(caller: Caller) -> None:
    charge = caller.charge(10_000).json()["latest_charge"]
    before = caller.balance()
    first, again = (caller.post("/v1/refunds", {"charge": charge, "amount": "100"}, "refund-1") for _ in range(2))
    assert first.json() == again.json() and caller.balance() == before - 100
