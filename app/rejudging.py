"""Judging old evidence with the checks of today: what would differ, and nothing more. No row is written.

A new version of the checks is tried on what was decided already before anyone relies on it; what follows from a
difference is for people to decide.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from app import judging
from app.services import Services
from market import ids, submissions


class Rejudged(msgspec.Struct, frozen=True, kw_only=True):
    """One submission: its verdict as it stands, what today's checks say, and the checks that differ (was, is)."""

    submission: str
    status: str
    was_version: str
    was_outcome: str
    was_score: float
    version: str
    outcome: str
    score: float
    differs: dict[str, tuple[str, str]]

    @property
    def same(self) -> bool:
        """Whether the outcome is the one that it had."""
        return self.outcome == self.was_outcome


class NotRejudged(msgspec.Struct, frozen=True, kw_only=True):
    """One that could not be looked at again, and why: its photos were erased, say."""

    submission: str
    detail: str


async def rejudge(services: Services, *, since: datetime | None, limit: int) -> AsyncIterator[Rejudged | NotRejudged]:
    """Judged submissions, the newest first, each beside its verdict of then."""
    async with services.database.read() as connection:
        rows = await connection.fetch(
            """SELECT id, status, verdict FROM submission
               WHERE verdict IS NOT NULL AND ($1::timestamptz IS NULL OR submitted_at >= $1)
               ORDER BY id DESC LIMIT $2""",
            since,
            limit,
        )
    for row in rows:
        yield await _again(services, row["id"], row["status"], row["verdict"])


async def _again(services: Services, submission: UUID, status: str, was: dict[str, Any]) -> Rejudged | NotRejudged:
    public = ids.show("submission", submission)
    async with services.database.read() as connection:
        todo = await submissions.to_judge(connection, submission, again=True)
    if todo is None:
        return NotRejudged(submission=public, detail="It is gone.")
    try:
        verdict = await judging.verdict_on(services, todo, again=True)
    except judging.LostPhoto as lost:
        return NotRejudged(submission=public, detail=f"The bytes of a photo are gone: {lost}.")
    before = {each["name"]: each["status"] for each in was["checks"]}
    now = {each.name: str(each.status) for each in verdict.checks}
    differs = {
        name: (before.get(name, "not made"), now.get(name, "not made"))
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    }
    return Rejudged(
        submission=public,
        status=status,
        was_version=was["version"],
        was_outcome=was["outcome"],
        was_score=was["score"],
        version=verdict.version,
        outcome=verdict.outcome,
        score=verdict.score,
        differs=differs,
    )
