"""Keys: only hashes are kept, revoking works at once, caps hold however many ask at once."""

import asyncio
import hashlib

import asyncpg
import pytest

from market import clock, events, ids, keys
from market.errors import Forbidden, NotFound, OverCap, Unauthenticated
from tests.market.conftest import Cast

DAY_S = 86_400


async def make(cast: Cast, actor: keys.Actor, **given: object) -> tuple[keys.Key, str]:
    return await keys.make(cast.conn, actor, keys.KeyDraft(**given))  # type: ignore[arg-type]


async def made_by(cast: Cast, actor: keys.Actor, **given: object) -> keys.Actor:
    """Whoever holds a new key that `actor` has made."""
    _, secret = await make(cast, actor, **given)
    return await keys.find(cast.conn, secret)


async def spends(cast: Cast, actor: keys.Actor, amount: int) -> bool:
    """Whether the key may hold that much more today; a refusal leaves nothing behind."""
    try:
        async with cast.conn.transaction():
            await keys.spend(cast.conn, actor, amount, one_task=amount)
    except OverCap:
        return False
    return True


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
    revoked = await keys.revoke(cast.conn, ada, key.id)
    assert revoked.revoked_at is not None and not await works(cast.conn, secret)
    for again in (keys.revoke, keys.rotate):
        with pytest.raises(NotFound):
            await again(cast.conn, ada, key.id)


async def test_nobody_touches_the_key_of_another_account(cast: Cast, ada: keys.Actor) -> None:
    cy = await cast.agent("cy")
    key, secret = await make(cast, ada)
    for act in (keys.revoke, keys.rotate):
        with pytest.raises(NotFound):
            await act(cast.conn, cy, key.id)
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
    made, new = await keys.rotate(cast.conn, ada, key.id)
    assert (made.name, made.scopes, made.max_per_task, made.max_per_day) == ("n", ["tasks:read"], 5, 9)
    assert await works(cast.conn, old) and await works(cast.conn, new)
    with pytest.raises(NotFound):
        await keys.rotate(cast.conn, ada, key.id)
    await clock.advance(cast.conn, DAY_S)
    assert not await works(cast.conn, old) and await works(cast.conn, new)


async def test_a_key_with_an_end_hands_on_no_longer_life_than_its_own(cast: Cast, ada: keys.Actor) -> None:
    lent, secret = await make(cast, ada, expires_in_s=1000)
    lasting, _ = await make(cast, ada)
    helper = await keys.find(cast.conn, secret)
    with pytest.raises(Forbidden, match="ends at"):
        await make(cast, helper, expires_in_s=2000)
    shorter, _ = await make(cast, helper, expires_in_s=100)
    same, _ = await make(cast, helper)  # nothing said: its own
    assert shorter.expires_at is not None and lent.expires_at is not None
    assert shorter.expires_at < lent.expires_at == same.expires_at
    for act in (keys.rotate, keys.revoke):  # nor does it reach what outlives it
        with pytest.raises(Forbidden, match="ends at"):
            await act(cast.conn, helper, lasting.id)
    await clock.advance(cast.conn, 600)
    rotated, newest = await keys.rotate(cast.conn, helper, lent.id)  # itself, without a second life
    assert rotated.expires_at == lent.expires_at
    await clock.advance(cast.conn, 401)
    for each in (secret, newest):
        with pytest.raises(Unauthenticated):
            await keys.find(cast.conn, each)


async def test_a_key_with_an_end_is_rotated_into_one_with_as_long_a_life(cast: Cast, ada: keys.Actor) -> None:
    key, old = await make(cast, ada, expires_in_s=100)
    await clock.advance(cast.conn, 60)
    _, new = await keys.rotate(cast.conn, ada, key.id)
    await clock.advance(cast.conn, 41)
    assert not await works(cast.conn, old), "the overlap never lengthens the old key's life"
    assert await works(cast.conn, new)
    await clock.advance(cast.conn, 60)
    assert not await works(cast.conn, new)


