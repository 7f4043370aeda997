"""Bad input: each kind is its own problem type, names what is wrong, and leaves nothing half-done."""

from typing import Any

import pytest

from app.media import PHOTO_LIMIT
from app.sandbox.stripe import books
from market.funding import SMALLEST
from market.money import CURRENCIES
from tests.app.conftest import BAKERY, Caller, World, a_task, answer, claim, is_problem, ok, photo, picture, post_task


async def nothing_happened(ada: Caller) -> None:
    """No task was made and no money moved."""
    assert ok(await ada.get("/v1/tasks"))["items"] == []
    assert ok(await ada.get("/v1/account"))["balance"]["available"]["amount"] == 100_000
    assert len(ok(await ada.get("/v1/ledger"))["items"]) == 1  # the funding


async def raw(ada: Caller, body: bytes, path: str = "/v1/tasks", **headers: str) -> Any:
    return await ada.post(path, content=body, headers={"content-type": "application/json", **headers})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"kind": "photo"',
        b"[" * 100_000,
        b"\xff\xfe{}",
        b'"\\ud800"',
        b'{"a": NaN}',
        b"{'kind': 1}",
        b"nul",
    ],
)
async def test_what_is_no_json_is_refused_with_400(ada: Caller, body: bytes) -> None:
    problem = is_problem(await raw(ada, body), 400, "malformed")
    assert "JSON" in problem["detail"]
    await nothing_happened(ada)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"colour": "blue"}, "/colour"),
        ({"quantity": "1"}, "/quantity"),
        ({"quantity": 0}, "/quantity"),
        ({"quantity": 1.5}, "/quantity"),
        ({"quantity": True}, "/quantity"),
        ({"quantity": 10**30}, "/quantity"),
        ({"reward": {"amount": -5, "currency": "usd"}}, "/reward/amount"),
        ({"reward": {"amount": 0, "currency": "usd"}}, "/reward/amount"),
        ({"reward": {"amount": 10**18, "currency": "usd"}}, "/reward/amount"),
        ({"reward": {"amount": 2**70, "currency": "usd"}}, "/reward/amount"),
        ({"reward": {"amount": 3.5, "currency": "usd"}}, "/reward/amount"),
        ({"reward": {"amount": "300", "currency": "usd"}}, "/reward/amount"),
        ({"reward": {"amount": 300, "currency": "USD"}}, "/reward/currency"),
        ({"reward": {"amount": 300, "currency": "eur"}}, "/reward/currency"),
        ({"reward": {"amount": 300, "currency": "usd", "tip": 1}}, "/reward/tip"),
        ({"reward": None}, "/reward"),
        ({"place": {"lat": 91, "lon": 0, "radius_m": 50}}, "/place/lat"),
        ({"place": {"lat": 1, "lon": 181, "radius_m": 50}}, "/place/lon"),
        ({"place": {"lat": 1, "lon": 1, "radius_m": 0}}, "/place/radius_m"),
        ({"title": "x" * 300}, "/title"),
        ({"title": "a\x00bcd"}, "/title"),
        ({"metadata": {"a": {"b": ["c\x00"]}}}, "/metadata/a/b/0"),
        ({"kind": "dance"}, "/kind"),
        ({"closes_at": "tomorrow"}, "/closes_at"),
        ({"closes_at": "2020-01-01T00:00:00Z"}, "/closes_at"),
        ({"closes_at": "2999-01-01T00:00:00Z"}, "/closes_at"),
        ({"evidence": {}, "acceptance": {"checks": []}}, "/evidence"),
        ({"evidence": {"photos": {"min": 3, "max": 1, "live_capture": True}}}, "/evidence/photos/min"),
        ({"acceptance": {"checks": ["astrology"]}}, "/acceptance/checks/0"),
        ({"place": None}, "/acceptance/checks"),
        (
            {
                "evidence": {
                    "questions": [{"id": "q", "type": "choice", "choices": ["one"]}],
                    "photos": {"live_capture": True},
                }
            },
            "/evidence/questions/0/choices",
        ),
    ],
)
async def test_a_wrong_field_is_named(ada: Caller, changes: dict[str, Any], pointer: str) -> None:
    problem = is_problem(await ada.post("/v1/tasks", a_task(**changes)), 422, "validation")
    assert [error["pointer"] for error in problem["errors"]] == [pointer], problem["errors"]
    await nothing_happened(ada)


