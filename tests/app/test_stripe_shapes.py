"""Every answer of the sandbox is held to the installed SDK's own description of it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema

from app.sandbox.stripe.api import OPERATIONS
from app.sandbox.stripe.schema_source import Source
from tests.app.stripe_api import CHECKOUT, RECIPIENT, Caller, onboarding
from tests.app.stripe_sandbox import Sandbox, sandbox

__all__ = ["sandbox"]
Answers = Iterator[tuple[str, Any]]
"""(operation, what it answered)"""


@cache
def answer_schemas() -> tuple[dict[str, Any], dict[str, Any]]:
    """Every operation's answer as the SDK describes it, in the words of JSON Schema."""
    source = Source()
    operations = source.operations(OPERATIONS, answers=True)
    text = json.dumps({"operations": operations, "schemas": source.schemas}).replace('"$ref": "', '"$ref": "#/$defs/')
    both = json.loads(text)
    return both["operations"], both["schemas"]


def customers_and_cards(caller: Caller, sandbox: Sandbox) -> Answers:
    customer = caller.post("/v1/customers", {"email": "ada@example.test", "metadata[a]": "b"}).json()
    yield "post /v1/customers", customer
    path = f"/v1/customers/{customer['id']}"
    card = caller.post("/v1/payment_methods/pm_card_visa/attach", {"customer": customer["id"]}).json()
    yield "post /v1/payment_methods/{payment_method}/attach", card
    default = {"invoice_settings[default_payment_method]": card["id"]}
    yield "post /v1/customers/{customer}", caller.post(path, default).json()
    yield "get /v1/customers/{customer}", caller.get(path)
    yield "get /v1/customers", caller.get("/v1/customers")
    yield "get /v1/customers/{customer}/payment_methods", caller.get(f"{path}/payment_methods")
    yield "get /v1/payment_methods", caller.get("/v1/payment_methods")
    yield "get /v1/payment_methods/{payment_method}", caller.get(f"/v1/payment_methods/{card['id']}")
    yield "get /v1/payment_methods/{payment_method}", caller.get("/v1/payment_methods/pm_usBankAccount_success")
    detached = caller.post(f"/v1/payment_methods/{card['id']}/detach").json()
    yield "post /v1/payment_methods/{payment_method}/detach", detached


def payments(caller: Caller, sandbox: Sandbox) -> Answers:
    intent = caller.charge().json()
    yield "post /v1/payment_intents", intent
    failed = caller.charge(card="pm_card_chargeDeclined").json()["error"]["payment_intent"]
    debit = {"allowed_payment_method_types[]": "us_bank_account"}
    debited = caller.charge(card="pm_usBankAccount_success", **debit).json()
    for one in (failed, debited):
        yield "get /v1/payment_intents/{intent}", caller.get(f"/v1/payment_intents/{one['id']}")
        yield "get /v1/charges/{charge}", caller.get(f"/v1/charges/{one['latest_charge']}")
    refused = caller.control(f"/payment_intents/{debited['id']}/settle", succeed=False)
    yield "get /v1/payment_intents/{intent}", caller.get(f"/v1/payment_intents/{refused['id']}")
    held = caller.post("/v1/payment_intents", {"amount": "500", "currency": "usd"}).json()
    waits = {"payment_method": "pm_card_authenticationRequired"}
    path = f"/v1/payment_intents/{held['id']}"
    yield "post /v1/payment_intents/{intent}/confirm", caller.post(f"{path}/confirm", waits).json()
    yield "post /v1/payment_intents/{intent}/cancel", caller.post(f"{path}/cancel").json()
    yield "get /v1/payment_intents", caller.get("/v1/payment_intents")
    yield "get /v1/charges", caller.get("/v1/charges")


def checkouts(caller: Caller, sandbox: Sandbox) -> Answers:
    session = caller.post("/v1/checkout/sessions", CHECKOUT).json()
    yield "post /v1/checkout/sessions", session
    path = f"/v1/checkout/sessions/{session['id']}"
    yield "get /v1/checkout/sessions/{session}", caller.get(path)
    yield "post /v1/checkout/sessions/{session}/expire", caller.post(f"{path}/expire").json()
    kept = caller.post("/v1/checkout/sessions", {"mode": "setup", "success_url": "http://example.test/ok"}).json()
    yield "post /v1/checkout/sessions", kept
    assert sandbox.press(kept["url"], action="pay", card="pm_card_visa").status_code == 303
    done = caller.get(f"/v1/checkout/sessions/{kept['id']}")
    yield "get /v1/checkout/sessions/{session}", done
    yield "get /v1/setup_intents/{intent}", caller.get(f"/v1/setup_intents/{done['setup_intent']}")
    yield "get /v1/setup_intents", caller.get("/v1/setup_intents")
    yield "get /v1/checkout/sessions", caller.get("/v1/checkout/sessions")


