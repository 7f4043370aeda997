"""Keys: only hashes are kept, revoking works at once, caps hold however many ask at once."""

import asyncio
import hashlib

import asyncpg
import pytest

from market import clock, events, ids, keys
from market.errors import NotFound, OverCap, Unauthenticated
from tests.market.conftest import Cast

DAY_S = 86_400


async def make(cast: Cast, actor: keys.Actor, **given: object) -> tuple[keys.Key, str]:
    return await keys.make(cast.conn, "agent", actor.owner, keys.KeyDraft(**given), actor=actor.name)  # type: ignore[arg-type]


async def works(conn: asyncpg.Connection, secret: str) -> bool:
    try:
        await keys.find(conn, secret)
    except Unauthenticated:
        return False
    return True


async def test_a_secret_is_shown_once_and_kept_nowhere(cast: Cast, ada: keys.Actor) -> None:
    key, secret = await make(cast, ada, name="planner")
    assert secret.startswith("sk_") and len(secret) >= 40
    stored = await cast.conn.fetchrow("SELECT * FROM api_key WHERE id = $1", ids.read("key", key.id))
    assert stored["hash"] == hashlib.sha256(secret.encode()).digest()
    assert secret not in str(dict(stored)) and key.hint == secret[:7]
    told = await cast.conn.fetch("SELECT data::text FROM event")
    assert not [row for row in told if secret in row["data"]]


@pytest.mark.parametrize("wrong", ["", "sk_", "sk_" + "A" * 43, "Bearer", "sk_\x00", "é" * 40])
async def test_an_unknown_secret_opens_nothing(cast: Cast, ada: keys.Actor, wrong: str) -> None:
    with pytest.raises(Unauthenticated):
        await keys.find(cast.conn, wrong)


async def test_a_secret_counts_to_the_last_letter(cast: Cast, ada: keys.Actor) -> None:
    _, secret = await make(cast, ada)
    assert await works(cast.conn, secret)
    for near in (secret[:-1], secret + "A", secret.swapcase(), secret + " ", secret[3:]):
        assert not await works(cast.conn, near)


async def test_a_revoked_key_is_shut_at_once_and_for_good(cast: Cast, ada: keys.Actor) -> None:
    key, secret = await make(cast, ada)
    revoked = await keys.revoke(cast.conn, ada.owner, key.id, actor=ada.name)
    assert revoked.revoked_at is not None and not await works(cast.conn, secret)
    for again in (keys.revoke, keys.rotate):
        with pytest.raises(NotFound):
            await again(cast.conn, ada.owner, key.id, actor=ada.name)


async def test_nobody_touches_the_key_of_another_account(cast: Cast, ada: keys.Actor) -> None:
    cy = await cast.agent("cy")
    key, secret = await make(cast, ada)
    for act in (keys.revoke, keys.rotate):
        with pytest.raises(NotFound):
            await act(cast.conn, cy.owner, key.id, actor=cy.name)
    assert await works(cast.conn, secret)
    assert key.id not in [each.id for each in await keys.listed(cast.conn, cy.owner, after=None, limit=50)]


async def test_a_key_with_an_end_works_until_then(cast: Cast, ada: keys.Actor) -> None:
    _, secret = await make(cast, ada, expires_in_s=100)
    await clock.advance(cast.conn, 99)
    assert await works(cast.conn, secret)
    await clock.advance(cast.conn, 1)
    assert not await works(cast.conn, secret)


async def test_rotating_overlaps_for_a_day_and_keeps_the_rights(cast: Cast, ada: keys.Actor) -> None:
    key, old = await make(cast, ada, name="n", scopes=["tasks:read"], max_per_task=5, max_per_day=9)
    made, new = await keys.rotate(cast.conn, ada.owner, key.id, actor=ada.name)
    assert (made.name, made.scopes, made.max_per_task, made.max_per_day) == ("n", ["tasks:read"], 5, 9)
    assert await works(cast.conn, old) and await works(cast.conn, new)
    with pytest.raises(NotFound):
        await keys.rotate(cast.conn, ada.owner, key.id, actor=ada.name)
    await clock.advance(cast.conn, DAY_S)
    assert not await works(cast.conn, old) and await works(cast.conn, new)


async def test_a_key_with_an_end_is_rotated_into_one_with_as_long_a_life(cast: Cast, ada: keys.Actor) -> None:
    key, old = await make(cast, ada, expires_in_s=100)
    await clock.advance(cast.conn, 60)
    _, new = await keys.rotate(cast.conn, ada.owner, key.id, actor=ada.name)
    await clock.advance(cast.conn, 41)
    assert not await works(cast.conn, old), "the overlap never lengthens the old key's life"
    assert await works(cast.conn, new)
    await clock.advance(cast.conn, 60)
    assert not await works(cast.conn, new)


