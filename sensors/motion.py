"""What a phone's motion sensors say while a photo is taken: a hand that holds it, or something that imitates one.

The body is JSON: {"v": 1, "samples": [[t, ax, ay, az, alpha, beta, gamma], …]}, t in milliseconds and growing,
acceleration with gravity in m/s², rotation in degrees a second; rows of four where there is no gyroscope. That is what
browsers' `devicemotion` events hold; Chromium rounds both to 0.1, so coarse values alone are nobody's fault.
Whoever records a real hand, or models one well, is not found out here: these are signals.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from sensors.canonical import canonical

MAX_BYTES: Final = 65_536
FEWEST: Final = 30
SHORTEST_MS: Final = 500.0
SLOWEST_HZ: Final = 15.0
GRAVITY: Final = (9.3, 10.3)
"""Mean magnitude in m/s²: 9.76 to 9.84 on Earth, and some 0.4 for the bias of cheap accelerometers (assumed)."""
COARSE: Final = (0.25, 0.5)
"""Steps of acceleration (m/s²) and rotation (deg/s) that no sensor and no browser has; Chromium's are 0.1."""
LEAST_MEMORY: Final = 0.25
"""Correlation of rotation with itself one sample later: of a modelled hand 0.29 and more, of random numbers about 0."""
MOST_PEAKED: Final = 0.985
"""Share of the power that three lines of the spectrum may hold. A few sines hold all of it."""

Floats = NDArray[np.float64]
Row = Annotated[list[Annotated[float, msgspec.Meta(ge=-1e7, le=1e7)]], msgspec.Meta(min_length=4, max_length=7)]


class BadMotion(Exception):
    """This is no record of motion."""


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    v: Literal[1]
    samples: Annotated[list[Row], msgspec.Meta(min_length=1, max_length=2000)]


class Motion(msgspec.Struct, frozen=True):
    """times (n,) ms · acceleration (n, 3) m/s² with gravity · rotation (n, 3) deg/s, None without a gyroscope."""

    times: Floats
    acceleration: Floats
    rotation: Floats | None


def read(body: bytes) -> Motion:
    """A record of motion. Raises BadMotion."""
    try:
        found = msgspec.json.decode(body, type=_Body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadMotion(str(error)) from None
    widths = {len(row) for row in found.samples}
    if widths not in ({4}, {7}):
        raise BadMotion("each sample has 4 numbers, or each has 7")
    rows = np.array(found.samples, dtype=np.float64)
    if np.any(np.diff(rows[:, 0]) < 0):
        raise BadMotion("times run backwards")
    return Motion(rows[:, 0], rows[:, 1:4], rows[:, 4:7] if rows.shape[1] == 7 else None)


def digest(body: bytes) -> str:
    """The SHA-256 that a signed capture names, in hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def shape(motion: Motion) -> bytes:
    """32 bytes that stay the same when the same samples come with other times."""
    parts = [motion.acceleration] if motion.rotation is None else [motion.acceleration, motion.rotation]
    return hashlib.sha256(canonical(np.round(np.hstack(parts), 3).tolist())).digest()


def _moving(values: Floats) -> Floats:
    """The columns that change at all, without their mean and slope: (n, k)."""
    values = values[:, np.ptp(values, axis=0) > 0]
    line = np.linspace(-1, 1, len(values))[:, None]
    values = values - values.mean(axis=0)
    return np.asarray(values - line * (line * values).sum(axis=0) / (line * line).sum())


def _step(values: Floats) -> float:
    """The smallest difference between two values in a column, over all columns; 0 where nothing changes."""
    gaps = [gap for column in values.T if (gap := np.diff(np.unique(np.round(column, 6)))).size]
    return float(min(gap.min() for gap in gaps)) if gaps else 0.0


def _peaked(moving: Floats) -> float:
    """The share of power in the three strongest lines of the spectrum; each column counts alike."""
    window = np.hanning(len(moving))[:, None]
    power = np.abs(np.fft.rfft(moving / moving.std(axis=0) * window, axis=0)[1:]) ** 2
    total, held = power.sum(), 0.0
    rest = power.sum(axis=1)
    for _ in range(3):
        peak = int(rest.argmax())
        near = slice(max(0, peak - 1), peak + 2)
        held += rest[near].sum()
        rest[near] = 0
    return float(held / total)


def _loops(rows: Floats) -> bool:
    """Whether the samples repeat themselves exactly after some while."""
    if len(np.unique(rows, axis=0)) < 5:
        return False
    return any(np.array_equal(rows[lag:], rows[:-lag]) for lag in range(4, len(rows) * 2 // 3))


def oddities(motion: Motion) -> list[str]:
    """What speaks against a phone held in a hand, in words; empty when nothing does."""
    span = float(motion.times[-1] - motion.times[0])
    count = len(motion.times)
    if count < FEWEST or span < SHORTEST_MS or (count - 1) / span * 1000 < SLOWEST_HZ:
        return ["is too short to tell"]
    acceleration, rotation = motion.acceleration, motion.rotation
    found = []
    if not np.ptp(acceleration, axis=0).any() and (rotation is None or not np.ptp(rotation, axis=0).any()):
        return ["does not change at all"]
    gravity = float(np.linalg.norm(acceleration, axis=1).mean())
    if not GRAVITY[0] <= gravity <= GRAVITY[1]:
        found.append(f"weighs {gravity:.1f} m/s², which is not the Earth's pull")
    if rotation is not None and not np.ptp(rotation, axis=0).any():
        found.append("moves without turning")
    if _loops(acceleration if rotation is None else np.hstack([acceleration, rotation])):
        found.append("repeats itself exactly")
    if _step(acceleration) >= COARSE[0] or (rotation is not None and _step(rotation) >= COARSE[1]):
        found.append("has steps coarser than any sensor's")
    return found + _unlike_a_hand(acceleration, rotation)


def _unlike_a_hand(acceleration: Floats, rotation: Floats | None) -> list[str]:
    source = acceleration if rotation is None or not np.ptp(rotation, axis=0).any() else rotation
    moving = _moving(source)
    if moving.shape[1] == 0:
        return []
    found = []
    if moving.shape[1] > 1:
        alike = np.abs(np.corrcoef(moving.T))[np.triu_indices(moving.shape[1], 1)]
        if alike.max() > 0.999:
            found.append("moves the same way on two axes")
    if _peaked(moving) > MOST_PEAKED:
        found.append("swings like a clock, without a hand's noise")
    # Below a few steps of the scale, rounding alone makes whatever was there look random.
    loud = moving[:, moving.std(axis=0) > 3 * _step(source)]
    if loud.shape[1]:
        memory = float((loud[1:] * loud[:-1]).sum() / (loud**2).sum())
        if memory < LEAST_MEMORY:
            found.append("jumps at random from sample to sample, as nothing with a weight can")
    return found
