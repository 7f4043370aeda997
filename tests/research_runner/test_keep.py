"""The keep rule keeps what is better, and hardly ever what is not."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from research_runner import keep

NOISE = 0.02
PROPOSALS = 40


@pytest.mark.parametrize(
    ("alpha", "df", "expected"), [(0.025, 4, 2.7764), (0.025, 1, 12.7062), (0.05, 3, 2.3534), (0.001, 4, 7.1732)]
)
def test_students_quantiles_are_those_of_the_tables(alpha: float, df: int, expected: float) -> None:
    assert keep.student_quantile(alpha, df) == pytest.approx(expected, abs=1e-3)


def test_the_error_spent_over_a_whole_loop_is_the_risk() -> None:
    assert sum(keep.spent(0.05, test) for test in range(1, 100_000)) == pytest.approx(0.05, abs=1e-5)


def loop_keeps(dice: random.Random, draw: Callable[[], float], gain: float = 0.0) -> int:
    """How many of 40 proposals that are better by `gain` a loop keeps; draw() is one run's deviation."""
    incumbent = [draw() for _ in range(keep.TEST)]
    tests, kept = 0, 0
    for _ in range(PROPOSALS):
        differences = [each - draw() + gain for each in incumbent]
        for stage in (keep.SCREEN, keep.LOOK, keep.TEST):
            decision = keep.judge(
                differences[:stage], test=tests + 1, risk=0.05, noise=NOISE, min_effect=NOISE / 4, simpler=False
            )
            if decision.verdict != "more":
                break
        tests += stage > keep.SCREEN
        kept += decision.verdict == "keep"
    return kept


@pytest.mark.parametrize("kind", ["normal", "steps of an accuracy", "heavy tails"])
def test_few_loops_of_worthless_proposals_keep_any(kind: str) -> None:
    dice = random.Random(3)
    draws: dict[str, Callable[[], float]] = {
        "normal": lambda: dice.gauss(0, NOISE),
        "steps of an accuracy": lambda: round(dice.gauss(0, NOISE) * 84) / 84,
        "heavy tails": lambda: NOISE * dice.gauss(0, 1) / max(0.3, abs(dice.gauss(0, 1))),
    }
    loops = 300
    spoiled = sum(loop_keeps(dice, draws[kind]) > 0 for _ in range(loops))
    assert spoiled / loops <= 0.05, f"{spoiled} of {loops} loops kept something"


def test_the_naive_rule_keeps_noise_in_nearly_every_loop() -> None:
    dice = random.Random(4)
    spoiled = 0
    for _ in range(200):
        best = dice.gauss(0, NOISE)
        spoiled += any(dice.gauss(0, NOISE) < best for _ in range(PROPOSALS))
    assert spoiled / 200 > 0.9


def test_a_clear_improvement_is_kept_early() -> None:
    dice = random.Random(5)
    kept = 0
    for _ in range(100):
        incumbent = [dice.gauss(0, NOISE) for _ in range(keep.TEST)]
        differences = [each - dice.gauss(0, NOISE) + 6 * NOISE for each in incumbent]
        kept += (
            keep.judge(differences, test=1, risk=0.05, noise=NOISE, min_effect=NOISE / 4, simpler=False).verdict
            == "keep"
        )
    assert kept >= 90


def test_an_improvement_on_every_seed_alike_is_still_held_against_the_known_noise() -> None:
    decision = keep.judge([0.001] * 6, test=1, risk=0.05, noise=NOISE, min_effect=0.0, simpler=False)
    assert decision.verdict == "discard"


def test_what_is_equal_is_kept_only_when_it_is_simpler() -> None:
    differences = [0.001, -0.002, 0.002, 0.0, 0.001, -0.001]
    same = {"test": 1, "risk": 0.05, "noise": NOISE, "min_effect": NOISE / 4}
    assert keep.judge(differences, simpler=True, **same).verdict == "keep"  # type: ignore[arg-type]
    assert keep.judge(differences, simpler=False, **same).verdict == "discard"  # type: ignore[arg-type]


def test_what_is_worse_is_not_kept_for_being_simpler() -> None:
    decision = keep.judge([-0.01] * 6, test=1, risk=0.05, noise=NOISE, min_effect=NOISE / 4, simpler=True)
    assert decision.verdict == "discard"


@pytest.mark.parametrize(
    ("code", "cpu_s", "expected"),
    [((90, 80), (2.0, 4.0), True), ((90, 91), (2.0, 0.1), False), ((90, 90), (2.0, 1.0), True),
     ((90, 90), (2.0, 1.9), False), ((90, 90), (0.02, 0.01), False)],
)  # fmt: skip
def test_simpler_is_less_code_or_clearly_less_work(
    code: tuple[int, int], cpu_s: tuple[float, float], expected: bool
) -> None:
    assert keep.simpler(code, cpu_s) is expected
