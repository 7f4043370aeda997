"""Appeals and disputes told as what they leave: who is paid what, what is locked, whose slot it is."""

from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from market import (
    appeals,
    awards,
    claims,
    datasets,
    earnings,
    erasure,
    holds,
    ids,
    keys,
    ledger,
    observations,
    posting,
    review,
    second_reviews,
    submissions,
    tasks,
)
from market.clock import advance
from market.errors import (
    AccountHeld,
    AlreadyAnswered,
    AlreadyAppealed,
    AppealTooLate,
    EvidenceLocked,
    Invalid,
    NotFound,
    NotInReview,
    OwnDecision,
    PaidOut,
    PartyToIt,
    ReviewTaken,
    StatementLimit,
    UsedAlready,
    WordsOver,
    WrongState,
)
from tests.market.appealing import REVIEW, Court
from tests.market.conftest import HOLD_S, Cast, fund


@pytest.fixture
def court(cast: Cast, ada: keys.Actor, bo: UUID) -> Court:
    return Court(cast, ada, bo)


async def money(court: Court) -> tuple[int, int, int, int]:
    """Ada's balance, what her task holds, what is pending for Bo, the market's fees."""
    cast = court.cast
    return (
        await cast.balance(ledger.buyer(court.ada.owner)), await cast.balance(ledger.escrow(court.task)),
        await cast.balance(ledger.person(court.bo, "pending")),
        await ledger.derived(cast.conn, ledger.FEE_INCOME, "usd"),
    )  # fmt: skip


# ---- appeals by the person


async def test_an_overturned_rejection_is_paid_and_costs_the_buyer_the_bond(court: Court) -> None:
    await court.rejected()
    assert await money(court) == (99_670, 330, 0, 0)
    await court.appealed()
    assert (await court.status(), await court.claimed(), await court.stake()) == ("disputed", "rejected", ("slot", 60))
    assert await court.slots() == (0, 1, 0), "the slot is kept for it"
    assert await money(court) == (99_610, 390, 0, 0)
    assert await court.cast.broken() == []
    await court.decided(100)
    assert (await court.status(), await court.claimed(), await court.slots()) == ("accepted", "awarded", (0, 0, 1))
    assert await money(court) == (99_610, 0, 360, 30)
    seen = await court.seen()
    assert (seen.status, seen.award_percent, seen.paid) == ("decided", 100, seen.paid) and seen.paid is not None
    assert seen.paid.amount == 360
    [observation] = await observations.listed(court.conn, court.ada.owner, limit=5)
    assert observation.submission_id == court.public, "what is paid for is the buyer's"
    assert await court.cast.broken() == []
    await advance(court.conn, HOLD_S)
    assert await earnings.release_due(court.conn) == 1
    assert await court.cast.broken() == []


async def test_an_upheld_rejection_gives_all_back_and_locks_for_good(court: Court) -> None:
    await court.rejected()
    await court.appealed()
    await court.decided(0)
    assert (await court.status(), await court.claimed(), await court.slots()) == ("rejected", "rejected", (1, 0, 0))
    assert await money(court) == (99_670, 330, 0, 0)
    with pytest.raises(AlreadyAppealed):
        await court.appealed()
    assert await court.cast.broken() == []


async def test_a_machines_rejection_costs_the_buyer_no_bond(court: Court) -> None:
    await court.rejected("market")
    await court.appealed()
    assert await court.stake() == ("slot", 0)
    seen = await court.seen()
    assert (seen.against, seen.comment) == ("market", "A photo was not taken during the claim.")
    await court.decided(100)
    assert await money(court) == (99_670, 0, 300, 30)
    assert await court.cast.broken() == []


async def test_without_a_free_slot_the_buyers_money_is_held_beside_them(court: Court) -> None:
    await court.rejected()
    cy = await court.cast.person("cy")
    _, other = await court.cast.submit(cy, ids.show("task", court.task))
    await court.appealed()
    assert await court.stake() == ("held", 60) and await court.slots() == (0, 1, 0)
    assert await money(court) == (99_280, 720, 0, 0)
    assert await court.cast.broken() == []
    assert await court.cast.judge(other) == "accepted"
    assert await money(court) == (99_280, 390, 0, 30), "a completed task goes on holding it"
    assert await court.cast.broken() == []
    await court.decided(100)
    assert await money(court) == (99_280, 0, 360, 60) and await court.slots() == (0, 0, 1)
    assert await court.cast.broken() == []


