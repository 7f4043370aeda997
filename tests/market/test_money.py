"""Fees and splits are exact: not a unit is made or lost, and nobody's place in a list matters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market import money

AMOUNTS = st.integers(1, money.LARGEST)
TOTALS = st.integers(-(10**12), 10**12)
WEIGHTS = st.lists(st.integers(0, 10**6), min_size=1, max_size=30).filter(any)


@given(AMOUNTS, st.integers(0, 10_000))
def test_a_fee_is_rounded_down_and_never_above_its_rate(reward: int, basis_points: int) -> None:
    fee = money.fee(reward, basis_points)
    assert 0 <= fee * 10_000 <= reward * basis_points < (fee + 1) * 10_000


@given(AMOUNTS, AMOUNTS, st.integers(0, 10_000))
def test_a_higher_reward_never_has_a_lower_fee(a: int, b: int, basis_points: int) -> None:
    low, high = sorted((a, b))
    assert money.fee(low, basis_points) <= money.fee(high, basis_points)


def test_fees_as_people_reckon_them() -> None:
    assert [money.fee(reward, 1000) for reward in (1, 9, 10, 19, 300, 999)] == [0, 0, 1, 1, 30, 99]
    assert money.fee(300, 0) == 0
    assert money.fee(300, 10_000) == 300


@given(TOTALS, WEIGHTS)
def test_a_split_gives_everything_away_and_each_within_a_unit_of_their_share(total: int, weights: list[int]) -> None:
    parts = money.split(total, weights, [str(i) for i in range(len(weights))])
    whole = sum(weights)
    assert sum(parts) == total
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part * whole - total * weight) < whole
        assert weight or not part, "no weight, no money"


@given(TOTALS, WEIGHTS, st.randoms(use_true_random=False))
def test_the_order_of_a_split_does_not_matter(total: int, weights: list[int], random: object) -> None:
    keyed = [(weight, f"key-{i:03d}") for i, weight in enumerate(weights)]
    shuffled = keyed.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    direct = dict(zip((k for _, k in keyed), money.split(total, *map(list, zip(*keyed, strict=True))), strict=True))
    turned = dict(
        zip((k for _, k in shuffled), money.split(total, *map(list, zip(*shuffled, strict=True))), strict=True)
    )
    assert direct == turned


@given(TOTALS, WEIGHTS)
def test_taking_back_mirrors_giving(total: int, weights: list[int]) -> None:
    names = [str(i) for i in range(len(weights))]
    assert money.split(-total, weights, names) == [-part for part in money.split(total, weights, names)]


def test_a_tie_goes_by_key() -> None:
    assert money.split(100, [1, 1, 1], ["c", "a", "b"]) == [33, 34, 33]
    assert money.split(5, [1, 1, 1], ["c", "a", "b"]) == [1, 2, 2]
    assert money.split(0, [3, 4], ["a", "b"]) == [0, 0]


@pytest.mark.parametrize("weights", [[], [0], [0, 0], [1, -1], [-1, 5]])
def test_there_must_be_something_to_split_by(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="weights"):
        money.split(10, weights, [str(i) for i in range(len(weights))])


def test_each_currency_is_known_to_the_schema_and_the_api_alike() -> None:
    from pathlib import Path

    text = (Path(__file__).parents[2] / "alembic" / "sql" / "0001_ledger.sql").read_text()
    for code in money.CURRENCIES:
        assert f"('{code}', " in text
