"""Exports over HTTP: complete, harmless in a spreadsheet, kept in the audit log; and a day that is closed."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from app.db import Connection
from market import clock, csv_cells, ids, journal, ledger
from tests.app.conftest import Caller, Json, is_problem, ok, operator, person
from tests.app.stripe_sandbox import Desk, desk, world
from tests.app.test_payout_runs import approved, earn, executed

__all__ = ["desk", "world"]
EXPORTS, CLOSES, LEDGER = "/v1/operator/exports", "/v1/operator/closes", "/v1/operator/ledger"


async def table(caller: Caller, path: str) -> list[list[str]]:
    answer = await caller.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="')
    return list(csv_cells.read(io.StringIO(answer.text, newline="")))


async def audited(desk: Desk) -> list[tuple[str, str, str]]:
    async with desk.world.services.database.read() as connection:
        rows = await connection.fetch("SELECT actor, action, subject FROM audit_log ORDER BY seq")
    return [(row["actor"], row["action"], row["subject"]) for row in rows]


async def test_the_journal_over_http_rebuilds_every_balance(
    desk: Desk, cy: Caller, olu: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.fund(cy, 10_000)
    await desk.control("/fee", amount=100)
    await desk.agrees()
    monkeypatch.setattr(journal, "AT_ONCE", 1)
    found = journal.rebuild(await table(olu, f"{EXPORTS}/journal"))
    assert (found.wrong, found.transactions) == ([], 2)
    async with desk.world.services.database.read() as connection:
        assert await journal.differences(connection, found) == []
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert await table(olu, f"{EXPORTS}/journal?from={tomorrow}") == [list(journal.COLUMNS)]
    assert len(await table(olu, f"{EXPORTS}/journal?to={tomorrow}")) == 6
    today, next_day = datetime.now(UTC).date(), datetime.now(UTC).date() + timedelta(days=1)
    assert len(await table(olu, f"{EXPORTS}/journal?from={today - timedelta(days=1)}&to={next_day}")) == 6
    assert len(await table(olu, f"{EXPORTS}/journal?from={today + timedelta(days=2)}")) == 1
    assert len(await table(olu, f"{EXPORTS}/journal?to={today - timedelta(days=2)}")) == 1
    wrong = await olu.get(f"{EXPORTS}/journal?from=yesterday&to=2026-02-30")
    is_problem(wrong, 422, "validation")
    assert [each["pointer"] for each in wrong.json()["errors"]] == ["/from", "/to"]
    assert "a day, such as 2026-03-31" in wrong.json()["errors"][0]["detail"]
    is_problem(await cy.get(f"{EXPORTS}/journal"), 403, "forbidden")


async def test_a_runs_export_has_names_that_are_no_formulas_and_is_kept_in_the_audit_log(
    desk: Desk, cy: Caller, olu: Caller, pia: Caller
) -> None:
    await desk.fund(cy, 10_000)
    eve = await person(desk.world, "Eve")
    ok(await eve.patch("/v1/people/me", {"display_name": '=HYPERLINK("http://x.example")'}))
    await desk.onboard(eve)
    await earn(desk.world, cy, eve, 1_250)
    run = await executed(desk, olu, await approved(olu, pia))
    answer = await olu.get(f"{EXPORTS}/payout-runs/{run['id']}")
    assert '''"'=HYPERLINK(""http://x.example"")"''' in answer.text
    header, line = await table(olu, f"{EXPORTS}/payout-runs/{run['id']}")
    row = dict(zip(header, line, strict=True))
    assert (row["name"], row["email"], row["amount"]) == (
        '=HYPERLINK("http://x.example")', "eve@example.com", "1250",
    )  # fmt: skip
    assert (row["status"], row["transfer_id"]) == ("paid", run["lines"][0]["transfer_id"])
    who = f"operator:{ids.read('operator', olu.id)}"
    assert (await audited(desk)).count((who, "export_payout_run", run["id"])) == 2
    is_problem(await olu.get(f"{EXPORTS}/payout-runs/run_{'0' * 32}"), 404, "not-found")


async def test_balance_lines_keep_their_signs_and_the_trial_balance_sums_to_zero(
    desk: Desk, cy: Caller, olu: Caller
) -> None:
    await desk.fund(cy, 10_000)
    await desk.control("/fee", amount=100)
    await desk.agrees()
    header, *lines = await table(olu, f"{EXPORTS}/balance-lines")
    found = {line[header.index("type")]: line for line in lines}
    assert {kind: line[header.index("net")] for kind, line in found.items()} == {"charge": "9680", "stripe_fee": "-100"}
    assert ",-100,0,-100,explained," in (await olu.get(f"{EXPORTS}/balance-lines?state=explained")).text
    header, *kinds = await table(olu, f"{EXPORTS}/trial-balance")
    sums = [sum(int(line[header.index(name)]) for line in kinds) for name in ("debit_balance", "credit_balance")]
    assert sums == [10_000, 10_000]


async def test_every_number_of_the_books_opens(desk: Desk, cy: Caller, olu: Caller) -> None:
    funded = await desk.fund(cy, 10_000)
    trial = ok(await olu.get(f"{LEDGER}/trial-balance"))
    assert [each["balanced"] for each in trial["sums"]] == [True]
    for line in trial["lines"]:
        [account] = ok(await olu.get(f"{LEDGER}/accounts?kind={line['kind']}&currency={line['currency']}"))["items"]
        assert account["balance"] == line["balance"]
        [entry] = ok(await olu.get(f"{LEDGER}/accounts/{account['code']}/entries"))["items"]
        assert entry["subject"] == {"type": "funding", "id": funded}
        opened = ok(await olu.get(f"{LEDGER}/transactions/{entry['transaction']}"))
        assert sum(each["debit"] - each["credit"] for each in opened["lines"]) == 0
        assert len(opened["stripe_lines"]) == 1
    first = ok(await olu.get(f"{LEDGER}/accounts?limit=1"))
    second = ok(await olu.get(f"{LEDGER}/accounts?limit=9&cursor={first['next_cursor']}"))
    assert len(first["items"] + second["items"]) == len(trial["lines"])
    is_problem(await olu.get(f"{LEDGER}/accounts/nobody/entries"), 404, "not-found")
    is_problem(await olu.get(f"{LEDGER}/transactions/ltx_1"), 404, "not-found")
    is_problem(await olu.get(f"{LEDGER}/accounts?cursor=AAAA"), 422, "validation")
    is_problem(await olu.get(f"{LEDGER}/trial-balance?at=2026-01-01T00:00:00"), 422, "validation")
    is_problem(await cy.get(f"{LEDGER}/trial-balance"), 403, "forbidden")


# ---- closing


async def tomorrow_comes(desk: Desk) -> date:
    """The day that is over then."""
    async with desk.world.services.database.transaction() as connection:
        today = (await clock.now(connection)).date()
        await clock.advance(connection, 86_400)
    return today


async def test_a_day_is_closed_signed_and_verified_with_the_public_key_alone(
    desk: Desk, cy: Caller, olu: Caller
) -> None:
    assert ok(await olu.get(f"{CLOSES}/next")) == {"day": None}
    await desk.fund(cy, 10_000)
    today = await tomorrow_comes(desk)
    assert ok(await olu.get(f"{CLOSES}/next")) == {"day": str(today)}
    closed: Json = ok(await olu.post(CLOSES, {"day": str(today)}), 201)
    assert closed["content"]["stripe"] == [
        {"currency": "usd", "lines": 1, "net": 9_680, "lines_in_all": 1, "net_in_all": 9_680}
    ]
    assert (closed["closed_by"], closed["content"]["clearing"]) == (olu.id, {"usd": 9_680})
    assert ok(await olu.get(f"{CLOSES}/{today}")) == closed
    assert [one["day"] for one in ok(await olu.get(CLOSES))["items"]] == [str(today)]
    key = ok(await olu.get(f"{CLOSES}/key"))["public_key"]
    assert key == closed["public_key"]
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
    public.verify(bytes.fromhex(closed["signature"]), bytes.fromhex(closed["hash"]))
    with pytest.raises(InvalidSignature):
        public.verify(bytes.fromhex(closed["signature"]), b"\0" * 32)
    await desk.agrees()
    is_problem(await olu.post(CLOSES, {"day": str(today)}), 409, "wrong-state")
    is_problem(await cy.post(CLOSES, {"day": str(today)}), 403, "forbidden")
    for path in ("2026-02-30", "1999-01-01", "today"):
        is_problem(await olu.get(f"{CLOSES}/{path}"), 404, "not-found")


async def test_who_began_before_a_close_and_posts_after_it_is_told_to_try_again(
    desk: Desk, cy: Caller, olu: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.fund(cy, 10_000)
    today = await tomorrow_comes(desk)
    ok(await olu.post(CLOSES, {"day": str(today)}), 201)
    post = ledger.post

    async def late(connection: Connection, *given: Any, **more: Any) -> bool:
        """The clock of the transaction is that of its beginning, which was yesterday."""
        await connection.execute("UPDATE market_clock SET ahead = ahead - interval '1 day'")
        return await post(connection, *given, **more)

    with monkeypatch.context() as patched:
        patched.setattr(ledger, "post", late)
        answer = await cy.post("/v1/refunds", {})
    is_problem(answer, 503, "unavailable")
    assert answer.headers["retry-after"] == "1"
    ok(await cy.post("/v1/refunds", {}), 201)


async def test_a_day_stays_open_while_something_is_not_explained(desk: Desk, cy: Caller, olu: Caller) -> None:
    await desk.fund(cy, 10_000)
    await desk.control("/charge_elsewhere", amount=2_000)
    first = await tomorrow_comes(desk)
    unmatched = is_problem(await olu.post(CLOSES, {"day": str(first)}), 409, "wrong-state")
    assert "Nothing stands yet" in unmatched["detail"]
    async with desk.world.services.database.transaction() as connection:
        lines = [(ledger.CLEARING, 7), (ledger.LOSSES, -7)]
        await ledger.post(connection, "wrong", "wrong", lines, currency="usd", actor="test")
    unexplained = is_problem(await olu.post(CLOSES, {"day": str(first)}), 409, "wrong-state")
    assert "nothing under way explains it" in unexplained["detail"]
    is_problem(await olu.post(CLOSES, {"day": "2999-12-31"}), 409, "wrong-state")
    is_problem(await olu.post(CLOSES, {"day": "soon"}), 422, "validation")
    quinn = await operator(desk.world, "Quinn")
    assert ok(await quinn.get(CLOSES)) == {"items": [], "next_cursor": None}
