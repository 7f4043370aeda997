"""Series and routes around the bakery, and the acts on them, on the cast's connection."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from market import claims, clock, groups, ids, keys, offers, series, submissions, tours
from tests.market.conftest import BAKERY, PASS, Cast

HELD = 330  # for one answer, with the fee
HOUR, DAY = 3600, 86_400
LONS = (13.405, 13.425, 13.415)  # the middle one is named last
HERE = {"lat": 52.52, "lon": 13.405}


async def a_series(cast: Cast, actor: keys.Actor, days: int = 3, **changes: Any) -> groups.WholeGroup:
    """One task a day at noon, from tomorrow on."""
    now: datetime = await cast.conn.fetchval("SELECT market_now()")
    schedule = {
        "times": ["12:00"], "timezone": "UTC", "from_date": (now + timedelta(days=1)).date().isoformat(), "days": days,
        "open_s": 2 * HOUR,
    }  # fmt: skip
    draft = msgspec.convert({"task": BAKERY, "schedule": schedule} | changes, series.SeriesDraft)
    return await series.post(cast.conn, actor, draft, rates=cast.rates)


def stops(count: int = 3, **changes: Any) -> list[dict[str, Any]]:
    lons = [*LONS, *(13.43 + n / 100 for n in range(count - 3))][:count]
    return [
        BAKERY | {"title": f"Stop {n}", "place": {"lat": 52.52, "lon": lon}} | changes for n, lon in enumerate(lons)
    ]


async def a_route(cast: Cast, actor: keys.Actor, **changes: Any) -> groups.WholeGroup:
    given = {"title": "Along the street", "tasks": stops(), "claim_ttl_s": 4 * HOUR} | changes
    return await tours.post(cast.conn, actor, msgspec.convert(given, tours.RouteDraft), rates=cast.rates)


async def until(cast: Cast, task: str, seconds: int = 60) -> None:
    """Move the clock to `seconds` after a task opens."""
    opens = await cast.conn.fetchval("SELECT opens_at FROM task WHERE id = $1", ids.read("task", task))
    now = await cast.conn.fetchval("SELECT market_now()")
    await clock.advance(cast.conn, int((opens - now).total_seconds()) + seconds)


async def answered(cast: Cast, person: UUID, task: str, sha256: bytes = b"\x01" * 32) -> None:
    """An accepted answer."""
    held = await claims.claim(cast.conn, person, task, None)
    await cast.photo(person, held.id, sha256=sha256)
    given = submissions.Answering(answers={"open": "open"})
    assert await cast.judge(await submissions.submit(cast.conn, person, held.id, given), PASS) == "accepted"


async def near(cast: Cast, person: UUID | None) -> list[str]:
    return [offer.id for offer in await offers.near_by(cast.conn, person, **HERE, limit=20)]


async def routes_near(cast: Cast, person: UUID | None) -> list[str]:
    return [route.id for route in await tours.near_by(cast.conn, person, **HERE, limit=20)]
