"""The fill model: sane before any history, learning from it, right about what it says, monotone whatever it learned."""

import itertools
import math

import numpy as np
import pytest

from market.fill_model import Evidence, fit, unfitted
from market.fill_rows import AT, BLOCKS, KINDS, NAMES, PRICES, Rows, columns, pieces, price_at, rows_of
from tests.market import fill_world
from tests.market.fill_world import DAY_S, MONDAY

HOUR = 3600.0


def one(**changes: object) -> Rows:
    """A photo task at the usual pay, opened on a Monday at ten where ten people are active, looked at for a week."""
    usual = {
        "opened": MONDAY + 10 * HOUR, "lon": 0.0, "kind": 0, "pay": 1.0, "top": 1.0, "step": 0.0, "step_s": 0.0,
        "quantity": 1.0, "people": 10, "way": 0, "city": 1, "near": 2, "end": 7 * DAY_S, "filled": False,
        "claimed": math.nan, "weight": 1.0,
    }  # fmt: skip
    return rows_of({name: [value] for name, value in (usual | changes).items()})


def test_the_prior_fills_half_of_usual_photo_tasks_within_three_hours() -> None:
    curve = unfitted().curve(one())
    assert curve.at(3 * HOUR).probability == pytest.approx(0.5, abs=0.05)
    chance = curve.at(3 * HOUR)
    assert chance.high - chance.low > 0.5 and chance.low < 0.25 and chance.high > 0.75
    assert curve.at(600).probability < 0.08


@pytest.mark.parametrize(
    ("changes", "quicker"),
    [
        ({"pay": 2.0, "top": 2.0}, True), ({"pay": 0.5, "top": 0.5}, False), ({"people": 100}, True),
        ({"people": 0, "way": 5}, False), ({"opened": MONDAY + 1 * HOUR}, False), ({"kind": 2}, False),
        ({"quantity": 5.0}, False), ({"top": 3.0, "step": 0.2, "step_s": 900.0}, True),
    ],
)  # fmt: skip
def test_before_any_history_what_helps_helps(changes: dict[str, object], quicker: bool) -> None:
    usual, other = (unfitted().curve(row).at(4 * HOUR).probability for row in (one(), one(**changes)))
    assert (other > usual) is quicker and abs(other - usual) > 0.02


def test_rows_are_cut_where_something_changes_and_nothing_of_their_time_is_lost() -> None:
    world = fill_world.made(200, 7, 3)
    cut = pieces(world.rows)
    lengths = np.bincount(cut.row, cut.length)
    assert lengths == pytest.approx(np.maximum(world.rows.end, 1.0))
    assert cut.last.sum() == len(world.rows.end) and (cut.length > 0).all()
    assert ((cut.block >= 0) & (cut.block < BLOCKS)).all()
    # Within a piece neither the time of the week nor, by more than a tenth, the price changes.
    for at in (cut.start + 0.001, cut.start + cut.length - 0.001):
        local = world.rows.opened[cut.row] + at + world.rows.lon[cut.row] * 240
        assert (np.floor((local - MONDAY) / (3 * HOUR)) % BLOCKS == cut.block).all()
        seen = np.where(world.rows.filled[cut.row], np.fmin(at, world.rows.claimed[cut.row]), at)
        assert np.abs(np.log(price_at(world.rows, cut.row, seen)) - cut.price).max() < 0.21


def test_a_rising_price_counts_as_it_was_when_it_was_claimed() -> None:
    row = one(top=4.0, step=0.5, step_s=HOUR, end=9 * HOUR, filled=True, claimed=2.5 * HOUR)
    cut = pieces(row)
    assert np.exp(cut.price[-1]) == pytest.approx(2.0) and np.exp(cut.price).max() == pytest.approx(2.0)
    assert np.exp(cut.price[0]) == pytest.approx(1.0)


def test_a_price_is_the_sum_of_its_parts() -> None:
    price = np.array([-3.0, -0.5, 0.0, 0.4, 2.0])
    given = columns(
        price, np.zeros(5, int), np.zeros(5), np.zeros(5), np.zeros(5, bool), np.zeros(5), np.zeros(5, int),
        np.zeros(5, int),
    )  # fmt: skip
    assert given[:, PRICES].sum(axis=1) == pytest.approx(price) and given.shape == (5, len(NAMES))


@pytest.fixture(scope="module")
def world() -> fill_world.World:
    return fill_world.made(3000, 28, 1)


def test_what_is_foretold_of_a_week_that_was_kept_back_comes_true(world: fill_world.World) -> None:
    tried = fill_world.tried(world, days=21, every=2)
    assert 0.75 <= tried.inside <= 0.87, tried
    assert tried.brier < 0.8 * tried.base, tried
    for low, high in [(0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.01)]:
        of = (tried.foretold >= low) & (tried.foretold < high)
        assert abs(tried.foretold[of].mean() - tried.came[of].mean()) < 0.06, (low, tried)