async def test_an_old_and_a_new_key_share_their_day(cast: Cast, ada: keys.Actor) -> None:
    key, old_secret = await make(cast, ada, max_per_day=700)
    old = await keys.find(cast.conn, old_secret)
    await keys.spend(cast.conn, old, 100, one_task=100)
    made, _ = await keys.rotate(cast.conn, ada, key.id)
    _, newest_secret = await keys.rotate(cast.conn, ada, made.id)
    newest = await keys.find(cast.conn, newest_secret)
    await keys.spend(cast.conn, newest, 500, one_task=500)
    with pytest.raises(OverCap):
        await keys.spend(cast.conn, old, 101, one_task=101)
    await keys.spend(cast.conn, old, 100, one_task=100)
    assert (await keys.caps(cast.conn, newest)).used_today == 700


async def test_the_keys_that_a_capped_key_makes_spend_from_its_day(cast: Cast, ada: keys.Actor) -> None:
    maker = await made_by(cast, ada, max_per_day=1000)
    first, second = [await made_by(cast, maker, max_per_day=1000) for _ in range(2)]
    assert await spends(cast, first, 600)
    assert not await spends(cast, second, 600) and not await spends(cast, maker, 600)
    assert await spends(cast, second, 300) and await spends(cast, maker, 100)
    assert [await spends(cast, each, 1) for each in (maker, first, second)] == [False] * 3
    used = [(await keys.caps(cast.conn, each)).used_today for each in (maker, first, second)]
    assert used == [1000, 600, 300], "a maker's day has in it what those it made have used"


async def test_a_lower_cap_of_a_made_key_binds_it_alone(cast: Cast, ada: keys.Actor) -> None:
    maker = await made_by(cast, ada, max_per_day=1000)
    made = await made_by(cast, maker, max_per_day=300)
    assert await spends(cast, maker, 500)
    assert await spends(cast, made, 300), "what its maker spent is not its own"
    assert not await spends(cast, made, 1) and await spends(cast, maker, 200)


async def test_a_cap_reaches_down_through_makers_and_rotations(cast: Cast, ada: keys.Actor) -> None:
    maker = await made_by(cast, ada, max_per_day=1000)
    middle = await made_by(cast, maker, max_per_day=900)
    last_key, secret = await make(cast, middle, max_per_day=800)
    last = await keys.find(cast.conn, secret)
    _, secret = await keys.rotate(cast.conn, maker, last_key.id)
    rotated = await keys.find(cast.conn, secret)
    assert rotated.purses == last.purses == (maker.key, middle.key, last.key)
    assert await spends(cast, rotated, 500) and await spends(cast, middle, 400)
    assert not await spends(cast, last, 1) and await spends(cast, maker, 100) and not await spends(cast, maker, 1)
    await keys.revoke(cast.conn, ada, ids.show("key", maker.key))
    assert not await spends(cast, last, 1), "the cap outlives its key"


async def test_a_key_reaches_only_keys_with_no_more_than_it_has(cast: Cast, ada: keys.Actor) -> None:
    """Making, rotating and revoking go by one rule, so that none of them is a way around the others."""
    helper = await made_by(cast, ada, scopes=["keys:write", "tasks:write"], max_per_day=1000, max_per_task=500)
    within = {"scopes": ["tasks:write"], "max_per_day": 1000, "max_per_task": 500}
    for more in (
        within | {"scopes": ["tasks:write", "data:read"]},
        within | {"max_per_day": 1001}, within | {"max_per_day": None},
        within | {"max_per_task": 501}, within | {"max_per_task": None},
    ):  # fmt: skip
        with pytest.raises(Forbidden):
            await make(cast, helper, **more)
        by_another, secret = await make(cast, ada, **more)
        for act in (keys.rotate, keys.revoke):
            with pytest.raises(Forbidden):
                await act(cast.conn, helper, by_another.id)
        assert await works(cast.conn, secret)
    made, _ = await make(cast, helper, **within)
    await keys.rotate(cast.conn, helper, made.id)
    await keys.revoke(cast.conn, helper, made.id)
    await keys.revoke(cast.conn, helper, ids.show("key", helper.key))


