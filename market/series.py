"""Series: the same task again and again, at wall-clock times of a place, by the same person or by another each time."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import asyncpg
import msgspec

from market import groups, keys, posting, tasks
from market.errors import Invalid
from market.terms import Strict, TaskDraft

MOST_TASKS = 500
LONGEST_AHEAD = timedelta(days=366)
HEAD_START_S = 3600

Clock = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^([01]\d|2[0-3]):[0-5]\d$(?!\n)",
        description="Hours and minutes, from 00:00 to 23:59.",
        examples=["09:00"],
    ),
]
Weekday = Annotated[int, msgspec.Meta(ge=1, le=7)]


class Schedule(Strict, frozen=True, kw_only=True):
    """When the tasks of a series open: at each of `times` on each of `days` days from `from_date` on.

    weekdays: only on these, 1 is Monday; left out, on all. timezone: a name of the IANA database. A time that a change
    of clocks leaves out comes later by as much as they go forward; one that comes twice is taken the first time.
    open_s: how long each is open, in seconds.
    """

    times: Annotated[list[Clock], msgspec.Meta(min_length=1, max_length=24, examples=[["09:00"]])]
    weekdays: Annotated[list[Weekday], msgspec.Meta(min_length=1, max_length=7, examples=[[1, 2, 3, 4, 5]])] | None = (
        None
    )
    timezone: Annotated[str, msgspec.Meta(min_length=1, max_length=64, examples=["Europe/Berlin"])]
    from_date: Annotated[date, msgspec.Meta(examples=["2027-03-01"])]
    days: Annotated[int, msgspec.Meta(ge=1, le=90, examples=[14])]
    open_s: Annotated[int, msgspec.Meta(ge=60, le=tasks.LONGEST_OPEN_S, examples=[7200])]


class SeriesDraft(Strict, frozen=True, kw_only=True):
    """A task that is asked again and again.

    same_person: whoever has an accepted answer in the series is `preferred`: for `head_start_s` seconds (an hour where
    left out) after a task opens only they may claim it, where there is such a person. Or it is `forbidden` that one
    person answers two of its tasks.
    """

    task: TaskDraft
    schedule: Schedule
    same_person: groups.SamePerson = "any"
    head_start_s: Annotated[int, msgspec.Meta(ge=60, le=tasks.LONGEST_OPEN_S, examples=[1800])] | None = None


def moments(schedule: Schedule) -> list[datetime]:
    """When the tasks open, in UTC, each once, in order. Raises Invalid naming the field."""
    if schedule.weekdays is not None and len(set(schedule.weekdays)) < len(schedule.weekdays):
        raise Invalid("Each weekday may stand here once.", pointer="/schedule/weekdays")
    if len(set(schedule.times)) < len(schedule.times):
        raise Invalid("Each time may stand here once.", pointer="/schedule/times")
    zone = _zone(schedule.timezone)
    if not 1900 <= schedule.from_date.year <= 2999:
        raise Invalid("A year from 1900 to 2999.", pointer="/schedule/from_date")
    days = [schedule.from_date + timedelta(days=n) for n in range(schedule.days)]
    wanted = set(schedule.weekdays or range(1, 8))
    clocks = [time.fromisoformat(each) for each in schedule.times]
    # A local time that is left out has the offset from before the change, so it lies as much after it; of one that
    # comes twice, fold=0 is the first. Two that fall together so are one moment.
    found = {
        datetime.combine(day, clock, zone).astimezone(UTC)
        for day in days
        if day.isoweekday() in wanted
        for clock in clocks
    }
    return sorted(found)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not there, no sound name, or a folder of names
        raise Invalid("This is no time zone of the IANA database.", pointer="/schedule/timezone") from None


async def post(
    conn: asyncpg.Connection, actor: keys.Actor, draft: SeriesDraft, *, rates: posting.Rates
) -> groups.WholeGroup:
    """Post the tasks of a series, those whose time has come already left out, and hold what each may cost.

    All are posted, or it raises what posting.post does; what was posted before is then to be rolled back.
    """
    _check(draft)
    now: datetime = await conn.fetchval("SELECT market_now()")
    times = [at for at in moments(draft.schedule) if at > now]
    if not times:
        raise Invalid("No time of this lies in the future.", pointer="/schedule")
    if len(times) > MOST_TASKS:
        raise Invalid(f"These are {len(times)} tasks; at most {MOST_TASKS}.", pointer="/schedule")
    if times[0] - now > LONGEST_AHEAD:
        raise Invalid(f"At most {LONGEST_AHEAD.days} days from now.", pointer="/schedule/from_date")
    head_start = (draft.head_start_s or HEAD_START_S) if draft.same_person == "preferred" else None
    group = await groups.open_group(
        conn, actor, "series", draft.task.title, msgspec.to_builtins(draft), same_person=draft.same_person,
        head_start_s=head_start,
    )  # fmt: skip
    await groups.post_members(conn, actor, group, [_at(draft, opens) for opens in times], rates=rates)
    return await groups.get(conn, actor.owner, groups.shown(group))


def _check(draft: SeriesDraft) -> None:
    task, schedule = draft.task, draft.schedule
    for name, given in (("opens_at", task.opens_at), ("closes_at", task.closes_at), ("standing", task.standing)):
        if given is not None:
            raise Invalid("When a series asks is said by its schedule: leave this out.", pointer=f"/task/{name}")
    if draft.same_person != "preferred" and draft.head_start_s is not None:
        raise Invalid("Only where the same person is preferred there is a head start.", pointer="/head_start_s")
    if draft.same_person == "preferred" and (draft.head_start_s or HEAD_START_S) >= schedule.open_s:
        raise Invalid("It must be over before the task closes: see `schedule.open_s`.", pointer="/head_start_s")


def _at(draft: SeriesDraft, opens: datetime) -> TaskDraft:
    times: dict[str, Any] = {"opens_at": opens, "closes_at": opens + timedelta(seconds=draft.schedule.open_s)}
    return msgspec.structs.replace(draft.task, **times)
