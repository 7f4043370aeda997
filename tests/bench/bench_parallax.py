"""Bursts of rendered scenes: how often each is said to have depth, to be a plane, or neither.

python -m tests.bench parallax

Real bursts are not among the samples: scenes and hands are modelled, see tests/bursts.py. At most 2 % of bursts of
scenes with depth may be called a plane. Turns are compared with gyroscopes of modelled hands (tests/hands.py).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import numpy as np

from sensors.inspection import Parallax
from sensors.likeness import compare
from sensors.motion import Motion, read
from sensors.parallax import agrees_with_motion, parallax
from tests.bursts import Random, burst, grey, room, sheet
from tests.hands import hand

BURSTS = 150
MOST_FALSE_PLANES = 0.02

KINDS: dict[str, Callable[[Random], list[bytes]]] = {
    "room, moving 1-6 cm": lambda random: burst(random, room(random)),
    "room, 3 pictures": lambda random: burst(random, room(random), count=3),
    "shelf, relief 15 %": lambda random: burst(random, room(random, 0.8, 0.15)),
    "shelf, relief 5 %": lambda random: burst(random, room(random, 0.6, 0.05)),
    "far, 20-60 m": lambda random: burst(random, room(random, float(random.uniform(20, 60)))),
    "room, turned only": lambda random: burst(random, room(random), moved_m=0.0),
    "room, still": lambda random: burst(random, room(random), moved_m=0.0, turned_deg=0.0),
    "screen or print": lambda random: burst(random, sheet(random)),
    "screen, moving 3-6 cm": lambda random: burst(random, sheet(random), moved_m=float(random.uniform(0.03, 0.06))),
    "screen, turned only": lambda random: burst(random, sheet(random), moved_m=0.0),
    "screen, still": lambda random: burst(random, sheet(random), moved_m=0.0, turned_deg=0.0),
}
DEEP = [name for name in KINDS if not name.startswith("screen")]


def spans_of(random: Random, motion: Motion, sense: float = -1.0) -> list[tuple[float, float]]:
    """What five pictures at even times within a second would show of the gyroscope's turns, to 0.1 degrees."""
    assert motion.rotation is not None
    steps = np.diff(motion.times) / 1000 * motion.rotation[1:, 0]
    turned = np.concatenate([[0.0], np.cumsum(steps)])
    last = motion.times[-1]
    start = float(random.uniform(motion.times[0], max(motion.times[0], last - 1000)))
    angles = np.interp(np.linspace(start, min(last, start + 1000), 5), motion.times, turned)
    return [(float(sense * (each - angles[0]) + random.normal(0, 0.1)), 0.0) for each in angles[1:]]


def turns(random: Random) -> None:
    own, others = Counter[bool | None](), Counter[bool | None]()
    for _ in range(1500):
        one, other = read(hand(random)), read(hand(random))
        if one.rotation is None or other.rotation is None:
            continue
        seen = Parallax(spans=spans_of(random, one))
        own[agrees_with_motion(seen, one)] += 1
        others[agrees_with_motion(seen, other)] += 1
    for name, found in (("own gyroscope", own), ("another's", others)):
        told = found[True] + found[False]
        print(
            f"{name:22s} compared {told / sum(found.values()):6.1%} of {sum(found.values())}, "
            f"of these contradicted {found[False] / max(1, told):6.1%}"
        )


def belonging(random: Random) -> None:
    """How often a photo is found to show the scene of its own burst, and of another's; it is cut a little."""
    own = others = 0
    for _ in range(BURSTS):
        one, other = (grey(burst(random, room(random), count=3)) for _ in range(2))
        photo = one[1][15:225, 20:300]
        own += compare(photo, one[0]).spots > 0
        others += compare(photo, other[0]).spots > 0
    print(f"a photo belongs to its own burst {own / BURSTS:.1%}, to another's {others / BURSTS:.1%}")


def main() -> None:
    """Print shares for each kind and the cost of one burst, and fail where scenes with depth are called planes."""
    worst = 0.0
    print(f"{'':22s} {'depth':>8s} {'plane':>8s} {'neither':>8s}   of {BURSTS} each")
    for seed, (name, taken) in enumerate(KINDS.items()):
        random = np.random.default_rng([5, seed])
        found = Counter(parallax(grey(taken(random))).state for _ in range(BURSTS))
        shares = [found[state] / BURSTS for state in ("depth", "plane", "inconclusive")]
        print(f"{name:22s} " + " ".join(f"{each:8.1%}" for each in shares), flush=True)
        if name in DEEP:
            worst = max(worst, shares[1])
    frames = grey(burst(np.random.default_rng(5), room(np.random.default_rng(6)), count=8))
    began = time.process_time()
    for _ in range(20):
        parallax(frames)
    print(f"one burst of 8 pictures: {(time.process_time() - began) / 20 * 1000:.0f} ms of a processor")
    turns(np.random.default_rng(7))
    belonging(np.random.default_rng(8))
    if worst > MOST_FALSE_PLANES:
        raise SystemExit(f"{worst:.1%} of bursts of a scene with depth are called a plane")


if __name__ == "__main__":
    main()
