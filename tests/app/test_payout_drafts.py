"""A run over HTTP before anything is paid: previews, drafts, people taken out, what an approver saw, approvals' end."""

from __future__ import annotations

import asyncio

import pytest

from market import holds, ids, ledger, payout_accounts, payouts
from tests.app.conftest import Caller, Json, World, is_problem, ok, person

RUNS = "/v1/operator/payout-runs"
ANOTHER = "5f" * 32


async def ready(world: World, who: Caller, amount: int) -> None:
    """`who` can be paid, and `amount` is payable to them."""
    one = ids.read("person", who.id)
    async with world.services.database.transaction() as connection:
        await payout_accounts.keep(connection, one, f"acct_{who.name}", "active", ())
        await ledger.post(
            connection, "earned", f"test-earning:{one}",
            [(ledger.CLEARING, amount), (ledger.person(one, "payable"), -amount)], currency="usd", actor="test",
        )  # fmt: skip


@pytest.fixture
async def bo(world: World, bo: Caller) -> Caller:
    """Bo, to whom 9.00 is payable."""
    await ready(world, bo, 900)
    return bo


@pytest.fixture
async def dee(world: World) -> Caller:
    """Dee, to whom 3.00 is payable."""
    found = await person(world, "Dee")
    await ready(world, found, 300)
    return found


async def paid_by(caller: Caller, run: Json) -> dict[str, int]:
    lines = ok(await caller.get(f"{RUNS}/{run['id']}/lines"))["items"]
    return {line["person_id"]: line["amount"]["amount"] for line in lines}


async def test_a_preview_says_what_a_run_would_pay_and_leaves_nothing(bo: Caller, dee: Caller, olu: Caller) -> None:
    preview = ok(await olu.get(f"{RUNS}/preview", params={"minimum": 100, "most_per_line": 500, "shown": 1}))
    assert preview["total"] == {"count": 2, "amount": {"amount": 800, "currency": "usd"}}
    assert {name: each["amount"] for name, each in preview["sums"].items() if name != "items"} == {
        "gross": 0, "fee": 0, "net": 800, "adjustments": 800, "rolled_over": 400,
    }  # fmt: skip
    assert [(line["person_id"], line["amount"]["amount"]) for line in preview["lines"]] == [(bo.id, 500)]
    capped = ok(await olu.get(f"{RUNS}/preview", params={"most_in_all": 1_000}))
    assert capped["excluded"]["over_run_cap"]["count"] == 1 and capped["minimum"]["amount"] == 100
    assert ok(await olu.get(RUNS))["items"] == []
    for bad in ({"minimum": 500, "most_per_line": 499}, {"currency": "xxx"}, {"shown": 501}, {"who": "all"}):
        is_problem(await olu.get(f"{RUNS}/preview", params=bad), 422, "validation")


async def test_a_draft_is_changed_until_it_is_frozen(bo: Caller, dee: Caller, olu: Caller, pia: Caller) -> None:
    made = ok(await olu.post(RUNS, {"draft": True, "most_per_line": 500, "note": " October "}), 201)
    path = f"{RUNS}/{made['id']}"
    assert (made["status"], made["lines_sha256"], made["note"]) == ("draft", None, "October")
    assert await paid_by(olu, made) == {bo.id: 500, dee.id: 300}
    changed = ok(await pia.patch(path, {"most_per_line": None, "minimum": 400}))
    assert (changed["most_per_line"], changed["minimum"]["amount"], changed["note"]) == (None, 400, "October")
    assert changed["excluded"]["below_minimum"]["count"] == 1
    ok(await olu.patch(path, {"minimum": 1}))
    taken_out = ok(await olu.post(f"{path}/exclude", {"person_id": bo.id, "note": "asked us to wait"}))
    assert taken_out["exclusions"] == [
        {
            "person_id": bo.id, "amount": {"amount": 900, "currency": "usd"}, "reason": "excluded",
            "note": "asked us to wait",
        }
    ]  # fmt: skip
    assert ok(await olu.get(f"{path}/exclusions"))["items"] == taken_out["exclusions"]
    assert await paid_by(olu, ok(await olu.post(f"{path}/include", {"person_id": bo.id}))) == {bo.id: 900, dee.id: 300}
    is_problem(await olu.post(f"{path}/include", {"person_id": bo.id}), 404, "not-found")
    is_problem(await olu.post(f"{path}/exclude", {"person_id": olu.id, "note": "x"}), 404, "not-found")
    for step in ("submit", "approve", "execute"):
        is_problem(await pia.post(f"{path}/{step}"), 409, "wrong-state")
    frozen = ok(await olu.post(f"{path}/freeze"))
    assert (frozen["status"], len(frozen["lines_sha256"])) == ("frozen", 64)
    is_problem(await olu.patch(path, {"minimum": 1}), 409, "wrong-state")
    is_problem(await olu.delete(path), 409, "wrong-state")
    is_problem(await olu.post(f"{path}/exclude", {"person_id": bo.id, "note": "late"}), 409, "wrong-state")
    again = ok(await pia.post(f"{path}/reopen"))
    assert (again["status"], again["lines_sha256"]) == ("draft", None)
    ok(await olu.delete(path), 204)
    is_problem(await olu.get(path), 404, "not-found")


