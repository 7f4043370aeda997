"""The pages that Stripe hosts: paying a Checkout Session and onboarding a recipient. Plain forms, no script."""

from __future__ import annotations

import html
from urllib.parse import parse_qs

from app.sandbox.stripe import accounts, checkout
from app.sandbox.stripe.errors import invalid
from app.sandbox.stripe.operations import Call
from app.sandbox.stripe.store import Object, State

CHOICES = {
    "card": (
        ("pm_card_visa", "Visa ending 4242: pays"),
        ("pm_card_authenticationRequired", "Visa ending 3184: pays after its owner confirms"),
        ("pm_card_chargeCustomerFail", "Visa ending 0341: is declined"),
        ("pm_card_createDispute", "Visa ending 0259: pays, and is charged back at once"),
        ("pm_card_createIssuerFraudRecord", "Visa ending 5423: pays, and its bank suspects fraud"),
        ("pm_card_refundFail", "Visa ending 5126: pays, and sends refunds back"),
    ),
    "us_bank_account": (
        ("pm_usBankAccount_success", "Bank account ending 6789: pays after some days"),
        ("pm_usBankAccount_insufficientFunds", "Bank account ending 2227: fails after some days"),
    ),
}
FRAME = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>body{{font:17px/1.5 system-ui,sans-serif;max-width:28rem;margin:3rem auto;padding:0 1rem}}
label{{display:block;padding:.6rem 0}}button{{font:inherit;padding:.7rem 1.4rem;margin:1rem .5rem 0 0}}
.note{{background:#fff3cd;color:#533f03;padding:.6rem 1rem}}</style>
<p class="note">Stripe sandbox: no real money moves here.</p><h1>{title}</h1>{body}</html>"""


def page(title: str, body: str) -> str:
    return FRAME.format(title=html.escape(title), body=body)


def refusal_page(problem: str) -> str:
    return page("This did not work", f"<p>{html.escape(problem)}</p>")


def chosen(body: bytes) -> dict[str, str]:
    """The fields of a plain form. Raises `StripeRefusal` when it is not one."""
    try:
        return {name: values[0] for name, values in parse_qs(body.decode(), max_num_fields=20).items()}
    except ValueError:
        raise invalid("The form could not be read.") from None


def checkout_page(state: State, identifier: str, problem: str = "") -> str:
    session = checkout.open_session(state, identifier)
    radios = "".join(
        f'<label><input type="radio" name="card" value="{name}" required> {html.escape(label)}</label>'
        for name, label in _choices(session)
    )
    warning = f'<p role="alert"><strong>{html.escape(problem)}</strong></p>' if problem else ""
    title, amount = "Save", "Nothing is paid now."
    if session["mode"] == "payment":
        title, amount = "Pay", f"{session['amount_total']} minor units of {session['currency'].upper()}"
    buttons = f'<button name="action" value="pay">{title}</button><button name="action" value="cancel">Cancel</button>'
    return page(title, f'{warning}<p>{amount}</p><form method="post">{radios}{buttons}</form>')


def _choices(session: Object) -> list[tuple[str, str]]:
    return [choice for kind in session["payment_method_types"] for choice in CHOICES[kind]]


def submit_checkout(state: State, call: Call, identifier: str, form: dict[str, str]) -> str:
    """Where the browser goes next. Raises `CardRefusal`, or `StripeRefusal` for a closed session or a bad form."""
    session = checkout.open_session(state, identifier)
    if form.get("action") == "cancel":
        return str(session["cancel_url"] or session["success_url"])
    if form.get("action") != "pay" or form.get("card") not in dict(_choices(session)):
        raise invalid("Choose one of the cards and accounts and press a button.")
    checkout.pay(state, call, identifier, form["card"])
    url: str = session["success_url"]
    return url.replace("{CHECKOUT_SESSION_ID}", identifier)


def onboarding_page(state: State, token: str) -> str:
    link = _usable_link(state, token)
    account = state.get("v2.core.account", link["account"])
    name = html.escape(account["display_name"] or account["contact_email"] or account["id"])
    form = (
        '<form method="post"><button name="action" value="finish">Give a bank account</button>'
        '<button name="action" value="later">Not now</button></form>'
    )
    return page("Get paid", f"<p>Payouts to {name}.</p>{form}")


def submit_onboarding(state: State, call: Call, token: str, form: dict[str, str]) -> str:
    """Where the browser goes next; finishing makes the recipient's transfers capability active."""
    link = _usable_link(state, token)
    if form.get("action") not in ("finish", "later"):
        raise invalid("Press one of the buttons.")
    state.put({**link, "used": True})
    account = state.get("v2.core.account", link["account"])
    if form["action"] == "finish" and accounts.capability(account) is not None and not accounts.may_receive(account):
        accounts.set_capability(state, call, account, "active")
    onboarding = link["use_case"]["account_onboarding"]
    target: str = onboarding.get("return_url") or onboarding["refresh_url"]
    return target


def _usable_link(state: State, token: str) -> Object:
    link = state.get("v2.core.account_link", token)
    if link["used"] or link["expires_s"] <= state.now:
        raise invalid("This onboarding link has expired. Ask for a new one.")
    return link
