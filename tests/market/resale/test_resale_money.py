"""Chains of sales, exact to the unit: every owner, every person, the market; in each currency, as declared."""

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from market import account_statements, clock, ids, ledger, observations
from market.errors import Invalid
from market.periods import Period
from tests.market.conftest import Cast
from tests.market.resale import Traders
from tests.market.test_datasets import snapshot

QUICK = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)


@pytest.mark.parametrize(
    ("currency", "prices"),
    [("usd", (1_999, 777, 333, 101, 1)), ("jpy", (1_234, 567, 89, 3, 1)), ("huf", (99_999, 54_321, 7_777, 301, 11))],
)
async def test_a_chain_of_three_owners_and_five_sales_is_exact(
    cast: Cast, currency: str, prices: tuple[int, ...]
) -> None:
    """Ada -> Cy, Dee; Cy -> Eve, Fay; Eve -> Gus. Royalty 13 %, then 17 %; Ada has 7 % of resales, Cy 11 %."""
    market = Traders(cast, currency)
    ada, cy, dee, eve, fay, gus = [await market.agent(name) for name in ("ada", "cy", "dee", "eve", "fay", "gus")]
    bo = await cast.person("bo")
    seen = await market.observed(ada, bo)
    pending, have = (
        await market.pending(bo),
        {each.owner: await market.has(each) for each in (ada, cy, dee, eve, fay, gus)},
    )
    income = await ledger.derived(cast.conn, ledger.FEE_INCOME, currency)

    first = await market.offer(ada, seen, prices[0], royalty_percent=13, resale=True, resale_share_percent=7)
    one = (await market.buy(cy, first)).sale
    p = prices[0]
    fee, royalty = p // 10, max(1, p * 13 // 100)
    assert (one.price.amount, one.fee.amount, one.royalty.amount) == (p, fee, royalty)
    assert (one.shares.amount, one.proceeds.amount) == (0, p - fee - royalty)
    two = (await market.buy(dee, first)).sale

    second = await market.offer(cy, seen, prices[1], royalty_percent=17, resale=True, resale_share_percent=11)
    three = (await market.buy(eve, second)).sale
    p = prices[1]
    fee, royalty, to_ada = p // 10, max(1, p * 17 // 100), p * 7 // 100
    assert (three.royalty.amount, three.shares.amount, three.fee.amount) == (royalty, to_ada, fee)
    assert three.proceeds.amount == p - fee - royalty - to_ada
    four = (await market.buy(fay, second)).sale

    third = await market.offer(eve, seen, prices[2], royalty_percent=17)
    five = (await market.buy(gus, third)).sale
    p = prices[2]
    fee, royalty, to_ada, to_cy = p // 10, max(1, p * 17 // 100), p * 7 // 100, p * 11 // 100
    assert five.shares.amount == to_ada + to_cy
    assert five.proceeds.amount == p - fee - royalty - to_ada - to_cy

    sold = (one, two, three, four, five)
    assert await market.pending(bo) - pending == sum(each.royalty.amount for each in sold)
    assert await ledger.derived(cast.conn, ledger.FEE_INCOME, currency) - income == sum(
        each.fee.amount for each in sold
    )
    gained = {each.owner: await market.has(each) - have[each.owner] for each in (ada, cy, dee, eve, fay, gus)}
    assert gained[ada.owner] == one.proceeds.amount + two.proceeds.amount + 2 * (prices[1] * 7 // 100) + to_ada
    assert gained[cy.owner] == -prices[0] + three.proceeds.amount + four.proceeds.amount + to_cy
    assert gained[eve.owner] == -prices[1] + five.proceeds.amount
    assert (gained[dee.owner], gained[fay.owner], gained[gus.owner]) == (-prices[0], -prices[1], -prices[2])
    # A statement has as fees what its account paid as the seller, however many had a share.
    today = (await clock.now(cast.conn)).date()
    for each, own in ((ada, sold[:2]), (cy, sold[2:4]), (dee, ()), (eve, sold[4:]), (gus, ())):
        stated = await account_statements.of_account(cast.conn, each.owner, Period(today, today), currency)
        fees = sum(line.fee for line in stated.lines if line.kind in ("bought", "sold"))
        assert fees == sum(one.fee.amount for one in own), each
    for each in (cy, dee, eve, fay, gus):
        assert (await observations.get(cast.conn, each.owner, seen)).answers == {"open": "open"}
    assert await cast.broken() == []


PERCENT = st.integers(10, 45)
SHARE = st.integers(0, 15)


@QUICK
@given(
    st.sampled_from(["usd", "jpy", "huf"]), st.lists(st.integers(1, 10_000_000), min_size=5, max_size=5),
    st.lists(PERCENT, min_size=3, max_size=3), st.lists(SHARE, min_size=3, max_size=3), st.integers(0, 2_500),
)  # fmt: skip
async def test_any_chain_is_exact(
    cast: Cast, currency: str, prices: list[int], royalties: list[int], shares: list[int], fee_bps: int
) -> None:
    """Ada -> Cy, Dee; Cy -> Eve, Fay; Eve -> Gus, at other amounts and percents each time."""
    story = cast.conn.transaction()
    await story.start()
    try:
        market = Traders(cast, currency)
        owners = [await market.agent(name) for name in ("ada", "cy", "dee", "eve", "fay", "gus")]
        ada, cy, dee, eve, fay, gus = owners
        bo = await cast.person("bo")
        seen = await market.observed(ada, bo)
        before, have = await market.pending(bo), [await market.has(each) for each in owners]
        income = await ledger.derived(cast.conn, ledger.FEE_INCOME, currency)
        owed, expected = 0, dict.fromkeys((each.owner for each in owners), 0)
        upstream: list[tuple[int, int]] = []
        percent, sold = 0, 0
        for level, (seller, buyers) in enumerate(((ada, (cy, dee)), (cy, (eve, fay)), (eve, (gus,)))):
            percent = max(percent, royalties[level])
            for buyer in buyers:
                price = prices[sold]
                sold += 1
                listing = await market.offer(
                    seller, seen, price, fee_bps=fee_bps, royalty_percent=percent, resale=True,
                    resale_share_percent=shares[level], license=CC if level == 0 else None,
                )  # fmt: skip
                sale = (await market.buy(buyer, listing, fee_bps=fee_bps)).sale
                royalty = max(1, price * percent // 100)
                parts = [(owner, price * share // 100) for owner, share in upstream]
                fee = min(price * fee_bps // 10_000, price - royalty - sum(part for _, part in parts))
                assert (sale.royalty.amount, sale.fee.amount) == (royalty, fee)
                assert sale.shares.amount == sum(part for _, part in parts)
                owed += royalty
                income += fee
                expected[buyer.owner] -= price
                expected[seller.owner] += sale.proceeds.amount
                for owner, part in parts:
                    expected[owner] += part
                await cast.conn.execute("UPDATE listing SET status = 'ended', ended_at = market_now() WHERE id = $1",
                                        ids.read("listing", listing.id))  # fmt: skip
            upstream.append((seller.owner, shares[level]))  # type: ignore[arg-type]
        assert await market.pending(bo) - before == owed
        assert await ledger.derived(cast.conn, ledger.FEE_INCOME, currency) == income
        for owner, held in zip(owners, have, strict=True):
            assert await market.has(owner) - held == expected[owner.owner]
        assert await cast.broken() == []
    finally:
        await story.rollback()


CC = {"id": "CC0-1.0"}


async def test_a_data_set_pays_each_person_and_each_earlier_seller(cast: Cast) -> None:
    market = Traders(cast, "jpy")
    ada, cy, dee = [await market.agent(name) for name in ("ada", "cy", "dee")]
    people = [await cast.person(name) for name in ("bo", "kim", "lu")]
    seen = [await market.observed(ada, people[n % 3]) for n in range(7)]
    declared = await market.offer(ada, seen[0], 100, royalty_percent=40, resale=True, resale_share_percent=20)
    await market.buy(cy, declared)
    own = [await market.observed(cy, people[n % 3]) for n in range(4)]
    made = await snapshot(cast, cy, query={})
    assert made.rows == 5
    have, pending = await market.has(ada), [await market.pending(each) for each in people]
    listing = await market.offer(cy, made.id, 1_009, royalty_percent=10)
    assert (listing.items, [each.id for each in listing.licenses]) == (5, ["CC-BY-4.0"])
    sold = await market.buy(dee, listing)
    # Bo has the one with 40 % and two of 10 %, Kim and Lu one of 10 % each: of 1009 * 80 / 500 = 161.
    assert sold.sale.royalty.amount == 161
    got = [await market.pending(each) - before for each, before in zip(people, pending, strict=True)]
    assert got == [121, 20, 20]
    assert await market.has(ada) - have == 1_009 * 20 // 500 == sold.sale.shares.amount
    assert sold.dataset is not None and {await count(cast, dee.owner)} == {5}
    assert len(own) == 4 and await cast.broken() == []


async def count(cast: Cast, account: object) -> int:
    found: int = await cast.conn.fetchval("SELECT count(*) FROM holding WHERE account_id = $1", account)
    return found


async def test_what_is_declared_leaves_the_seller_something_or_is_not_listed(cast: Cast) -> None:
    market = Traders(cast)
    ada, cy = await market.agent("ada"), await market.agent("cy")
    seen = await market.observed(ada, await cast.person("bo"))
    with pytest.raises(Invalid, match="exceed the price"):
        await market.offer(ada, seen, 100, royalty_percent=91)
    listing = await market.offer(ada, seen, 100, royalty_percent=50, resale=True, resale_share_percent=50)
    await market.buy(cy, listing)
    with pytest.raises(Invalid, match="exceed the price"):
        await market.offer(cy, seen, 100, royalty_percent=50)
    with pytest.raises(Invalid, match="royalty of 50 %"):
        await market.offer(cy, seen, 100, royalty_percent=49)


async def test_of_a_single_unit_the_person_has_it(cast: Cast) -> None:
    market = Traders(cast, "huf")
    ada, cy = await market.agent("ada"), await market.agent("cy")
    seen = await market.observed(ada, await cast.person("bo"))
    sale = (await market.buy(cy, await market.offer(ada, seen, 1))).sale
    assert (sale.royalty.amount, sale.fee.amount, sale.proceeds.amount) == (1, 0, 0)


@pytest.mark.parametrize("table", ["sale", "holding", "sale_share", "listing_item"])
async def test_what_was_sold_stays_as_it_was_sold(cast: Cast, table: str) -> None:
    market = Traders(cast)
    ada, cy, dee = [await market.agent(name) for name in ("ada", "cy", "dee")]
    seen = await market.observed(ada, await cast.person("bo"))
    await market.buy(cy, await market.offer(ada, seen, 500, resale=True, resale_share_percent=10))
    await market.buy(dee, await market.offer(cy, seen, 500))
    with pytest.raises(asyncpg.PostgresError) as caught:
        async with cast.conn.transaction():
            await cast.conn.execute(f"DELETE FROM {table}")
    assert caught.value.sqlstate == "LG001"
