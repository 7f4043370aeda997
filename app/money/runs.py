"""Payout runs are paid: lines are planned, sent and settled in a stream, many at a time.

Three parts work side by side: one sets money aside and leases the transfers, several send, one writes what came of
them. Whatever dies in between, the rows say where it was: a lease that ends is taken up by the sweep.
"""

from __future__ import annotations

import asyncio
from uuid import UUID

import structlog

from app.db import EVENTS, Connection, wake
from app.gateways.stripe import Failure
from app.jobs import Payload, enqueue, handler, sweep
from app.money.outgoing import Answered, Outcome, ask, lease_s, settle, stripe_of
from app.services import Services
from market import payout_lines, stripe_ops
from market.payout_lines import Sent
from market.stripe_ops import LeaseLost, Op

log = structlog.get_logger()

SENDERS_AT_ONCE = 12
AHEAD_S = 0.5  # what is set aside ahead is sent within about this: no switch and no check reaches it any more
MOST_AHEAD = 16 * SENDERS_AT_ONCE
SETTLED_AT_ONCE = 300
RESUME_S = 2.0
GATHER_S = 0.5  # how long answers wait for one another to be written together

Ops = asyncio.Queue[tuple[Op, float] | None]
Answers = asyncio.Queue[tuple[Op, Answered] | None]


async def queue_run(connection: Connection, run: UUID) -> None:
    """Go on with an executing run soon after this transaction has committed."""
    await enqueue(connection, "payout_run", {"run": str(run)}, only_one=f"payout_run:{run}")


@handler("payout_run")
async def pay_run(services: Services, payload: Payload) -> None:
    """Pay what can be paid of an executing run, or skip it with its reason; then end the run if it is over.

    One process at a time pays a run, which the database knows at once when it dies: so what a dead one held is taken
    over without waiting for its leases.
    """
    run = UUID(payload["run"])
    async with services.database.holding(f"payout_run {run}") as alone:
        if not alone:
            return
        async with services.database.read() as connection:
            currency = await payout_lines.currency_of(connection, run)
        if currency is not None:
            try:
                available, _ = await stripe_of(services).balance_parts()
            except Failure as failure:
                log.warning("Stripe does not say what is there: the run waits", run=str(run), failure=str(failure))
                return  # the sweep comes again
            await _pay(services, run, available.get(currency, 0))
    await finish(services, run)


@sweep("payout runs", every_s=RESUME_S)
async def resume(services: Services) -> None:
    """Go on with runs that a crash has left under way, and with transfers that are due again."""
    async with services.database.read() as connection:
        under_way = await payout_lines.executing(connection)
    for run in under_way:
        try:
            await pay_run(services, {"run": str(run)})
        except Exception:
            log.exception("payout run interrupted", run=str(run))  # the others go on; this one is tried again


class _Ahead:
    """Operations in our hands that nobody sends yet, and how many to take next: about what is sent in AHEAD_S."""

    def __init__(self) -> None:
        self.most = 2 * SENDERS_AT_ONCE
        self._asked = self._sent = 0
        self._was_full = False
        self._ops: Ops = asyncio.Queue()
        self._low = asyncio.Event()
        self._low.set()
        self._since = asyncio.get_running_loop().time()

    async def next(self) -> tuple[Op, float] | None:
        """The next one, with the time at which our lease on it ends; None when nothing comes any more."""
        self._asked += 1
        held = await self._ops.get()
        if self._is_low():
            self._low.set()
        return held

    async def add(self, taken: list[Op], until: float) -> None:
        """Let these be sent; returns when it is time to take more: twice as many at most."""
        starved = self._was_full and self._ops.empty()  # it was we who were slow
        self._was_full = len(taken) >= self.most
        for op in taken:
            self._ops.put_nowait((op, until))
        if not self._is_low():
            self._low.clear()
        await self._low.wait()
        now, sent = asyncio.get_running_loop().time(), max(0, self._asked - SENDERS_AT_ONCE)
        a_second = (sent - self._sent) / max(now - self._since, 0.001)
        wanted = 2 * self.most if starved else round(a_second * AHEAD_S)
        self.most = max(SENDERS_AT_ONCE, min(wanted, 2 * self.most, MOST_AHEAD))
        self._since, self._sent = now, sent

    def end(self) -> None:
        """Tell every sender that nothing comes any more."""
        for _ in range(SENDERS_AT_ONCE):
            self._ops.put_nowait(None)

    def _is_low(self) -> bool:
        return self._ops.qsize() <= self.most // 2


