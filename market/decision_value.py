"""What an observation is worth to somebody who has to decide: expected value of information, exact. Pure arithmetic.

An agent believes in answers with prior p, may do acts with payoffs u(act, answer), and can buy n reports, each of which
says answer j with probability C(k, j) when k is true, independently given the truth. Knowing how often each came, it
does what is best then:

    EVSI(n) = Σ_counts n!/Π c_j! · max_act Σ_k p_k Π_j C(k, j)^c_j u(act, k)  −  max_act Σ_k p_k u(act, k)
    EVPI    = Σ_k p_k max_act u(act, k)  −  max_act Σ_k p_k u(act, k)

(Raiffa and Schlaifer, Applied Statistical Decision Theory, 1961.) The order of reports says nothing, so counts are
enough: C(n + m − 1, n) of them instead of m^n sequences.
"""

import math
from collections.abc import Mapping
from itertools import combinations_with_replacement
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

MOST_REPORTS = 9
MOST_COUNTS = 50_000  # ways in which n reports may fall; beyond it fewer reports are looked at


class Problem(NamedTuple):
    """prior: (k,) sums to one · payoffs: (a, k) · channel: (k, m) the chance of each report given the truth; each row
    sums to one."""

    prior: Floats
    payoffs: Floats
    channel: Floats


class Worth(NamedTuple):
    """perfect: EVPI · one: EVSI(1) · replicates: the n with the largest EVSI(n) − n·cost, 0 where asking is a loss
    · gain: that largest value · act: index of the best act without asking · by_count: EVSI(0), EVSI(1), …"""

    perfect: float
    one: float
    replicates: int
    gain: float
    act: int
    by_count: list[float]


def one_coin(answers: int, accuracy: float, unnamed: int = 0) -> Floats:
    """(answers, answers or one more): right with `accuracy`, else any of the other answers, each as likely.

    unnamed: further answers that can be given and are never true; one more column stands for all of them, which tell
    the same. Raises ValueError for fewer than two answers in all, or an accuracy outside 0 to 1.
    """
    of_all = answers + unnamed
    if of_all < 2 or not 0 <= accuracy <= 1:
        raise ValueError("two answers or more, and an accuracy from 0 to 1")
    other = (1 - accuracy) / (of_all - 1)
    channel = np.full((answers, answers), other)
    np.fill_diagonal(channel, accuracy)
    return np.hstack([channel, np.full((answers, 1), other * unnamed)]) if unnamed else channel


def confusion(answers: list[str], reports: Mapping[str, Mapping[str, float]]) -> Floats:
    """A channel from {truth: {report: probability}}; what a truth does not name has probability 0. Reports may be other
    than answers."""
    named = sorted({report for row in reports.values() for report in row})
    return np.array([[reports[answer].get(report, 0.0) for report in named] for answer in answers])


def sample_value(problem: Problem, reports: int) -> float:
    """EVSI of so many reports, never negative. Raises ValueError where there are more than MOST_COUNTS outcomes."""
    if reports == 0:
        return 0.0
    weights, counts = _outcomes(problem.channel.shape[1], reports)
    never = problem.channel == 0
    # In logarithms, so that it is one product of matrices; what a truth never says rules the truth out.
    logs = np.log(np.where(never, 1.0, problem.channel))
    powers = np.where(counts @ never.T > 0, -np.inf, counts @ logs.T)
    joint = weights[:, None] * np.exp(powers) * problem.prior
    after = float((joint @ problem.payoffs.T).max(axis=1).sum())
    return max(0.0, after - float((problem.payoffs @ problem.prior).max()))


def worth(problem: Problem, cost: float) -> Worth:
    """All of it at once. cost: of one report."""
    expected = problem.payoffs @ problem.prior
    perfect = float((problem.prior * problem.payoffs.max(axis=0)).sum() - expected.max())
    values = [0.0]
    for n in range(1, MOST_REPORTS + 1):
        if math.comb(n + problem.channel.shape[1] - 1, n) > MOST_COUNTS:
            break
        values.append(sample_value(problem, n))
    gains = [value - n * cost for n, value in enumerate(values)]
    best = max(range(len(gains)), key=lambda n: (gains[n], -n))
    return Worth(max(0.0, perfect), values[1], best, gains[best], int(expected.argmax()), values)


def accuracy_of(agreement: float, answers: int) -> float:
    """How often one-coin reports are right, when two of them agree with this probability; from 1/answers to 1.

    Two agree when both are right or both wrong in the same way: A = r² + (1 − r)²/(k − 1), solved for the larger r.
    """
    inside = max(0.0, (answers - 1) * (answers * agreement - 1))
    return min(1.0, (1 + math.sqrt(inside)) / answers)


def agreement_of(accuracy: float, answers: int) -> float:
    """The inverse: how often two reports of this accuracy agree."""
    return accuracy**2 + (1 - accuracy) ** 2 / (answers - 1)


class Accuracy(NamedTuple):
    """Posterior mean, and the 10 % and 90 % quantiles."""

    mean: float
    low: float
    high: float


def learned_accuracy(agreed: float, compared: float, answers: int, *, usual: float, strength: float) -> Accuracy:
    """The accuracy behind `agreed` agreements among `compared` pairs of reports by different people.

    A Beta prior of `strength` pairs around the agreement that `usual` accuracy would show, cut off below chance; the
    posterior is summed up on a grid, and each agreement is an accuracy by `accuracy_of`.
    """
    grid = np.linspace(1 / answers, 1, 2003)[1:-1]
    a = strength * agreement_of(usual, answers) + agreed
    b = strength * (1 - agreement_of(usual, answers)) + compared - agreed
    logs = (a - 1) * np.log(grid) + (b - 1) * np.log1p(-grid)
    mass = np.exp(logs - logs.max())
    mass /= mass.sum()
    right = np.minimum(1.0, (1 + np.sqrt((answers - 1) * (answers * grid - 1))) / answers)
    low, high = np.interp([0.1, 0.9], np.cumsum(mass), right)
    return Accuracy(float(mass @ right), float(low), float(high))


def _outcomes(kinds: int, reports: int) -> tuple[Floats, Floats]:
    """Every way in which reports may fall: how many sequences make it (c,), and the counts (c, kinds)."""
    if math.comb(reports + kinds - 1, reports) > MOST_COUNTS:
        raise ValueError("too many reports for so many answers")
    said = np.array(list(combinations_with_replacement(range(kinds), reports)))
    counts = np.zeros((len(said), kinds), np.int64)
    np.add.at(counts, (np.arange(len(said))[:, None], said), 1)
    factorials = np.array([math.factorial(n) for n in range(reports + 1)], dtype=np.float64)
    return factorials[reports] / factorials[counts].prod(axis=1), counts.astype(np.float64)