@pytest.mark.parametrize("percent", [0, 100])
async def test_a_task_that_ends_meanwhile_keeps_what_the_appeal_needs(court: Court, percent: int) -> None:
    await court.rejected()
    await court.appealed()
    await tasks.cancel(court.conn, court.ada, ids.show("task", court.task))
    assert (await money(court))[1] == 390
    await court.decided(percent)
    assert (await money(court))[:3] == ((99_610, 0, 360) if percent else (100_000, 0, 0))
    assert await court.cast.broken() == []


async def test_what_the_buyer_cannot_cover_the_market_fronts_until_they_can(cast: Cast, bo: UUID) -> None:
    eve = await cast.agent("eve", funds=340)
    court = Court(cast, eve, bo)
    await court.rejected()
    dee = await cast.person("dee")
    _, other = await cast.submit(dee, ids.show("task", court.task))
    await cast.judge(other)
    await court.appealed()
    assert await court.stake() == ("none", 10), "as much of a bond as there is"
    assert await cast.broken() == []
    await court.decided(100)
    assert await money(court) == (0, 0, 310, 30)
    assert await ledger.derived(cast.conn, ledger.LOSSES, "usd") == 300
    held = await holds.find(cast.conn, "account", eve.owner)
    assert held is not None and held.owner is None
    with pytest.raises(AccountHeld):
        await cast.post(eve)
    [mine] = [one for one in await cast.conn.fetch("SELECT * FROM observation") if one["person_id"] == bo]
    with pytest.raises(EvidenceLocked):
        await observations.get(cast.conn, eve.owner, ids.show("observation", mine["id"]))
    assert (await submissions.get(cast.conn, court.public, account=eve.owner)).answers == {}
    assert await cast.broken() == []
    assert await awards.collect_due(cast.conn) == 0
    await fund(cast.conn, eve.owner, 1000, "more")
    assert await awards.collect_due(cast.conn) == 1
    assert await awards.collect_due(cast.conn) == 0
    assert await money(court) == (700, 0, 310, 30)
    assert await ledger.derived(cast.conn, ledger.LOSSES, "usd") == 0
    assert await holds.find(cast.conn, "account", eve.owner) is None
    assert (await observations.get(cast.conn, eve.owner, ids.show("observation", mine["id"]))).answers
    assert await cast.broken() == []


async def test_money_that_came_meanwhile_pays_an_award_that_nothing_was_held_for(cast: Cast, bo: UUID) -> None:
    court = Court(cast, await cast.agent("eve", funds=330), bo)
    await court.rejected()
    dee = await cast.person("dee")
    _, other = await cast.submit(dee, ids.show("task", court.task))
    await cast.judge(other)
    await court.appealed()
    assert await court.stake() == ("none", 0)
    await fund(cast.conn, court.ada.owner, 500, "more")
    await court.decided(50)
    assert await money(court) == (335, 0, 150, 45)
    assert await holds.find(cast.conn, "account", court.ada.owner) is None
    assert await cast.broken() == []


async def test_whoever_is_awarded_has_answered(court: Court) -> None:
    await court.rejected(quantity=3)
    await court.appealed()
    await court.decided(100)
    with pytest.raises(AlreadyAnswered):
        await claims.claim(court.conn, court.bo, ids.show("task", court.task), None)


async def test_an_appeal_while_trying_again_leaves_both_answers(court: Court) -> None:
    await court.rejected(quantity=3)
    held, again = await court.cast.submit(court.bo, ids.show("task", court.task))
    await court.appealed()
    await court.cast.judge(again)
    await court.decided(100)
    assert await court.slots() == (1, 0, 2)
    assert (await claims.get(court.conn, court.bo, held)).status == "submitted"
    assert await court.cast.broken() == []


async def test_an_appeal_comes_within_72_hours_of_the_own_rejection(court: Court) -> None:
    await court.rejected()
    with pytest.raises(NotFound):
        await appeals.appeal(court.conn, await court.cast.person("cy"), court.public, "Mine is better.")
    await advance(court.conn, appeals.APPEAL_S)
    assert await appeals.may_appeal(court.conn, court.submission)
    await advance(court.conn, 1)
    assert not await appeals.may_appeal(court.conn, court.submission)
    with pytest.raises(AppealTooLate):
        await court.appealed()


