"""What operators do and look at is kept in a chain that nobody can mend unnoticed."""

from __future__ import annotations

import asyncpg
import pytest

from market import audit_log
from tests.app.conftest import Caller, World, is_problem, ok


async def kept(world: World) -> list[audit_log.Record]:
    async with world.services.database.read() as connection:
        return await audit_log.listed(connection, before=None, limit=50)


async def test_what_an_operator_changes_is_kept_with_who_what_and_about_whom(
    world: World, olu: Caller, bo: Caller
) -> None:
    path = f"/v1/operator/people/{bo.id}/hold"
    response = await olu.ask("PUT", path, json={"reason": "identity under review"})
    ok(response, 204)
    [act] = await kept(world)
    assert act.actor.startswith("operator:") and (act.action, act.subject) == ("hold_person", bo.id)
    assert act.data == {"reason": "identity under review"}
    assert act.request_id == response.headers["x-request-id"]


async def test_what_was_refused_has_not_happened_and_is_not_kept(world: World, olu: Caller, bo: Caller) -> None:
    is_problem(await olu.delete(f"/v1/operator/people/{bo.id}/hold"), 404, "not-found")
    assert await kept(world) == []


async def test_the_log_takes_no_change_and_each_row_holds_the_one_before(world: World, olu: Caller, bo: Caller) -> None:
    for reason in ("one", "two", "three"):
        ok(await olu.ask("PUT", f"/v1/operator/people/{bo.id}/hold", json={"reason": reason}), 204)
    async with world.services.database.read() as connection:
        for attempt in (
            "UPDATE audit_log SET actor = 'nobody'",
            "DELETE FROM audit_log WHERE seq = 2",
            "TRUNCATE audit_log",
        ):
            with pytest.raises(asyncpg.PostgresError, match="append-only"):
                await connection.execute(attempt)
        rows = await connection.fetch(
            """SELECT seq, previous, hash,
                 audit_hash(seq, at, actor, action, subject, data, request_id, previous) AS made
               FROM audit_log ORDER BY seq"""
        )
    assert [row["seq"] for row in rows] == [1, 2, 3]
    assert all(row["hash"] == row["made"] for row in rows)
    assert [row["previous"] for row in rows[1:]] == [row["hash"] for row in rows[:-1]]
