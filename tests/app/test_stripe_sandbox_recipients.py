"""Recipients: transfers reversed, bank payouts that fail days later, capabilities lost; and money from elsewhere."""

from __future__ import annotations

import pytest

from tests.app.stripe_api import Caller
from tests.app.stripe_sandbox import Sandbox, sandbox

__all__ = ["sandbox"]
DAY = 86400


@pytest.fixture
def caller(sandbox: Sandbox) -> Caller:
    return Caller(sandbox)


def paid(caller: Caller, sandbox: Sandbox, amount: int = 1_000) -> tuple[str, str]:
    """(account, transfer) of a recipient who got money."""
    caller.charge(10_000)
    account = caller.recipient(sandbox)
    sent = {"amount": str(amount), "currency": "usd", "destination": account, "metadata[line]": "1"}
    return account, caller.post("/v1/transfers", sent).json()["id"]


# ---- reversals


def test_a_reversal_takes_money_back_from_the_recipient(caller: Caller, sandbox: Sandbox) -> None:
    account, transfer = paid(caller, sandbox)
    before = caller.balance()
    path = f"/v1/transfers/{transfer}"
    sent = {"amount": "400", "metadata[why]": "error", "expand[]": "balance_transaction"}
    first = caller.post(f"{path}/reversals", sent).json()
    line = first["balance_transaction"]
    assert (line["type"], line["amount"], line["source"]) == ("transfer_refund", 400, first["id"])
    assert (first["transfer"], first["metadata"]) == (transfer, {"why": "error"})
    assert (caller.balance(), caller.balance(account)) == (before + 400, 600)
    found = caller.get(path)
    assert (found["amount_reversed"], found["reversed"]) == (400, False)
    rest = caller.post(f"{path}/reversals").json()
    found = caller.get(path)
    assert (rest["amount"], found["amount_reversed"], found["reversed"]) == (600, 1_000, True)
    assert [one["id"] for one in found["reversals"]["data"]] == [rest["id"], first["id"]]
    assert [one["id"] for one in caller.list(f"{path}/reversals")] == [rest["id"], first["id"]]
    assert caller.events_of(transfer) == ["transfer.created", "transfer.reversed", "transfer.reversed"]
    assert caller.post(f"{path}/reversals").status_code == 400
    assert caller.adds_up() and caller.adds_up(account)


def test_a_reversal_takes_no_more_than_was_sent_and_is_still_there(caller: Caller, sandbox: Sandbox) -> None:
    account, transfer = paid(caller, sandbox)
    path = f"/v1/transfers/{transfer}/reversals"
    assert caller.post(path, {"amount": "1001"}).json()["error"]["code"] == "amount_too_large"
    assert caller.post(path, {"amount": "0"}).status_code == 400
    caller.control(f"/accounts/{account}/payout", amount=700)
    assert caller.post(path).json()["error"]["code"] == "balance_insufficient"
    assert caller.post(path, {"amount": "300"}).status_code == 200
    _, other = paid(caller, sandbox)
    mine = caller.list(path)[0]["id"]
    assert caller.http.get(f"/v1/transfers/{other}/reversals/{mine}").status_code == 404


def test_the_dashboard_reverses_too_and_metadata_can_be_changed(caller: Caller, sandbox: Sandbox) -> None:
    account, transfer = paid(caller, sandbox)
    assert caller.control(f"/transfers/{transfer}/reverse", amount=250)["amount"] == 250
    assert caller.balance(account) == 750
    event = next(one for one in caller.list("/v1/events") if one["type"] == "transfer.reversed")
    assert event["request"] == {"id": None, "idempotency_key": None}
    changed = caller.post(f"/v1/transfers/{transfer}", {"metadata[case]": "7", "description": "Run 1"}).json()
    assert (changed["metadata"], changed["description"]) == ({"line": "1", "case": "7"}, "Run 1")
    assert caller.events_of(transfer)[-1] == "transfer.updated"


# ---- bank payouts


def test_a_bank_payout_fails_days_after_it_was_paid(caller: Caller, sandbox: Sandbox) -> None:
    account, _ = paid(caller, sandbox)
    wanted = {"paid_after_s": 2 * DAY, "fails_after_s": 5 * DAY, "failure_code": "no_account"}
    payout = caller.control(f"/accounts/{account}/payout", **wanted)["id"]

    def status() -> str:
        [found] = caller.list("/v1/payouts", account)
        assert found["id"] == payout
        return str(found["status"])

    assert (status(), caller.balance(account)) == ("in_transit", 0)
    caller.control("/clock", advance_s=2 * DAY)
    assert (status(), caller.balance(account)) == ("paid", 0)
    caller.control("/clock", advance_s=3 * DAY)
    assert (status(), caller.balance(account)) == ("failed", 1_000)
    lines = caller.list("/v1/balance_transactions", account)
    assert [(line["type"], line["net"]) for line in lines] == [
        ("payout_failure", 1_000), ("payout", -1_000), ("payment", 1_000),
    ]  # fmt: skip
    assert caller.adds_up(account) and caller.events_of(payout) == ["payout.created", "payout.paid", "payout.failed"]
    event = caller.list("/v1/events?limit=1&type=payout.failed")[0]
    assert (event["account"], event["data"]["object"]["failure_code"]) == (account, "no_account")


