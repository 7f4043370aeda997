"""Who sees what: nobody's, a revoked, a wrong and another's key get 401, 403 or 404 on every route, and never data.

The routes come from the router, so a new one without a case here fails.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from app.docs import endpoints
from app.edge import Endpoint
from market import cards, funding, ids, keys, refunds
from market.funding import FundingDraft, Paid
from market.money import Price
from market.stripe_balance import BalanceLine
from tests.app import console_cases, review_cases
from tests.app.conftest import (
    BAKERY,
    Caller,
    World,
    a_task,
    agent,
    an_area,
    answer,
    claim,
    is_problem,
    ok,
    operator,
    person,
    photo,
    picture,
    post_task,
    submit,
)
from tests.app.grouping import a_route, a_series
from tests.app.phone import enrol
from tests.app.test_models import files
from tests.keys import Key

# What must never reach a stranger; every private text in the tests' world holds it.
SECRET = "zebra-4711"


@dataclass(frozen=True)
class Case:
    """A valid request to one route, but for whose things it names.

    body: its JSON · content: its bytes · multipart, form: its parts.
    """

    body: Any = None
    content: bytes | None = None
    multipart: bool = False
    form: dict[str, str] | None = None
    query: str = ""


OPEN = Case()  # for everyone
SELF = Case()  # about whoever asks
CASES: dict[str, Case] = {
    "POST /v1/accounts": OPEN,
    "GET /v1/account": SELF,
    "GET /v1/account/statement": SELF,
    "GET /v1/ledger": SELF,
    "GET /v1/keys": SELF,
    "POST /v1/keys": Case({"name": "x"}),
    "DELETE /v1/keys/{key_id}": Case(),
    "POST /v1/keys/{key_id}/rotate": Case(),
    "GET /v1/funding": SELF,
    "POST /v1/funding": Case({"amount": {"amount": 500, "currency": "usd"}}),
    "GET /v1/funding/{funding_id}": Case(),
    "PATCH /v1/account": Case({"max_per_day": 5_000}),
    "GET /v1/funding/{funding_id}/receipt": Case(),
    "GET /v1/refunds": SELF,
    "POST /v1/refunds": Case({}),
    "GET /v1/refunds/{refund_id}": Case(),
    "GET /v1/cards": SELF,
    "DELETE /v1/cards/{card_id}": Case(),
    "GET /v1/auto-top-up": SELF,
    "PUT /v1/auto-top-up": Case({"threshold": 0, "amount": 500, "max_per_day": 500, "card": "pm_nobodys"}),
    "DELETE /v1/auto-top-up": SELF,
    "GET /checkout/{number}": OPEN,
    "GET /checkout/{number}/done": OPEN,
    "GET /v1/tasks": SELF,
    "POST /v1/tasks": Case(a_task()),
    "POST /v1/tasks/batch": Case({"tasks": [a_task()]}),
    "POST /v1/areas": Case(an_area()),
    "GET /v1/areas/{area_id}": Case(),
    "POST /v1/series": Case(a_series()),
    "POST /v1/routes": Case(a_route()),
    "GET /v1/groups": SELF,
    "GET /v1/groups/{group_id}": Case(),
    "POST /v1/groups/{group_id}/cancel": Case(),
    "GET /v1/people/routes": OPEN,  # what may be taken is for everyone to see
    "GET /v1/people/routes/{route_id}": OPEN,
    "POST /v1/people/routes/{route_id}/claims": OPEN,
    "POST /v1/quotes": Case(a_task()),
    "GET /v1/quotes/calibration": OPEN,
    "GET /v1/tasks/{task_id}": Case(),
    "PATCH /v1/tasks/{task_id}": Case({"add_quantity": 1}),
    "POST /v1/tasks/{task_id}/cancel": Case(),
    "GET /v1/tasks/{task_id}/submissions": Case(),
    "GET /v1/tasks/{task_id}/questions": Case(),
    "POST /v1/tasks/{task_id}/questions/{question_id}/answer": Case({"text": "Yes, that is enough."}),
    "GET /v1/submissions/{submission_id}": Case(),
    "POST /v1/submissions/{submission_id}/accept": Case({}),
    "POST /v1/submissions/{submission_id}/reject": Case({"reason_code": "unreadable", "comment": "blurred"}),
    "GET /v1/submissions/{submission_id}/photos/{n}": Case(),
    "GET /v1/observations": SELF,
    "GET /v1/observations/{observation_id}": Case(),
    "GET /v1/observations/{observation_id}/photos/{n}": Case(query="?variant=original"),
    "GET /v1/observations/{observation_id}/receipt": Case(),
    "GET /v1/keys/receipts": OPEN,
    "POST /v1/datasets": Case({"query": {}}),
    "GET /v1/datasets/{dataset_id}": Case(),
    "GET /v1/datasets/{dataset_id}/files": Case(),
    "POST /v1/listings": Case(
        {"observation_id": "{observation_id}", "price": {"amount": 9, "currency": "usd"}, "license": {"id": "MIT"}}
    ),
    "GET /v1/listings": OPEN,  # what is for sale is for every account to see
    "GET /v1/listings/{listing_id}": OPEN,
    "GET /v1/listings/{listing_id}/preview/{n}": OPEN,
    "PATCH /v1/listings/{listing_id}": Case({"status": "paused"}),
    "POST /v1/listings/{listing_id}/end": Case(),
    "POST /v1/listings/{listing_id}/buy": OPEN,
    "GET /v1/sales": SELF,
    "GET /v1/sales/{sale_id}": Case(),
    "GET /v1/events": SELF,
    "POST /v1/models": Case(multipart=True),
    "GET /v1/models": SELF,
    "GET /v1/models/{model_id}": Case(),
    "GET /v1/models/{model_id}/card": Case(),
    "POST /v1/models/{model_id}/predict": Case({"observation_ids": ["{observation_id}"]}),
    "POST /v1/people": OPEN,
    "POST /v1/people/session": OPEN,
    "DELETE /v1/people/session": SELF,
    "GET /v1/people/me": SELF,
    "GET /v1/people/me/export": SELF,
    "DELETE /v1/people/me": Case({"confirm": "no"}),
    "PATCH /v1/people/me": Case({"display_name": "Dee"}),
    "GET /v1/people/tasks": Case(query=f"?lat={BAKERY['lat']}&lon={BAKERY['lon']}"),
    "GET /v1/people/tasks/{task_id}": OPEN,  # an open task is for everyone to see
    "GET /v1/people/tasks/{task_id}/questions": OPEN,  # whoever sees a task may ask about it
    "POST /v1/people/tasks/{task_id}/questions": OPEN,
    "POST /w/tasks/{task_id}/questions": OPEN,
    "POST /v1/people/tasks/{task_id}/claims": Case({**BAKERY, "accuracy_m": 5}),
    "GET /v1/people/claims": SELF,
    "GET /v1/people/claims/{claim_id}": Case(),
    "DELETE /v1/people/claims/{claim_id}": Case(),
    "PUT /v1/people/claims/{claim_id}/photos/{n}": Case(content=picture(3)),
    "GET /v1/people/claims/{claim_id}/photos/{n}": Case(),
    "GET /v1/people/claims/{claim_id}/photos/{n}/regions": Case(),
    "GET /v1/people/claims/{claim_id}/photos/{n}/preview": Case(),
    "PUT /v1/people/claims/{claim_id}/photos/{n}/blur": Case({"regions": [], "confirmed": True}),
    "PUT /v1/people/claims/{claim_id}/photos/{n}/motion": Case(content=b"{}"),
    "PUT /v1/people/claims/{claim_id}/photos/{n}/frames/{k}": Case(content=picture(3)),
    "POST /v1/people/readings/convert": SELF,
    "POST /v1/people/claims/{claim_id}/submission": Case({"answers": {"open": "open"}}),
    "GET /v1/devices": SELF,
    "POST /v1/devices": Case({"name": "x", "kind": "phone", "public_key": "AAAA"}),
    "GET /v1/devices/{device_id}": Case(),
    "DELETE /v1/devices/{device_id}": Case(),
    "POST /v1/devices/{device_id}/observations": Case({"sequence": 1, "readings": [{"n": "pm25", "v": 1}]}),
    "GET /v1/people/submissions": SELF,
    "GET /v1/people/submissions/{submission_id}": Case(),
    "GET /v1/people/earnings": SELF,
    "GET /v1/people/earnings/statement": SELF,
    "GET /v1/people/earnings/tax-years": SELF,
    "GET /v1/people/payouts": SELF,
    "GET /v1/people/payout-account": SELF,
    "POST /v1/people/payout-account": SELF,
    "POST /v1/operator/session/challenge": OPEN,
    "POST /v1/operator/session": OPEN,
    "POST /stripe/webhooks": OPEN,  # signed instead
    "GET /documents/{token}": OPEN,  # signed instead
    "GET /health/live": OPEN,
    "GET /health/ready": OPEN,
    "GET /openapi.json": OPEN,
    "GET /docs": OPEN,
    "GET /problems": OPEN,
    "GET /problems/{slug}": OPEN,
    "GET /static/{version}/{file}": OPEN,
    "GET /": OPEN,
    "GET /w": SELF,
    "GET /w/tasks/{task_id}": OPEN,
    "DELETE /v1/people/routes/{route_id}/claims": Case(),
    "GET /w/routes/{route_id}": OPEN,
    "POST /w/routes/{route_id}/claims": OPEN,
    "POST /w/routes/{route_id}/release": Case(form={}),
    "GET /w/terms": OPEN,
    "GET /w/sign-in": OPEN,
    "POST /w/sign-in": OPEN,
    "GET /w/sign-in/code": OPEN,
    "POST /w/sign-in/code": OPEN,
    "POST /w/sign-out": SELF,
    "GET /w/me": SELF,
    "POST /w/me": Case(form={"display_name": "Dee", "languages": "en"}),
    "POST /w/me/erase": Case(form={"sure": "no"}),
    "POST /w/tasks/{task_id}/claims": Case(form={key: str(value) for key, value in BAKERY.items()}),
    "GET /w/claims/{claim_id}": Case(),
    "POST /w/claims/{claim_id}/release": Case(form={}),
    "POST /w/claims/{claim_id}/submission": Case(form={"answer.open": "open"}),
    "GET /w/submissions": SELF,
    "GET /w/submissions/{submission_id}": Case(),
    "GET /w/earnings": SELF,
    "GET /w/earnings/payout-account": SELF,
    "GET /w/earnings/statement": SELF,
    "POST /w/earnings/payout-account": SELF,
    "GET /sandbox": OPEN,
    "GET /sandbox/outbox": OPEN,
    "GET /sandbox/clock": OPEN,
    "POST /sandbox/clock": OPEN,
    "GET /operator/sign-in": OPEN,
    "POST /operator/sign-in": OPEN,
    "POST /operator/sign-in/kept": OPEN,
}
CASES |= {name: Case(body) for name, body in (console_cases.OPERATIONS | review_cases.OPERATIONS).items()}
CASES |= {f"POST {path}": Case(form=form) for path, form in review_cases.FORMS.items()}
CASES |= {f"GET {path}": Case() for path in console_cases.PAGES}
CASES |= {f"POST {path}": Case(form=form) for path, form in console_cases.FORMS.items()}


SIGNS_OUT = {"DELETE /v1/people/session", "POST /w/sign-out"}


def name(spec: Endpoint) -> str:
    return f"{spec.method} {spec.path}"


@dataclass
class Things:
    """Ada's and Bo's things, by the names that paths use."""

    ada: Caller
    bo: Caller
    names: dict[str, str]

    def path(self, spec: Endpoint, case: Case) -> str:
        return spec.path.format(**self.names) + case.query


async def a_busy_market(world: World, ada: Caller, bo: Caller) -> Things:
    """One of everything, each with a text that no stranger may see."""
    sold = await post_task(ada, instructions=SECRET)
    observed = await answer(bo, sold, picture(1))
    assert observed["status"] == "accepted"
    open_task = await post_task(ada, quantity=3, metadata={"note": SECRET})
    reviewed = await post_task(ada, acceptance={"mode": "manual", "checks": ["fresh"]}, quantity=3)
    claimed = await claim(bo, reviewed)
    ok(await photo(bo, claimed, picture(2)))
    submitted = await submit(bo, claimed, notes=SECRET)
    await world.jobs()
    active = await claim(bo, open_task)
    contested = await answer(bo, await post_task(ada, acceptance={"mode": "manual", "checks": ["fresh"]}), picture(3))
    why = {"reason_code": "unreadable", "comment": SECRET}
    ok(await ada.post(f"/v1/submissions/{contested['id']}/reject", why))
    appealed = ok(await bo.post(f"/v1/people/submissions/{contested['id']}/appeal", {"words": SECRET}), 201)
    dataset = ok(await ada.post("/v1/datasets", {"query": {}}), 202)
    await world.jobs()
    model = ok(await ada.post("/v1/models", files=files(card=SECRET.encode())), 201)
    key = ok(await ada.post("/v1/keys", {"name": SECRET}), 201)["key"]
    async with world.services.database.transaction() as connection:
        actor = await keys.find(connection, ada.secret)
        asked = FundingDraft(amount=Price(amount=500, currency="usd"), payment_method="pm_card_visa")
        paid, _ = await funding.begin(connection, actor, asked)
        line = BalanceLine("txn_1", "charge", "ch_1", "usd", 500, 0, 500, datetime.now(UTC))
        await funding.credit(connection, paid, Paid("pi_1", 500, line, "ch_1", SECRET))
        [(refund, _)] = await refunds.ask(connection, actor.owner, 100, by=actor.name, reason=SECRET)
        await cards.keep(connection, actor.owner, [cards.Seen("pm_of_ada", SECRET, "4242", 12, 2040)])
    observation = ok(await ada.get("/v1/observations"))["items"][0]["id"]
    offer = {"observation_id": observation, "price": {"amount": 100, "currency": "usd"}, "license": {"id": "MIT"}}
    listing = ok(await ada.post("/v1/listings", offer), 201)
    device = ok(await enrol(bo, Key(), name=SECRET), 201)
    area = ok(await ada.post("/v1/areas", an_area(title=SECRET)), 201)
    group = ok(await ada.post("/v1/series", a_series(task=a_task(instructions=SECRET))), 201)
    route = ok(await ada.post("/v1/routes", a_route()), 201)
    asking = {"text": f"Is {SECRET} what you mean?"}
    question = ok(await bo.post(f"/v1/people/tasks/{open_task['id']}/questions", asking), 201)
    names = {
        "device_id": device["id"], "n": "1", "k": "1",
        "task_id": open_task["id"], "submission_id": submitted["id"], "claim_id": active["id"],
        "observation_id": observation, "listing_id": listing["id"],
        "dataset_id": dataset["id"], "model_id": model["id"], "key_id": key["id"],
        "funding_id": ids.show("funding", paid), "refund_id": ids.show("refund", refund), "card_id": "pm_of_ada",
        "run_id": ids.show("payout_run", ids.new()), "person_id": bo.id, "account_id": ada.id,
        "payout_id": ids.show("payout", ids.new()), "operation_id": ids.show("stripe_op", ids.new()),
        "event_id": "evt_1", "switch_name": "payouts", "route_id": route["id"],
        "dispute_id": ids.show("dispute", ids.new()), "warning_id": ids.show("fraud_warning", ids.new()),
        "decision_id": ids.show("money_decision", ids.new()), "sale_id": ids.show("sale", ids.new()),
        "number": "1", "slug": "validation", "token": "e30.x", **console_cases.NAMES,
        "appeal_id": appealed["id"], "question_id": question["id"], "area_id": area["id"], "group_id": group["id"],
    }  # fmt: skip
    return Things(ada, bo, names)


@pytest.fixture
async def things(world: World, ada: Caller, bo: Caller) -> Things:
    return await a_busy_market(world, ada, bo)


async def request(caller: Caller, spec: Endpoint, case: Case, things: Things) -> Any:
    options: dict[str, Any] = {}
    if case.body is not None:
        options["content"] = json.dumps(case.body).replace("{observation_id}", things.names["observation_id"])
        options["headers"] = {"content-type": "application/json"}
    if case.content is not None:
        options["content"] = case.content
    if case.form is not None:
        options["data"] = case.form
    if case.multipart:
        options["files"] = files()
    return await caller.ask(spec.method, things.path(spec, case), **options)


def guarded(world: World) -> list[Endpoint]:
    return [spec for spec in endpoints(world.app) if spec.by]


async def test_every_route_has_a_case(world: World) -> None:
    assert {name(spec) for spec in endpoints(world.app)} == set(CASES)
    assert {name(spec) for spec in endpoints(world.app) if not spec.by} <= {
        path for path, case in CASES.items() if case is OPEN
    }


async def test_without_a_key_or_with_a_revoked_one_every_guarded_route_says_401(world: World, things: Things) -> None:
    spare = ok(await things.ada.post("/v1/keys", {}), 201)
    ok(await things.ada.delete(f"/v1/keys/{spare['key']['id']}"))
    left = await person(world, "Eve")
    ok(await left.delete("/v1/people/session"), 204)
    for secret in ("", "sk_" + "x" * 43, spare["api_key"], left.secret):
        stranger = Caller(world, "", secret)
        for spec in guarded(world):
            if spec.optional and not secret:
                continue
            refused = await request(stranger, spec, CASES[name(spec)], things)
            is_problem(refused, 401, "unauthenticated")
            assert refused.headers["www-authenticate"].startswith("Bearer")
            assert SECRET not in refused.text


async def test_a_key_of_the_wrong_kind_or_scope_is_refused_everywhere(world: World, things: Things) -> None:
    olu = await operator(world, "Olu")
    nothing = ok(await things.ada.post("/v1/keys", {"scopes": ["funding:write"]}), 201)["api_key"]
    narrow = Caller(world, "", nothing)
    for spec in guarded(world):
        for kind, caller in (("agent", things.ada), ("person", things.bo), ("operator", olu)):
            if kind not in spec.by:
                refused = await request(caller, spec, CASES[name(spec)], things)
                is_problem(refused, 403, "forbidden")
                assert SECRET not in refused.text
        if spec.scope not in (None, "funding:write"):
            is_problem(await request(narrow, spec, CASES[name(spec)], things), 403, "forbidden")


async def test_another_account_and_another_person_never_see_anything(world: World, things: Things) -> None:
    cy, dee = await agent(world, "Cy"), await person(world, "Dee")
    # Open tasks are for everyone to see and to claim, so Dee may come to know that one.
    private = [each for kind, each in things.names.items() if len(each) > 10 and kind != "task_id"]
    for spec in guarded(world):
        case = CASES[name(spec)]
        if spec.by == {"operator"}:
            continue  # operators may see everybody's
        for caller in [cy] * ("agent" in spec.by) + [dee] * ("person" in spec.by):
            if name(spec) in SIGNS_OUT:
                continue  # it names nobody else
            response = await request(caller, spec, case, things)
            assert SECRET not in response.text, name(spec)
            if spec.parameters and case is not OPEN and "/tasks/{task_id}/claims" not in spec.path:
                is_problem(response, 404, "not-found")
            elif spec.method == "GET" and spec.path != "/v1/people/tasks" and case is not OPEN:
                assert response.status_code in (200, 303, 404), (name(spec), response.text)
                assert not [each for each in private if each in response.text], name(spec)
    # And nothing that they tried has changed anything.
    task = ok(await things.ada.get(f"/v1/tasks/{things.names['task_id']}"))
    assert task["status"] == "open" and task["quantity"] == 3
    submission = ok(await things.ada.get(f"/v1/submissions/{things.names['submission_id']}"))
    assert submission["status"] == "needs_review"


async def test_a_cookie_alone_may_change_something_only_from_our_own_pages(world: World, bo: Caller) -> None:
    cookie = {"cookie": f"sensorium_session={bo.secret}"}
    change = {"display_name": "Robert"}
    host = world.client.base_url.netloc.decode()
    for headers, status in (
        ({}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"origin": f"http://{host}"}, 200),
    ):
        response = await world.client.patch("/v1/people/me", json=change, headers=cookie | headers)
        assert response.status_code == status, headers
    assert (await world.client.get("/v1/people/me", headers=cookie)).status_code == 200