async def test_what_a_pattern_wants_is_said_in_words(world: World, ada: Caller) -> None:
    question = {"id": "Is it?", "type": "text"}
    draft = a_task(evidence={"questions": [question]}, reward={"amount": 5, "currency": "dollar"})
    told = is_problem(await ada.post("/v1/tasks", draft), 422, "validation")
    signed = await world.client.post("/v1/accounts", json={"name": "Ada", "email": "nowhere"})
    told["errors"] += is_problem(signed, 422, "validation")["errors"]
    said = {error["pointer"]: error["detail"] for error in told["errors"]}
    assert said["/email"] == "This is not an e-mail address."
    assert said["/evidence/questions/0/id"].startswith("This is not a name of lower-case letters, digits and _ ")
    assert said["/reward/currency"].startswith("This is not a currency known here")


async def test_no_pattern_is_without_words(world: World) -> None:
    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if "pattern" in value and value.get("type") == "string":
                assert value.get("description"), value
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(ok(await world.client.get("/openapi.json"))["components"])


@pytest.mark.parametrize(
    ("field", "text"), [("title", "   "), ("title", " a\n\t"), ("purpose", "     "), ("instructions", " ")]
)
async def test_white_space_says_nothing(ada: Caller, field: str, text: str) -> None:
    problem = is_problem(await ada.post("/v1/tasks", a_task(**{field: text})), 422, "validation")
    assert [error["pointer"] for error in problem["errors"]] == [f"/{field}"]
    await nothing_happened(ada)
    assert (await post_task(ada, **{field: "  Is it open?\n"}))[field] == "Is it open?"


@pytest.mark.parametrize("amount", [1, 49])
async def test_less_than_stripe_charges_is_refused_before_anybody_asks_stripe(ada: Caller, amount: int) -> None:
    draft = {"amount": {"amount": amount, "currency": "usd"}, "payment_method": "pm_card_visa"}
    problem = is_problem(await ada.post("/v1/funding", draft), 422, "validation")
    assert problem["errors"] == [
        {"pointer": "/amount/amount", "detail": "Stripe charges no less than 50 usd (minor units)."}
    ]
    assert ok(await ada.get("/v1/funding"))["items"] == []


def test_the_least_amounts_are_those_of_the_sandbox() -> None:
    known = {currency: least for currency, least in books.SMALLEST.items() if currency in CURRENCIES}
    assert known == SMALLEST


async def test_too_little_money_is_told_in_numbers(ada: Caller) -> None:
    draft = {"amount": {"amount": 5_000, "currency": "usd"}, "payment_method": "pm_card_visa"}
    told = is_problem(await ada.post("/v1/tasks", a_task(quantity=400)), 402, "insufficient-funds")
    assert told["available"] == {"amount": 100_000, "currency": "usd"}
    assert told["needed"] == {"amount": 132_000, "currency": "usd"}
    assert told["pending_funding"]["amount"] == 0 and "pending" not in told["detail"]
    ok(await ada.post("/v1/funding", draft), 201)
    batch = ok(await ada.post("/v1/tasks/batch", {"tasks": [a_task(quantity=400), a_task()]}))["results"]
    assert [each["status"] for each in batch] == [402, 201]
    for told in (batch[0]["problem"], (await ada.post("/v1/tasks", a_task(quantity=400))).json()):
        assert told["pending_funding"] == {"amount": 5_000, "currency": "usd"}
        assert "A top-up of 5000 is still pending" in told["detail"] and "needed: 132000" in told["detail"]