async def _pay(services: Services, run: UUID, available: int) -> None:
    ahead = _Ahead()
    answers: Answers = asyncio.Queue(2 * SETTLED_AT_ONCE)
    mine: set[UUID] = set()  # operations in our hands

    async def send() -> None:
        while (held := await ahead.next()) is not None:
            op, until = held
            await answers.put((op, await ask(services, op, until)))

    async def plan_and_send() -> None:
        async with asyncio.TaskGroup() as sending:
            for _ in range(SENDERS_AT_ONCE):
                sending.create_task(send())
            await _plan(services, run, available, ahead, mine)
            ahead.end()
        await answers.put(None)

    async with asyncio.TaskGroup() as work:
        work.create_task(plan_and_send())
        work.create_task(_settle_all(services, answers, mine))


async def _plan(services: Services, run: UUID, available: int, ahead: _Ahead, mine: set[UUID]) -> None:
    """Take over what is under way, then set money aside and lease transfers, some in each transaction, until there is
    nothing to do for now."""
    while True:
        until = asyncio.get_running_loop().time() + lease_s(services)
        async with services.database.transaction() as connection:
            left = await payout_lines.under_way(connection, run, mine, ahead.most)
            taken = await stripe_ops.take_over(connection, left, lease_s(services)) if left else []
            looked = 0
            if not taken:
                looked, taken, amount = await payout_lines.plan_lines(
                    connection, run, ahead.most, available, lease_s(services)
                )
                available -= amount
        if not taken and not looked:
            return
        mine |= {op.id for op in taken}
        await ahead.add(taken, until)


async def _settle_all(services: Services, answers: Answers, mine: set[UUID]) -> None:
    """Write answers as they come, as many together as there are."""
    over = False
    while not over:
        first = await answers.get()
        gathered, over = ([first], False) if first is not None else ([], True)
        until = asyncio.get_running_loop().time() + GATHER_S
        while not over and len(gathered) < SETTLED_AT_ONCE:
            try:
                async with asyncio.timeout_at(until):
                    following = await answers.get()
            except TimeoutError:
                break
            if following is None:
                over = True
            else:
                gathered.append(following)
        if gathered:
            await settle_together(services, gathered)
            mine -= {op.id for op, _ in gathered}


async def settle_together(services: Services, gathered: list[tuple[Op, Answered]]) -> None:
    """Write what came of some transfers: those that were made in one transaction, every other one in its own."""
    sent = [
        Sent(op, answer.object_id, answer.line)
        for op, answer in gathered
        if isinstance(answer, Outcome) and answer.line is not None
    ]
    if sent:
        try:
            await _settle_sent(services, sent)
        except Exception:
            # One of them cannot be settled: it alone shall wait, and whoever pays the run next will see it fail again.
            log.exception("transfers settled one by one", count=len(sent))
            for each in sent:
                try:
                    await _settle_sent(services, [each])
                except Exception:
                    log.exception("transfer not settled", op=str(each.op.id), transfer=each.transfer_id)
    for op, answer in gathered:
        if not isinstance(answer, Outcome):
            try:
                async with services.database.transaction() as connection:
                    await settle(connection, op, answer)
                    wake(EVENTS)
            except LeaseLost as lost:
                log.warning("transfer settled by another", op=str(op.id), reason=str(lost))


async def _settle_sent(services: Services, sent: list[Sent]) -> None:
    async with services.database.transaction() as connection:
        await payout_lines.settle_sent(connection, sent)
        wake(EVENTS)


async def finish(services: Services, run: UUID) -> None:
    """End the run if it is over."""
    async with services.database.transaction() as connection:
        status = await payout_lines.finish(connection, run)
        wake(EVENTS)
    if status is not None:
        log.info("payout run ended", run=str(run), status=status)


async def finish_all(services: Services) -> None:
    """End what is over: a line may have been the last of its run."""
    async with services.database.read() as connection:
        under_way = await payout_lines.executing(connection)
    for run in under_way:
        await finish(services, run)
