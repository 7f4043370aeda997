"""What is said about a finished model: numbers with intervals, and the confidence below which it should not answer."""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
FEWEST_ANSWERED = 0.5  # share of photos that a model must still answer, whatever accuracy is asked of it

Probabilities = NDArray[np.float32]
Labels = NDArray[np.int64]


class Estimate(msgspec.Struct, frozen=True):
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


class Measured(msgspec.Struct, frozen=True):
    """On n photos of one split; answered: share with confidence at or above the threshold, and accuracy among them."""

    n: int
    accuracy: Estimate
    macro_f1: Estimate
    log_loss: Estimate
    abstain_below: float
    answered: float
    answered_accuracy: float | None
    confusion: list[list[int]]  # rows: true label, columns: said


def wilson(right: int, n: int) -> Estimate:
    """A share with Wilson's score interval (1927), which holds for small n and shares near 1."""
    z, share = 1.96, right / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Estimate(share, max(0.0, centre - reach), min(1.0, centre + reach))


def measure(probabilities: Probabilities, labels: Labels, abstain_below: float) -> Measured:
    """probabilities (n, classes), labels (n,), n ≥ 1. Intervals of F1 and loss: percentiles of 1,000 resamples."""
    n, classes = probabilities.shape
    said = probabilities.argmax(axis=1)
    losses = -np.log(np.clip(probabilities[np.arange(n), labels], 1e-6, 1.0))
    draws = np.random.default_rng(0).integers(0, n, (RESAMPLES, n))
    f1 = [macro_f1(confusion(labels[draw], said[draw], classes)) for draw in draws]
    counts = confusion(labels, said, classes)
    sure = probabilities.max(axis=1) >= abstain_below
    return Measured(
        n=n,
        accuracy=wilson(int((said == labels).sum()), n),
        macro_f1=Estimate(macro_f1(counts), *_interval(f1)),
        log_loss=Estimate(float(losses.mean()), *_interval(losses[draws].mean(axis=1))),
        abstain_below=abstain_below,
        answered=float(sure.mean()),
        answered_accuracy=float((said == labels)[sure].mean()) if sure.any() else None,
        confusion=counts.tolist(),
    )


def confusion(labels: Labels, said: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """(classes, classes) counts; rows are true labels, columns what was said."""
    counts: NDArray[np.int64] = np.bincount(labels * classes + said, minlength=classes * classes)
    return counts.reshape(classes, classes)


def macro_f1(counts: NDArray[np.int64]) -> float:
    """Mean F1 over the classes that occur."""
    right, true, said = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    present = true > 0
    return float((2 * right[present] / (true[present] + said[present])).mean())


def abstain_below(probabilities: Probabilities, labels: Labels, wanted: float) -> float:
    """The least confidence from which at least `wanted` of the answers were right, on photos not trained on.

    No more than half of the photos are left unanswered for it, and it is never below an even chance among the classes.
    """
    confidence = probabilities.max(axis=1)
    order = np.argsort(-confidence)
    right = (probabilities.argmax(axis=1) == labels)[order]
    accuracy = np.cumsum(right) / np.arange(1, len(right) + 1)
    enough = math.ceil(FEWEST_ANSWERED * len(right))
    good = np.flatnonzero(accuracy >= wanted) + 1
    answered = max(enough, int(good.max()) if len(good) else 0)
    floor = 1.0 / int(probabilities.shape[1])
    if answered >= len(right):
        return round(floor, 4)
    return round(max(floor, float(confidence[order][answered - 1])), 4)


def _interval(values: NDArray[np.floating] | list[float]) -> tuple[float, float]:
    low, high = np.percentile(np.asarray(values), [2.5, 97.5])
    return float(low), float(high)
