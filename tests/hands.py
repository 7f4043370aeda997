"""A model of a hand that holds a phone, and of programs that imitate one; for tests and measurements.

Real recordings of motion while photographing are not among the samples, so the hand is modelled: gravity turned by the
hand's attitude; slow sway, as Brownian motion pulled back to rest (its spectrum falls with the square of the frequency
above a corner of 0.5 to 2 Hz); physiological tremor, noise in the band from 8 to 12 Hz (Elble, Koller, Tremor, 1990);
white noise and bias of consumer MEMS sensors (data sheets of Bosch's BMI160: 180 ug/rtHz and 0.007 deg/s/rtHz, bias up
to 40 mg); and rounding: none as on iOS, or to 0.1 as Chromium does. Amplitudes are assumed: 0.5 to 4 deg/s of sway, 0.3
to 2 deg/s of tremor, a quarter of that when braced, three times when walking.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Random = np.random.Generator


def body(times: Floats, acceleration: Floats, rotation: Floats | None) -> bytes:
    """What a page sends."""
    parts = [times[:, None], acceleration] if rotation is None else [times[:, None], acceleration, rotation]
    return json.dumps({"v": 1, "samples": np.round(np.hstack(parts), 6).tolist()}, separators=(",", ":")).encode()


def _sway(random: Random, count: int, rate: float, size: float, corner: float) -> Floats:
    """An Ornstein-Uhlenbeck process of 3 columns with this standard deviation, settled at its start."""
    keep = np.exp(-2 * np.pi * corner / rate)
    steps = random.normal(0, size * np.sqrt(1 - keep**2), (count, 3))
    steps[0] = random.normal(0, size, 3)
    for index in range(1, count):
        steps[index] += keep * steps[index - 1]
    return steps


def _tremor(random: Random, count: int, rate: float, size: float) -> Floats:
    """Noise between 8 and 12 Hz, 3 columns of about this standard deviation."""
    spectrum = np.fft.rfft(random.normal(0, 1, (count + 256, 3)), axis=0)
    frequencies = np.fft.rfftfreq(count + 256, 1 / rate)
    spectrum[(frequencies < 8) | (frequencies > 12)] = 0
    noise = np.fft.irfft(spectrum, count + 256, axis=0)[128 : 128 + count]
    return np.asarray(noise / noise.std() * size * random.uniform(0.5, 1.5, 3))


def _attitude(random: Random) -> Floats:
    """Gravity in the phone's axes: upright, within 35 degrees."""
    pitch, roll = np.radians(random.normal(0, 15, 2).clip(-35, 35))
    return 9.81 * np.array([np.sin(roll), np.cos(pitch) * np.cos(roll), np.sin(pitch)])


def _times(random: Random, count: int, rate: float) -> Floats:
    return np.sort((np.arange(count) * 1000 / rate + random.normal(0, 0.3, count)).round(1))


def hand(random: Random) -> bytes:
    """One honest record: some are braced, some walk, some phones have no gyroscope, half round as Chromium does."""
    rate = float(random.choice([60.0, 60.0, 60.0, 50.0, 100.0]))
    count = int(rate * random.uniform(1.0, 3.0))
    vigour = float(random.choice([0.25, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 3.0]))
    corner = random.uniform(0.5, 2.0)
    rotation = _sway(random, count, rate, vigour * random.uniform(0.5, 4), corner)
    rotation += _tremor(random, count, rate, vigour * random.uniform(0.3, 2))
    gravity = _attitude(random)
    turned = np.radians(np.cumsum(rotation, axis=0) / rate)
    acceleration = gravity - np.cross(turned, gravity)
    acceleration += _sway(random, count, rate, vigour * random.uniform(0.03, 0.15), corner)
    acceleration += _tremor(random, count, rate, vigour * random.uniform(0.03, 0.25))
    acceleration += random.normal(0, 180e-6 * 9.81 * np.sqrt(rate / 2), (count, 3)) + random.normal(0, 0.1, 3)
    rotation += random.normal(0, 0.007 * np.sqrt(rate / 2), (count, 3)) + random.normal(0, 0.2, 3)
    if random.random() < 0.5:
        acceleration, rotation = np.round(acceleration, 1), np.round(rotation, 1)
    return body(_times(random, count, rate), acceleration, None if random.random() < 0.1 else rotation)


