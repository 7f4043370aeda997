"""The arithmetic of a sale: exact to the unit, as declared, whatever the amounts; and prices that fall with age."""

from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from market import money, shares
from market.shares import Part

PRICES = st.integers(1, money.LARGEST)
BPS = st.integers(0, 5_000)


@st.composite
def some_parts(draw: st.DrawFn) -> list[Part]:
    """Observations of a few people with royalties and earlier sellers, together no more than the price."""
    found = []
    for n in range(draw(st.integers(1, 30))):
        royalty = draw(st.integers(10, 60))
        upstream = [
            (UUID(int=1_000 + draw(st.integers(0, 3))), draw(st.integers(1, 13)))
            for _ in range(draw(st.integers(0, 3)))
        ]
        found.append(Part(UUID(int=n + 1), UUID(int=500 + draw(st.integers(0, 4))), royalty, upstream))
    return found


@given(PRICES, BPS, some_parts())
def test_a_price_is_divided_to_the_unit_and_each_has_what_was_declared(price: int, bps: int, parts: list[Part]) -> None:
    found = shares.divide(price, bps, parts)
    assert found.fee + found.royalty + sum(found.shares.values()) + found.rest == price
    assert min([found.fee, found.rest, *found.royalties.values(), *found.shares.values()]) >= 0
    assert all(found.royalties.values()) and all(found.shares.values())
    whole = 100 * len(parts)
    assert found.royalty == max(1, price * sum(each.royalty_percent for each in parts) // whole)
    for account in {account for each in parts for account, _ in each.upstream}:
        declared = sum(percent for each in parts for one, percent in each.upstream if one == account)
        assert found.shares.get(account, 0) == price * declared // whole
    for person in {each.person for each in parts}:
        own = [each for each in parts if each.person == person]
        got = sum(found.royalties.get(each.key, 0) for each in own)
        of_all = sum(each.royalty_percent for each in own) * found.royalty
        assert abs(got * sum(each.royalty_percent for each in parts) - of_all) < sum(
            each.royalty_percent for each in parts
        ), "each person within a unit of their part"
    declared = sum(each.royalty_percent + sum(percent for _, percent in each.upstream) for each in parts)
    if bps * whole + declared * 10_000 <= 10_000 * whole:
        least = price - found.royalty - sum(found.shares.values())
        assert found.fee == min(money.fee(price, bps), least)


@given(PRICES, BPS, some_parts(), st.randoms(use_true_random=False))
def test_the_order_of_what_is_sold_makes_no_difference(price: int, bps: int, parts: list[Part], random: object) -> None:
    shuffled = parts.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert shares.divide(price, bps, parts) == shares.divide(price, bps, shuffled)


def test_a_price_as_people_reckon_it() -> None:
    bo, ada, dee = UUID(int=1), UUID(int=2), UUID(int=3)
    found = shares.divide(999, 1000, [Part(bo, bo, 15, [(ada, 20), (dee, 5)])])
    assert (found.fee, found.royalty, found.shares, found.rest) == (99, 149, {ada: 199, dee: 49}, 503)
    assert shares.divide(1, 1000, [Part(bo, bo, 10)]) == (0, {bo: 1}, {}, 0), "the person before anybody else"
    assert shares.divide(3, 10_000, [Part(bo, bo, 10)]) == (2, {bo: 1}, {}, 0), "the fee gives way"


def test_more_than_the_price_cannot_be_declared() -> None:
    bo, ada = UUID(int=1), UUID(int=2)
    with pytest.raises(ValueError, match="exceed"):
        shares.divide(100, 0, [Part(bo, bo, 60, [(ada, 41)])])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(PRICES, st.integers(1, money.LARGEST), st.integers(60, 10**8), st.integers(-(10**12), 10**15))
async def test_the_price_now_is_the_same_in_sql_and_here(
    conn: asyncpg.Connection, a: int, b: int, half_life_s: int, age_us: int
) -> None:
    price, lowest, age_s = max(a, b), min(a, b), age_us / 1e6  # ages are differences of timestamps
    found = await conn.fetchval("SELECT fresh_price($1, $2, $3, $4)", price, lowest, half_life_s, age_s)
    assert found == shares.price_at(price, lowest, half_life_s, age_s)
    assert lowest <= found <= price
    assert await conn.fetchval("SELECT fresh_price($1, NULL, NULL, $2)", price, age_s) == price


@pytest.mark.parametrize(("age_s", "price"), [(-5, 901), (0, 901), (60, 501), (120, 301), (30, 666), (10**9, 101)])
async def test_a_price_halves_its_way_down(conn: asyncpg.Connection, age_s: int, price: int) -> None:
    assert shares.price_at(901, 101, 60, age_s) == price
    assert await conn.fetchval("SELECT fresh_price(901, 101, 60, $1)", age_s) == price