# ---- disputes by the buyer


async def test_a_dispute_that_is_won_undoes_the_acceptance(court: Court) -> None:
    await court.accepted()
    assert await money(court) == (99_670, 0, 300, 30)
    await court.disputed()
    assert (await court.status(), await court.claimed(), await court.stake()) == ("disputed", "submitted", ("paid", 60))
    assert [line.status for line in (await earnings.of_person(court.conn, court.bo)).lines] == ["contested"]
    assert await court.cast.broken() == []
    await advance(court.conn, HOLD_S)
    assert await earnings.release_due(court.conn) == 0, "nothing of it is released meanwhile"
    await court.decided(0)
    assert (await court.status(), await court.claimed()) == ("rejected", "rejected")
    assert await money(court) == (100_000, 0, 0, 0)
    assert await court.conn.fetchval("SELECT count(*) FROM observation") == 0
    assert (await earnings.of_person(court.conn, court.bo)).lines == []
    told = (await submissions.get(court.conn, court.public, person=court.bo)).rejection
    assert told is not None and told["reason_code"] == "not_what_was_asked"
    assert await court.cast.broken() == []


async def test_a_dispute_that_is_lost_pays_the_bond_to_the_person(court: Court) -> None:
    await court.accepted()
    await court.disputed()
    await court.decided(100)
    assert (await court.status(), await court.claimed()) == ("accepted", "submitted")
    assert await money(court) == (99_610, 0, 360, 30)
    assert len(await observations.listed(court.conn, court.ada.owner, limit=5)) == 1
    with pytest.raises(AlreadyAppealed):
        await court.disputed()
    await advance(court.conn, HOLD_S)
    assert await earnings.release_due(court.conn) == 1
    assert await court.cast.broken() == []


async def test_a_part_that_is_awarded_is_split_to_the_unit(court: Court) -> None:
    await court.accepted(reward={"amount": 301, "currency": "usd"})
    await court.disputed()
    assert await court.stake() == ("paid", 60)
    await court.decided(33)
    # 33 % of 301 is 99.33, of the fee of 30 it is 9.9, of the bond of 60 it is 19.8.
    assert await money(court) == (100_000 - 100 - 9 - 20, 0, 120, 9)
    assert await court.cast.broken() == []


async def test_nobody_disputes_their_own_decision(court: Court) -> None:
    await court.answer()
    await court.cast.judge(court.submission, REVIEW)
    await review.accept(court.conn, court.ada, court.public, hold_s=HOLD_S)
    with pytest.raises(OwnDecision):
        await court.disputed()


async def test_nobody_disputes_what_is_paid_out(court: Court) -> None:
    await court.accepted()
    await advance(court.conn, HOLD_S)
    await earnings.release_due(court.conn)
    with pytest.raises(PaidOut):
        await court.disputed()


async def test_nobody_disputes_what_they_have_used(court: Court) -> None:
    await court.accepted()
    await court.conn.execute("INSERT INTO photo_copy (name, unreadable) SELECT sha256, 'no picture' FROM photo")
    made = await datasets.draft(
        court.conn, court.ada.owner, datasets.DatasetDraft(query=datasets.Query()), actor="test"
    )
    await datasets.build(court.conn, ids.read("dataset", made.id))
    assert (await datasets.get(court.conn, court.ada.owner, made.id)).rows == 1
    with pytest.raises(UsedAlready):
        await court.disputed()


async def test_what_is_disputed_is_read_and_passed_on_by_nobody(court: Court) -> None:
    await court.accepted()
    observation = (await observations.listed(court.conn, court.ada.owner, limit=1))[0].id
    await court.disputed()
    conn, ada = court.conn, court.ada.owner
    assert await observations.listed(conn, ada, limit=5) == []
    for attempt in (
        observations.get(conn, ada, observation), observations.photo(conn, ada, observation, 1),
        datasets.draft(conn, ada, datasets.DatasetDraft(observation_ids=[observation]), actor="test"),
    ):  # fmt: skip
        with pytest.raises(EvidenceLocked):
            await attempt
    made = await datasets.draft(conn, ada, datasets.DatasetDraft(query=datasets.Query()), actor="test")
    await datasets.build(conn, ids.read("dataset", made.id))
    assert (await datasets.get(conn, ada, made.id)).status == "failed", "there is nothing to take a snapshot of"


