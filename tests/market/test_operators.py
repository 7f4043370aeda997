"""Operators come once, are shut out at once, and every step of it is in the log."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from market import audit_log, keys, operators
from market.errors import Invalid, NotFound, Unauthenticated, WrongState

OLU = "olu@sensorium.example"


async def events(conn: asyncpg.Connection) -> list[str]:
    rows = await conn.fetch("SELECT type FROM event WHERE subject_type = 'operator' ORDER BY seq")
    return [row["type"] for row in rows]


@pytest.mark.parametrize("email", ["nope", "", "olu@", "@example", "olu @x.example", "olu@x@y", "ol\x07u@x.example"])
async def test_what_is_no_address_is_refused(conn: asyncpg.Connection, email: str) -> None:
    with pytest.raises(Invalid, match="is no e-mail address"):
        await operators.add(conn, email, "Olu")
    assert await operators.listed(conn) == []


@pytest.mark.parametrize("name", ["", "  ", "O" * 201, "Olu\n", "\x1b[31mOlu", "\udcff"])
async def test_a_name_is_something_to_be_seen(conn: asyncpg.Connection, name: str) -> None:
    if name == "Olu\n":  # what surrounds a name does not belong to it
        assert (await operators.add(conn, OLU, name))[0].name == "Olu"
        return
    with pytest.raises(Invalid, match="The name must have 1 to 200 characters"):
        await operators.add(conn, OLU, name)


async def test_adding_olu_again_changes_nothing(conn: asyncpg.Connection) -> None:
    await operators.add(conn, OLU, "Olu")
    await operators.disable(conn, OLU)
    before = await operators.listed(conn)
    with pytest.raises(WrongState, match="is an operator already"):
        await operators.add(conn, OLU.upper(), "Somebody else")
    assert await operators.listed(conn) == before


async def test_a_disabled_operator_opens_no_door_with_any_key_not_even_when_enabled_again(
    conn: asyncpg.Connection,
) -> None:
    _, first = await operators.add(conn, OLU, "Olu")
    _, second = await operators.add_key(conn, OLU)
    assert [(await keys.find(conn, secret)).kind for secret in (first, second)] == ["operator", "operator"]
    found, revoked = await operators.disable(conn, OLU)
    assert found.disabled_at is not None and revoked == 2
    with pytest.raises(WrongState, match="is disabled"):
        await operators.add_key(conn, OLU)
    with pytest.raises(WrongState, match="is disabled already"):
        await operators.disable(conn, OLU)
    await operators.enable(conn, OLU)
    with pytest.raises(WrongState, match="is not disabled"):
        await operators.enable(conn, OLU)
    for secret in (first, second):
        with pytest.raises(Unauthenticated):
            await keys.find(conn, secret)
    _, third = await operators.add_key(conn, OLU)
    assert (await keys.find(conn, third)).kind == "operator"
    assert await events(conn) == [
        "operator.added", "operator.key_made", "operator.key_made", "operator.disabled", "operator.enabled",
        "operator.key_made",
    ]  # fmt: skip


async def test_what_the_command_line_does_to_operators_is_in_the_audit_log_and_no_secret_is(
    conn: asyncpg.Connection,
) -> None:
    added, first = await operators.add(conn, OLU, "Olu")
    _, second = await operators.add_key(conn, OLU)
    await operators.disable(conn, OLU)
    await operators.enable(conn, OLU)
    acts = await audit_log.listed(conn, before=None, limit=10)
    assert [act.action for act in reversed(acts)] == [
        "add_operator", "add_operator_key", "disable_operator", "enable_operator",
    ]  # fmt: skip
    assert {(act.actor, act.subject) for act in acts} == {("command line", added.id)}
    assert acts[-1].data == {"email": OLU, "name": "Olu"} and len(acts[1].data["keys_revoked"]) == 2
    assert first not in repr(acts) and second not in repr(acts)


async def test_who_is_disabled_is_nobody_elses_matter(conn: asyncpg.Connection) -> None:
    await operators.add(conn, OLU, "Olu")
    _, of_pia = await operators.add(conn, "pia@sensorium.example", "Pia")
    await operators.disable(conn, OLU)
    assert (await keys.find(conn, of_pia)).kind == "operator"
    shown = {operator.name: [key.revoked_at is not None for key in held] for operator, held in
             await operators.listed(conn)}  # fmt: skip
    assert shown == {"Olu": [True], "Pia": [False]}
    assert (await operators.listed(conn))[1][1][0].hint == of_pia[:7]


async def test_nobody_is_changed_who_is_not_there(conn: asyncpg.Connection) -> None:
    for change in (operators.add_key, operators.disable, operators.enable):
        with pytest.raises(NotFound, match="There is no operator olu"):
            await change(conn, OLU)
    assert await events(conn) == []


async def test_a_key_made_while_its_operator_is_being_disabled_opens_nothing(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as one, pool.acquire() as other:
        await operators.add(one, OLU, "Olu")
        making = one.transaction()
        await making.start()
        _, secret = await operators.add_key(one, OLU)

        async def disable() -> int:
            async with other.transaction():
                return (await operators.disable(other, OLU))[1]

        disabling = asyncio.create_task(disable())
        await asyncio.sleep(0.2)
        assert not disabling.done(), "it waits for the key that is being made"
        await making.commit()
        assert await disabling == 2
        with pytest.raises(Unauthenticated):
            await keys.find(one, secret)
