"""What a sale costs its buyer, what its person has of it, and what goes when they go."""

from uuid import UUID

import pytest

from market import (
    datasets,
    debts,
    earnings,
    erasure,
    ids,
    keys,
    listings,
    money_decisions,
    observations,
    operators,
    statements,
)
from market.clock import advance
from market.errors import (
    AlreadyOwned,
    Erased,
    InsufficientFunds,
    Invalid,
    ListingNotActive,
    NotForResale,
    OverCap,
    PriceChanged,
)
from market.listing_terms import ListingChange
from market.money import Price
from market.periods import Period
from tests.market.conftest import HOLD_S, Cast
from tests.market.resale import Traders
from tests.market.test_datasets import snapshot

DAY = 86_400


async def test_the_price_falls_with_age_and_no_more_than_agreed_is_paid(
    cast: Cast, market: Traders, ada: keys.Actor, cy: keys.Actor, seen: str
) -> None:
    fresh = {"floor": market.money(100), "half_life_s": DAY}
    listing = await market.offer(ada, seen, 900, freshness=fresh)
    assert listing.price_now.amount == 900
    with pytest.raises(PriceChanged):
        await market.buy(cy, listing, most=899)
    await advance(cast.conn, DAY)
    assert (await listings.get(cast.conn, cy, listing.id)).price_now.amount == 500
    await listings.change(cast.conn, ada, listing.id, ListingChange(price=Price(1_300, "usd")))
    with pytest.raises(PriceChanged, match="700"):
        await market.buy(cy, listing, most=500)
    sale = (await market.buy(cy, listing, most=700)).sale
    assert sale.price.amount == 700


async def test_caps_holds_and_balances_count_as_for_tasks(
    cast: Cast, market: Traders, ada: keys.Actor, cy: keys.Actor, seen: str
) -> None:
    listing = await market.offer(ada, seen, 500)
    poor = await market.agent("poor", funds=499)
    story = cast.conn.transaction()
    await story.start()
    with pytest.raises(InsufficientFunds):
        await market.buy(poor, listing)
    await story.rollback()
    for caps in ({"max_per_task": 499}, {"max_per_day": 499}):
        _, secret = await keys.make(cast.conn, cy, keys.KeyDraft(**caps))
        with pytest.raises(OverCap):
            await market.buy(await keys.find(cast.conn, secret), listing)
    with pytest.raises(AlreadyOwned):
        await market.buy(ada, listing)
    yen = await Traders(cast, "jpy").agent("yen")
    with pytest.raises(Invalid) as refused:
        await market.buy(yen, listing)
    assert refused.value.pointer == "/max_price"
    await market.buy(cy, listing)
    with pytest.raises(AlreadyOwned):
        await market.buy(cy, listing)


async def test_a_royalty_is_pending_then_paid_out_like_pay(
    cast: Cast, market: Traders, ada: keys.Actor, cy: keys.Actor, bo: UUID, seen: str
) -> None:
    await market.buy(cy, await market.offer(ada, seen, 555, royalty_percent=20))
    found = await earnings.of_person(cast.conn, bo)
    assert [(each.kind, each.amount.amount, each.status) for each in found.lines] == [
        ("royalty", 111, "pending"), ("reward", 300, "pending"),
    ]  # fmt: skip
    assert found.pending.amount == 411
    await advance(cast.conn, HOLD_S)
    assert await earnings.release_due(cast.conn) == 2
    found = await earnings.of_person(cast.conn, bo)
    assert (found.pending.amount, found.payable.amount) == (0, 411)
    today = await cast.conn.fetchval("SELECT (market_now() AT TIME ZONE 'utc')::date")
    told = await statements.of_person(cast.conn, bo, Period(today.replace(year=today.year - 1), today), "usd")
    assert [(each.kind, each.change.total) for each in told.lines if each.change.total] == [
        ("earned", 300), ("royalty", 111),
    ]  # fmt: skip
    [year, *_] = await statements.tax_years(cast.conn, bo)
    assert (year.earned.amount, year.answers) == (411, 1)
    exported = await erasure.export(cast.conn, bo)
    assert [each["kind"] for each in exported["earnings"]] == ["reward", "royalty"]
    assert await cast.broken() == []