def _still(random: Random, count: int = 120) -> tuple[Floats, Floats, Floats]:
    return _times(random, count, 60.0), np.tile(_attitude(random), (count, 1)), np.zeros((count, 3))


def zeros(random: Random) -> bytes:
    times, acceleration, rotation = _still(random)
    return body(times, acceleration * 0, rotation)


def constant(random: Random) -> bytes:
    return body(*_still(random))


def sines(random: Random) -> bytes:
    """A swing on each axis, of two frequencies, without noise."""
    times, acceleration, rotation = _still(random)
    for target, size in ((acceleration, 0.2), (rotation, 2.0)):
        for _ in range(2):
            phase = random.uniform(0, 6.28, 3) + 2 * np.pi * random.uniform(0.7, 11) * times[:, None] / 1000
            target += size * random.uniform(0.5, 1, 3) * np.sin(phase)
    return body(times, acceleration, rotation)


def rounded_sines(random: Random) -> bytes:
    """The same, rounded as Chromium rounds."""
    samples = np.array(json.loads(sines(random))["samples"])
    return body(samples[:, 0], samples[:, 1:4].round(1), samples[:, 4:].round(1))


def white(random: Random) -> bytes:
    """Math.random() around gravity."""
    times, acceleration, rotation = _still(random)
    acceleration += random.uniform(-0.3, 0.3, acceleration.shape)
    return body(times, acceleration, rotation + random.uniform(-3, 3, rotation.shape))


def unturned(random: Random) -> bytes:
    """A hand's acceleration, and a gyroscope that nobody thought of."""
    samples = np.array(json.loads(_whole_hand(random))["samples"])
    return body(samples[:, 0], samples[:, 1:4], samples[:, 4:] * 0)


def looped(random: Random) -> bytes:
    """Half a second of a hand, again and again."""
    samples = np.array(json.loads(_whole_hand(random))["samples"])
    part = np.tile(samples[:30, 1:], (6, 1))[:150]
    return body(_times(random, len(part), 60.0), part[:, :3], part[:, 3:])


def weightless(random: Random) -> bytes:
    """Acceleration without gravity, sent as acceleration with it."""
    samples = np.array(json.loads(_whole_hand(random))["samples"])
    acceleration = samples[:, 1:4] - samples[:, 1:4].mean(axis=0)
    return body(samples[:, 0], acceleration, samples[:, 4:])


def coarse(random: Random) -> bytes:
    """A hand in steps of half a unit, as an emulator's slider gives."""
    samples = np.array(json.loads(_whole_hand(random))["samples"])
    return body(samples[:, 0], (samples[:, 1:4] * 2).round() / 2, (samples[:, 4:] * 2).round() / 2)


def one_axis(random: Random) -> bytes:
    """One column for all three."""
    samples = np.array(json.loads(_whole_hand(random))["samples"])
    gravity = samples[:, 1:4].mean(axis=0)
    sway = samples[:, 1:2] - samples[:, 1:2].mean()
    return body(samples[:, 0], gravity + sway, np.repeat(samples[:, 4:5], 3, axis=1))


def _whole_hand(random: Random) -> bytes:
    """A record that has a gyroscope."""
    while True:
        found = hand(random)
        if len(json.loads(found)["samples"][0]) == 7:
            return found


EMULATORS: dict[str, Callable[[Random], bytes]] = {
    "all zero": zeros,
    "constant": constant,
    "two sines": sines,
    "sines, rounded": rounded_sines,
    "white noise": white,
    "no rotation": unturned,
    "looped recording": looped,
    "no gravity": weightless,
    "coarse steps": coarse,
    "one axis for all": one_axis,
}
