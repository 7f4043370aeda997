"""Who gets what of a sale, to the unit, and the price that falls with age: arithmetic alone."""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from market import money

WHOLE = 100


class Part(NamedTuple):
    """One observation of a sale: whose royalty of how many percent, and the percents of those who sold it before."""

    key: UUID
    person: UUID
    royalty_percent: int
    upstream: Sequence[tuple[UUID, int]] = ()


class Division(NamedTuple):
    """A price divided, in minor units: fee + royalties + shares + rest, which is the seller's.

    royalties: by the part's key, those of zero left out · shares: by account, those of zero left out.
    """

    fee: int
    royalties: dict[UUID, int]
    shares: dict[UUID, int]
    rest: int

    @property
    def royalty(self) -> int:
        """All royalties together."""
        return sum(self.royalties.values())


def divide(price: int, fee_bps: int, parts: Sequence[Part]) -> Division:
    """Divide the price of a sale; each part has the same share in it.

    The royalties together are the price times the mean of the declared percents, rounded down and at least one unit.
    They are split over the people in proportion to what was declared for their parts, then over each person's parts,
    by largest remainder. The shares of earlier sellers are rounded down, each account's together. The fee is rounded
    down too, and gives way where it and what was declared would exceed the price. Raises ValueError where what was
    declared exceeds it by itself.
    """
    whole = WHOLE * len(parts)
    percents: dict[UUID, int] = defaultdict(int)
    upstream: dict[UUID, int] = defaultdict(int)
    own: dict[UUID, list[Part]] = defaultdict(list)
    for part in parts:
        percents[part.person] += part.royalty_percent
        own[part.person].append(part)
        for account, percent in part.upstream:
            upstream[account] += percent
    if sum(percents.values()) + sum(upstream.values()) > whole:
        raise ValueError("the declared percents exceed the price")
    royalty = max(1, price * sum(percents.values()) // whole)
    people = sorted(percents)
    royalties = {}
    for person, amount in zip(
        people, money.split(royalty, [percents[each] for each in people], [each.hex for each in people]), strict=True
    ):
        weights, keys = [each.royalty_percent for each in own[person]], [each.key.hex for each in own[person]]
        for part, its in zip(own[person], money.split(amount, weights, keys), strict=True):
            if its:
                royalties[part.key] = its
    shares = {account: price * percent // whole for account, percent in upstream.items() if price * percent >= whole}
    left = price - royalty - sum(shares.values())
    fee = min(money.fee(price, fee_bps), left)
    return Division(fee, royalties, shares, left - fee)


def price_at(price: int, lowest: int | None, half_life_s: int | None, age_s: float) -> int:
    """lowest + (price - lowest) * 2^(-age / half-life), rounded down, in minor units; the price where it does not fall.

    The same as SQL's `fresh_price`, which is what is paid.
    """
    if lowest is None or half_life_s is None:
        return price
    left: float = (price - lowest) * 2.0 ** -min(max(age_s, 0.0) / half_life_s, 1000.0)
    return lowest + math.floor(left)