async def test_a_bonus_beyond_the_balance_is_told_in_numbers(ada: Caller, bo: Caller) -> None:
    waiting = await answer(bo, await post_task(ada, acceptance={"mode": "manual", "checks": ["fresh"]}))
    bonus = {"bonus": {"amount": 99_700, "currency": "usd"}}
    told = is_problem(await ada.post(f"/v1/submissions/{waiting['id']}/accept", bonus), 402, "insufficient-funds")
    assert (told["available"]["amount"], told["needed"]["amount"]) == (99_670, 99_700)


async def test_methods_are_named_alike_by_options_and_by_a_refusal(world: World) -> None:
    for path, methods in (
        ("/v1/tasks", "GET, HEAD, OPTIONS, POST"),
        ("/v1/keys/key_x", "DELETE, OPTIONS"),
        ("/v1/people/claims/claim_x/photos/1", "GET, HEAD, OPTIONS, PUT"),
    ):
        told = await world.client.options(path)
        assert (told.status_code, told.headers["allow"]) == (204, methods)
        refused = await world.client.patch(path)
        assert is_problem(refused, 405, "method-not-allowed") and refused.headers["allow"] == methods


async def test_a_refusal_for_a_browser_has_one_charset_and_no_backticks(world: World) -> None:
    for path in ("/nothing", "/w/nothing", "/w/submissions/sub_x", "/problems/validation", "/problems", "/docs"):
        page = await world.client.get(path, headers={"accept": "text/html"}, follow_redirects=True)
        assert page.headers["content-type"] == "text/html; charset=utf-8", path
        assert "`" not in page.text, path


async def test_a_key_for_tasks_alone_sees_no_funding(world: World, ada: Caller) -> None:
    begun = ok(await ada.post("/v1/funding", {"amount": {"amount": 500, "currency": "usd"}}), 201)
    made = ok(await ada.post("/v1/keys", {"scopes": ["tasks:write", "tasks:read"]}), 201)
    helper = Caller(world, ada.id, made["api_key"])
    for path in ("/v1/funding", f"/v1/funding/{begun['id']}"):
        is_problem(await helper.get(path), 403, "forbidden")
        ok(await ada.get(path))


async def test_a_unit_that_nobody_knows_is_refused_before_anybody_measures(ada: Caller) -> None:
    for unit in ("9**9**9**9", "furlong", "ug/m3; DROP TABLE task", ""):
        evidence = {"readings": [{"name": "pm25", "unit": unit, "min_samples": 1}]}
        asked = a_task(kind="reading", evidence=evidence, acceptance={"checks": ["readings"]})
        problem = is_problem(await ada.post("/v1/tasks", asked), 422, "validation")
        assert problem["errors"][0]["pointer"] == "/evidence/readings/0/unit", unit
    await nothing_happened(ada)


async def test_all_wrong_fields_are_named_at_once(ada: Caller) -> None:
    task = a_task(title="", quantity=-1, reward={"amount": 0, "currency": "xxx"}, colour=1)
    del task["purpose"]
    problem = is_problem(await ada.post("/v1/tasks", task), 422, "validation")
    assert {error["pointer"] for error in problem["errors"]} == {
        "/title", "/quantity", "/reward/amount", "/reward/currency", "/colour", "/purpose",
    }  # fmt: skip


async def test_a_post_that_makes_something_needs_a_key(ada: Caller) -> None:
    is_problem(
        await ada.ask("POST", "/v1/tasks", json=a_task(), headers={"idempotency-key": ""}),
        400,
        "idempotency-key-missing",
    )
    for bad in ("x" * 300, "naïve"):
        answered = await ada.ask("POST", "/v1/tasks", json=a_task(), headers={"idempotency-key": bad.encode()})
        is_problem(answered, 400, "malformed")
    await nothing_happened(ada)


async def test_over_a_cap_is_another_problem_than_too_little_money(world: World, ada: Caller) -> None:
    secret = ok(await ada.post("/v1/keys", {"max_per_task": 300}), 201)["api_key"]
    capped = Caller(world, ada.id, secret)
    is_problem(await capped.post("/v1/tasks", a_task()), 402, "over-cap")
    is_problem(await ada.post("/v1/tasks", a_task(quantity=1000)), 402, "insufficient-funds")
    await nothing_happened(ada)


