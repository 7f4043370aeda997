"""Recipients (Accounts v2) and the links to their hosted onboarding."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from app.sandbox.stripe.errors import invalid
from app.sandbox.stripe.events import notify, rfc3339
from app.sandbox.stripe.operations import Call, merge_metadata, operation
from app.sandbox.stripe.requirements import Requirement, status_details, summary
from app.sandbox.stripe.store import Object, State, new_id

CAPABILITY_EVENT = "v2.core.account[configuration.recipient].capability_status_updated"
REQUIREMENTS_EVENT = "v2.core.account[requirements].updated"
LINK_LIFE_S = 600
STRIPE_TRANSFERS = "configuration.recipient.capabilities.stripe_balance.stripe_transfers.requested"
INCLUDABLE = ("configuration.recipient", "defaults", "identity", "requirements")
SETTABLE = ("contact_email", "display_name")


def capability(account: Object) -> Object | None:
    """{status, status_details} of `recipient.stripe_balance.stripe_transfers`, None when never requested."""
    recipient = account["configuration"]["recipient"]
    if recipient is None or recipient["capabilities"] is None:
        return None
    found = recipient["capabilities"]["stripe_balance"]["stripe_transfers"]
    assert isinstance(found, dict)
    return found


def may_receive(account: Object) -> bool:
    granted = capability(account)
    return granted is not None and granted["status"] == "active"


def set_capability(
    state: State,
    call: Call,
    account: Object,
    status: str,
    wanted: Sequence[Requirement] | None = None,
    due_s: int | None = None,
) -> Object:
    """Move the transfers capability to `status` and send the notices that it and its requirements changed.

    wanted: what is asked for, None for what a recipient in that status is usually asked for; due_s: seconds to the
    deadline. Raises `StripeRefusal` when the capability was never requested.
    """
    if account["configuration"]["recipient"] is None:
        raise invalid(f"{account['id']} has not requested the transfers capability.", param="status")
    if wanted is None:
        wanted = [Requirement(description="default_payout_method")] if status == "restricted" else []
    entries = [each.entry() for each in wanted]
    due = None if due_s is None else rfc3339(state.now + due_s)
    requirements = {"entries": entries, "summary": summary(entries, due)}
    account["configuration"]["recipient"]["capabilities"]["stripe_balance"]["stripe_transfers"] = {
        "status": status,
        "status_details": status_details(status),
    }
    changed = account["requirements"] != requirements
    account["requirements"] = requirements
    state.put(account)
    url = f"/v2/core/accounts/{account['id']}"
    notify(state, call, CAPABILITY_EVENT, account, url)
    if changed:
        notify(state, call, REQUIREMENTS_EVENT, account, url)
    return account


def shown(account: Object, include: list[str]) -> Object:
    """Accounts v2 answers null for every part that the caller did not ask for."""
    view = copy.deepcopy(account)
    view["configuration"] = {"customer": None, "merchant": None, "recipient": view["configuration"]["recipient"]}
    if "configuration.recipient" not in include:
        view["configuration"] = None
    for name in ("defaults", "identity", "requirements"):
        if name not in include:
            view[name] = None
    return view


def _include(call: Call) -> list[str]:
    include: list[str] = call.params.get("include", [])
    for name in include:
        if name not in INCLUDABLE:
            raise invalid(f"The sandbox cannot include {name}.", code="sandbox_unsupported_parameter", param="include")
    return include


@operation(
    "post", "/v2/core/accounts", *SETTABLE, "dashboard", "metadata", "include", "identity.country",
    "identity.entity_type", "defaults.currency", "defaults.locales", "defaults.responsibilities", STRIPE_TRANSFERS,
)  # fmt: skip
def create(state: State, call: Call) -> Object:
    include = _include(call)
    identity: dict[str, Any] = call.params.get("identity", {})
    defaults: dict[str, Any] = call.params.get("defaults", {})
    responsibilities = {"fees_collector": "application", "losses_collector": "application"}
    responsibilities.update(defaults.get("responsibilities", {}))
    account: Object = {
        "id": new_id("acct"),
        "object": "v2.core.account",
        "applied_configurations": ["recipient"] if "configuration" in call.params else [],
        "closed": False,
        "configuration": {"recipient": None},
        "contact_email": call.params.get("contact_email"),
        "contact_phone": None,
        "created": rfc3339(state.now),
        "dashboard": call.params.get("dashboard"),
        "defaults": {
            "currency": defaults.get("currency", "usd"),
            "locales": defaults.get("locales", []),
            "profile": None,
            "responsibilities": {**responsibilities, "requirements_collector": "stripe"},
        },
        "display_name": call.params.get("display_name"),
        "future_requirements": None,
        "identity": {"country": identity.get("country", "us").lower(), "entity_type": identity.get("entity_type")},
        "livemode": False,
        "metadata": merge_metadata({}, call.params.get("metadata")),
        "requirements": {"entries": [], "summary": None},
    }
    notify(state, call, "v2.core.account.created", account, f"/v2/core/accounts/{account['id']}")
    state.put(account)
    if _requests_transfers(call):
        _request_transfers(state, call, account)
    return shown(account, include)


def _requests_transfers(call: Call) -> bool:
    recipient = call.params.get("configuration", {}).get("recipient", {})
    wanted = recipient.get("capabilities", {}).get("stripe_balance", {}).get("stripe_transfers", {})
    return bool(wanted.get("requested"))


def _request_transfers(state: State, call: Call, account: Object) -> None:
    account["applied_configurations"] = ["recipient"]
    account["configuration"]["recipient"] = {
        "applied": True,
        "capabilities": {"bank_accounts": None, "cards": None, "stripe_balance": {}},
    }
    set_capability(state, call, account, "restricted")


@operation("post", "/v2/core/accounts/{id}", *SETTABLE, "metadata", "include", STRIPE_TRANSFERS)
def update(state: State, call: Call) -> Object:
    include = _include(call)
    account = state.get("v2.core.account", call.names["id"])
    account.update({name: call.params[name] for name in SETTABLE if name in call.params})
    account["metadata"] = merge_metadata(account["metadata"], call.params.get("metadata"))
    state.put(account)
    if _requests_transfers(call) and capability(account) is None:
        _request_transfers(state, call, account)
    notify(state, call, "v2.core.account.updated", account, f"/v2/core/accounts/{account['id']}")
    return shown(account, include)


@operation("get", "/v2/core/accounts/{id}", "include")
def retrieve(state: State, call: Call) -> Object:
    return shown(state.get("v2.core.account", call.names["id"]), _include(call))


@operation("get", "/v2/core/accounts", "limit", "closed")
def list_accounts(state: State, call: Call) -> Object:
    filters = {"closed": call.params.get("closed")}
    params = {**call.params, **({"starting_after": call.page} if call.page else {})}
    page = state.page("v2.core.account", params, filters, call.path)
    onward = call.next_page_url(page["data"], page["has_more"])
    return {"data": [shown(one, []) for one in page["data"]], "next_page_url": onward, "previous_page_url": None}


@operation(
    "post", "/v2/core/account_links", "account", "use_case.type", "use_case.account_onboarding.collection_options",
    "use_case.account_onboarding.refresh_url", "use_case.account_onboarding.return_url",
)  # fmt: skip
def create_link(state: State, call: Call) -> Object:
    account = state.get("v2.core.account", call.params["account"])
    use_case = call.params["use_case"]
    if use_case["type"] != "account_onboarding" or "account_onboarding" not in use_case:
        raise invalid("The sandbox serves onboarding links only.", param="use_case.type")
    token = new_id("link")
    url = f"{call.public_url}/onboarding/{token}"
    link = {
        "object": "v2.core.account_link",
        "account": account["id"],
        "created": rfc3339(state.now),
        "expires_at": rfc3339(state.now + LINK_LIFE_S),
        "livemode": False,
        "url": url,
        "use_case": use_case,
    }
    state.put({**link, "id": token, "expires_s": state.now + LINK_LIFE_S, "used": False})
    return link
