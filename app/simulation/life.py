"""The events of a simulated market in their order: each is an act of somebody, at its moment of the market's clock.

Nothing sleeps: the clock goes on to the next event. Whoever acts calls what the routes call, and hears the refusals.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from hashlib import sha256
from random import Random
from typing import NamedTuple
from uuid import UUID

from app import judging
from app.db import Connection
from app.simulation import buying, choosing, verdicts
from app.simulation.buying import CURRENCY, Plan
from app.simulation.parameters import Parameters, Pricing
from app.simulation.service import BEGINS, Service
from app.simulation.world import DAY_S, Person, World
from market import (
    accounts,
    claim_photos,
    claims,
    earnings,
    ids,
    keys,
    ledger,
    offers,
    people,
    posting,
    review,
    submissions,
    tasks,
)
from market.errors import Refusal
from market.terms import Acceptance, TaskDraft

Act = Callable[[float], Awaitable[None]]
# What each buyer has from the beginning, in minor units: nobody's task shall fail for want of money.
FUNDS = 2_000_000_000
ANALYZED = "task, claim, submission, ledger_account, event, earning, task_fill, active_near, forecast"


class Held(NamedTuple):
    """A claim in somebody's hands."""

    person: Person
    plan: Plan
    claim: str
    until: float


class Life:
    """One run. counts: how often what happened that the market does not keep · at: the moment, in seconds since the
    beginning · ends: when the last task that will be posted has ended; until then people look at the list · every,
    posted, asked: what else is done so often, after each posting, and before it, which may say another draft or that
    there will be none."""

    def __init__(
        self, service: Service, parameters: Parameters, world: World, plans: list[Plan], pricing: Pricing | None
    ) -> None:
        self.service, self.parameters, self.world, self.plans, self.pricing = service, parameters, world, plans, pricing
        self.counts: Counter[str] = Counter()
        self.rates = posting.Rates(parameters.fee_bps, {CURRENCY: parameters.least_a_minute})
        self.hold_s = int(parameters.hold_days * DAY_S)
        self.chances = Random(f"{parameters.seed}:buyers")
        self.actors: list[keys.Actor] = []
        self.of_task: dict[str, Plan] = {}
        self.answered: dict[UUID, tuple[Plan, bool]] = {}
        self.accepted: Counter[int] = Counter()
        self.at = 0.0
        self.ends = max((plan.at + plan.lasts_s for plan in plans), default=0.0)
        self.every: list[tuple[float, Act]] = []
        self.posted: list[Callable[[float], None]] = []
        self.asked: list[Callable[[Connection, Plan, TaskDraft], Awaitable[TaskDraft | None]]] = []
        self._due: list[tuple[float, int, Act]] = []
        self._number = 0

    def later(self, at: float, act: Act) -> None:
        """Something happens at `at`; of what happens at the same moment, the first that was foreseen."""
        self._number += 1
        heapq.heappush(self._due, (at, self._number, act))

    async def run(self) -> None:
        """From the first sign-up until every task has ended and every answer is decided on."""
        await self._settle_in()
        for person in self.world.people:
            self.later(person.next_look(0.0), partial(self._look_and_again, person))
        for plan in self.plans:
            self.later(plan.at, partial(self._post, plan))
        self.later(DAY_S, self._day_ends)
        for period_s, act in self.every:
            self.later(period_s, partial(self._again, period_s, act))
        while self._due:
            self.at, _, act = heapq.heappop(self._due)
            await act(self.at)

    # ---- who is there

    async def _settle_in(self) -> None:
        async with self.service.at(0.0, "sign up") as conn:
            for number in range(self.parameters.buyers):
                draft = accounts.AccountDraft(name=f"Agent {number}", email=f"agent-{number}@example.com")
                _, secret = await accounts.open_account(conn, draft)
                actor = await keys.find(conn, secret)
                await ledger.post(
                    conn, "funding", f"simulated:{actor.owner}",
                    [(ledger.CLEARING, FUNDS), (ledger.buyer(actor.owner), -FUNDS)], currency=CURRENCY, actor="market",
                )  # fmt: skip
                self.actors.append(actor)
            for person in self.world.people:
                name = f"Person {person.number}"
                signing = people.PersonDraft(
                    email=f"person-{person.number}@example.com", display_name=name, accept_terms=True
                )
                person.id = await people.sign_up(conn, signing)
        await self.service.connection.execute("ANALYZE")

    # ---- agents

    async def _post(self, plan: Plan, at: float) -> None:
        draft: TaskDraft | None = buying.draft(plan, self.parameters, BEGINS, self.pricing)
        for ask in self.asked:
            if draft is not None:
                async with self.service.at(at, "ask") as conn:
                    draft = await ask(conn, plan, draft)
        if draft is None:
            self.counts["tasks not posted after all"] += 1
            return
        plan = self.plans[plan.number] = plan._replace(quantity=draft.quantity)
        async with self.service.at(at, "post") as conn:
            task = await posting.post(conn, self.actors[plan.buyer], draft, rates=self.rates)
        self.of_task[task.id] = plan
        self.later(plan.at + plan.lasts_s, partial(self._task_ends, plan))
        for told in self.posted:
            told(at)

    async def _task_ends(self, plan: Plan, at: float) -> None:
        if self.accepted[plan.number] == plan.quantity:  # it ended with its last answer
            return
        async with self.service.at(at, "end tasks") as conn:
            await tasks.expire_due(conn)

    async def _review(self, submission: UUID, at: float) -> None:
        """A buyer looks at an answer: takes it when it is usable, and sometimes refuses one that is."""
        plan, usable = self.answered[submission]
        shown, actor = ids.show("submission", submission), self.actors[plan.buyer]
        wrong = self.chances.random() < self.parameters.wrongly_rejected
        try:
            async with self.service.at(at, "review") as conn:
                if usable and not wrong:
                    await review.accept(conn, actor, shown, hold_s=self.hold_s)
                    self.accepted[plan.number] += 1
                else:
                    why = review.Rejecting(reason_code="not_what_was_asked", comment="This does not show it.")
                    await review.reject(conn, actor, shown, why)
        except Refusal:
            self.counts["reviews that came too late"] += 1

    async def _reviews_end(self, at: float) -> None:
        async with self.service.at(at, "review") as conn:
            self.counts["accepted because nobody reviewed"] += await review.accept_overdue(conn, hold_s=self.hold_s)

    async def _day_ends(self, at: float) -> None:
        """Earnings out of their hold window, and statistics for the planner, as autovacuum would."""
        async with self.service.at(at, "release earnings") as conn:
            while await earnings.release_due(conn):
                pass
        await self.service.connection.execute(f"ANALYZE {ANALYZED}")
        if at < self.ends:
            self.later(at + DAY_S, self._day_ends)

    async def _again(self, period_s: float, act: Act, at: float) -> None:
        await act(at)
        if at < self.ends:
            self.later(at + period_s, partial(self._again, period_s, act))

    # ---- people

    async def _look_and_again(self, person: Person, at: float) -> None:
        await self._look(person, at)
        following = person.next_look(at)
        if following < self.ends:
            self.later(following, partial(self._look_and_again, person))

    async def _look(self, person: Person, at: float) -> None:
        """Look at what is near by, and take up what is worth it."""
        here = person.whereabouts(at)
        if at < person.busy_until:
            self.counts["looks left out while busy"] += 1
            return
        async with self.service.at(at, "look") as conn:
            found = await offers.near_by(
                conn, person.id, lat=here.lat, lon=here.lon, radius_m=person.reach_m, limit=self.parameters.offers_read
            )
        self.counts["looks"] += 1
        self.counts["offers seen"] += len(found)
        numbers = [self.of_task[offer.id].number for offer in found]
        chosen = choosing.choose(person, found, numbers, at, self.parameters)
        if isinstance(chosen, choosing.Wait):
            self.counts["waits for a rise"] += 1
            back = at + chosen.after_s + person.random.uniform(30, 600)
            if person.awake(back) > 0.2:
                self.later(back, partial(self._look, person))
        elif chosen is not None:
            decided = at + person.random.uniform(15, 90)
            person.busy_until = decided
            self.later(decided, partial(self._claim, person, chosen, here))

    async def _claim(self, person: Person, offer: offers.Offer, here: tuple[float, float], at: float) -> None:
        position = claims.Position(lat=here[0], lon=here[1], accuracy_m=15)
        try:
            async with self.service.at(at, "claim") as conn:
                claim = await claims.claim(conn, person.id, offer.id, position)
        except Refusal as refusal:
            self.counts[f"claims refused: {type(refusal).__name__}"] += 1
            return
        p, draws, plan = self.parameters, person.random, self.of_task[offer.id]
        until = (claim.expires_at - BEGINS).total_seconds()
        held = Held(person, plan, claim.id, until)
        minutes = choosing.minutes(person, offer, p, there_only=True) * math.exp(draws.gauss(0, p.work_spread))
        lag = 0.0 if draws.random() < p.at_once_share else draws.expovariate(1 / p.later_minutes)
        if person.cheats:
            minutes, lag = 4.0, 0.0
        ready = at + 60 * (lag + minutes)
        forgotten = draws.random() < p.forgets
        late = ready >= until
        # Who goes later looks at nothing else from then on; who forgets is free at once.
        person.busy_until = at + 600 if forgotten else min(ready, until)
        if forgotten or (late and draws.random() >= p.gives_back):
            self.later(until, self._claims_end)
        elif late:
            self.later(at + 60 * lag + 300 if at + 60 * lag + 300 < until else until - 60, partial(self._release, held))
        else:
            self.later(ready, partial(self._submit, held))

    async def _claims_end(self, at: float) -> None:
        async with self.service.at(at, "end claims") as conn:
            await claims.expire_due(conn)

    async def _release(self, held: Held, at: float) -> None:
        async with self.service.at(at, "release") as conn:
            await claims.release(conn, held.person.id, held.claim)

    async def _submit(self, held: Held, at: float) -> None:
        """Hand in what was found; the machine judges it a few seconds later."""
        person, plan = held.person, held.plan
        usable, given = verdicts.evidence(person, plan, self.parameters)
        taken = buying.photos_of(plan, negative=given.outcome == "honest_negative")
        async with self.service.at(at, "hand in") as conn:
            for n in range(1, taken + 1):
                name = sha256(f"{held.claim}:{n}".encode()).digest()
                await claim_photos.put(
                    conn, person.id, held.claim, claim_photos.Photo(n, name, 250_000, "image/jpeg", None)
                )
            submission = await submissions.submit(conn, person.id, held.claim, given, fitting=judging.fitting)
        self.answered[submission] = (plan, usable)
        day = person.day(at)
        person.done_on = (day, person.done_on[1] + 1 if person.done_on[0] == day else 1)
        self.later(at + 5, partial(self._judge, held, submission, usable))

    async def _judge(self, held: Held, submission: UUID, usable: bool, at: float) -> None:
        verdict, failed = verdicts.verdict(held.person, held.plan, usable, self.parameters)
        async with self.service.at(at, "judge") as conn:
            status = await submissions.judge(conn, submission, verdict, failed_check=failed, hold_s=self.hold_s)
        self.accepted[held.plan.number] += status == "accepted"
        if status == "needs_review":
            self.later(at + Acceptance().review_deadline_s, self._reviews_end)
            missed = self.chances.random() < self.parameters.misses_review
            waits = self.chances.lognormvariate(math.log(self.parameters.review_hours), 0.8) * 3600
            if not missed:
                self.later(at + waits, partial(self._review, submission))
