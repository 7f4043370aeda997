"""Quotes: what an answer would cost, when it would come, what it would be worth. Nothing is held, nothing is kept."""

import math
from datetime import datetime, timedelta
from typing import Annotated

import asyncpg
import msgspec
import numpy as np

from market import decision_value, fill_history, money, posting, prices, reliability, tasks
from market.decision_value import Problem
from market.errors import Invalid
from market.fill_model import HIGH, LOW, Curve
from market.listing_terms import Listing
from market.money import Money
from market.posting import Costs, Rates
from market.terms import Question, Strict, TaskDraft

WITHIN_S = (900, 3_600, 4 * 3_600, 86_400)
WISHED = 0.8
EXACT = 1e-6  # by how much probabilities that should sum to one may miss it

Chance = Annotated[float, msgspec.Meta(ge=0, le=1)]
Payoff = Annotated[float, msgspec.Meta(ge=-1e12, le=1e12)]
Named = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Seconds = Annotated[int, msgspec.Meta(ge=60, le=tasks.LONGEST_OPEN_S)]


class Decision(Strict, frozen=True, kw_only=True):
    """What the answer is for. prior: how likely each answer is, by the agent's own reckoning · acts: what it may do,
    and what each would bring it under each answer, in minor units of the draft's currency · question: of the draft, by
    its id; without it, its only question of type choice or boolean (`true`, `false`), or none at all · confusion: how
    likely each report is under each answer, where the agent knows that better than the market."""

    prior: Annotated[
        dict[Named, Chance],
        msgspec.Meta(min_length=2, max_length=20, examples=[{"open": 0.6, "closed": 0.3, "gone": 0.1}]),
    ]
    acts: Annotated[
        dict[Named, dict[Named, Payoff]],
        msgspec.Meta(
            min_length=1, max_length=20,
            examples=[{"go": {"open": 900, "closed": -600, "gone": -600}, "stay": {"open": 0, "closed": 0, "gone": 0}}],
        ),
    ]  # fmt: skip
    question: Annotated[str, msgspec.Meta(max_length=64, examples=["open"])] | None = None
    confusion: Annotated[dict[Named, dict[Named, Chance]], msgspec.Meta(max_length=20)] | None = None


class QuoteDraft(TaskDraft, frozen=True, kw_only=True):
    """A task draft, and what is to be known of it. within_s: moments after its opening, in seconds
    · wished_probability: for the suggested price, by closing · decision: what it is for."""

    within_s: Annotated[list[Seconds], msgspec.Meta(min_length=1, max_length=20, examples=[[3600, 14400]])] | None = (
        None
    )
    wished_probability: Annotated[float, msgspec.Meta(ge=0.01, le=0.99)] = WISHED
    decision: Decision | None = None


class Fill(msgspec.Struct, frozen=True):
    """Of the draft as it stands, so long after its opening. probability: that all its answers have come, between `low`
    and `high` in four cases of five · one: that a certain one has · expected: how many have."""

    within_s: int
    probability: float
    low: float
    high: float
    one: float
    expected: float


class FillTime(msgspec.Struct, frozen=True):
    """Seconds from opening by which all have come with a probability of 10, 50 and 90 %; null: not before closing."""

    early_s: int | None
    median_s: int | None
    late_s: int | None


class Reliable(msgspec.Struct, frozen=True):
    """How often an answer is right, with an 80 % interval; based_on: comparisons of different people's answers to such
    questions, 0 where it is an assumption."""

    accuracy: float
    low: float
    high: float
    based_on: int


class Information(msgspec.Struct, frozen=True):
    """What observing is worth to the decision, in minor units of the currency.

    value_perfect: knowing the truth · value_one: one answer · most_to_pay: for one, the fee included · most_reward: the
    reward that leaves room for that fee · replicates: how many answers pay best at the price of this draft at its
    highest · gain: what they are worth beyond their price · by_count: what 0, 1, 2, … are worth · best_act_now: without
    asking · reliability: null with the agent's own `confusion`.
    """

    question: str | None
    value_perfect: float
    value_one: float
    most_to_pay: Money
    most_reward: Money
    replicates: int
    gain: float
    by_count: list[float]
    reliability: Reliable | None
    worth_asking: bool
    best_act_now: str