# ---- words, review, deadlines


async def test_both_sides_speak_for_two_days_five_times(court: Court) -> None:
    await court.rejected()
    await court.appealed()
    appeal = ids.show("appeal", court.appeal)
    for n in range(5):
        await appeals.say(court.conn, appeal, appeals.Saying(words=f"Look: {n}"), account=court.ada.owner)
    with pytest.raises(StatementLimit):
        await appeals.say(court.conn, appeal, appeals.Saying(words="Once more."), account=court.ada.owner)
    with pytest.raises(Invalid, match="no photo 2"):
        await appeals.say(court.conn, appeal, appeals.Saying(words="See.", photos=[1, 2]), person=court.bo)
    with pytest.raises(NotFound):
        await appeals.say(court.conn, appeal, appeals.Saying(words="And me."), person=await court.cast.person("cy"))
    await appeals.say(court.conn, appeal, appeals.Saying(words="See photo 1.", photos=[1]), person=court.bo)
    said = (await court.seen()).statements
    assert [(each.by, each.photos) for each in said if each.by == "person"] == [("person", []), ("person", [1])]
    await advance(court.conn, appeals.ANSWER_S)
    with pytest.raises(WordsOver):
        await appeals.say(court.conn, appeal, appeals.Saying(words="Still me."), person=court.bo)


async def experienced(cast: Cast, name: str) -> UUID:
    """Somebody with twenty accepted answers."""
    person, buyer = await cast.person(name), await cast.agent(f"buyer-of-{name}")
    for _ in range(second_reviews.EXPERIENCE):
        _, submission = await cast.submit(person, (await cast.post(buyer)).id)
        await cast.judge(submission)
    return person


ALL_OF_IT = second_reviews.Reviewing(award_percent=100, reason="It can be read.")
NOTHING = second_reviews.Reviewing(award_percent=0, reason="It cannot be read.")


async def test_two_people_of_one_mind_decide(court: Court) -> None:
    gil, hal = await experienced(court.cast, "gil"), await experienced(court.cast, "hal")
    await court.rejected()
    await court.appealed()
    appeal = ids.show("appeal", court.appeal)
    with pytest.raises(NotInReview):
        await second_reviews.give_opinion(court.conn, gil, appeal, ALL_OF_IT, hold_s=HOLD_S)
    assert await second_reviews.for_person(court.conn, gil, limit=5) == []
    await advance(court.conn, appeals.ANSWER_S)
    assert [each.id for each in await second_reviews.for_person(court.conn, gil, limit=5)] == [appeal]
    assert await second_reviews.for_person(court.conn, court.bo, limit=5) == []
    novice = await court.cast.person("cy")
    assert await second_reviews.for_person(court.conn, novice, limit=5) == []
    with pytest.raises(NotFound):
        await second_reviews.give_opinion(court.conn, novice, appeal, ALL_OF_IT, hold_s=HOLD_S)
    assert not await second_reviews.give_opinion(court.conn, gil, appeal, ALL_OF_IT, hold_s=HOLD_S)
    with pytest.raises(ReviewTaken):
        await second_reviews.give_opinion(court.conn, gil, appeal, ALL_OF_IT, hold_s=HOLD_S)
    assert await second_reviews.for_person(court.conn, gil, limit=5) == []
    assert await second_reviews.give_opinion(court.conn, hal, appeal, ALL_OF_IT, hold_s=HOLD_S)
    assert await court.status() == "accepted"
    assert await court.cast.broken() == []


async def test_two_who_disagree_leave_it_to_an_operator(court: Court) -> None:
    gil, hal, ivy = [await experienced(court.cast, name) for name in ("gil", "hal", "ivy")]
    await court.rejected()
    await court.appealed()
    appeal = ids.show("appeal", court.appeal)
    await advance(court.conn, appeals.ANSWER_S)
    assert not await second_reviews.give_opinion(court.conn, gil, appeal, ALL_OF_IT, hold_s=HOLD_S)
    assert not await second_reviews.give_opinion(court.conn, hal, appeal, NOTHING, hold_s=HOLD_S)
    with pytest.raises(ReviewTaken):
        await second_reviews.give_opinion(court.conn, ivy, appeal, NOTHING, hold_s=HOLD_S)
    [waiting] = await second_reviews.listed(court.conn, before=None, limit=5, is_open=True)
    assert waiting.disagreed
    olu = await operator(court, "olu@example.com")
    given = second_reviews.Deciding(award_percent=40, reason="A part of it.")
    await second_reviews.decide(court.conn, olu, appeal, given, hold_s=HOLD_S)
    assert (await court.seen()).award_percent == 40
    with pytest.raises(WrongState):
        await second_reviews.decide(court.conn, olu, appeal, given, hold_s=HOLD_S)