async def test_changes_that_could_pay_nobody_leave_the_draft_as_it_is(bo: Caller, olu: Caller) -> None:
    made = ok(await olu.post(RUNS, {"draft": True, "minimum": 500}), 201)
    problem = is_problem(await olu.patch(f"{RUNS}/{made['id']}", {"most_in_all": 499}), 422, "validation")
    assert [error["pointer"] for error in problem["errors"]] == ["/most_in_all"]
    assert ok(await olu.get(f"{RUNS}/{made['id']}")) == made


async def test_an_approval_is_of_what_was_seen(bo: Caller, olu: Caller, pia: Caller) -> None:
    made = ok(await olu.post(RUNS, {}), 201)
    path, seen = f"{RUNS}/{made['id']}", {"lines_sha256": made["lines_sha256"]}
    is_problem(await olu.post(f"{path}/submit", {"lines_sha256": ANOTHER}), 409, "conflict")
    ok(await olu.post(f"{path}/submit", seen))
    # Olu takes Bo out and hands it in again, while Pia still looks at the old one.
    ok(await olu.post(f"{path}/reopen"))
    ok(await olu.patch(path, {"most_per_line": 100}))
    ok(await olu.post(f"{path}/freeze"))
    ok(await olu.post(f"{path}/submit"))
    is_problem(await pia.post(f"{path}/approve", seen), 409, "conflict")
    for silent in (None, {}, {"lines_sha256": None}):
        problem = is_problem(await pia.post(f"{path}/approve", silent), 409, "conflict")
        assert "lines_sha256" in problem["detail"]
    for wrong in ("", "zz" * 32, ANOTHER[:-2]):
        problem = is_problem(await pia.post(f"{path}/approve", {"lines_sha256": wrong}), 422, "validation")
        assert problem["errors"][0]["pointer"] == "/lines_sha256"
    now = ok(await pia.get(path))
    assert now["status"] == "submitted" and now["lines_sha256"] != made["lines_sha256"]
    assert ok(await pia.post(f"{path}/approve", {"lines_sha256": now["lines_sha256"]}))["status"] == "approved"


async def test_an_approval_ends_and_only_who_may_gives_it_anew(
    world: World, bo: Caller, olu: Caller, pia: Caller
) -> None:
    made = ok(await olu.post(RUNS, {}), 201)
    path = f"{RUNS}/{made['id']}"
    ok(await olu.post(f"{path}/submit"))
    approval = ok(await pia.post(f"{path}/approve"))["approval"]
    assert (approval["by"], approval["expired"]) == (pia.id, False)
    await world.later(payouts.APPROVAL_S)
    assert ok(await olu.get(path))["approval"]["expired"]
    is_problem(await olu.post(f"{path}/execute"), 409, "approval-expired")
    is_problem(await olu.post(f"{path}/approve"), 403, "policy-refused")
    anew = ok(await pia.post(f"{path}/approve"))
    assert (anew["status"], anew["approval"]["expired"]) == ("approved", False)
    ok(await pia.ask("PUT", "/v1/operator/switches/payouts", json={"stopped": True, "reason": "a look at the books"}))
    is_problem(await olu.post(f"{path}/execute"), 409, "stopped")
    ok(await pia.ask("PUT", "/v1/operator/switches/payouts", json={"stopped": False, "reason": "they agree"}))
    assert ok(await olu.post(f"{path}/execute"))["status"] == "executing"
    is_problem(await olu.post(f"{path}/reopen"), 409, "wrong-state")


async def test_of_an_edit_and_an_approval_at_the_same_moment_one_happens(
    world: World, bo: Caller, olu: Caller, pia: Caller
) -> None:
    for _ in range(5):
        made = ok(await olu.post(RUNS, {}), 201)
        path = f"{RUNS}/{made['id']}"
        ok(await olu.post(f"{path}/submit"))
        reopened, agreed = await asyncio.gather(olu.post(f"{path}/reopen"), pia.post(f"{path}/approve"))
        assert reopened.status_code == 200 and agreed.status_code in (200, 409)
        # Whichever came first: a draft has no approval.
        found = ok(await olu.get(path))
        assert (found["status"], found["approval"], found["lines_sha256"]) == ("draft", None, None)
        frozen = ok(await olu.post(f"{path}/freeze"))
        assert frozen["approved_by"] is None
        ok(await olu.post(f"{path}/reopen"))
        changed, fixed = await asyncio.gather(
            olu.patch(path, {"most_per_line": 100}), pia.post(f"{path}/freeze")
        )  # fmt: skip
        assert fixed.status_code == 200 and changed.status_code in (200, 409)
        amount = 100 if changed.status_code == 200 else 900
        assert await paid_by(olu, made) == {bo.id: amount}


# ---- people, accounts, holds