class BasedOn(msgspec.Struct, frozen=True):
    """The market's history behind a quote: slots, and when the model was fitted; null: it goes by its prior alone."""

    slots: int
    fitted_at: datetime | None


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """What to expect of a draft.

    price_suggested: the lowest fixed reward at which all answers come by closing with `wished_probability`, never below
    the market's minimum; null: none does · people_nearby: active within about 10 km in two weeks, by fives, fewer than
    five are 0; null for a task that may be done anywhere · worst_case_cost: what posting would hold, fee included.
    """

    price_suggested: Money | None
    wished_probability: float
    fill: list[Fill]
    fill_time: FillTime
    people_nearby: int | None
    already_known: list[Listing]
    fee: Money
    worst_case_cost: Money
    opens_at: datetime
    closes_at: datetime
    based_on: BasedOn
    decision: Information | None


async def quote(
    conn: asyncpg.Connection, currency: str, draft: QuoteDraft, *, rates: Rates, known: list[Listing]
) -> Quote:
    """A quote for a draft that an account trading in `currency` may post. Raises Invalid and BelowMinimum, as posting.

    known: what is for sale that answers it already.
    """
    posting.check(draft, currency)
    posting.require_fair(draft, rates.least_per_minute)
    asked = _asked(draft)  # before anything is read
    opens, closes = await _times(conn, draft)
    cost, path = posting.costs(draft, rates.fee_bps), prices.path(draft)
    span = int((closes - opens).total_seconds())
    near = None if draft.place is None else fill_history.cells(draft.place.lat, draft.place.lon)[0]
    here = await fill_history.around(conn, near)
    model = await fill_history.current(conn)
    row = fill_history.asked(draft, path, opens, span, here)
    places = await fill_history.evidence(conn, model, row)
    curve = model.model.curve(row, *places)
    fixed = curve
    if path.step_s is not None:
        flat = fill_history.asked(draft, prices.Path(path.reward, path.reward), opens, span, here)
        fixed = model.model.curve(flat, *places)
    cheapest = _cheapest(draft, fixed, span, rates)
    quantiles = [curve.quantile(each) for each in (LOW, 0.5, HIGH)]
    early, median, late = (None if each is None else math.ceil(each) for each in quantiles)
    return Quote(
        price_suggested=None if cheapest is None else Money(cheapest, currency),
        wished_probability=draft.wished_probability,
        fill=[_fill(curve, each) for each in _within(draft, span)],
        fill_time=FillTime(early, median, late), people_nearby=None if near is None else here.people,
        already_known=known, fee=Money(cost.fee, currency), worst_case_cost=Money(cost.worst, currency),
        opens_at=opens, closes_at=closes,
        based_on=BasedOn(round(model.model.slots), model.fitted_at),
        decision=None if asked is None else await _information(conn, draft, asked, cost, rates),
    )  # fmt: skip


async def _times(conn: asyncpg.Connection, draft: TaskDraft) -> tuple[datetime, datetime]:
    """When it could first be claimed, and when it would close; by posting's rules."""
    now: datetime = await conn.fetchval("SELECT market_now()")
    opens = now if draft.opens_at is None else max(draft.opens_at, now)
    closes = draft.closes_at
    if closes is None:
        closes = (draft.opens_at or now) + timedelta(seconds=tasks.DEFAULT_OPEN_S)
    if not opens < closes <= opens + timedelta(seconds=tasks.LONGEST_OPEN_S):
        raise Invalid(
            f"It must lie in the future, after `opens_at`, and at most {tasks.LONGEST_OPEN_S // 86_400} days away.",
            pointer="/closes_at",
        )
    return opens, closes


def _within(draft: QuoteDraft, span: int) -> list[int]:
    """The moments that are asked for; unless any are, the usual ones before closing, and closing."""
    if draft.within_s is not None:
        return draft.within_s
    return [each for each in WITHIN_S if each < span] + [span]


def _fill(curve: Curve, seconds: int) -> Fill:
    return Fill(seconds, *(round(each, 6) for each in curve.at(seconds)))


def _cheapest(draft: QuoteDraft, fixed: Curve, span: int, rates: Rates) -> int | None:
    each = fill_history.unit(draft.reward.currency, posting.minutes(draft))
    found = fixed.cheapest(draft.wished_probability, span, math.log(draft.reward.amount * each), each, money.LARGEST)
    least = 0 if posting.by_devices(draft) else posting.least_reward(draft, rates.least_per_minute)
    return None if found is None else max(found, least)