async def operator(court: Court, email: str) -> UUID:
    found: UUID = await court.conn.fetchval(
        "INSERT INTO operator (id, email, name) VALUES ($1, $2, 'Olu') RETURNING id", ids.new(), email
    )
    return found


@pytest.mark.parametrize("party", ["ada", "bo"])
async def test_an_operator_with_a_part_in_it_does_not_decide(court: Court, party: str) -> None:
    await court.rejected()
    await court.appealed()
    await advance(court.conn, appeals.ANSWER_S)
    given = second_reviews.Deciding(award_percent=100, reason="I know them.")
    with pytest.raises(PartyToIt):
        await second_reviews.decide(
            court.conn, await operator(court, f"{party.upper()}@example.com"), ids.show("appeal", court.appeal), given,
            hold_s=HOLD_S,
        )  # fmt: skip


@pytest.mark.parametrize("near", ["account", "network", "task", "device"])
async def test_neighbours_of_either_side_do_not_review(court: Court, near: str) -> None:
    gil = await experienced(court.cast, "gil")
    await court.rejected(quantity=3)
    if near == "task":
        await court.cast.submit(gil, ids.show("task", court.task))
    await court.appealed()
    await advance(court.conn, appeals.ANSWER_S)
    if near == "account":
        await court.conn.execute("UPDATE account SET email = 'Gil@example.com' WHERE id = $1", court.ada.owner)
    if near == "network":
        for person in (gil, court.bo):
            await court.conn.execute(
                """INSERT INTO login_code (id, person_id, network, code_hash, expires_at, used_from)
                   VALUES ($1, $2, 'a', '', market_now(), '192.0.2.0/24')""",
                ids.new(), person,
            )  # fmt: skip
    if near == "device":
        device = ids.new()
        await court.conn.execute(
            "INSERT INTO device (id, person_id, kind, name, public_key) VALUES ($1, $2, 'phone', 'x', $3)",
            device, gil, b"\x04" + bytes(64),
        )  # fmt: skip
        await court.conn.execute(
            "UPDATE photo SET capture = $2 WHERE claim_id = $1", ids.read("claim", court.claim),
            {"device": ids.show("device", device)},
        )  # fmt: skip
    assert await second_reviews.for_person(court.conn, gil, limit=5) == []
    with pytest.raises(NotFound):
        await second_reviews.case_for(court.conn, gil, ids.show("appeal", court.appeal))


async def test_a_reviewer_learns_no_name_and_not_who_decided(court: Court) -> None:
    cases = []
    for by in ("market", "buyer"):
        one = Court(court.cast, court.ada, court.bo)
        await one.rejected(by)
        await one.appealed("It is bright enough.")
        cases.append(await second_reviews.case(court.conn, ids.show("appeal", one.appeal)))
    disputed = Court(court.cast, court.ada, court.bo)
    await disputed.accepted()
    await disputed.disputed()
    cases.append(await second_reviews.case(court.conn, ids.show("appeal", disputed.appeal)))
    fields = {name for case in cases for name in case.__struct_fields__}
    assert not fields & {"account_id", "person_id", "submission_id", "task_id", "side", "against", "bond"}
    for case in cases:
        told = str(case)
        assert not any(each in told for each in ("buyer", "person", "market", court.public, "acct_", "prsn_", "sub_"))
    assert [each.side for each in cases[0].statements] == ["for"]
    assert [each.side for each in cases[2].statements] == ["against"]


@pytest.mark.parametrize(("who", "stands"), [("buyer", "accepted"), ("market", "rejected"), ("dispute", "accepted")])
async def test_what_nobody_reviews_in_14_days_decides_itself(court: Court, who: str, stands: str) -> None:
    if who == "dispute":
        await court.accepted()
        await court.disputed()
    else:
        await court.rejected(who)
        await court.appealed()
    await advance(court.conn, appeals.DECIDE_S - 1)
    assert await appeals.decide_due(court.conn, hold_s=HOLD_S) == 0
    await advance(court.conn, 1)
    assert await appeals.decide_due(court.conn, hold_s=HOLD_S) == 1
    assert await appeals.decide_due(court.conn, hold_s=HOLD_S) == 0
    assert await court.status() == stands
    assert await court.cast.broken() == []


