"""Both sides' words, the blind second review, what decides itself, and whoever leaves in the middle."""

from uuid import UUID

import pytest

from market import (
    appeals,
    erasure,
    ids,
    keys,
    reviewers,
    second_reviews,
)
from market.clock import advance
from market.errors import (
    ContactDetails,
    Invalid,
    NotFound,
    PartyToIt,
    ReviewTaken,
    StatementLimit,
    WordsOver,
    WrongState,
)
from tests.market.appealing import Court, experienced, money, operator
from tests.market.conftest import HOLD_S, Cast


@pytest.fixture
def court(cast: Cast, ada: keys.Actor, bo: UUID, monkeypatch: pytest.MonkeyPatch) -> Court:
    monkeypatch.setattr(reviewers, "POOL", 1)  # of so few somebody is drawn; what it keeps away has tests of its own
    return Court(cast, ada, bo)


async def in_review(court: Court) -> None:
    """Both sides have spoken, and people are drawn."""
    await advance(court.conn, appeals.ANSWER_S)
    assert await reviewers.draw_due(court.conn) == 1
    assert await reviewers.draw_due(court.conn) == 0


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


async def test_nobody_who_reviews_is_told_how_to_reach_a_side(court: Court) -> None:
    reach_me = "It can be read, ask me at bo@example.com."
    gil = await experienced(court.cast, "gil")
    await court.rejected()
    with pytest.raises(ContactDetails) as refused:
        async with court.conn.transaction():
            await court.appealed(reach_me)
    assert refused.value.pointer == "/words" and await court.status() == "rejected"
    await court.appealed()
    appeal = ids.show("appeal", court.appeal)
    with pytest.raises(ContactDetails):
        await appeals.say(court.conn, appeal, appeals.Saying(words=reach_me), account=court.ada.owner)
    await in_review(court)
    opinion = second_reviews.Reviewing(award_percent=100, reason=reach_me)
    with pytest.raises(ContactDetails) as refused:
        await second_reviews.give_opinion(court.conn, gil, appeal, opinion, hold_s=HOLD_S)
    assert refused.value.pointer == "/reason"


ALL_OF_IT = second_reviews.Reviewing(award_percent=100, reason="It can be read.")
NOTHING = second_reviews.Reviewing(award_percent=0, reason="It cannot be read.")


async def test_two_people_of_one_mind_decide(court: Court) -> None:
    gil, hal = await experienced(court.cast, "gil"), await experienced(court.cast, "hal")
    await court.rejected()
    await court.appealed()
    appeal = ids.show("appeal", court.appeal)
    with pytest.raises(NotFound):
        await second_reviews.give_opinion(court.conn, gil, appeal, ALL_OF_IT, hold_s=HOLD_S)
    assert await second_reviews.for_person(court.conn, gil, limit=5) == []
    await in_review(court)
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
    await in_review(court)
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


@pytest.mark.parametrize("drawn", [False, True])
@pytest.mark.parametrize("near", ["account", "network", "task", "device"])
async def test_neighbours_of_either_side_do_not_review(court: Court, near: str, drawn: bool) -> None:
    """They are not drawn, and who becomes one afterwards does not review."""
    gil = await experienced(court.cast, "gil")
    await court.rejected(quantity=3)
    if near == "task":
        await court.cast.submit(gil, ids.show("task", court.task))
    await court.appealed()
    if drawn and near != "task":
        await in_review(court)
        assert await second_reviews.for_person(court.conn, gil, limit=5)
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
    if not drawn or near == "task":
        await in_review(court)
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
    assert cases[2].statements == [], "what is objected does not stand there twice"


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


async def test_words_to_whoever_reviews_say_nothing_of_how_to_reach_them(court: Court) -> None:
    await court.rejected()
    await court.conn.execute("UPDATE submission SET notes = 'Reviewer, call +49 151 23456789.'")
    await court.appealed()
    appeal = ids.show("appeal", court.appeal)
    assert (await second_reviews.case(court.conn, appeal)).notes == ""
    await court.conn.execute("UPDATE submission SET notes = 'The door is behind the tree.'")
    assert (await second_reviews.case(court.conn, appeal)).notes == "The door is behind the tree."