# ---- what it is worth


class _Asked(msgspec.Struct, frozen=True):
    """A decision that makes sense: the question, if any, its type, how many answers it has in all, and the prior."""

    wanted: Decision
    question: str | None
    type: str
    answers: int
    prior: dict[str, float]


def _asked(draft: QuoteDraft) -> _Asked | None:
    """Raises Invalid for a decision whose parts do not fit each other or the draft."""
    wanted = draft.decision
    if wanted is None:
        return None
    total = sum(wanted.prior.values())
    if abs(total - 1) > EXACT:
        raise Invalid(f"Probabilities sum to 1; these to {total:g}.", pointer="/decision/prior")
    for act, payoffs in wanted.acts.items():
        if payoffs.keys() != wanted.prior.keys():
            raise Invalid(
                "An act says what it brings under each answer of the prior, and under no other.",
                pointer=f"/decision/acts/{_escaped(act)}",
            )
    if wanted.confusion is not None:
        _check_confusion(wanted)
    question = _question(draft, wanted.question)
    prior = {name: chance / total for name, chance in wanted.prior.items()}
    if question is None:
        return _Asked(wanted, None, "choice", len(prior), prior)
    possible = question.choices if question.type == "choice" else ["true", "false"]
    for name in prior:
        if name not in possible:
            raise Invalid(
                f"No answer to the question; its answers: {', '.join(possible[:20])}.",
                pointer=f"/decision/prior/{_escaped(name)}",
            )
    return _Asked(wanted, question.id, question.type, len(set(possible)), prior)


def _question(draft: QuoteDraft, named: str | None) -> Question | None:
    fit = [each for each in draft.evidence.questions if each.type in ("choice", "boolean")]
    if named is not None:
        found = [each for each in fit if each.id == named]
        if not found:
            raise Invalid(
                "The draft has no question of type choice or boolean with this id.", pointer="/decision/question"
            )
        return found[0]
    if len(fit) > 1:
        raise Invalid("The draft has several such questions: name the one that is meant.", pointer="/decision/question")
    return fit[0] if fit else None


def _check_confusion(wanted: Decision) -> None:
    reports = wanted.confusion or {}
    if reports.keys() != wanted.prior.keys():
        raise Invalid("It has one row for each answer of the prior.", pointer="/decision/confusion")
    for answer, row in reports.items():
        if abs(sum(row.values()) - 1) > EXACT:
            raise Invalid("A row sums to 1.", pointer=f"/decision/confusion/{_escaped(answer)}")


def _escaped(name: str) -> str:
    """A name as a part of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


async def _information(
    conn: asyncpg.Connection, draft: QuoteDraft, asked: _Asked, cost: Costs, rates: Rates
) -> Information:
    wanted, names, currency = asked.wanted, list(asked.prior), draft.reward.currency
    reliable = None
    if wanted.confusion is not None:
        channel = decision_value.confusion(names, wanted.confusion)
        channel = channel / channel.sum(axis=1, keepdims=True)
    else:
        found = await reliability.of(conn, draft.kind, asked.type, asked.answers)
        accuracy, low, high = (round(each, 6) for each in found.accuracy)
        reliable = Reliable(accuracy, low, high, found.based_on)
        channel = decision_value.one_coin(len(names), found.accuracy.mean, asked.answers - len(names))
    payoffs = np.array([[act[name] for name in names] for act in wanted.acts.values()])
    problem = Problem(np.array(list(asked.prior.values())), payoffs, channel)
    worth = decision_value.worth(problem, float(cost.top + cost.top_fee))
    most = min(math.floor(worth.one), money.LARGEST)
    return Information(
        asked.question, worth.perfect, worth.one, Money(most, currency),
        Money(_before_fee(most, rates.fee_bps), currency), worth.replicates, worth.gain, worth.by_count, reliable,
        worth.replicates > 0, list(wanted.acts)[worth.act],
    )  # fmt: skip


def _before_fee(most: int, fee_bps: int) -> int:
    """The largest reward that costs no more than `most` with its fee."""
    reward = most * 10_000 // (10_000 + fee_bps)
    while reward + 1 + money.fee(reward + 1, fee_bps) <= most:
        reward += 1
    return reward
