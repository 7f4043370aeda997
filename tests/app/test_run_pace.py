"""What a run holds ahead of its senders: little where Stripe is slow, and nothing is lost on the way."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from app.money.runs import MOST_AHEAD, SENDERS_AT_ONCE, _Ahead
from market.stripe_ops import Op

SLOW_S = 0.05


def _ops(count: int) -> list[Op]:
    return [Op(uuid4(), "transfer", uuid4(), 1, {}, 1, uuid4(), False, False) for _ in range(count)]


async def test_the_slower_stripe_is_the_less_is_taken_ahead() -> None:
    ahead, sent, held = _Ahead(), [], []
    most_waiting = 0

    async def send() -> None:
        while (next_one := await ahead.next()) is not None:
            await asyncio.sleep(SLOW_S)  # some 20 a second in all
            sent.append(next_one[0])

    sender = asyncio.create_task(send())
    for _ in range(3):
        taken = _ops(ahead.most)
        held += taken
        await ahead.add(taken, 0.0)
        most_waiting = max(most_waiting, len(held) - len(sent))
    assert ahead.most == SENDERS_AT_ONCE  # as few as there are senders
    assert most_waiting <= 2 * SENDERS_AT_ONCE < MOST_AHEAD
    ahead.end()
    await sender
    assert sent == held


async def test_a_run_that_ends_lets_every_sender_go() -> None:
    ahead = _Ahead()
    senders = [asyncio.create_task(ahead.next()) for _ in range(SENDERS_AT_ONCE)]
    await asyncio.sleep(0)
    ahead.end()
    assert await asyncio.gather(*senders) == [None] * SENDERS_AT_ONCE