async def test_a_capped_key_cannot_take_over_a_key_with_a_day_of_its_own(cast: Cast, ada: keys.Actor) -> None:
    helper = await made_by(cast, ada, max_per_day=1000)
    sibling, _ = await make(cast, ada, max_per_day=800)
    for act in (keys.rotate, keys.revoke):
        with pytest.raises(Forbidden):
            await act(cast.conn, helper, sibling.id)


async def test_a_key_without_caps_and_with_all_scopes_reaches_all(cast: Cast, ada: keys.Actor) -> None:
    helper = await made_by(cast, ada, max_per_day=1000)
    for maker in (ada, helper):
        made, _ = await make(cast, maker, max_per_day=1000)
        rotated, _ = await keys.rotate(cast.conn, ada, made.id)
        assert rotated.max_per_day == 1000
        assert (await keys.revoke(cast.conn, ada, made.id)).revoked_at is not None


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


async def test_a_family_of_keys_spending_at_once_keeps_to_the_days_of_all(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn, conn.transaction():
        cast = Cast(conn)
        maker = await made_by(cast, await cast.agent("ada"), max_per_day=2000)
        family = [maker] + [await made_by(cast, maker, max_per_day=700) for _ in range(3)]

    async def spend(actor: keys.Actor) -> int:
        async with pool.acquire() as conn:
            return 130 * await spends(Cast(conn), actor, 130)

    spent = await asyncio.gather(*(spend(family[n % 4]) for n in range(60)))
    assert sum(spent) == 130 * 15
    assert max(sum(spent[n::4]) for n in (1, 2, 3)) <= 700
    async with pool.acquire() as conn:
        assert [(await keys.caps(conn, each)).used_today for each in family] == [sum(spent)] + [
            sum(spent[n::4]) for n in (1, 2, 3)
        ]
        assert await conn.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0


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
    await keys.revoke(cast.conn, ada, made[0][0].id)
    await make(cast, ada)


async def test_keys_that_no_longer_work_take_no_room(cast: Cast, ada: keys.Actor) -> None:
    for _ in range(keys.MOST_KEYS - 2):
        await make(cast, ada, expires_in_s=100)
    key, _ = await make(cast, ada)
    await clock.advance(cast.conn, 100)
    for _ in range(keys.MOST_KEYS - 2):
        made, _ = await keys.rotate(cast.conn, ada, key.id)
        key = made
    with pytest.raises(OverCap, match="that work"):
        await keys.rotate(cast.conn, ada, key.id)
    with pytest.raises(OverCap):
        await make(cast, ada)
    await clock.advance(cast.conn, DAY_S)
    await keys.rotate(cast.conn, ada, key.id)
    await make(cast, ada)


async def test_an_account_has_a_hundred_keys_however_many_ask_at_once(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn, conn.transaction():
        cast = Cast(conn)
        ada = await cast.agent("ada")
        old = [(await make(cast, ada))[0].id for _ in range(keys.MOST_KEYS - 6)]

    async def ask(n: int) -> bool:
        async with pool.acquire() as conn:
            try:
                async with conn.transaction():
                    await (make(Cast(conn), ada) if n % 2 else keys.rotate(conn, ada, old[n]))
            except OverCap:
                return False
            return True

    assert sum(await asyncio.gather(*(ask(n) for n in range(20)))) == 5


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
            await keys.revoke(conn, ada, key.id)
        seen = await events.after(conn, account=ada.owner, cursor=None, limit=50)
        mine = [event.type for event in seen if event.subject.id == key.id]
        assert mine == ["key.created", "key.revoked"]