@pytest.mark.parametrize("who", ["appeal", "dispute"])
async def test_whoever_is_erased_in_the_middle_is_withdrawn_and_the_money_goes_back(court: Court, who: str) -> None:
    if who == "appeal":
        await court.rejected()
        await court.appealed()
    else:
        await court.accepted()
        await court.disputed()
    exported = await erasure.export(court.conn, court.bo)
    assert [each["side"] for each in exported["appeals"]] == ["person" if who == "appeal" else "buyer"]
    assert len(exported["statements"]) == (who == "appeal")
    erased = await erasure.erase(court.conn, court.bo)
    assert (erased.submissions_withdrawn, erased.owed) == (1, [])
    assert (await court.seen()).status == "withdrawn"
    assert await money(court) == ((99_670, 330, 0, 0) if who == "appeal" else (100_000, 0, 0, 0))
    words = await court.conn.fetch("SELECT words FROM appeal_statement WHERE side = 'person'")
    assert all(each["words"] == "" for each in words)
    assert await court.cast.broken() == []


# ---- to the unit


CURRENCIES = ("usd", "jpy", "huf")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_nobody_loses_a_unit(cast: Cast, data: Any) -> None:
    """Odd rewards, fees, percents and currencies: the ledger is balanced, the escrow what the audit wants, and the two
    sides and the market have together what there was."""
    reward = data.draw(st.integers(1, 999_983))
    fee_bps = data.draw(st.integers(0, 10_000))
    percent = data.draw(st.integers(0, 100))
    currency = data.draw(st.sampled_from(CURRENCIES))
    kind = data.draw(st.sampled_from(["buyer", "market", "dispute"]))
    spare = data.draw(st.sampled_from([0, 1, reward // 7, 10 * reward]))
    full = data.draw(st.booleans())
    savepoint = cast.conn.transaction()
    await savepoint.start()
    try:
        await _one(cast, reward, fee_bps, percent, currency, kind, spare, full=full)
    finally:
        await savepoint.rollback()


async def _one(
    cast: Cast, reward: int, fee_bps: int, percent: int, currency: str, kind: str, spare: int, *, full: bool
) -> None:
    fee = reward * fee_bps // 10_000
    buyer = await cast.agent("fay", funds=0)
    await cast.conn.execute("UPDATE account SET currency = $2 WHERE id = $1", buyer.owner, currency)
    funds = reward + fee + spare
    await ledger.post(
        cast.conn, "funding", f"seed:{buyer.owner}", [(ledger.CLEARING, funds), (ledger.buyer(buyer.owner), -funds)],
        currency=currency, actor="test",
    )  # fmt: skip
    court = Court(cast, msgspec.structs.replace(buyer, currency=currency), await cast.person("bo"))
    cast.rates = posting.Rates(fee_bps)
    offered = {"reward": {"amount": reward, "currency": currency}}
    if kind == "dispute":
        await court.accepted(**offered)
        await court.disputed()
    else:
        await court.rejected(kind, **offered)
        if full:
            await claims.claim(cast.conn, await cast.person("dee"), ids.show("task", court.task), None)
        await court.appealed()
    assert await cast.broken() == []
    await court.decided(percent)
    assert await cast.broken() == []
    seen = await court.seen()
    assert seen.paid is not None
    least = reward * percent / 100 + seen.bond.amount * percent / 100
    assert least <= seen.paid.amount < least + 2, "two parts, each rounded in the person's favour"
    [pending] = await ledger.balances(cast.conn, [ledger.person(court.bo, "pending")], currency)
    assert pending == seen.paid.amount
    codes = [ledger.buyer(buyer.owner), ledger.escrow(court.task), ledger.person(court.bo, "pending")]
    rest = sum(await ledger.balances(cast.conn, codes, currency))
    taken = await ledger.derived(cast.conn, ledger.FEE_INCOME, currency)
    lost = await ledger.derived(cast.conn, ledger.LOSSES, currency)
    assert rest + taken - lost == funds
    assert taken <= fee * percent // 100
