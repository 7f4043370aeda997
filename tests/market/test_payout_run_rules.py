"""A run from draft to execution: what it pays and whom not, how it is changed, switches that stop it, and holds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from market import clock, earnings, holds, ids, ledger, payout_lines, payout_preview, payout_views, payouts, switches
from market.errors import Invalid, NotFound, PayoutsStopped, WrongState
from market.payout_preview import Terms
from tests.market.conftest import HOLD_S
from tests.market.test_payout_four_eyes import EXECUTE, behind, refused, submitted, told
from tests.market.test_payouts import NEVER, PLENTY, Desk, desk

__all__ = ["desk"]


async def draft(desk: Desk, **terms: Any) -> UUID:
    asked = await payout_preview.terms(desk.conn, terms.pop("currency", "usd"), **terms)
    return await payouts.draft(desk.conn, desk.olu, asked)


async def lines(desk: Desk, run: UUID) -> dict[UUID, int]:
    found = await payout_views.get(desk.conn, run)
    return {ids.read("person", line.person_id): line.amount.amount for line in found.lines}


async def reasons(desk: Desk, run: UUID) -> dict[UUID, str]:
    found = await payout_views.get(desk.conn, run)
    return {ids.read("person", one.person_id): one.reason for one in found.exclusions}


# ---- whom a run pays, and how much


async def test_a_line_says_what_was_earned_what_the_fee_was_and_what_else_makes_the_amount(desk: Desk) -> None:
    cast, ada, bo = desk.cast, await desk.cast.agent("ada"), await desk.earner("bo", 40)
    for reward in (300, 500):
        task = await cast.post(ada, reward={"amount": reward, "currency": "usd"})
        _, submission = await cast.submit(bo, task.id)
        assert await cast.judge(submission) == "accepted"
    await clock.advance(desk.conn, HOLD_S + 1)
    await earnings.release_due(desk.conn)
    run = await draft(desk, most_per_line=600)
    shown = await payout_views.get(desk.conn, run)
    [line] = shown.lines
    found = {
        name: getattr(line, name).amount for name in ("gross", "fee", "amount", "adjustments", "rolled_over")
    } | {"items": line.items}  # fmt: skip
    # 300 + 500 earned, a tenth on top for the market; 40 came otherwise, and 240 wait for the next run.
    assert found == {"gross": 880, "fee": 80, "amount": 600, "adjustments": -200, "rolled_over": 240, "items": 2}
    sums = shown.sums
    assert (sums.gross.amount, sums.fee.amount, sums.net.amount, sums.adjustments.amount) == (880, 80, 600, -200)
    assert sums.gross.amount - sums.fee.amount + sums.adjustments.amount == sums.net.amount
    preview = await payout_preview.preview(desk.conn, Terms("usd", 1, 600), shown=10)
    assert (preview.sums, preview.total) == (shown.sums, shown.total)
    assert preview.lines[0].adjustments.amount == -200


async def test_what_is_over_a_lines_cap_is_rolled_over_and_in_the_next_run(desk: Desk) -> None:
    bo = await desk.earner("bo", 1_000)
    run = await draft(desk, most_per_line=700)
    await payouts.freeze(desk.conn, desk.olu, run)
    await payouts.submit(desk.conn, desk.olu, run)
    await payouts.approve(desk.conn, desk.pia, run)
    await payouts.execute(desk.conn, desk.olu, run)
    await payout_lines.plan_lines(desk.conn, run, 10, PLENTY)
    assert await desk.payable(bo) == 300
    second = await draft(desk)
    assert await lines(desk, second) == {}
    assert await reasons(desk, second) == {bo: "in_another_run"}


async def test_whoever_has_waited_longest_comes_first_when_a_run_may_not_pay_all(desk: Desk) -> None:
    cast, ada = desk.cast, await desk.cast.agent("ada")
    waited: list[UUID] = []
    for name, reward in (("hana", 400), ("bo", 500), ("ivo", 100)):
        person = await desk.earner(name, 1)
        _, submission = await cast.submit(
            person, (await cast.post(ada, reward={"amount": reward, "currency": "usd"})).id
        )
        await cast.judge(submission)
        await clock.advance(desk.conn, HOLD_S + 1)
        await earnings.release_due(desk.conn)
        waited.append(person)
    without_earnings = await desk.earner("sam", 500)
    hana, bo, ivo = waited
    run = await draft(desk, most_in_all=950)
    assert await lines(desk, run) == {hana: 401, bo: 501}
    assert await reasons(desk, run) == {ivo: "over_run_cap", without_earnings: "over_run_cap"}
    larger = await draft(desk, most_in_all=1_003)
    assert await lines(desk, larger) == {hana: 401, bo: 501, ivo: 101}


async def test_nobody_overtakes_somebody_who_does_not_fit(desk: Desk) -> None:
    cast, ada = desk.cast, await desk.cast.agent("ada")
    small = await desk.earner("sam", 50)
    big = await desk.earner("bo", 1)
    _, submission = await cast.submit(big, (await cast.post(ada, reward={"amount": 900, "currency": "usd"})).id)
    await cast.judge(submission)
    await clock.advance(desk.conn, HOLD_S + 1)
    await earnings.release_due(desk.conn)
    run = await draft(desk, minimum=1, most_in_all=500)
    assert await lines(desk, run) == {}
    assert await reasons(desk, run) == {big: "over_run_cap", small: "over_run_cap"}


async def test_who_owes_as_much_as_they_have_is_left_out_and_who_owes_less_is_not(desk: Desk) -> None:
    owing, less = await desk.earner("owen", 500), await desk.earner("lea", 500)
    for person, debt in ((owing, 500), (less, 100)):
        await ledger.post(
            desk.conn, "debt", f"test-debt:{person}",
            [(ledger.person(person, "receivable"), debt), (ledger.CLEARING, -debt)], currency="usd", actor="test",
        )  # fmt: skip
    run = await draft(desk)
    assert await reasons(desk, run) == {owing: "owes"}
    assert await lines(desk, run) == {less: 500}


async def test_the_currencys_own_minimum_counts_when_none_is_given(desk: Desk) -> None:
    poor, rich = await desk.earner("bo", 39_900, currency="huf"), await desk.earner("cy", 40_050, currency="huf")
    run = await draft(desk, currency="huf")
    assert await reasons(desk, run) == {poor: "below_minimum"}
    assert await lines(desk, run) == {rich: 40_000}
    [line] = (await payout_views.get(desk.conn, run)).lines
    assert line.rolled_over.amount == 50


@pytest.mark.parametrize(
    ("terms", "pointer"),
    [
        ({"currency": "huf", "most_per_line": 40_050, "minimum": 40_010}, "/most_per_line"),
        ({"minimum": 500, "most_per_line": 499}, "/most_per_line"),
        ({"minimum": 500, "most_in_all": 499}, "/most_in_all"),
        ({"currency": "xxx"}, "/currency"),
    ],
)
async def test_terms_that_could_pay_nobody_are_refused(desk: Desk, terms: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as found:
        await draft(desk, **terms)
    assert found.value.pointer == pointer


async def test_a_preview_writes_nothing_and_says_what_a_draft_would_hold(desk: Desk) -> None:
    for name, amount in (("bo", 900), ("cy", 700), ("dee", 20)):
        await desk.earner(name, amount)
    nina = await desk.earner("nina", 800, transfers=None)
    asked = await payout_preview.terms(desk.conn, "usd", 100)
    preview = await payout_preview.preview(desk.conn, asked, shown=1)
    assert (preview.total.count, preview.total.amount.amount) == (2, 1_600)
    assert [line.amount.amount for line in preview.lines] == [900]
    assert {reason: (each.count, each.amount.amount) for reason, each in preview.excluded.items()} == {
        "no_payout_account": (1, 800), "below_minimum": (1, 20),
    }  # fmt: skip
    assert len(preview.exclusions) == 1
    for table in ("payout_run", "payout", "payout_exclusion"):
        assert await desk.conn.fetchval(f"SELECT count(*) FROM {table}") == 0
    run = await payout_views.get(desk.conn, await payouts.draft(desk.conn, desk.olu, asked))
    assert (run.total, run.sums, run.excluded) == (preview.total, preview.sums, preview.excluded)
    assert nina in await reasons(desk, ids.read("payout_run", run.id))


# ---- drafts


async def test_a_draft_is_changed_and_people_are_taken_out_and_in(desk: Desk) -> None:
    bo, cy = await desk.earner("bo", 900), await desk.earner("cy", 150)
    run = await draft(desk)
    assert (await payout_views.get(desk.conn, run)).lines_sha256 is None
    await payouts.exclude(desk.conn, desk.pia, run, bo, "asked us to wait")
    assert await lines(desk, run) == {cy: 150}
    [left_out] = (await payout_views.get(desk.conn, run)).exclusions
    assert (left_out.reason, left_out.note, left_out.amount.amount) == ("excluded", "asked us to wait", 900)
    # Other terms make the lines anew; what was decided by hand stays.
    await payouts.change(desk.conn, desk.olu, run, await payout_preview.terms(desk.conn, "usd", 200, note="Oct"))
    assert await reasons(desk, run) == {bo: "excluded", cy: "below_minimum"}
    await payouts.include(desk.conn, desk.olu, run, bo)
    assert await lines(desk, run) == {bo: 900}
    with pytest.raises(NotFound):
        await payouts.include(desk.conn, desk.olu, run, cy)  # not by hand, but for its amount
    with pytest.raises(NotFound):
        await payouts.exclude(desk.conn, desk.olu, run, NEVER, "nobody")
    await payouts.freeze(desk.conn, desk.olu, run)
    for act in (
        payouts.change(desk.conn, desk.olu, run, Terms("usd", 1)),
        payouts.exclude(desk.conn, desk.olu, run, bo, "too late"),
        payouts.include(desk.conn, desk.olu, run, bo),
        payouts.freeze(desk.conn, desk.olu, run),
        payouts.discard(desk.conn, desk.olu, run),
    ):
        with pytest.raises(WrongState, match="This one is frozen"):
            await act
    assert await told(desk, run) == ["drafted", "excluded", "changed", "included", "frozen"]


async def test_somebody_taken_out_stays_out_though_nothing_is_payable_to_them_for_a_while(desk: Desk) -> None:
    bo = await desk.earner("bo", 900)
    run = await draft(desk)
    await payouts.exclude(desk.conn, desk.olu, run, bo, "waits")
    for n, amount in enumerate((900, -400)):
        await ledger.post(
            desk.conn, "moved", f"test-moved:{n}", [(ledger.person(bo, "payable"), amount), (ledger.CLEARING, -amount)],
            currency="usd", actor="test",
        )  # fmt: skip
        await payouts.change(desk.conn, desk.olu, run, Terms("usd", 1))
    [left_out] = (await payout_views.get(desk.conn, run)).exclusions
    assert (left_out.reason, left_out.note, left_out.amount.amount) == ("excluded", "waits", 400)


async def test_a_draft_can_be_thrown_away_and_has_been_there(desk: Desk) -> None:
    await desk.earner("bo", 900)
    await desk.earner("cy", 5)
    run = await draft(desk, minimum=100)
    await payouts.discard(desk.conn, desk.pia, run)
    with pytest.raises(NotFound):
        await payout_views.get(desk.conn, run)
    assert await desk.conn.fetchval("SELECT count(*) FROM payout") == 0
    assert await told(desk, run) == ["drafted", "discarded"]


async def test_a_draft_pays_what_was_last_shown_and_reopening_looks_anew(desk: Desk) -> None:
    bo = await desk.earner("bo", 900)
    run = await draft(desk)
    cy = await desk.earner("cy", 700)
    await payouts.freeze(desk.conn, desk.olu, run)
    assert await lines(desk, run) == {bo: 900}
    await payouts.reopen(desk.conn, desk.olu, run)
    assert await lines(desk, run) == {bo: 900, cy: 700}


async def test_to_edit_an_approved_run_is_to_lose_hash_submission_and_approval(desk: Desk) -> None:
    await desk.earner("bo", 900)
    run = await desk.approved()
    before = await payout_views.get(desk.conn, run)
    await payouts.reopen(desk.conn, desk.pia, run)
    after = await payout_views.get(desk.conn, run)
    assert (after.status, after.lines_sha256, after.submitted_by, after.approved_by, after.approval) == (
        "draft", None, None, None, None,
    )  # fmt: skip
    assert await desk.conn.fetchval("SELECT count(*) FROM payout_approval") == 0
    await desk.conn.execute("SET CONSTRAINTS ALL IMMEDIATE")
    data = await desk.conn.fetchval("SELECT data FROM event WHERE type = 'payout_run.reopened'")
    assert data == {
        "was": "approved", "lines_sha256": before.lines_sha256, "approval_by": ids.show("operator", desk.pia),
    }  # fmt: skip
    # The old approval is worth nothing: it has to go the whole way again.
    await payouts.freeze(desk.conn, desk.olu, run)
    with pytest.raises(WrongState, match="This one is frozen"):
        await payouts.execute(desk.conn, desk.olu, run)
    with pytest.raises(WrongState, match="This one is frozen"):
        await payouts.approve(desk.conn, desk.pia, run)


async def test_what_has_begun_to_pay_is_not_reopened(desk: Desk) -> None:
    await desk.earner("bo", 900)
    run, _ = await desk.executed()
    with pytest.raises(WrongState, match="This one is executing"):
        await payouts.reopen(desk.conn, desk.olu, run)
    with refused("PR002"):
        await behind(desk, "UPDATE payout_run SET status = 'draft' WHERE id = $1", run)


# ---- the kill switch


async def test_while_payouts_are_stopped_no_run_begins_and_none_goes_on(desk: Desk) -> None:
    for name in ("bo", "cy"):
        await desk.earner(name, 900)
    waiting, running = await submitted(desk), await submitted(desk)
    for run in (waiting, running):
        await payouts.approve(desk.conn, desk.pia, run)
    await payouts.execute(desk.conn, desk.olu, running)
    assert (await payout_lines.plan_lines(desk.conn, running, 1, PLENTY)).looked == 1
    await switches.turn(desk.conn, desk.pia, "payouts", stopped=True, reason="transfers arrive twice")
    with pytest.raises(PayoutsStopped):
        async with desk.conn.transaction():
            await payouts.execute(desk.conn, desk.olu, waiting)
    with refused("PR004"):
        await behind(desk, EXECUTE, waiting, desk.olu)
    assert await payout_lines.plan_lines(desk.conn, running, 10, PLENTY) == (0, [], 0)
    assert await payout_lines.finish(desk.conn, running) is None
    await switches.turn(desk.conn, desk.olu, "payouts", stopped=False, reason="it was the report that was wrong")
    assert (await payout_lines.plan_lines(desk.conn, running, 10, PLENTY)).looked == 1


async def test_a_switch_says_who_turned_it_and_why_and_turning_it_again_changes_nothing(desk: Desk) -> None:
    assert [(each.name, each.stopped, each.changed_by) for each in await switches.listed(desk.conn)] == [
        ("payouts", False, None), ("refunds", False, None), ("top_ups", False, None),
    ]  # fmt: skip
    for _ in range(2):
        await switches.turn(desk.conn, desk.pia, "refunds", stopped=True, reason="cards are being tested")
    [one] = [each for each in await switches.listed(desk.conn) if each.stopped]
    assert (one.name, one.reason, one.changed_by) == (
        "refunds", "cards are being tested", ids.show("operator", desk.pia),
    )  # fmt: skip
    assert await desk.conn.fetchval("SELECT count(*) FROM event WHERE type = 'money.stopped'") == 1
    assert await switches.is_stopped(desk.conn, "refund") and not await switches.is_stopped(desk.conn, "transfer")
    with pytest.raises(Invalid):
        await switches.turn(desk.conn, desk.pia, "refunds", stopped=False, reason="  ")
    with pytest.raises(asyncpg.CheckViolationError):
        await behind(desk, "UPDATE money_switch SET stopped = true, reason = '' WHERE name = 'top_ups'")


# ---- holds


async def test_a_hold_has_a_reason_an_owner_and_an_end_in_the_future(desk: Desk) -> None:
    bo, ada = await desk.earner("bo", 900), (await desk.cast.agent("ada")).owner
    now = await clock.now(desk.conn)
    for over in (now, now - timedelta(days=1)):
        with pytest.raises(Invalid) as found:
            await holds.put(desk.conn, "person", bo, desk.olu, "late", over)
        assert found.value.pointer == "/expires_at"
    with pytest.raises(Invalid):
        await holds.put(desk.conn, "account", ada, desk.olu, " ", None)
    with pytest.raises(NotFound):
        await holds.put(desk.conn, "account", bo, desk.olu, "no account", None)
    await holds.put(desk.conn, "person", bo, desk.olu, "identity", now + timedelta(hours=1))
    await holds.put(desk.conn, "account", ada, desk.pia, "a stolen card", None)
    found_holds = {each.kind: each for each in await holds.listed(desk.conn, after=None, limit=10)}
    assert (found_holds["person"].reason, found_holds["person"].owner.name, found_holds["person"].expired) == (
        "identity", "Olu", False,
    )  # fmt: skip
    assert (found_holds["account"].name, found_holds["account"].expires_at) == ("ada", None)
    await clock.advance(desk.conn, 3_600)
    over_now = await holds.find(desk.conn, "person", bo)
    assert over_now is not None and over_now.expired
    assert [each.kind for each in await holds.listed(desk.conn, after=None, limit=10, kind="account")] == ["account"]
    await holds.release(desk.conn, "account", ada, desk.olu)
    with pytest.raises(NotFound):
        await holds.release(desk.conn, "account", ada, desk.olu)
