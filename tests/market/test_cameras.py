"""What cameras write is learned from accepted photos, from several people, and never from one's own."""

from uuid import UUID

from market import cameras, decisions, ids, keys
from tests.market.conftest import Cast

P3 = ("Plover", "P3")
OWN, ODD = b"\x0a" * 16, b"\x0b" * 16


async def hand_in(cast: Cast, ada: keys.Actor, person: UUID, tables: bytes = OWN, photos: int = 1) -> UUID:
    """A submission whose photos claim a Plover P3, not yet decided on."""
    task = await cast.post(ada)
    _, submission = await cast.submit(person, task.id)
    claimed = [cameras.Claimed(n=n, make=P3[0], model=P3[1], tables=tables) for n in range(1, photos + 1)]
    await cameras.note(cast.conn, submission, claimed)
    await cameras.note(cast.conn, submission, claimed)
    return submission


async def accepted(cast: Cast, ada: keys.Actor, person: UUID, tables: bytes = OWN, photos: int = 1) -> None:
    assert await cast.judge(await hand_in(cast, ada, person, tables, photos)) == "accepted"


async def known(cast: Cast, but: UUID) -> cameras.Known | None:
    found = await cameras.known(cast.conn, [P3, ("Nobody", "N1")], but=but)
    return found[0] if found else None


async def test_accepted_photos_teach_and_ones_own_do_not(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    cy = await cast.person("cy")
    await accepted(cast, ada, bo, photos=2)
    await accepted(cast, ada, bo)
    assert await known(cast, but=bo) is None
    of_bo = await known(cast, but=cy)
    assert of_bo == cameras.Known(make="Plover", model="P3", photos=3, people=1, lone=1, tables=[OWN.hex()])
    await accepted(cast, ada, cy)
    assert await known(cast, but=ids.new()) == cameras.Known(
        make="Plover", model="P3", photos=4, people=2, lone=0, tables=[OWN.hex()]
    )


async def test_one_person_alone_poisons_nothing(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    for name in ("cy", "dee", "eve"):
        await accepted(cast, ada, await cast.person(name))
    await accepted(cast, ada, bo, ODD, photos=3)
    await accepted(cast, ada, bo, b"\x0c" * 16)
    mine, theirs = await known(cast, but=bo), await known(cast, but=ids.new())
    assert mine is not None and mine.tables == [OWN.hex()]
    assert theirs is not None and (theirs.people, theirs.lone) == (4, 1)


async def test_what_is_rejected_teaches_nothing(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    submission = await hand_in(cast, ada, bo)
    assert await known(cast, but=ids.new()) is None
    row = await decisions.lock(cast.conn, submission)
    assert row is not None
    why = {"failed_check": "fresh", "reason_code": None, "comment": "Too old."}
    await decisions.reject(cast.conn, row, why, "market")
    assert await known(cast, but=ids.new()) is None
    assert await cast.conn.fetchval("SELECT count(*) FROM photo_camera") == 0


async def test_what_is_kept_is_bounded(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    for number in range(cameras.MOST_PEOPLE):
        await teach(cast, await cast.person(f"p{number}"), OWN)
    await accepted(cast, ada, bo)
    seen = await known(cast, but=ids.new())
    assert seen is not None and seen.people == cameras.MOST_PEOPLE
    for number in range(cameras.MOST_TABLES):
        await teach(cast, bo, number.to_bytes(16, "big"))
    await accepted(cast, ada, bo, ODD)
    seen = await known(cast, but=ids.new())
    assert seen is not None and ODD.hex() not in seen.tables


async def teach(cast: Cast, person: UUID, tables: bytes) -> None:
    """As if a photo had been accepted."""
    await cast.conn.execute(
        "INSERT INTO camera_trait VALUES ($1, $2, $3, $4, 1, market_now(), market_now())", *P3, tables, person
    )


async def test_whoever_leaves_takes_it_along(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    await accepted(cast, ada, bo)
    await hand_in(cast, ada, bo)
    await cameras.forget(cast.conn, bo)
    assert await known(cast, but=ids.new()) is None
    assert await cast.conn.fetchval("SELECT count(*) FROM photo_camera") == 0
