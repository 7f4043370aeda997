"""Who reviews is drawn by lot from many who were paid by several buyers, and has nothing in common with anybody."""

from uuid import UUID

import pytest

from market import appeals, ids, keys, reviewers, second_reviews
from market.clock import advance
from market.errors import NotFound
from tests.market.appealing import Court, experienced, signed_in_from
from tests.market.conftest import HOLD_S, Cast

NAMES = ("gil", "hal", "ida", "jan", "kit", "lou", "mia")


@pytest.fixture
def court(cast: Cast, ada: keys.Actor, bo: UUID) -> Court:
    return Court(cast, ada, bo)


async def drawn(court: Court) -> set[UUID]:
    """Who is drawn once both sides have spoken."""
    await advance(court.conn, appeals.ANSWER_S)
    assert await reviewers.draw_due(court.conn) == 1
    rows = await court.conn.fetch("SELECT person_id FROM appeal_reviewer WHERE appeal_id = $1", court.appeal)
    return {row["person_id"] for row in rows}


async def test_five_of_many_are_drawn_and_the_rest_do_not_get_in(court: Court, monkeypatch: pytest.MonkeyPatch) -> None:
    many = {await experienced(court.cast, name) for name in NAMES}
    await court.rejected()
    await court.appealed()
    monkeypatch.setattr(reviewers, "POOL", len(many))
    found = await drawn(court)
    assert len(found) == reviewers.DRAWN and found < many
    told = await court.conn.fetch("SELECT person_id FROM event WHERE type = 'review.invited'")
    assert {each["person_id"] for each in told} == found
    for person in many:
        waits = await second_reviews.for_person(court.conn, person, limit=5)
        assert bool(waits) == (person in found)
    opinion = second_reviews.Reviewing(award_percent=100, reason="It can be read.")
    with pytest.raises(NotFound):
        stranger = next(iter(many - found))
        await second_reviews.give_opinion(
            court.conn, stranger, ids.show("appeal", court.appeal), opinion, hold_s=HOLD_S
        )


async def test_of_few_nobody_is_drawn(court: Court) -> None:
    await experienced(court.cast, "gil")
    await experienced(court.cast, "hal")
    await court.rejected()
    await court.appealed()
    assert await drawn(court) == set(), "an operator decides"


@pytest.mark.parametrize("case", ["machine", "dear"])
async def test_what_a_machine_refused_and_what_is_worth_much_is_left_to_operators(
    court: Court, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reviewers, "POOL", 1)
    await experienced(court.cast, "gil")
    dear = {"reward": {"amount": reviewers.MOST + 1, "currency": "usd"}} if case == "dear" else {}
    await court.rejected("market" if case == "machine" else "buyer", **dear)
    await court.appealed()
    assert await drawn(court) == set()


async def test_nobody_is_made_a_reviewer_by_one_buyer_or_by_the_one_who_is_judged(
    court: Court, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reviewers, "POOL", 1)
    gil, hal, ida = [await experienced(court.cast, name) for name in ("gil", "hal", "ida")]
    # All of Gil's were for one buyer, one of Hal's was taken back, a fifth of Ida's was for Ada herself.
    await court.conn.execute(
        """UPDATE submission SET account_id = (SELECT min(account_id::text)::uuid FROM submission WHERE person_id = $1)
           WHERE person_id = $1""", gil,
    )  # fmt: skip
    await court.conn.execute(
        """UPDATE earning SET clawed_back_at = market_now()
           WHERE id = (SELECT min(id::text)::uuid FROM earning WHERE person_id = $1)""", hal,
    )  # fmt: skip
    await court.conn.execute(
        """UPDATE submission SET account_id = $2 WHERE person_id = $1 AND account_id = (
             SELECT min(account_id::text)::uuid FROM submission WHERE person_id = $1)""", ida, court.ada.owner,
    )  # fmt: skip
    await court.rejected()
    await court.appealed()
    assert await drawn(court) == set()


async def test_those_who_are_drawn_do_not_know_each_other(court: Court, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reviewers, "POOL", 1)
    gil, hal, ida = [await experienced(court.cast, name) for name in ("gil", "hal", "ida")]
    for person in (gil, hal):
        await signed_in_from(court.cast, person, "192.0.2.7")
    await court.rejected()
    await court.appealed()
    found = await drawn(court)
    assert ida in found and len(found & {gil, hal}) == 1


@pytest.mark.parametrize("networks", [("2001:db8:1:1::/64", "2001:db8:1:2::/64"), ("192.0.2.7", "192.0.2.7"), ()])
async def test_who_lives_with_another_or_nowhere_is_not_drawn_with_them(
    court: Court, networks: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One customer has many networks of IPv6; and where somebody comes from may have been forgotten."""
    monkeypatch.setattr(reviewers, "POOL", 1)
    people = [await experienced(court.cast, name) for name in ("gil", "hal")]
    await court.conn.execute("DELETE FROM login_code WHERE person_id = ANY ($1::uuid[])", people)
    for person, network in zip(people, networks, strict=False):
        await signed_in_from(court.cast, person, network)
    await court.rejected()
    await court.appealed()
    assert len(await drawn(court)) == (1 if networks else 0)


async def test_two_who_come_to_share_a_network_do_not_decide(court: Court, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reviewers, "POOL", 1)
    gil, hal = [await experienced(court.cast, name) for name in ("gil", "hal")]
    await court.rejected()
    await court.appealed()
    assert await drawn(court) == {gil, hal}
    for person in (gil, hal):
        await signed_in_from(court.cast, person, "198.51.100.4")
    opinion = second_reviews.Reviewing(award_percent=100, reason="It can be read.")
    case = ids.show("appeal", court.appeal)
    assert not await second_reviews.give_opinion(court.conn, gil, case, opinion, hold_s=HOLD_S)
    with pytest.raises(NotFound):
        await second_reviews.give_opinion(court.conn, hal, case, opinion, hold_s=HOLD_S)
    assert await court.status() == "disputed"


async def test_answers_that_cost_nobody_anything_are_no_experience(
    court: Court, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reviewers, "POOL", 1)
    await experienced(court.cast, "gil")
    await court.conn.execute("UPDATE earning SET fee = 0")
    await court.rejected()
    await court.appealed()
    assert await drawn(court) == set()