async def test_a_closed_task_cannot_be_claimed_changed_or_cancelled_again(ada: Caller, bo: Caller) -> None:
    task = await post_task(ada)
    ok(await ada.post(f"/v1/tasks/{task['id']}/cancel"))
    assert ok(await ada.get("/v1/account"))["balance"]["available"]["amount"] == 100_000
    position = {**BAKERY, "accuracy_m": 5}
    is_problem(await bo.post(f"/v1/people/tasks/{task['id']}/claims", position), 409, "task-not-open")
    is_problem(await ada.patch(f"/v1/tasks/{task['id']}", {"add_quantity": 1}), 409, "task-not-open")
    is_problem(await ada.post(f"/v1/tasks/{task['id']}/cancel"), 409, "task-not-open")


async def test_an_expired_claim_takes_neither_photo_nor_submission(world: World, ada: Caller, bo: Caller) -> None:
    task = await post_task(ada, claim_ttl_s=60)
    claimed = await claim(bo, task)
    await world.later(61)
    is_problem(await photo(bo, claimed), 409, "claim-expired")
    body = {"answers": {"open": "open"}}
    is_problem(await bo.post(f"/v1/people/claims/{claimed['id']}/submission", body), 409, "claim-expired")
    is_problem(await bo.delete(f"/v1/people/claims/{claimed['id']}"), 409, "claim-expired")
    assert ok(await ada.get(f"/v1/tasks/{task['id']}"))["slots"]["open"] == 1


async def test_a_photo_too_large_is_refused_announced_or_not(ada: Caller, bo: Caller) -> None:
    claimed = await claim(bo, await post_task(ada))
    path = f"/v1/people/claims/{claimed['id']}/photos/1"

    async def pieces() -> Any:
        for _ in range(PHOTO_LIMIT // 1_000_000 + 2):
            yield b"\xff\xd8\xff" + bytes(999_997)

    is_problem(await bo.put(path, bytes(PHOTO_LIMIT + 1)), 413, "too-large")
    is_problem(await bo.put(path, pieces()), 413, "too-large")
    refused = await bo.post(f"/v1/people/claims/{claimed['id']}/submission", {})
    is_problem(refused, 422, "evidence-missing")


async def test_what_is_no_photo_is_refused_by_its_bytes_whatever_it_calls_itself(ada: Caller, bo: Caller) -> None:
    claimed = await claim(bo, await post_task(ada))
    for content in (b"GIF89a" + bytes(100), b"%PDF-1.7", b"<html>", b"MZ", b"\x00\x00\x00\x18ftypmp42" + bytes(50)):
        is_problem(await photo(bo, claimed, content), 415, "unsupported-media")
    is_problem(await photo(bo, claimed, b""), 400, "malformed")


async def test_bytes_that_differ_from_their_digest_are_refused(ada: Caller, bo: Caller) -> None:
    claimed = await claim(bo, await post_task(ada))
    path = f"/v1/people/claims/{claimed['id']}/photos/1"
    wrong = {"content-digest": "sha-256=:" + "A" * 43 + "=:"}
    is_problem(await bo.put(path, picture(1), headers=wrong), 422, "digest-mismatch")
    is_problem(await bo.put(path, picture(1), headers={"content-digest": "sha-256=zz"}), 400, "malformed")
    ok(await bo.put(path, picture(1), headers={"content-digest": "sha-512=:AAAA:"}))


async def test_a_capture_header_is_as_strict_as_a_body(ada: Caller, bo: Caller) -> None:
    claimed = await claim(bo, await post_task(ada))
    for changes, pointer in (
        ({"lat": 100}, "/lat"),
        ({"taken_at": "2026-01-01T00:00:00"}, "/taken_at"),
        ({"mood": "good"}, "/mood"),
    ):
        problem = is_problem(await photo(bo, claimed, capture=changes), 422, "validation")
        assert [error["pointer"] for error in problem["errors"]] == [pointer]
    path = f"/v1/people/claims/{claimed['id']}/photos/1"
    for capture in ("{", "", "[" * 1000):
        problem = is_problem(await bo.put(path, picture(1), headers={"capture": capture}), 400, "malformed")
        assert problem["detail"].startswith("The Capture header is ")
    is_problem(await photo(bo, claimed, n=4), 422, "validation")
    is_problem(await bo.put(path[:-1] + "999999999999999999999", picture(1)), 404, "not-found")


async def test_oversized_json_and_other_content_are_refused(ada: Caller) -> None:
    is_problem(await raw(ada, b'{"title": "' + b"x" * 1_100_000 + b'"}'), 413, "too-large")
    headers = {"content-type": "text/plain"}
    is_problem(await ada.post("/v1/tasks", content=b"{}", headers=headers), 415, "unsupported-media")
    await nothing_happened(ada)


async def test_addresses_and_methods_that_are_not_there(ada: Caller) -> None:
    is_problem(await ada.get("/v1/nothing"), 404, "not-found")
    refused = await ada.ask("PUT", "/v1/tasks", json={})
    is_problem(refused, 405, "method-not-allowed")
    assert "POST" in refused.headers["allow"]
    for odd in ("task_zz", "sub_" + "0" * 32, "task_" + "g" * 32, "%00", "..%2f..%2fetc", "task_" + "0" * 500):
        assert (await ada.get(f"/v1/tasks/{odd}")).status_code == 404, odd


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "/limit"),
        ("limit=201", "/limit"),
        ("limit=ten", "/limit"),
        ("colour=blue", "/colour"),
        ("status=asleep", "/status"),
        ("cursor=%00", "/cursor"),
        ("cursor=AAAA", None),
    ],
)
async def test_query_parameters_are_strict_too(ada: Caller, query: str, pointer: str | None) -> None:
    answered = await ada.get(f"/v1/tasks?{query}")
    assert answered.status_code in (404, 422), answered.text
    if pointer:
        assert is_problem(answered, 422, "validation")["errors"][0]["pointer"] == pointer


