"""What may be set about a simulated market, with its defaults: one frozen struct. All draws follow from `seed`."""

from __future__ import annotations

import msgspec


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Medians and spreads are those of log-normal draws where a `_spread` stands beside; money is US cents."""

    # How much of everything.
    seed: int = 1
    days: int = 30
    people: int = 1500
    tasks: int = 20_000
    buyers: int = 30
    cities: int = 6  # each about 0.6 times as large as the one before
    places: int = 60  # for each city, where tasks may be; some are asked about far more often than others

    # Where people are. Metres.
    suburb_m: float = 2600  # homes lie around the middle of the city with this standard deviation
    centre_m: float = 900  # and workplaces with this
    works_share: float = 0.7

    # When they look at the list, and how far they go.
    visits_a_day: float = 4
    visits_spread: float = 0.7
    reach_m: float = 3000
    reach_spread: float = 0.5
    speed_m_a_minute: float = 110  # on foot, by bicycle, by car
    speed_spread: float = 0.5
    detour: float = 1.3  # streets are not straight
    way_back: float = 0.3  # part of the way that is gone for nothing afterwards
    offers_read: int = 20

    # What they take. A task costs a person their wage for its minutes, times a taste of theirs for this very task.
    wage_a_minute: float = 17
    wage_spread: float = 0.55
    taste_spread: float = 0.35
    mood_spread: float = 0.15  # of each look at the list
    tired_by: float = 0.12  # each answer of the day makes the next dearer by this part
    strategic_share: float = 0.25  # see the next rise, and may wait for it
    rivals_an_hour: float = 0.25  # how often these think that somebody else would take what they leave
    longest_wait_h: float = 6

    # How they answer.
    at_once_share: float = 0.75  # go at once; others later on their way
    later_minutes: float = 45
    work_spread: float = 0.4
    forgets: float = 0.04  # claims that are forgotten
    gives_back: float = 0.5  # of those who cannot make it in time, say so
    usable: float = 0.93  # mean share of usable evidence
    right: float = 0.88  # mean share of right answers where there are two
    skill_strength: float = 14  # of the Beta draws around both means
    cheats_share: float = 0.04
    cheats_pass: float = 0.3  # of the evidence of those who were never there
    unclear: float = 0.06  # evidence that the machine leaves to the buyer

    # What buyers do.
    usual_a_minute: float = 24  # what tasks usually pay for each expected minute
    price_spread: float = 0.45
    rising_share: float = 0.3
    rising_start: float = 0.6  # of the usual pay
    rising_top: float = 2.0
    rising_steps: int = 10  # by the deadline
    rising_percent: int = 20
    manual_share: float = 0.15
    review_hours: float = 5
    misses_review: float = 0.1  # of manual reviews, which are accepted by the deadline then
    wrongly_rejected: float = 0.02
    gone_share: float = 0.03  # of places, at which an honest negative is the answer
    several_share: float = 0.12  # of tasks that want two to five answers
    anywhere_share: float = 0.15  # of tasks of kind answer, that need no place

    # The market's settings.
    fee_bps: int = 1000
    least_a_minute: int = 5
    hold_days: int = 7


class Pricing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to price all tasks, in parts of the usual pay for their minutes, in place of what each buyer would do.

    Fixed at `start`; or rising by `percent` of that in `steps` equal steps until the deadline, up to `top`.
    """

    start: float
    top: float | None = None
    percent: int = 10
    steps: int = 10