def test_it_learns_places_hours_and_prices(world: fill_world.World) -> None:
    model = fit(world.rows)
    beta = dict(zip(NAMES, model.mean, strict=True))
    assert beta["price"] > 0.4 and beta["people"] > 0.1 and beta["action"] < -0.3
    assert model.slots == len(world.rows.end) and model.filled == world.rows.filled.sum()
    quick = {cell: (o + 1) / (e + 1) for cell, (o, e) in model.places.items()}
    assert max(quick.values()) > 1.5 > 0.7 > min(quick.values())
    night, day = (
        model.curve(one(opened=MONDAY + hour * HOUR), Evidence(), Evidence()).at(2 * HOUR).probability
        for hour in (1, 15)
    )
    assert day > night + 0.2


def test_time_and_price_never_lower_a_chance_nor_its_interval(world: fill_world.World) -> None:
    model = fit(Rows(*(column[:150] for column in world.rows)))
    before = None
    for pay in np.exp(np.linspace(-3, 3, 13)):
        curve = model.curve(one(pay=pay, top=pay, end=2 * DAY_S))
        found = np.array([curve.at(at)[:4] for at in np.linspace(0, 2 * DAY_S, 60)])
        assert (np.diff(found, axis=0) >= -1e-12).all()
        assert (found[:, 1] <= found[:, 0]).all() and (found[:, 0] <= found[:, 2]).all(), "the interval holds the mean"
        assert before is None or (found >= before - 1e-12).all()
        before = found


def test_history_that_shows_nothing_of_prices_or_the_contrary_does_not_make_them_repel() -> None:
    """Dear tasks that nobody took, cheap ones that everybody did."""
    rows = [one(pay=pay, top=pay, end=end, filled=filled, claimed=end / 2 if filled else math.nan)
            for pay, end, filled in [(8.0, DAY_S, False), (0.2, HOUR, True)] * 200]  # fmt: skip
    model = fit(Rows(*(np.concatenate(column) for column in zip(*rows, strict=True))))
    assert min(model.mean[PRICES]) == 0.0
    cheap, dear = (model.curve(one(pay=pay, top=pay)).at(HOUR).probability for pay in (0.2, 8.0))
    assert dear >= cheap


def test_the_cheapest_price_is_the_lowest_that_does() -> None:
    model, each = unfitted(), 1 / 170
    curve = model.curve(one(pay=300 * each, top=300 * each))
    price = curve.cheapest(0.8, 6 * HOUR, math.log(300 * each), each, 10_000_000)
    assert price is not None and price > 1

    def chance(amount: int) -> float:
        return model.curve(one(pay=amount * each, top=amount * each)).at(6 * HOUR).probability

    assert chance(price) >= 0.8 > chance(price - 1)
    assert curve.cheapest(0.999, 60, math.log(300 * each), each, 10_000_000) is None
    assert curve.cheapest(0.0001, DAY_S, math.log(300 * each), each, 10_000_000) == 1


def test_moments_and_chances_are_inverse_and_end_at_the_horizon() -> None:
    curve = unfitted().curve(one(end=6 * HOUR))
    for chance in (0.1, 0.3, 0.5):
        at = curve.quantile(chance)
        assert at is not None and curve.at(at).probability == pytest.approx(chance, abs=1e-3)
    assert curve.quantile(0.95) is None and curve.horizon == 6 * HOUR
    assert curve.at(DAY_S) == curve.at(6 * HOUR) and curve.at(0).probability == 0


def test_several_slots_come_later_than_one_and_as_many_as_expected() -> None:
    chance = unfitted().curve(one(quantity=4.0)).at(5 * HOUR)
    assert chance.probability < chance.one and chance.expected == pytest.approx(4 * chance.one)


def test_a_model_without_history_is_the_prior_and_little_history_stays_near_it() -> None:
    nothing = fit(rows_of({name: [] for name in Rows._fields}))
    assert nothing == unfitted()
    little = fit(one(end=20 * HOUR, filled=True, claimed=19 * HOUR))
    gap = abs(little.curve(one()).at(3 * HOUR).probability - nothing.curve(one()).at(3 * HOUR).probability)
    assert 0 < gap < 0.25


def test_a_place_where_much_came_is_quick_and_its_neighbours_are_thought_so_a_little() -> None:
    model = unfitted()
    plain, city, near = (
        model.curve(one(), *evidence).at(2 * HOUR).probability
        for evidence in [
            (Evidence(), Evidence()), (Evidence(300, 100), Evidence()), (Evidence(300, 100), Evidence(60, 20)),
        ]
    )  # fmt: skip
    assert plain < city < near
    spreads = [model.curve(one(), Evidence(n, n), Evidence(n, n)).at(2 * HOUR) for n in (0.0, 10.0, 1000.0)]
    assert all(a.high - a.low > b.high - b.low for a, b in itertools.pairwise(spreads))


def test_what_is_said_twice_weighs_as_much_as_two() -> None:
    world = fill_world.made(100, 7, 4)
    twice = Rows(*(np.concatenate([column, column]) for column in world.rows))
    heavy = world.rows._replace(weight=world.rows.weight * 2)
    assert fit(twice).mean == pytest.approx(fit(heavy).mean, abs=1e-6)


def test_every_kind_and_name_has_its_column() -> None:
    assert set(KINDS[1:]) < set(NAMES) and len(AT) == len(NAMES)
