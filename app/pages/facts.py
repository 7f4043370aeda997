"""What decides payment of a task, beside what its offer says: worked out once, for each page that names it."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from app.pages import words
from market import appeals, awards, claims, offers, stakes
from market.money import Money
from market.terms import LEAST_ROYALTY_PERCENT


class Rules(NamedTuple):
    """The market's own rules, the same for every task. Seconds, and percent."""

    hold_s: int
    appeal_s: int = appeals.APPEAL_S
    answer_s: int = appeals.ANSWER_S
    decide_s: int = appeals.DECIDE_S
    least_royalty: int = LEAST_ROYALTY_PERCENT


class Facts(NamedTuple):
    """One task. rise: how much more it pays from its next rise on · negative: what is paid where there is nothing to
    answer · tries: answers of one person, in each round where there are rounds, and let_go: claims that they may give
    back or let run out · bond: what a buyer puts at risk who refuses by hand, all of which may become the person's."""

    offer: offers.Offer
    promises: list[words.Promise]
    asked_for: list[str]
    rise: Money | None
    negative: Money
    tries: int
    let_go: int
    bond: Money


class Rise(NamedTuple):
    """When several tasks together pay more, how much then, and the most they may reach."""

    at: datetime
    to: Money
    by: Money
    most: Money


def of(offer: offers.Offer) -> Facts:
    """What decides payment of one task, at the price now."""
    now, per_person = offer.reward, 1 if offer.standing is None else offer.standing.per_person
    return Facts(
        offer, words.promises(offer), words.asked_for(offer, each_photo=True),
        None if offer.next_price is None else Money(offer.next_price.amount - now.amount, now.currency),
        negative(offer), claims.MOST_TRIES * per_person, claims.MOST_LET_GO * per_person,
        Money(stakes.bond_for(now.amount), now.currency),
    )  # fmt: skip


def negative(offer: offers.Offer, reward: Money | None = None) -> Money:
    """What is paid where there is nothing to answer: at the price now, or at that of a claim."""
    at = reward or offer.reward
    return Money(offer.acceptance.of_negative(at.amount), at.currency)


def rise_of(tasks: Sequence[offers.Offer]) -> Rise | None:
    """The next rise of what all of them pay together; None where none rises any more. They have one currency."""
    rising = [(task.next_rise_at, task.next_price) for task in tasks if task.next_rise_at and task.next_price]
    if not rising:
        return None
    at, currency = min(moment for moment, _ in rising), tasks[0].reward.currency
    by = sum(
        task.next_price.amount - task.reward.amount for task in tasks if task.next_price and task.next_rise_at == at
    )
    total = sum(task.reward.amount for task in tasks)
    most = sum(task.most.amount for task in tasks)
    return Rise(at, Money(total + by, currency), Money(by, currency), Money(most, currency))


class Award(NamedTuple):
    """What a decided appeal or dispute gives the person, each sum by its name. due: the buyer has yet to pay."""

    pay: Money
    bond: Money
    total: Money
    due: bool


def award(paid: Money | None, owed: Money, bond: Money, percent: int | None) -> Award:
    """paid, owed: in all, one of them · bond: what the buyer had put at risk · percent: of both, to the person."""
    due = owed.amount > 0
    total = owed if due or paid is None else paid
    own = min(awards.part(bond.amount, percent or 0), total.amount)
    return Award(Money(total.amount - own, total.currency), Money(own, total.currency), total, due)