def test_bank_payouts_are_seen_by_their_account_only(caller: Caller, sandbox: Sandbox) -> None:
    account, _ = paid(caller, sandbox)
    other, _ = paid(caller, sandbox)
    payout = caller.control(f"/accounts/{account}/payout", amount=300)["id"]
    path = f"/v1/payouts/{payout}"
    assert caller.http.get(path, headers={"Stripe-Account": account}).json()["amount"] == 300
    for headers in ({}, {"Stripe-Account": other}, {"Stripe-Account": "acct_none"}):
        assert caller.http.get(path, headers=headers).status_code == 404
    assert caller.list("/v1/payouts", other) == [] and caller.balance(account) == 700
    assert payout not in [one["id"] for one in caller.list("/v1/payouts")]
    assert caller.control(f"/payouts/{payout}/pay")["status"] == "paid"
    assert caller.http.post(f"/control/payouts/{payout}/pay", json={}).status_code == 400
    assert caller.control(f"/payouts/{payout}/fail")["failure_code"] == "account_closed"
    assert caller.http.post(f"/control/payouts/{payout}/fail", json={}).status_code == 400
    assert caller.balance(account) == 1_000


def test_a_payout_of_more_than_there_is_is_refused(caller: Caller, sandbox: Sandbox) -> None:
    account, _ = paid(caller, sandbox)
    for bad in ({"amount": 1_001}, {"amount": 0}, {"fails_after_s": -1}, {"failure_code": "boredom"}):
        assert caller.http.post(f"/control/accounts/{account}/payout", json=bad).status_code == 400
    assert caller.balance(account) == 1_000
    assert caller.http.post("/control/accounts/acct_none/payout", json={}).status_code == 404


def test_connected_accounts_are_for_reading_only(caller: Caller, sandbox: Sandbox) -> None:
    account, _ = paid(caller, sandbox)
    refused = caller.http.post("/v1/refunds", data={"charge": "ch_1"}, headers={"Stripe-Account": account})
    assert refused.status_code == 400 and refused.json()["error"]["param"] == "Stripe-Account"


# ---- what happens to the platform's own balance


def test_money_comes_and_goes_that_nobody_of_ours_asked_for(caller: Caller) -> None:
    before = caller.balance()
    charge = caller.control("/charge_elsewhere", amount=20_000)
    assert charge["metadata"] == {} and caller.balance() == before + 19_390
    assert caller.control("/fee", amount=200)["type"] == "stripe_fee"
    payout = caller.control("/platform_payout", amount=5_000)
    assert caller.balance() == before + 19_390 - 200 - 5_000 and caller.adds_up()
    kinds = [line["type"] for line in caller.list("/v1/balance_transactions?limit=3")]
    assert kinds == ["payout", "stripe_fee", "charge"]
    event = caller.list("/v1/events?limit=1&type=payout.created")[0]
    assert event["data"]["object"]["id"] == payout["id"] and "account" not in event
    caller.control(f"/payouts/{payout['id']}/fail")
    assert caller.balance() == before + 19_390 - 200 and caller.adds_up()


# ---- capabilities and requirements


def test_a_capability_is_lost_with_what_stripe_wants_to_know(caller: Caller, sandbox: Sandbox) -> None:
    account, _ = paid(caller, sandbox)
    document = "identity.individual.documents.primary_verification"
    terms = {"description": "identity.attestations.terms_of_service.account", "awaiting_action_from": "stripe"}
    expired = {"description": document, "error": "verification_document_expired", "deadline": "past_due"}
    wanted = ["default_payout_method", terms, expired]
    caller.control(f"/accounts/{account}/capability", status="restricted", requirements=wanted, due_s=DAY)
    include = "include[0]=configuration.recipient&include[1]=requirements"
    found = caller.get(f"/v2/core/accounts/{account}?{include}")
    granted = found["configuration"]["recipient"]["capabilities"]["stripe_balance"]["stripe_transfers"]
    assert (granted["status"], granted["status_details"][0]["code"]) == ("restricted", "requirements_past_due")
    entries = {entry["description"]: entry for entry in found["requirements"]["entries"]}
    assert list(entries) == ["default_payout_method", terms["description"], document]
    assert entries[document]["errors"][0]["code"] == "verification_document_expired"
    assert entries[terms["description"]]["awaiting_action_from"] == "stripe"
    due = found["requirements"]["summary"]["minimum_deadline"]
    assert due["status"] == "past_due" and due["time"].endswith("Z")
    sent = {"amount": "100", "currency": "usd", "destination": account}
    assert caller.post("/v1/transfers", sent).json()["error"]["code"] == "insufficient_capabilities_for_transfer"
    told = [one["type"] for one in caller.list(f"/v2/core/events?object_id={account}&limit=2")]
    assert told == [
        "v2.core.account[requirements].updated",
        "v2.core.account[configuration.recipient].capability_status_updated",
    ]
    caller.control(f"/accounts/{account}/capability", status="active")
    found = caller.get(f"/v2/core/accounts/{account}?{include}")
    assert found["requirements"] == {"entries": [], "summary": None}
    assert caller.post("/v1/transfers", sent).status_code == 200


def test_a_capability_that_was_never_asked_for_cannot_change(caller: Caller) -> None:
    account = caller.post("/v2/core/accounts", {"display_name": "Bo"}).json()["id"]
    path = f"/control/accounts/{account}/capability"
    assert caller.http.post(path, json={"status": "active"}).status_code == 400
    assert caller.http.post(path, json={"status": "glad"}).status_code == 400
