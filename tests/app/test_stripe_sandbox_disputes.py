"""Disputes, inquiries and early fraud warnings."""

from __future__ import annotations

import pytest

from tests.app.stripe_api import Caller
from tests.app.stripe_sandbox import Sandbox, sandbox

__all__ = ["sandbox"]
DAY = 86400


@pytest.fixture
def caller(sandbox: Sandbox) -> Caller:
    return Caller(sandbox)


def disputed(caller: Caller, amount: int = 10_000, **more: object) -> tuple[str, str]:
    """(charge, dispute) ids."""
    charge = caller.charge(amount).json()["latest_charge"]
    return charge, caller.control(f"/charges/{charge}/dispute", **more)["id"]


def test_a_charge_back_takes_the_amount_and_a_fee(caller: Caller) -> None:
    before = caller.balance()
    charge, identifier = disputed(caller)
    dispute = caller.get(f"/v1/disputes/{identifier}")
    assert (dispute["status"], dispute["reason"], dispute["amount"]) == ("needs_response", "fraudulent", 10_000)
    [line] = dispute["balance_transactions"]
    assert (line["type"], line["reporting_category"], line["source"]) == ("adjustment", "dispute", identifier)
    assert (line["amount"], line["fee"], line["net"]) == (-10_000, 1_500, -11_500)
    assert caller.get(f"/v1/balance_transactions/{line['id']}") == line
    assert caller.balance() == before + 9_680 - 11_500 and caller.adds_up()
    assert caller.get(f"/v1/charges/{charge}")["disputed"]
    assert caller.events_of(identifier) == ["charge.dispute.created", "charge.dispute.funds_withdrawn"]
    assert [one["id"] for one in caller.list(f"/v1/disputes?charge={charge}")] == [identifier]
    refused = caller.post("/v1/refunds", {"charge": charge})
    assert refused.json()["error"]["code"] == "charge_disputed"
    assert caller.http.post(f"/control/charges/{charge}/dispute", json={}).status_code == 400


def test_a_charge_back_may_take_the_balance_below_zero(caller: Caller) -> None:
    charge = caller.charge(10_000).json()["latest_charge"]
    caller.control("/platform_payout", amount=caller.balance())
    caller.control(f"/charges/{charge}/dispute")
    assert caller.balance() == -11_500 and caller.adds_up()
    caller.charge(20_000)


def test_evidence_is_kept_and_submitted_once_and_wins(caller: Caller) -> None:
    _, identifier = disputed(caller)
    path = f"/v1/disputes/{identifier}"
    kept = caller.post(path, {"evidence[uncategorized_text]": "A photo.", "submit": "false"}).json()
    assert (kept["status"], kept["evidence_details"]["has_evidence"]) == ("needs_response", True)
    sent = caller.post(path, {"evidence[service_date]": "2026-10-01", "metadata[case]": "7"}).json()
    assert (sent["status"], sent["evidence_details"]["submission_count"]) == ("under_review", 1)
    assert sent["evidence"]["uncategorized_text"] == "A photo." and sent["metadata"] == {"case": "7"}
    assert caller.post(path, {"evidence[service_date]": "2026-10-02"}).status_code == 400
    assert caller.post(f"{path}/close").status_code == 400
    before = caller.balance()
    won = caller.control(f"/disputes/{identifier}/win")
    assert (won["status"], caller.balance()) == ("won", before + 10_000) and caller.adds_up()
    assert [line["reporting_category"] for line in won["balance_transactions"]] == ["dispute", "dispute_reversal"]
    assert caller.events_of(identifier)[-2:] == ["charge.dispute.funds_reinstated", "charge.dispute.closed"]
    assert caller.http.post(f"/control/disputes/{identifier}/lose", json={}).status_code == 400


@pytest.mark.parametrize("how", ["control", "accepted", "silent"])
def test_a_dispute_is_lost_by_the_bank_by_accepting_it_or_by_silence(caller: Caller, how: str) -> None:
    _, identifier = disputed(caller, reason="product_not_received")
    before = caller.balance()
    if how == "control":
        caller.control(f"/disputes/{identifier}/lose")
    elif how == "accepted":
        assert caller.post(f"/v1/disputes/{identifier}/close").json()["status"] == "lost"
    else:
        caller.control("/clock", advance_s=9 * DAY)
    lost = caller.get(f"/v1/disputes/{identifier}")
    assert lost["status"] == "lost" and lost["evidence_details"]["past_due"] is (how == "silent")
    assert caller.balance() == before and caller.events_of(identifier)[-1] == "charge.dispute.closed"


def test_an_answered_dispute_does_not_fall_due(caller: Caller) -> None:
    _, identifier = disputed(caller)
    caller.post(f"/v1/disputes/{identifier}", {"evidence[uncategorized_text]": "A photo."})
    caller.control("/clock", advance_s=9 * DAY)
    assert caller.get(f"/v1/disputes/{identifier}")["status"] == "under_review"


