"""People sign in by a mailed code that is theirs, fresh, used once, and not guessed."""

import asyncio
from uuid import UUID

import asyncpg
import pytest

from market import clock, keys, people
from market.errors import NotFound, TooOften, Unauthenticated
from tests.market.conftest import Cast

BO = "bo@example.com"
HOME, ELSEWHERE = "192.0.2.7", "198.51.100.1"


async def code_for(cast: Cast, email: str = BO, network: str = HOME) -> str:
    code = await people.make_code(cast.conn, email, network)
    assert code is not None
    return code


def other(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


async def test_the_mailed_code_opens_a_session(cast: Cast, bo: UUID) -> None:
    code = await code_for(cast)
    assert len(code) == 6 and code.isdigit()
    assert await people.try_code(cast.conn, BO.upper(), code, HOME) == bo
    secret = await people.open_session(cast.conn, bo)
    actor = await keys.find(cast.conn, secret)
    assert (actor.kind, actor.owner, actor.scopes) == ("person", bo, frozenset())
    await people.sign_out(cast.conn, actor.key)
    with pytest.raises(Unauthenticated):
        await keys.find(cast.conn, secret)
    with pytest.raises(Unauthenticated):
        await people.sign_out(cast.conn, actor.key)


async def test_a_code_is_used_once(cast: Cast, bo: UUID) -> None:
    code = await code_for(cast)
    assert await people.try_code(cast.conn, BO, code, HOME) == bo
    assert await people.try_code(cast.conn, BO, code, HOME) is None


async def test_a_code_used_ten_times_at_once_opens_one_session(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn, conn.transaction():
        cast = Cast(conn)
        bo = await cast.person("bo")
        code = await code_for(cast)

    async def use() -> UUID | None:
        async with pool.acquire() as conn, conn.transaction():
            return await people.try_code(conn, BO, code, HOME)

    assert sorted(map(str, await asyncio.gather(*(use() for _ in range(10))))) == sorted([str(bo)] + ["None"] * 9)


async def test_five_wrong_tries_spoil_the_code(cast: Cast, bo: UUID) -> None:
    code = await code_for(cast)
    for _ in range(people.CODE_TRIES):
        assert await people.try_code(cast.conn, BO, other(code), HOME) is None
    assert await people.try_code(cast.conn, BO, code, HOME) is None, (
        "the sixth try comes too late, even when it is right"
    )


async def test_the_fifth_try_may_still_be_right(cast: Cast, bo: UUID) -> None:
    code = await code_for(cast)
    for _ in range(people.CODE_TRIES - 1):
        await people.try_code(cast.conn, BO, other(code), HOME)
    assert await people.try_code(cast.conn, BO, code, HOME) == bo


async def test_fifty_guesses_at_once_are_still_five(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn, conn.transaction():
        cast = Cast(conn)
        await cast.person("bo")
        code = await code_for(cast)

    async def guess() -> UUID | None:
        async with pool.acquire() as conn, conn.transaction():
            return await people.try_code(conn, BO, other(code), HOME)

    assert await asyncio.gather(*(guess() for _ in range(50))) == [None] * 50
    async with pool.acquire() as conn:
        assert await conn.fetchval("SELECT tries FROM login_code") == people.CODE_TRIES


@pytest.mark.parametrize("wrong", ["", "0", "00000", "0000000", " 12345", "abcdef", "١٢٣٤٥٦", "x" * 1000])
async def test_what_is_no_code_is_a_wrong_code(cast: Cast, bo: UUID, wrong: str) -> None:
    await code_for(cast)
    assert await people.try_code(cast.conn, BO, wrong, HOME) is None
    assert await cast.conn.fetchval("SELECT tries FROM login_code") == 1


async def test_a_code_lasts_ten_minutes(cast: Cast, bo: UUID) -> None:
    code = await code_for(cast)
    await clock.advance(cast.conn, people.CODE_S)
    assert await people.try_code(cast.conn, BO, code, HOME) is None


async def test_a_new_code_leaves_the_old_one_valid_until_one_is_used(cast: Cast, bo: UUID) -> None:
    codes = []
    for _ in range(3):
        codes.append(await code_for(cast))
        await clock.advance(cast.conn, people.CODE_PAUSE_S + 1)
    assert await people.try_code(cast.conn, BO, codes[0], HOME) == bo
    for left in codes[1:]:
        assert await people.try_code(cast.conn, BO, left, HOME) is None, "signing in ends them all"


async def test_a_code_may_be_entered_on_another_network_but_hardly_guessed_there(cast: Cast, bo: UUID) -> None:
    code = await code_for(cast)
    assert await people.try_code(cast.conn, BO, code, ELSEWHERE) == bo
    code = await code_for(cast)
    for _ in range(people.CODE_TRIES_ELSEWHERE):
        assert await people.try_code(cast.conn, BO, other(code), ELSEWHERE) is None
    assert await people.try_code(cast.conn, BO, code, "203.0.113.5") is None, "all other networks share these tries"
    assert await people.try_code(cast.conn, BO, code, HOME) == bo, "and use up none of the own"


async def test_whoever_asks_and_guesses_from_one_network_all_day_locks_nobody_out(cast: Cast, bo: UUID) -> None:
    code = await code_for(cast)
    for _ in range(600 // 31):
        await attacked(cast, ELSEWHERE)
    assert await people.try_code(cast.conn, BO, code, HOME) == bo, "the code on its way works"
    for _ in range(30):
        await attacked(cast, ELSEWHERE)
    assert await people.try_code(cast.conn, BO, await code_for(cast), HOME) == bo, "and so does another"
    fresh = await code_for(cast, network="203.0.113.5")
    assert await people.try_code(cast.conn, BO, fresh, "203.0.113.5") == bo, "on a network never seen, too"


async def test_many_networks_lock_nobody_out_where_they_have_signed_in_before(cast: Cast, bo: UUID) -> None:
    assert await people.try_code(cast.conn, BO, await code_for(cast), HOME) == bo
    for n in range(20):
        await attacked(cast, f"198.51.100.{n}")
    with pytest.raises(TooOften):
        await code_for(cast, network="203.0.113.5")
    assert await people.try_code(cast.conn, BO, await code_for(cast), HOME) == bo


async def test_any_number_of_networks_have_less_than_a_hundred_guesses_a_day(cast: Cast, bo: UUID) -> None:
    for n in range(100):
        await attacked(cast, f"198.51.100.{n}", pause_s=800)
    guesses = await cast.conn.fetchval("SELECT sum(tries + tries_elsewhere) FROM login_code")
    assert 0 < guesses < 100, "at a million codes, each right with 1e-6"


async def attacked(cast: Cast, network: str, pause_s: int = people.CODE_PAUSE_S + 1) -> None:
    """Somebody asks for a code of Bo's and guesses until it is no use; then time passes."""
    try:
        async with cast.conn.transaction():
            await people.make_code(cast.conn, BO, network)
    except TooOften:
        pass
    for guess in range(people.CODE_TRIES + 2):
        try:
            assert await people.try_code(cast.conn, BO, f"x{guess}", network) is None
        except TooOften:
            break
    await clock.advance(cast.conn, pause_s)


async def refused(cast: Cast, email: str, network: str, code: str | None = None) -> str | None:
    """What somebody is told who asks for a code, or tries one, too often; None when it is not too often."""
    try:
        async with cast.conn.transaction():
            if code is None:
                await people.make_code(cast.conn, email, network)
            else:
                await people.try_code(cast.conn, email, code, network)
    except TooOften as refusal:
        return str(refusal)
    return None


async def test_a_network_guesses_at_ten_thousand_people_no_more_often_than_at_a_few(cast: Cast, bo: UUID) -> None:
    code = await code_for(cast)
    for n in range(people.WRONG_TRIES_OF_NETWORK):
        assert await refused(cast, f"n{n}@example.com", ELSEWHERE, "123456") is None, "unknown addresses count as well"
    told = {await refused(cast, email, ELSEWHERE, code) for email in (BO, "nobody@example.com")}
    assert len(told) == 1 and None not in told, "the right code of a known address is answered like any other"
    assert await people.try_code(cast.conn, BO, code, HOME) == bo, "other networks go on"
    await clock.advance(cast.conn, 86_400)
    assert await refused(cast, BO, ELSEWHERE, "123456") is None
    assert await cast.conn.fetchval("SELECT wrong_tries FROM login_network") == 1, "a day later all is well again"


async def test_codes_are_not_mailed_to_ever_more_people_from_one_network(cast: Cast, bo: UUID) -> None:
    for n in range(people.CODES_A_DAY_OF_NETWORK):
        await cast.person(f"n{n}")
        await code_for(cast, f"n{n}@example.com", ELSEWHERE)
    told = {await refused(cast, email, ELSEWHERE) for email in (BO, "nobody@example.com")}
    assert len(told) == 1 and None not in told, "a known and an unknown address are answered alike"
    await code_for(cast)
    await clock.advance(cast.conn, 86_400)
    await code_for(cast, network=ELSEWHERE)


async def test_any_number_of_people_sign_in_on_one_network(cast: Cast) -> None:
    """As many as sit behind one address: a code that is used, and those asked for before it, count no more."""
    for n in range(people.CODES_A_DAY_OF_NETWORK + 20):
        person, email = await cast.person(f"n{n}"), f"n{n}@example.com"
        await code_for(cast, email)
        await clock.advance(cast.conn, people.CODE_PAUSE_S + 1)
        assert await people.try_code(cast.conn, email, await code_for(cast, email), HOME) == person
    assert await cast.conn.fetchval("SELECT count(*) FROM login_network") == 0, "right codes are no wrong tries"


async def test_a_sign_in_gives_back_nothing_of_what_was_asked_for_others(cast: Cast, bo: UUID) -> None:
    for n in range(people.CODES_A_DAY_OF_NETWORK - 1):
        await cast.person(f"n{n}")
        await code_for(cast, f"n{n}@example.com", ELSEWHERE)
        await refused(cast, f"n{n}@example.com", ELSEWHERE, "wrong")
    for _ in range(3):
        assert await people.try_code(cast.conn, BO, await code_for(cast, BO, ELSEWHERE), ELSEWHERE) == bo
    await cast.person("cy")
    await code_for(cast, "cy@example.com", ELSEWHERE)
    assert await refused(cast, BO, ELSEWHERE) is not None
    assert await cast.conn.fetchval("SELECT wrong_tries FROM login_network") == people.CODES_A_DAY_OF_NETWORK - 1


async def test_a_networks_limits_hold_when_all_is_asked_at_once(pool: asyncpg.Pool) -> None:
    many = people.CODES_A_DAY_OF_NETWORK + 10
    async with pool.acquire() as conn, conn.transaction():
        for n in range(many):
            await Cast(conn).person(f"n{n}")

    async def ask(n: int, code: str | None = None) -> bool:
        async with pool.acquire() as conn:
            return await refused(Cast(conn), f"n{n % many}@example.com", ELSEWHERE, code) is None

    assert sum(await asyncio.gather(*(ask(n) for n in range(many)))) == people.CODES_A_DAY_OF_NETWORK
    tries = people.WRONG_TRIES_OF_NETWORK
    assert sum(await asyncio.gather(*(ask(n, "wrong") for n in range(tries + 20)))) == tries


async def test_tries_that_count_no_more_are_cleared_away(cast: Cast) -> None:
    for n in range(15):
        await refused(cast, BO, f"198.51.100.{n}", "wrong")
    await clock.advance(cast.conn, 86_400)
    for n in range(2):
        await refused(cast, BO, f"203.0.113.{n}", "wrong")
    assert await cast.conn.fetchval("SELECT count(*) FROM login_network") == 2


async def test_codes_are_not_mailed_in_a_stream(cast: Cast, bo: UUID) -> None:
    code = await code_for(cast)
    for _ in range(3):
        with pytest.raises(TooOften):
            await people.make_code(cast.conn, BO, HOME)
    assert await people.try_code(cast.conn, BO, code, HOME) == bo, "asking too often does not spoil the code"


async def test_guessing_on_and_on_with_new_codes_ends_as_well(cast: Cast, bo: UUID) -> None:
    """Five guesses a code must not become five guesses each half a minute, all day."""
    with pytest.raises(TooOften):
        for _ in range(100):
            code = await code_for(cast)
            for _ in range(people.CODE_TRIES):
                await people.try_code(cast.conn, BO, other(code), HOME)
            await clock.advance(cast.conn, people.CODE_PAUSE_S + 1)
    await clock.advance(cast.conn, 86_400)
    assert await people.try_code(cast.conn, BO, await code_for(cast), HOME) == bo, "a day later all is well again"


async def test_only_the_hash_of_a_code_is_kept(cast: Cast, bo: UUID) -> None:
    code = await code_for(cast)
    row = dict(await cast.conn.fetchrow("SELECT * FROM login_code"))
    assert code not in str(row) and len(row["code_hash"]) == 32


async def test_the_code_of_one_is_nothing_to_another(cast: Cast, bo: UUID) -> None:
    await cast.person("cy")
    code, his = await code_for(cast), await code_for(cast, "cy@example.com")
    if code != his:
        assert await people.try_code(cast.conn, "cy@example.com", code, HOME) is None
    assert await people.try_code(cast.conn, BO, code, HOME) == bo


async def test_strangers_get_no_code_and_learn_nothing(cast: Cast, bo: UUID) -> None:
    assert await people.make_code(cast.conn, "nobody@example.com", HOME) is None
    assert await people.try_code(cast.conn, "nobody@example.com", "123456", HOME) is None
    assert await people.try_code(cast.conn, BO, "123456", HOME) is None, "without a code asked for"


async def test_signing_up_twice_is_one_person(cast: Cast, bo: UUID) -> None:
    draft = people.PersonDraft(email="BO@Example.com", display_name="Someone else", accept_terms=True)
    assert await people.sign_up(cast.conn, draft) == bo
    seen = await people.get(cast.conn, bo)
    assert (seen.email, seen.display_name) == (BO, "bo"), "a second sign-up changes nothing of the first"


async def test_ten_sign_ups_at_once_are_one_person(pool: asyncpg.Pool) -> None:
    async def sign_up() -> UUID:
        async with pool.acquire() as conn, conn.transaction():
            return await Cast(conn).person("bo")

    assert len(set(await asyncio.gather(*(sign_up() for _ in range(10))))) == 1


async def test_people_change_what_they_name_and_nothing_else(cast: Cast, bo: UUID) -> None:
    changed = await people.change(cast.conn, bo, people.PersonChange(languages=["de", "en"]))
    assert (changed.display_name, changed.languages) == ("bo", ["de", "en"])
    changed = await people.change(cast.conn, bo, people.PersonChange(display_name="Bo B."))
    assert (changed.display_name, changed.languages) == ("Bo B.", ["de", "en"])
    assert await people.change(cast.conn, bo, people.PersonChange()) == changed
    with pytest.raises(NotFound):
        await people.change(cast.conn, UUID(int=5), people.PersonChange(display_name="x"))


async def test_whoever_is_erased_is_gone(cast: Cast, bo: UUID) -> None:
    code, secret = await code_for(cast), await people.open_session(cast.conn, bo)
    await cast.conn.execute("UPDATE person SET erased_at = market_now(), email = '' WHERE id = $1", bo)
    assert await people.try_code(cast.conn, BO, code, HOME) is None
    assert await people.make_code(cast.conn, BO, HOME) is None
    with pytest.raises(Unauthenticated):
        await keys.find(cast.conn, secret)
    with pytest.raises(NotFound):
        await people.get(cast.conn, bo)
    assert await cast.person("bo") != bo, "the address is free again"
