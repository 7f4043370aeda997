"""Keep or discard, by evidence: paired differences on the same seeds, with the error spent over the whole loop.

The first seed screens; the five others test, with a look after three that can only give up. The screen's own seed
takes no part in the test, so only screened-in candidates use up error, α_j = 6α/(π²j²) for the j-th of them
(Σ α_j = α: the chance that a whole loop of worthless proposals keeps any is at most α).
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

SCREEN, LOOK, TEST = 1, 4, 6  # runs of a candidate after which something is decided; the first is the screen's
MUCH_CHEAPER = 0.75  # share of the incumbent's CPU seconds from which equal code counts as simpler …
LEAST_SAVED_S = 0.2  # … where it saves at least so many; less is the clock's own noise


@dataclass(frozen=True)
class Decision:
    """`effect` is the mean improvement (positive is better), [low, high] its 95 % interval where it has one."""

    verdict: Literal["keep", "discard", "more"]
    reason: str
    effect: float
    low: float | None = None
    high: float | None = None


def spent(risk: float, test: int) -> float:
    """α_j, the error that the `test`-th test (from 1) of a loop may make."""
    return 6 * risk / (math.pi**2 * test**2)


def student_upper(t: float, df: int) -> float:
    """P(T > t) for Student's t with integer df ≥ 1 (Abramowitz & Stegun 26.7.3 and 26.7.4)."""
    theta = math.atan(t / math.sqrt(df))
    sine, cosine = math.sin(theta), math.cos(theta)
    term = cosine if df % 2 else 1.0
    total = term if df > 1 else 0.0
    for k in range(3 if df % 2 else 2, df, 2):
        term *= (k - 1) / k * cosine * cosine
        total += term
    inside = 2 / math.pi * (theta + sine * total) if df % 2 else sine * total
    return (1 - inside) / 2


@functools.cache
def student_quantile(alpha: float, df: int) -> float:
    """t with P(T > t) = alpha, for 0 < alpha < 0.5, by bisection."""
    low, high = 0.0, 1.0
    while student_upper(high, df) > alpha:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if student_upper(middle, df) > alpha else (low, middle)
    return (low + high) / 2


def judge(
    differences: Sequence[float], *, test: int, risk: float, noise: float, min_effect: float, simpler: bool
) -> Decision:
    """What the candidate's improvements over the incumbent, in seed order, say so far.

    differences: 1, 4 or 6 values in units of the metric, positive is better · test: which test of the loop this is or
    would be, from 1 · noise: standard deviation of the metric between seeds, a floor under the estimate from few
    pairs · simpler: whether being equal is enough.
    """
    if len(differences) == SCREEN:
        bar = -2 * noise if simpler else 0.0
        if differences[0] > bar:
            return Decision("more", "passed the screen", differences[0])
        return Decision("discard", "not better on the screening seed", differences[0])
    tested = differences[SCREEN:]
    effect, spread = statistics.fmean(tested), max(statistics.stdev(tested), noise)
    error = spread / math.sqrt(len(tested))
    reach = student_quantile(0.025, len(tested) - 1) * error
    seen = (effect, effect - reach, effect + reach)
    equal = simpler and effect >= -min_effect
    if len(differences) < TEST:
        if effect >= min_effect or equal:
            return Decision("more", "promising after three pairs", *seen)
        return Decision("discard", "no improvement over three pairs", *seen)
    needed = student_quantile(spent(risk, test), len(tested) - 1)
    t = effect / error if error > 0 else math.copysign(math.inf, effect) if effect else 0.0
    if t > needed and effect >= min_effect:
        return Decision("keep", f"better: t = {t:.1f} > {needed:.1f}", *seen)
    if equal:
        return Decision("keep", "equal but simpler", *seen)
    return Decision("discard", f"not shown to be better: t = {t:.1f}, needed {needed:.1f}", *seen)


def simpler(code: tuple[int, int], cpu_s: tuple[float, float]) -> bool:
    """(incumbent, candidate) pairs: less code, or as much code and clearly less work."""
    if code[1] != code[0]:
        return code[1] < code[0]
    return cpu_s[1] <= min(MUCH_CHEAPER * cpu_s[0], cpu_s[0] - LEAST_SAVED_S)