async def test_an_old_and_a_new_key_share_their_day(cast: Cast, ada: keys.Actor) -> None:
    key, old_secret = await make(cast, ada, max_per_day=700)
    old = await keys.find(cast.conn, old_secret)
    await keys.spend(cast.conn, old, 100, one_task=100)
    made, _ = await keys.rotate(cast.conn, ada.owner, key.id, actor=ada.name)
    _, newest_secret = await keys.rotate(cast.conn, ada.owner, made.id, actor=ada.name)
    newest = await keys.find(cast.conn, newest_secret)
    await keys.spend(cast.conn, newest, 500, one_task=500)
    with pytest.raises(OverCap):
        await keys.spend(cast.conn, old, 101, one_task=101)
    await keys.spend(cast.conn, old, 100, one_task=100)
    assert (await keys.caps(cast.conn, newest)).used_today == 700


async def test_a_new_day_has_a_new_cap(cast: Cast, ada: keys.Actor) -> None:
    _, secret = await make(cast, ada, max_per_day=700)
    actor = await keys.find(cast.conn, secret)
    await keys.spend(cast.conn, actor, 700, one_task=700)
    with pytest.raises(OverCap):
        await keys.spend(cast.conn, actor, 1, one_task=1)
    await clock.advance(cast.conn, DAY_S)
    await keys.spend(cast.conn, actor, 700, one_task=700)


async def test_a_cap_smaller_than_the_first_amount_refuses_it(cast: Cast, ada: keys.Actor) -> None:
    _, secret = await make(cast, ada, max_per_day=10, max_per_task=20)
    actor = await keys.find(cast.conn, secret)
    with pytest.raises(OverCap):
        await keys.spend(cast.conn, actor, 11, one_task=11)
    with pytest.raises(OverCap):
        await keys.spend(cast.conn, actor, 1, one_task=21)
    assert (await keys.caps(cast.conn, actor)).used_today == 0


async def test_a_daily_cap_holds_for_twenty_at_once(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn, conn.transaction():
        cast = Cast(conn)
        ada = await cast.agent("ada")
        _, secret = await make(cast, ada, max_per_day=1000)
        actor = await keys.find(conn, secret)

    async def spend() -> bool:
        async with pool.acquire() as conn:
            try:
                async with conn.transaction():
                    await keys.spend(conn, actor, 130, one_task=130)
            except OverCap:
                return False
            return True

    assert sum(await asyncio.gather(*(spend() for _ in range(20)))) == 7
    async with pool.acquire() as conn:
        assert (await keys.caps(conn, actor)).used_today == 910


async def test_a_spending_that_is_rolled_back_is_not_counted(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        async with conn.transaction():
            cast = Cast(conn)
            ada = await cast.agent("ada")
            _, secret = await make(cast, ada, max_per_day=1000)
        actor = await keys.find(conn, secret)
        with pytest.raises(RuntimeError):
            async with conn.transaction():
                await keys.spend(conn, actor, 900, one_task=900)
                raise RuntimeError("the task was refused after all")
        assert (await keys.caps(conn, actor)).used_today == 0


async def test_an_account_has_a_hundred_keys_at_most(cast: Cast, ada: keys.Actor) -> None:
    made = [await make(cast, ada) for _ in range(keys.MOST_KEYS - 1)]
    with pytest.raises(OverCap):
        await make(cast, ada)
    await keys.revoke(cast.conn, ada.owner, made[0][0].id, actor=ada.name)
    await make(cast, ada)


async def test_keys_are_listed_newest_first_page_by_page(cast: Cast, ada: keys.Actor) -> None:
    for n in range(5):
        await make(cast, ada, name=str(n))
        await asyncio.sleep(0.002)
    first = await keys.listed(cast.conn, ada.owner, after=None, limit=3)
    rest = await keys.listed(cast.conn, ada.owner, after=ids.read("key", first[-1].id), limit=10)
    assert [key.name for key in first + rest] == ["4", "3", "2", "1", "0", ""]


async def test_every_new_and_revoked_key_is_an_event(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        async with conn.transaction():
            cast = Cast(conn)
            ada = await cast.agent("ada", funds=0)
            key, _ = await make(cast, ada)
            await keys.revoke(conn, ada.owner, key.id, actor=ada.name)
        seen = await events.after(conn, account=ada.owner, cursor=None, limit=50)
        mine = [event.type for event in seen if event.subject.id == key.id]
        assert mine == ["key.created", "key.revoked"]