def test_a_part_of_a_charge_is_disputed(caller: Caller) -> None:
    charge = caller.charge(10_000).json()["latest_charge"]
    caller.post("/v1/refunds", {"charge": charge, "amount": "4000"})
    assert caller.control(f"/charges/{charge}/dispute")["amount"] == 6_000
    other = caller.charge(10_000).json()["latest_charge"]
    for bad in ({"amount": 0}, {"amount": 10_001}, {"reason": "boredom"}):
        assert caller.http.post(f"/control/charges/{other}/dispute", json=bad).status_code == 400
    assert caller.control(f"/charges/{other}/dispute", amount=1)["amount"] == 1


def test_an_inquiry_asks_and_moves_nothing(caller: Caller) -> None:
    charge, identifier = disputed(caller, inquiry=True)
    found = caller.get(f"/v1/disputes/{identifier}")
    assert (found["status"], found["balance_transactions"]) == ("warning_needs_response", [])
    assert caller.events_of(identifier) == ["charge.dispute.created"]
    before = caller.balance()
    caller.post("/v1/refunds", {"charge": charge})
    assert caller.get(f"/v1/disputes/{identifier}")["status"] == "warning_closed"
    assert caller.balance() == before - 10_000 and caller.events_of(identifier)[-1] == "charge.dispute.closed"


def test_an_inquiry_becomes_a_charge_back(caller: Caller) -> None:
    _, identifier = disputed(caller, inquiry=True)
    before = caller.balance()
    caller.post(f"/v1/disputes/{identifier}", {"evidence[uncategorized_text]": "A photo."})
    assert caller.get(f"/v1/disputes/{identifier}")["status"] == "warning_under_review"
    caller.control(f"/disputes/{identifier}/escalate")
    found = caller.get(f"/v1/disputes/{identifier}")
    assert found["status"] == "needs_response" and caller.balance() == before - 11_500
    assert caller.http.post(f"/control/disputes/{identifier}/escalate", json={}).status_code == 400
    caller.control("/clock", advance_s=9 * DAY)
    assert caller.get(f"/v1/disputes/{identifier}")["status"] == "lost"


@pytest.mark.parametrize(
    ("card", "reason", "status"),
    [
        ("pm_card_createDispute", "fraudulent", "needs_response"),
        ("pm_card_createDisputeProductNotReceived", "product_not_received", "needs_response"),
        ("pm_card_createDisputeInquiry", "general", "warning_needs_response"),
    ],
)
def test_test_cards_dispute_by_themselves(caller: Caller, card: str, reason: str, status: str) -> None:
    charge = caller.charge(card=card).json()["latest_charge"]
    [dispute] = caller.list(f"/v1/disputes?charge={charge}")
    assert (dispute["reason"], dispute["status"]) == (reason, status)


def test_early_fraud_warnings_move_nothing(caller: Caller) -> None:
    intent = caller.charge(card="pm_card_createIssuerFraudRecord").json()
    [warning] = caller.list(f"/v1/radar/early_fraud_warnings?payment_intent={intent['id']}")
    assert (warning["charge"], warning["actionable"]) == (intent["latest_charge"], True)
    assert caller.events_of(warning["id"]) == ["radar.early_fraud_warning.created"]
    charge = caller.charge().json()["latest_charge"]
    before = caller.balance()
    caller.post("/v1/refunds", {"charge": charge})
    late = caller.control(f"/charges/{charge}/fraud_warning", fraud_type="made_with_stolen_card")
    assert (late["fraud_type"], late["actionable"]) == ("made_with_stolen_card", False)
    assert caller.balance() == before - 10_000
    assert caller.http.post(f"/control/charges/{charge}/fraud_warning", json={"fraud_type": "x"}).status_code == 400


def test_what_was_lost_may_come_back_late_once_and_stays_lost(caller: Caller) -> None:
    _, identifier = disputed(caller)
    refused = caller.http.post(f"/control/disputes/{identifier}/return", json={})
    assert refused.status_code == 400  # it is still open
    caller.control(f"/disputes/{identifier}/lose")
    before = caller.balance()
    caller.control(f"/disputes/{identifier}/return", amount=4_000)
    dispute = caller.control(f"/disputes/{identifier}/return")
    assert [line["amount"] for line in dispute["balance_transactions"]] == [-10_000, 4_000, 6_000]
    assert (dispute["status"], caller.balance()) == ("lost", before + 10_000) and caller.adds_up()
    assert caller.events_of(identifier)[-1] == "charge.dispute.funds_reinstated"
    assert caller.http.post(f"/control/disputes/{identifier}/return", json={}).status_code == 400
