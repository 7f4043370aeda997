"""What an observation is worth: equal to enumerating every sequence of reports, and sensible at the edges."""

import itertools
import math

import numpy as np
import pytest

from market import decision_value as dv
from market.decision_value import Problem


def by_enumeration(problem: Problem, reports: int) -> float:
    """Every sequence of reports, one by one, with the posterior after each written out."""
    prior, payoffs, channel = problem
    value = 0.0
    for sequence in itertools.product(range(channel.shape[1]), repeat=reports):
        joint = [p * math.prod(channel[k][j] for j in sequence) for k, p in enumerate(prior)]
        chance = sum(joint)
        if chance > 0:
            posterior = [each / chance for each in joint]
            value += chance * max(sum(q * u for q, u in zip(posterior, act, strict=True)) for act in payoffs)
    return value - max(sum(p * u for p, u in zip(prior, act, strict=True)) for act in payoffs)


def a_problem(random: np.random.Generator) -> Problem:
    """Two to four answers, one to four acts; priors with zeros or certain, coins that always or never tell the truth,
    full confusion matrices, payoffs negative and fractional."""
    answers, acts = int(random.integers(2, 5)), int(random.choice([1, 2, 2, 3, 4]))
    prior = random.dirichlet(np.full(answers, random.choice([0.3, 1.0, 10.0])))
    if random.random() < 0.2:
        prior = np.eye(answers)[random.integers(answers)]
    elif random.random() < 0.2:
        prior[random.integers(answers)] = 0.0
        prior /= prior.sum()
    payoffs = random.normal(0, random.choice([0.01, 1.0, 50.0]), (acts, answers))
    if random.random() < 0.5:
        payoffs -= (payoffs @ prior)[:, None]  # nothing to choose between them without asking
    if random.random() < 0.5:
        accuracy = float(random.choice([0.0, 1.0, 1 / answers, random.random()]))
        channel = dv.one_coin(answers, accuracy, unnamed=int(random.integers(0, 2)))
    else:
        channel = random.dirichlet(np.full(int(random.integers(1, 5)), 0.5), answers)
    return Problem(prior, payoffs, channel)


def test_a_thousand_random_problems_are_worth_what_enumeration_says() -> None:
    random = np.random.default_rng(5)
    positive = 0
    for _ in range(1000):
        problem = a_problem(random)
        reports = int(random.choice([0, 1, 1, 2, 3, 4]))
        exact = by_enumeration(problem, reports)
        assert dv.sample_value(problem, reports) == pytest.approx(exact, abs=1e-9)
        positive += exact > 1e-6
    assert 300 < positive < 900  # neither all worthless nor all worth something


def test_more_reports_are_never_worth_less_and_none_more_than_the_truth() -> None:
    random = np.random.default_rng(6)
    for _ in range(100):
        found = dv.worth(a_problem(random), cost=0.01)
        assert len(found.by_count) == dv.MOST_REPORTS + 1
        assert all(b >= a - 1e-9 for a, b in itertools.pairwise(found.by_count))
        assert found.by_count[-1] <= found.perfect + 1e-9
        gains = [value - n * 0.01 for n, value in enumerate(found.by_count)]
        assert found.gain == max(gains) == gains[found.replicates] and found.gain >= 0


def test_an_umbrella() -> None:
    """Rain 30 %: taking the umbrella is worth 10 in rain and −2 in sun, leaving it −20 and 5."""
    weather = Problem(np.array([0.3, 0.7]), np.array([[10.0, -2.0], [-20.0, 5.0]]), dv.one_coin(2, 0.9))
    # Taken blindly 1.6; the truth is worth 3 + 3.5 − 1.6. "Rain" (0.34): take, 2.56; "sun" (0.66): leave it, 2.55.
    found = dv.worth(weather, cost=1.0)
    assert found.act == 0 and found.perfect == pytest.approx(4.9)
    assert found.one == pytest.approx(0.27 * 10 - 0.07 * 2 + (-0.03 * 20 + 0.63 * 5) - 1.6)
    assert found.replicates == 1


def test_who_is_certain_or_has_one_act_asks_nobody() -> None:
    certain = Problem(np.array([1.0, 0.0]), np.array([[1.0, 0.0], [0.0, 9.0]]), dv.one_coin(2, 0.8))
    assert dv.worth(certain, 0.001)[:3] == (0.0, 0.0, 0)
    alone = Problem(np.array([0.5, 0.5]), np.array([[3.0, -1.0]]), dv.one_coin(2, 1.0))
    assert dv.worth(alone, 0.001)[:3] == (0.0, 0.0, 0)


def test_a_coin_that_always_lies_tells_as_much_as_one_that_never_does() -> None:
    two = np.array([[1.0, 0.0], [0.0, 1.0]])
    honest, liar, noise = (Problem(np.array([0.5, 0.5]), two, dv.one_coin(2, r)) for r in (1.0, 0.0, 0.5))
    assert dv.sample_value(honest, 1) == dv.sample_value(liar, 1) == 0.5 and dv.sample_value(noise, 1) == 0


def test_many_answers_are_looked_at_with_fewer_reports() -> None:
    wide = Problem(np.full(30, 1 / 30), np.eye(30), dv.one_coin(30, 0.8))
    assert len(dv.worth(wide, 0.0).by_count) == 5
    with pytest.raises(ValueError, match="too many"):
        dv.sample_value(wide, 9)


def test_a_confusion_matrix_may_name_reports_that_are_no_answers() -> None:
    channel = dv.confusion(["open", "closed"], {"open": {"open": 0.7, "unsure": 0.3}, "closed": {"closed": 1.0}})
    assert channel.tolist() == [[0, 0.7, 0.3], [1.0, 0, 0]]


@pytest.mark.parametrize("answers", [2, 3, 7, 40])
@pytest.mark.parametrize("accuracy", [0.55, 0.8, 0.95, 1.0])
def test_agreement_and_accuracy_are_inverse(answers: int, accuracy: float) -> None:
    assert dv.accuracy_of(dv.agreement_of(accuracy, answers), answers) == pytest.approx(accuracy)
    assert dv.accuracy_of(0.0, answers) == pytest.approx(1 / answers)


def test_accuracy_is_learned_from_who_agrees_and_shrinks_to_the_usual_where_history_is_thin() -> None:
    nothing = dv.learned_accuracy(0, 0, 2, usual=0.9, strength=8)
    much = dv.learned_accuracy(1360, 2000, 2, usual=0.9, strength=8)  # 0.8² + 0.2² of the pairs agree
    assert 0.75 < nothing.low < nothing.mean < nothing.high < 1
    assert much.mean == pytest.approx(0.8, abs=0.01) and much.high - much.low < 0.05
    assert nothing.high - nothing.low > 3 * (much.high - much.low)