async def test_pay_that_is_taken_back_takes_its_royalties_and_ends_its_sale(
    cast: Cast, market: Traders, ada: keys.Actor, cy: keys.Actor, dee: keys.Actor, bo: UUID, seen: str
) -> None:
    listing = await market.offer(ada, seen, 500, royalty_percent=20, resale=True)
    await market.buy(cy, listing)
    await advance(cast.conn, HOLD_S)
    await earnings.release_due(cast.conn)
    await market.buy(dee, listing)
    onward = await market.offer(cy, seen, 300, royalty_percent=20, license=None)
    have = [await market.has(each) for each in (cy, dee)]
    submission = await cast.conn.fetchval(
        "SELECT submission_id FROM observation WHERE id = $1", ids.read("observation", seen)
    )
    olu, pia = [(await operators.add(cast.conn, f"{name}@example.com", name))[0].id for name in ("olu", "pia")]
    olu_id, pia_id = ids.read("operator", olu), ids.read("operator", pia)
    asked = await debts.ask_clawback(cast.conn, olu_id, submission, "A picture of a screen.")
    await money_decisions.decide(cast.conn, pia_id, asked, approve=True)
    assert [await market.has(each) - before for each, before in zip((cy, dee), have, strict=True)] == [100, 100]
    found = await earnings.of_person(cast.conn, bo)
    assert {each.status for each in found.lines} == {"clawed_back"}
    assert (found.pending.amount, found.payable.amount, found.owed.amount) == (0, 0, 0)
    for each in (listing, onward):
        assert (await listings.get(cast.conn, dee, each.id)).status == "withdrawn"
    with pytest.raises(NotForResale):
        await market.offer(cy, seen, 300, royalty_percent=20, license=None)
    assert await cast.broken() == []


# ---- what goes away


async def test_deletion_follows_what_was_sold(
    cast: Cast, market: Traders, ada: keys.Actor, cy: keys.Actor, dee: keys.Actor, bo: UUID, seen: str
) -> None:
    kim = await cast.person("kim")
    other = await market.observed(ada, kim)
    listing = await market.offer(ada, seen, 500, resale=True)
    kept = await market.offer(ada, other, 500)
    made = await snapshot(cast, ada, query={})
    whole = await market.offer(ada, made.id, 900)
    sold = await market.buy(cy, whole)
    assert sold.dataset is not None
    await datasets.build(cast.conn, sold.dataset)
    await market.buy(dee, listing)
    onward = await market.offer(dee, seen, 300, license=None)
    assert (await listings.preview(cast.conn, cy, listing.id, 1)).sha256 == b"\x01" * 32
    await erasure.erase(cast.conn, bo, leave_unpaid=True)
    for each in (listing, whole, onward):
        assert (await listings.get(cast.conn, dee, each.id)).status == "withdrawn"
        with pytest.raises(ListingNotActive):
            await listings.preview(cast.conn, cy, each.id, 1)
    assert (await listings.get(cast.conn, dee, kept.id)).status == "active"
    for owner in (ada, cy, dee):
        with pytest.raises(Erased):
            await observations.photo(cast.conn, owner.owner, seen, 1)
        told = await cast.conn.fetch(
            "SELECT data FROM event WHERE type = 'observation.erased' AND account_id = $1", owner.owner
        )
        assert [each["data"] for each in told] == [{"photos": 1}]
    theirs = await datasets.get(cast.conn, cy.owner, ids.show("dataset", sold.dataset))
    assert (theirs.rows, theirs.erased, theirs.status) == (2, 1, "ready")
    assert await cast.conn.fetchval("SELECT count(*) FROM event WHERE type = 'listing.withdrawn'") == 3
    assert await cast.broken() == []
