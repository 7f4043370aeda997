"""Every answer of the sandbox is held to the installed SDK's own description of it."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import jsonschema

from app.sandbox.stripe.api import OPERATIONS
from app.sandbox.stripe.schema_source import Source
from tests.app.stripe_api import CHECKOUT, RECIPIENT, Caller, onboarding
from tests.app.stripe_sandbox import Sandbox, sandbox

__all__ = ["sandbox"]


@cache
def answer_schemas() -> tuple[dict[str, Any], dict[str, Any]]:
    """Every operation's answer as the SDK describes it, in the words of JSON Schema."""
    source = Source()
    operations = source.operations(OPERATIONS, answers=True)
    text = json.dumps({"operations": operations, "schemas": source.schemas}).replace('"$ref": "', '"$ref": "#/$defs/')
    both = json.loads(text)
    return both["operations"], both["schemas"]


def test_every_answer_has_the_shape_that_the_sdk_expects(sandbox: Sandbox) -> None:
    caller = Caller(sandbox)
    customer = caller.post("/v1/customers", {"email": "ada@example.test", "metadata[a]": "b"}).json()
    card = caller.post("/v1/payment_methods/pm_card_visa/attach", {"customer": customer["id"]}).json()
    intent = caller.charge(customer=customer["id"], card=card["id"]).json()
    held = caller.post("/v1/payment_intents", {"amount": "500", "currency": "usd"}).json()
    failed = caller.charge(card="pm_card_chargeDeclined").json()["error"]["payment_intent"]
    session = caller.post("/v1/checkout/sessions", {**CHECKOUT, "customer": customer["id"]}).json()
    account = caller.recipient(sandbox)
    transfer = caller.post("/v1/transfers", {"amount": "5", "currency": "usd", "destination": account}).json()
    refund = caller.post("/v1/refunds", {"payment_intent": intent["id"], "amount": "20"}).json()
    reversal = caller.post(f"/v1/transfers/{transfer['id']}/reversals", {"amount": "2"}).json()
    caller.control(f"/refunds/{refund['id']}/fail")
    kept = caller.post("/v1/checkout/sessions", {"mode": "setup", "success_url": "http://example.test/ok"}).json()
    assert sandbox.press(kept["url"], action="pay", card="pm_card_visa").status_code == 303
    setup = caller.get(f"/v1/checkout/sessions/{kept['id']}")["setup_intent"]
    debited = caller.charge(card="pm_usBankAccount_success", **{"allowed_payment_method_types[]": "us_bank_account"})
    payout = caller.control(f"/accounts/{account}/payout", amount=1)
    platform_payout = caller.control("/platform_payout", amount=1)
    caller.control(f"/payouts/{platform_payout['id']}/fail")
    caller.control(f"/accounts/{account}/capability", status="restricted", due_s=86400, requirements=[
        "default_payout_method", "identity.attestations.terms_of_service.account",
        {"description": "identity.individual.documents.primary_verification",
         "error": "verification_document_expired", "deadline": "past_due"},
    ])  # fmt: skip
    warning = caller.control(f"/charges/{intent['latest_charge']}/fraud_warning")
    dispute = caller.control(f"/charges/{intent['latest_charge']}/dispute")
    event = caller.get("/v1/events?limit=1")["data"][0]
    notice = caller.get("/v2/core/events?limit=1")["data"][0]
    name = {"customer": customer["id"], "payment_method": card["id"], "intent": intent["id"], "session": session["id"],
            "charge": intent["latest_charge"], "transfer": transfer["id"], "account": account, "event": event["id"],
            "line": transfer["balance_transaction"], "notice": notice["id"], "refund": refund["id"],
            "dispute": dispute["id"], "warning": warning["id"], "setup": setup,
            "payout": platform_payout["id"]}  # fmt: skip
    seen: dict[str, Any] = {
        "post /v1/customers": customer,
        "post /v1/customers/{customer}": caller.post(f"/v1/customers/{name['customer']}", {"name": "Ada"}).json(),
        "post /v1/payment_methods/{payment_method}/attach": card,
        "post /v1/payment_intents": intent,
        "get /v1/payment_intents/{intent}": caller.get(f"/v1/payment_intents/{failed['id']}"),
        "post /v1/payment_intents/{intent}/confirm": caller.post(
            f"/v1/payment_intents/{held['id']}/confirm", {"payment_method": "pm_card_authenticationRequired"}
        ).json(),
        "post /v1/payment_intents/{intent}/cancel": caller.post(f"/v1/payment_intents/{held['id']}/cancel").json(),
        "post /v1/checkout/sessions": session,
        "post /v1/checkout/sessions/{session}/expire": caller.post(
            f"/v1/checkout/sessions/{session['id']}/expire"
        ).json(),
        "post /v2/core/accounts": caller.post("/v2/core/accounts", RECIPIENT).json(),
        "post /v2/core/accounts/{id}": caller.post(f"/v2/core/accounts/{account}", {"display_name": "B"}).json(),
        "post /v2/core/account_links": caller.post("/v2/core/account_links", onboarding(account)).json(),
        "post /v1/transfers": transfer,
        "post /v1/transfers/{transfer}": caller.post(f"/v1/transfers/{transfer['id']}", {"metadata[a]": "b"}).json(),
        "post /v1/transfers/{id}/reversals": reversal,
        "get /v1/transfers/{id}/reversals": caller.get(f"/v1/transfers/{transfer['id']}/reversals"),
        "get /v1/transfers/{transfer}/reversals/{id}": caller.get(
            f"/v1/transfers/{transfer['id']}/reversals/{reversal['id']}"
        ),
        "post /v1/refunds": refund,
        "post /v1/refunds/{refund}": caller.post(f"/v1/refunds/{refund['id']}", {"metadata[a]": "b"}).json(),
        "post /v1/disputes/{dispute}": caller.post(
            f"/v1/disputes/{dispute['id']}", {"evidence[uncategorized_text]": "A photo.", "submit": "false"}
        ).json(),
        "post /v1/disputes/{dispute}/close": caller.post(f"/v1/disputes/{dispute['id']}/close").json(),
    }
    gets = {
        "get /v1/customers/{customer}": "customer", "get /v1/customers": "", "get /v1/payment_intents": "",
        "get /v1/customers/{customer}/payment_methods": "customer", "get /v1/payment_methods": "",
        "get /v1/payment_methods/{payment_method}": "payment_method", "get /v1/charges": "",
        "get /v1/charges/{charge}": "charge", "get /v1/checkout/sessions": "", "get /v1/balance": "",
        "get /v1/checkout/sessions/{session}": "session", "get /v1/balance_transactions": "",
        "get /v1/balance_transactions/{id}": "line", "get /v1/transfers": "", "get /v1/events": "",
        "get /v1/transfers/{transfer}": "transfer", "get /v1/events/{id}": "event", "get /v2/core/events": "",
        "get /v1/setup_intents": "", "get /v1/setup_intents/{intent}": "setup", "get /v1/payouts": "",
        "get /v1/payouts/{payout}": "payout", "get /v1/refunds": "", "get /v1/refunds/{refund}": "refund",
        "get /v1/disputes": "",
        "get /v1/disputes/{dispute}": "dispute", "get /v1/radar/early_fraud_warnings": "",
        "get /v1/radar/early_fraud_warnings/{early_fraud_warning}": "warning",
        "get /v2/core/events/{id}": "notice", "get /v2/core/accounts": "", "get /v2/core/accounts/{id}": "account",
    }  # fmt: skip
    for operation, what in gets.items():
        path = operation.split(" ")[1]
        seen[operation] = caller.get(path.split("{")[0] + name[what] + path.partition("}")[2] if what else path)
    seen["post /v1/payment_methods/{payment_method}/detach"] = caller.post(
        f"/v1/payment_methods/{card['id']}/detach"
    ).json()
    assert set(seen) == {f"{verb} {path}" for verb, path in OPERATIONS}, "an operation without a case"
    seen = {name: [answer] for name, answer in seen.items()}
    # Shapes that the same operations have in other cases.
    recipients = [caller.list("/v1/payouts", account)[0], caller.list("/v1/balance_transactions", account)[0]]
    for path, found in zip(("/v1/payouts/{payout}", "/v1/balance_transactions/{id}"), recipients, strict=True):
        seen[f"get {path}"].append(found)
    assert recipients[0]["id"] == payout["id"]
    include = "include[0]=configuration.recipient&include[1]=requirements"
    seen["get /v2/core/accounts/{id}"].append(caller.get(f"/v2/core/accounts/{account}?{include}"))
    seen["get /v1/payment_intents/{intent}"].append(debited.json())
    seen["get /v1/charges/{charge}"].append(caller.get(f"/v1/charges/{debited.json()['latest_charge']}"))
    seen["get /v1/events/{id}"].extend(caller.list("/v1/events?limit=100"))
    seen["get /v1/balance_transactions/{id}"].extend(caller.list("/v1/balance_transactions?limit=100"))
    operations, schemas = answer_schemas()
    for operation, answer in ((name, one) for name, all in seen.items() for one in all):
        schema = {**operations[operation]["answer"], "$defs": schemas}
        problem = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema).iter_errors(answer))
        assert problem is None, f"{operation}: {problem.json_path if problem else ''} {problem}"
