"""What a slot pays while nobody takes it: the same arithmetic as the schema's price_at and fee_of, for plans of prices.

Integers of minor units; times in seconds since the price began to count.
"""

from typing import NamedTuple

from market.terms import TaskDraft


class Path(NamedTuple):
    """How a price goes: from `reward`, each `step_s` seconds by `step`, up to `top`; fixed where step_s is None."""

    reward: int
    top: int
    step_s: int | None = None
    step: int = 0

    def at(self, elapsed_s: float) -> int:
        """What is paid to whoever claims `elapsed_s` after the beginning."""
        if self.step_s is None:
            return self.reward
        return min(self.top, self.reward + self.step * max(0, int(elapsed_s // self.step_s)))

    def rises(self, until_s: float) -> list[tuple[float, int]]:
        """(seconds, price) at the beginning and at each rise before `until_s`."""
        found = [(0.0, self.reward)]
        while self.step_s is not None and found[-1][1] < self.top and found[-1][0] + self.step_s < until_s:
            at = found[-1][0] + self.step_s
            found.append((at, self.at(at)))
        return found


def path(draft: TaskDraft) -> Path:
    """The price path of a draft."""
    reward, schedule = draft.reward.amount, draft.price_schedule
    if schedule is None:
        return Path(reward, reward)
    return Path(reward, schedule.max.amount, schedule.step_s, step_of(reward, schedule.step_percent))


def step_of(reward: int, percent: int) -> int:
    """By how much each step rises: that part of the first price, rounded down, at least one unit."""
    return max(1, reward * percent // 100)
