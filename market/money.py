"""Amounts, fees and splits: integers of minor units, always with their currency."""

from typing import Annotated

import msgspec

# Above this, a mistyped amount is likelier than a wish; it also keeps every product far below 63 bits.
LARGEST = 10_000_000
CURRENCIES = ("usd", "eur", "gbp", "chf", "sek", "jpy", "huf", "twd", "isk", "ugx")

Currency = Annotated[
    str,
    msgspec.Meta(
        pattern="^(" + "|".join(CURRENCIES) + ")$(?!\\n)",
        description=f"A currency known here (ISO 4217, in lower case): {', '.join(CURRENCIES)}.",
    ),
]


class Money(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An amount in minor units (cents; whole units for currencies without them)."""

    amount: int
    currency: str


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A positive amount that somebody offers, in minor units."""

    amount: Annotated[int, msgspec.Meta(ge=1, le=LARGEST, examples=[300])]
    currency: Currency


def fee(reward: int, basis_points: int) -> int:
    """The market's fee on top of what the person earns, rounded down: the person's part is always exact."""
    return reward * basis_points // 10_000


def split(total: int, weights: list[int], keys: list[str]) -> list[int]:
    """`total` in proportion to `weights`, to the unit: largest remainder, ties by key; order does not matter.

    Negative totals mirror positive ones. Raises ValueError for a negative weight or no weight at all.
    """
    whole = sum(weights)
    if whole <= 0 or any(weight < 0 for weight in weights):
        raise ValueError("weights must not be negative and not all zero")
    size = abs(total)
    parts = [size * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(size * weights[i] % whole), keys[i]))
    for i in by_remainder[: size - sum(parts)]:
        parts[i] += 1
    return [-part for part in parts] if total < 0 else parts
