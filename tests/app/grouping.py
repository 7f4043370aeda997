"""Series and routes around the bakery, as Ada posts them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.app.conftest import Json, a_task


def a_series(**changes: Any) -> Json:
    """Three mornings, from the day after tomorrow on."""
    begins = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
    schedule = {"times": ["09:00"], "timezone": "Europe/Berlin", "from_date": begins, "days": 3, "open_s": 7200}
    return {"task": a_task(), "schedule": schedule, **changes}


def a_route(**changes: Any) -> Json:
    """Three places on one street, the middle one named last."""
    places = [{"lat": 52.52, "lon": lon, "radius_m": 80} for lon in (13.405, 13.425, 13.415)]
    parts = [a_task(title=f"Stop {n}", place=place) for n, place in enumerate(places)]
    return {"title": "Along the street", "tasks": parts, "claim_ttl_s": 7200, **changes}