async def test_a_parameter_given_twice_is_refused(ada: Caller) -> None:
    is_problem(await ada.get("/v1/tasks?limit=1&limit=2"), 422, "validation")


async def test_a_rejection_must_cite_what_the_task_declared(ada: Caller, bo: Caller) -> None:
    task = await post_task(ada, acceptance={"mode": "manual", "checks": ["fresh"]})
    waiting = await answer(bo, task)
    path = f"/v1/submissions/{waiting['id']}/reject"
    is_problem(await ada.post(path, {"comment": "no good"}), 422, "reason-required")
    is_problem(await ada.post(path, {"failed_check": "at_place", "comment": "elsewhere"}), 422, "reason-required")
    is_problem(await ada.post(path, {"failed_check": "fresh"}), 422, "validation")
    assert ok(await ada.get(f"/v1/submissions/{waiting['id']}"))["status"] == "needs_review"


async def test_an_unforeseen_error_says_nothing_of_the_inside(ada: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("password=hunter2 at 10.0.0.7")

    monkeypatch.setattr("market.posting.post", broken)
    refused = await ada.post("/v1/tasks", a_task())
    problem = is_problem(refused, 500, "internal")
    assert "hunter2" not in refused.text and "RuntimeError" not in refused.text
    assert problem["request_id"].startswith("req_")
    monkeypatch.undo()
    await nothing_happened(ada)


async def test_a_handler_that_fails_late_leaves_nothing(ada: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    from market import posting

    post = posting.post

    async def post_and_fail(*given: Any, **named: Any) -> None:
        await post(*given, **named)
        raise RuntimeError("after the money was held")

    monkeypatch.setattr("market.posting.post", post_and_fail)
    is_problem(await ada.post("/v1/tasks", a_task()), 500, "internal")
    monkeypatch.undo()
    await nothing_happened(ada)