def what_goes_back(caller: Caller, sandbox: Sandbox) -> Answers:
    intent = caller.charge().json()
    charge = intent["latest_charge"]
    refund = caller.post("/v1/refunds", {"payment_intent": intent["id"], "amount": "20"}).json()
    yield "post /v1/refunds", refund
    path = f"/v1/refunds/{refund['id']}"
    yield "post /v1/refunds/{refund}", caller.post(path, {"metadata[a]": "b"}).json()
    caller.control(f"/refunds/{refund['id']}/fail")
    yield "get /v1/refunds/{refund}", caller.get(path)
    yield "get /v1/refunds", caller.get("/v1/refunds")
    warning = caller.control(f"/charges/{charge}/fraud_warning")
    found = caller.get(f"/v1/radar/early_fraud_warnings/{warning['id']}")
    yield "get /v1/radar/early_fraud_warnings/{early_fraud_warning}", found
    yield "get /v1/radar/early_fraud_warnings", caller.get("/v1/radar/early_fraud_warnings")
    dispute = caller.control(f"/charges/{charge}/dispute")
    path = f"/v1/disputes/{dispute['id']}"
    evidence = {"evidence[uncategorized_text]": "A photo.", "submit": "false"}
    yield "post /v1/disputes/{dispute}", caller.post(path, evidence).json()
    yield "post /v1/disputes/{dispute}/close", caller.post(f"{path}/close").json()
    yield "get /v1/disputes/{dispute}", caller.get(path)
    yield "get /v1/disputes", caller.get("/v1/disputes")


def recipients(caller: Caller, sandbox: Sandbox) -> Answers:
    account = caller.recipient(sandbox)
    path = f"/v2/core/accounts/{account}"
    yield "post /v2/core/accounts", caller.post("/v2/core/accounts", RECIPIENT).json()
    yield "post /v2/core/accounts/{id}", caller.post(path, {"display_name": "B"}).json()
    yield "post /v2/core/account_links", caller.post("/v2/core/account_links", onboarding(account)).json()
    sent = {"amount": "500", "currency": "usd", "destination": account}
    transfer = caller.post("/v1/transfers", sent).json()
    yield "post /v1/transfers", transfer
    reversal = caller.post(f"/v1/transfers/{transfer['id']}/reversals", {"amount": "2"}).json()
    yield "post /v1/transfers/{id}/reversals", reversal
    moved = f"/v1/transfers/{transfer['id']}"
    yield "post /v1/transfers/{transfer}", caller.post(moved, {"metadata[a]": "b"}).json()
    yield "get /v1/transfers/{transfer}", caller.get(moved)
    yield "get /v1/transfers/{id}/reversals", caller.get(f"{moved}/reversals")
    yield "get /v1/transfers/{transfer}/reversals/{id}", caller.get(f"{moved}/reversals/{reversal['id']}")
    yield "get /v1/transfers", caller.get("/v1/transfers")
    theirs = caller.control(f"/accounts/{account}/payout", amount=100)
    caller.control(f"/payouts/{theirs['id']}/pay")
    ours = caller.control("/platform_payout", amount=100)
    caller.control(f"/payouts/{ours['id']}/fail")
    yield "get /v1/payouts/{payout}", caller.list("/v1/payouts", account)[0]
    yield "get /v1/payouts/{payout}", caller.get(f"/v1/payouts/{ours['id']}")
    yield "get /v1/payouts", caller.get("/v1/payouts")
    for line in caller.list("/v1/balance_transactions", account):
        yield "get /v1/balance_transactions/{id}", line
    document = {
        "description": "identity.individual.documents.primary_verification",
        "error": "verification_document_expired",
        "deadline": "past_due",
    }
    wanted = ["default_payout_method", "identity.attestations.terms_of_service.account", document]
    caller.control(f"/accounts/{account}/capability", status="restricted", due_s=86400, requirements=wanted)
    include = "include[0]=configuration.recipient&include[1]=requirements"
    yield "get /v2/core/accounts/{id}", caller.get(f"{path}?{include}")
    yield "get /v2/core/accounts", caller.get("/v2/core/accounts?limit=1")


def books(caller: Caller, sandbox: Sandbox) -> Answers:
    caller.control("/charge_elsewhere", amount=1_000)
    caller.control("/fee", amount=10)
    yield "get /v1/balance", caller.get("/v1/balance")
    lines = caller.get("/v1/balance_transactions?limit=100")
    yield "get /v1/balance_transactions", lines
    for line in lines["data"]:
        yield "get /v1/balance_transactions/{id}", caller.get(f"/v1/balance_transactions/{line['id']}")
    for kind in ("v1/events", "v2/core/events"):
        found = caller.get(f"/{kind}?limit=100")
        yield f"get /{kind}", found
        for event in found["data"]:
            yield f"get /{kind}/{{id}}", event
        yield f"get /{kind}/{{id}}", caller.get(f"/{kind}/{found['data'][0]['id']}")


def test_every_answer_has_the_shape_that_the_sdk_expects(sandbox: Sandbox) -> None:
    caller = Caller(sandbox)
    seen = defaultdict(list)
    for ask in (customers_and_cards, payments, checkouts, what_goes_back, recipients, books):
        for operation, answer in ask(caller, sandbox):
            seen[operation].append(answer)
    assert set(seen) == {f"{verb} {path}" for verb, path in OPERATIONS}, "an operation without a case"
    operations, schemas = answer_schemas()
    for operation, answers in seen.items():
        judge = jsonschema.Draft202012Validator({**operations[operation]["answer"], "$defs": schemas})
        for answer in answers:
            problem = jsonschema.exceptions.best_match(judge.iter_errors(answer))
            assert problem is None, f"{operation}: {problem.json_path if problem else ''} {problem}"
