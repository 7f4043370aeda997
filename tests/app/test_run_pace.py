"""What a run holds ahead of its senders: little where Stripe is slow, and nothing is lost on the way."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from uuid import uuid4

from app.money.runs import MOST_AHEAD, SENDERS_AT_ONCE, _Ahead
from market.stripe_ops import Op

SLOW_S = 0.5


def _ops(count: int) -> list[Op]:
    return [Op(uuid4(), "transfer", uuid4(), 1, {}, 1, uuid4(), False, False) for _ in range(count)]


async def test_the_slower_stripe_is_the_less_is_taken_ahead() -> None:
    ahead = _Ahead()
    sent: list[Op] = []
    held: list[Op] = []
    waiting: list[int] = []

    async def send() -> None:
        while (following := await ahead.next()) is not None:
            await asyncio.sleep(SLOW_S)  # some 24 a second in all
            sent.append(following[0])

    senders = [asyncio.create_task(send()) for _ in range(SENDERS_AT_ONCE)]
    await asyncio.sleep(0)
    for _ in range(5):
        taken = _ops(ahead.most)
        held += taken
        await ahead.add(taken, 0.0)
        waiting.append(len(held) - len(sent))
    assert max(waiting) <= 4 * SENDERS_AT_ONCE < MOST_AHEAD  # with those that are under way
    assert ahead.most <= 2 * SENDERS_AT_ONCE
    ahead.end()
    await asyncio.gather(*senders)
    assert {op.id for op in sent} == {op.id for op in held} and len(sent) == len(held)


async def test_more_is_taken_when_it_is_we_who_are_slow() -> None:
    """Senders who have nothing to do, since every batch takes long to set aside."""
    ahead = _Ahead()

    async def send() -> None:
        while await ahead.next() is not None:
            pass

    senders = [asyncio.create_task(send()) for _ in range(SENDERS_AT_ONCE)]
    sizes = []
    for _ in range(6):
        sizes.append(ahead.most)
        await ahead.add(_ops(ahead.most), 0.0)
        await asyncio.sleep(SLOW_S)
    assert max(sizes) == sizes[-1] == MOST_AHEAD
    assert all(after <= 2 * before for before, after in pairwise(sizes))
    ahead.end()
    await asyncio.gather(*senders)


async def test_a_run_that_ends_lets_every_sender_go() -> None:
    ahead = _Ahead()
    senders = [asyncio.create_task(ahead.next()) for _ in range(SENDERS_AT_ONCE)]
    await asyncio.sleep(0)
    ahead.end()
    assert await asyncio.gather(*senders) == [None] * SENDERS_AT_ONCE