async def test_people_and_accounts_are_found_by_name_address_and_id_and_looking_is_kept(
    world: World, bo: Caller, dee: Caller, ada: Caller, olu: Caller
) -> None:
    async def found(kind: str, **query: str) -> list[str]:
        return [one["id"] for one in ok(await olu.get(f"/v1/operator/{kind}", params=query))["items"]]

    assert await found("people") == [dee.id, bo.id]
    for search in ("bo", "BO@example.com", bo.id):
        assert await found("people", search=search) == [bo.id]
    for nobody in ("%", "_", "prsn_" + "0" * 32, "prsn_nonsense", ada.id, "zebra"):
        assert await found("people", search=nobody) == [], nobody
    assert await found("accounts", search="ada") == await found("accounts", search=ada.id) == [ada.id]
    first = ok(await olu.get("/v1/operator/people", params={"limit": 1}))
    rest = ok(await olu.get("/v1/operator/people", params={"limit": 1, "cursor": first["next_cursor"]}))
    assert [one["id"] for one in first["items"] + rest["items"]] == [dee.id, bo.id]
    shown = ok(await olu.get(f"/v1/operator/people/{bo.id}"))
    assert (shown["person"]["email"], shown["person"]["payout_account"], shown["stripe_id"]) == (
        "bo@example.com", "active", "acct_Bo",
    )  # fmt: skip
    assert [(each["payable"]["amount"], each["receivable"]["amount"]) for each in shown["balances"]] == [(900, 0)]
    account = ok(await olu.get(f"/v1/operator/accounts/{ada.id}"))
    assert account["balances"][0]["available"] == {"amount": 100_000, "currency": "usd"}
    is_problem(await olu.get(f"/v1/operator/people/{ada.id}"), 404, "not-found")
    is_problem(await olu.get(f"/v1/operator/accounts/acct_{'0' * 32}"), 404, "not-found")
    async with world.services.database.read() as connection:
        kept = await connection.fetch("SELECT action, subject, data FROM audit_log ORDER BY seq")
    seen = [(each["action"], each["subject"]) for each in kept]
    assert ("get_person_for_operator", bo.id) in seen and ("get_account_for_operator", ada.id) in seen
    assert [each["data"]["query"]["search"] for each in kept if each["action"] == "find_people"][:2] == ["", "bo"]


async def test_what_is_open_about_somebody_stands_with_them(
    world: World, bo: Caller, ada: Caller, olu: Caller, pia: Caller
) -> None:
    made = ok(await olu.post(RUNS, {}), 201)
    [matter] = ok(await olu.get(f"/v1/operator/people/{bo.id}"))["open"]
    assert (matter["type"], matter["status"], matter["amount"]["amount"]) == ("payout", "listed", 900)
    assert matter["id"] in {line["id"] for line in made["lines"]}
    task = {"amount": {"amount": 500, "currency": "usd"}}
    ok(await ada.post("/v1/funding", task), 201)
    [pending] = ok(await olu.get(f"/v1/operator/accounts/{ada.id}"))["open"]
    assert (pending["type"], pending["status"], pending["amount"]["amount"]) == ("funding", "pending", 500)


async def test_holds_of_people_and_accounts_are_put_listed_and_released(
    world: World, bo: Caller, ada: Caller, olu: Caller, pia: Caller
) -> None:
    over = {"reason": "late", "expires_at": "2020-01-01T00:00:00Z"}
    naive = {"reason": "where?", "expires_at": "2999-01-01T00:00:00"}
    for kind, held in (("people", bo), ("accounts", ada)):
        path = f"/v1/operator/{kind}/{held.id}/hold"
        for wrong in (over, naive):
            problem = is_problem(await olu.ask("PUT", path, json=wrong), 422, "validation")
            assert problem["errors"][0]["pointer"] == "/expires_at"
        is_problem(await olu.ask("PUT", path, json={"reason": " "}), 422, "validation")
        ok(await pia.ask("PUT", path, json={"reason": "under review", "expires_at": "2999-01-01T00:00:00Z"}), 204)
    listed = ok(await olu.get("/v1/operator/holds"))["items"]
    assert {(one["kind"], one["id"], one["owner"]["name"], one["reason"], one["expired"]) for one in listed} == {
        ("person", bo.id, "Pia", "under review", False), ("account", ada.id, "Pia", "under review", False),
    }  # fmt: skip
    assert [one["id"] for one in ok(await olu.get("/v1/operator/holds", params={"kind": "account"}))["items"]] == [
        ada.id
    ]
    assert [one["id"] for one in ok(await olu.get("/v1/operator/people", params={"held": "true"}))["items"]] == [bo.id]
    assert ok(await olu.get(f"/v1/operator/people/{bo.id}"))["hold"]["reason"] == "under review"
    assert ok(await olu.get(f"/v1/operator/accounts/{ada.id}"))["account"]["held"]
    [left_out] = ok(await olu.post(RUNS, {}), 201)["exclusions"]
    assert (left_out["person_id"], left_out["reason"]) == (bo.id, "held")
    for kind, held in (("people", bo), ("accounts", ada)):
        ok(await olu.delete(f"/v1/operator/{kind}/{held.id}/hold"), 204)
        is_problem(await olu.delete(f"/v1/operator/{kind}/{held.id}/hold"), 404, "not-found")
    async with world.services.database.read() as connection:
        assert await holds.listed(connection, after=None, limit=10) == []
