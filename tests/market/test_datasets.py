"""A dataset is a snapshot of what the account owns; its hash is that of what anybody can fetch and recompute."""

import hashlib
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from market import datasets, ids, keys, observations, photos, review
from market.errors import Invalid, NotFound
from tests.market.conftest import Cast

Item = dict[str, Any]
COPY = b"a smaller, cleaner picture"


async def answered(
    cast: Cast, ada: keys.Actor, person: UUID, *, task: dict[str, Any] | None = None, **given: Any
) -> str:
    """A task of Ada's, answered and accepted: the observation's id."""
    posted = await cast.post(ada, **(task or {}))
    _, submission = await cast.submit(person, posted.id, **given)
    await cast.judge(submission)
    found: UUID = await cast.conn.fetchval("SELECT id FROM observation WHERE submission_id = $1", submission)
    return ids.show("observation", found)


async def snapshot(cast: Cast, ada: keys.Actor, **asked: Any) -> datasets.Dataset:
    draft = msgspec.convert(asked, datasets.DatasetDraft)
    begun = await datasets.draft(cast.conn, ada.owner, draft, actor=ada.name)
    assert begun.status == "building"
    for each in await datasets.without_copies(cast.conn, ids.read("dataset", begun.id), limit=10):
        await photos.enter_full(cast.conn, each.name, COPY, None)
    await datasets.build(cast.conn, ids.read("dataset", begun.id))
    return await datasets.get(cast.conn, ada.owner, begun.id)


async def lines(cast: Cast, ada: keys.Actor, dataset: datasets.Dataset, page: int = 2) -> list[Item]:
    found: list[Item] = []
    after = -1
    while rows := await datasets.files(cast.conn, ada.owner, dataset.id, after=after, limit=page):
        found += [item for _, item in rows]
        after = rows[-1][0]
    return found


def digest(items: list[Item]) -> str:
    return hashlib.sha256(b"\n".join(msgspec.json.encode(item, order="deterministic") for item in items)).hexdigest()


@pytest.fixture
async def bought(cast: Cast, ada: keys.Actor, bo: UUID) -> list[str]:
    return [await answered(cast, ada, bo) for _ in range(5)]


async def test_the_hash_is_that_of_what_can_be_fetched(cast: Cast, ada: keys.Actor, bought: list[str]) -> None:
    made = await snapshot(cast, ada, query={})
    items = await lines(cast, ada, made)
    assert (made.status, made.rows, made.bytes, made.licenses) == ("ready", 5, 5 * len(COPY), ["resale"])
    assert sorted(item["observation_id"] for item in items) == sorted(bought)
    assert made.manifest_sha256 == digest(items)
    [photo] = items[0]["photos"]
    assert (photo["sha256"], photo["bytes"], photo["media_type"]) == (
        hashlib.sha256(COPY).hexdigest(), len(COPY), "image/jpeg",
    )  # fmt: skip
    assert (photo["evidence_sha256"], photo["url"].partition("?")[2]) == ("01" * 32, "variant=full")


@pytest.mark.parametrize(
    ("place", "answers"),
    [
        ({"lat": -0.0, "lon": 0.0}, {"open": "open"}),
        ({"lat": 1e-7, "lon": -179.99999999999997}, {"open": "open"}),
        ({"lat": 5e-324, "lon": 0.1}, {"open": "Grüß Gott \u2028 \ud7ff \U0001f967 \"\\\n"}),
        (None, {"open": "open", "n": [1e22, -0.0, 1.5, 2**53 + 1, 1e-30, True, None]}),
    ],
)  # fmt: skip
async def test_the_hash_survives_odd_numbers_and_letters(
    cast: Cast, ada: keys.Actor, bo: UUID, place: Any, answers: Any
) -> None:
    await answered(cast, ada, bo, task={"place": place and place | {"radius_m": 80}}, answers=answers)
    made = await snapshot(cast, ada, query={})
    assert made.manifest_sha256 == digest(await lines(cast, ada, made))


async def test_the_same_observations_make_the_same_hash(cast: Cast, ada: keys.Actor, bought: list[str]) -> None:
    first = await snapshot(cast, ada, query={})
    second = await snapshot(cast, ada, observation_ids=bought[::-1])
    smaller = await snapshot(cast, ada, observation_ids=bought[:4])
    assert first.manifest_sha256 == second.manifest_sha256 != smaller.manifest_sha256


async def test_a_snapshot_does_not_change_when_more_is_bought(
    cast: Cast, ada: keys.Actor, bo: UUID, bought: list[str]
) -> None:
    made = await snapshot(cast, ada, query={})
    await answered(cast, ada, bo)
    await datasets.build(cast.conn, ids.read("dataset", made.id))
    assert await datasets.get(cast.conn, ada.owner, made.id) == made
    assert len(await lines(cast, ada, made)) == 5


@pytest.mark.parametrize("change", ["UPDATE dataset_item SET item = '{}'", "DELETE FROM dataset_item"])
async def test_the_lines_of_a_snapshot_cannot_be_changed(
    cast: Cast, ada: keys.Actor, bought: list[str], change: str
) -> None:
    await snapshot(cast, ada, query={})
    with pytest.raises(asyncpg.PostgresError) as caught:
        async with cast.conn.transaction():
            await cast.conn.execute(change)
    assert caught.value.sqlstate == "LG001"


async def test_nobody_takes_the_observations_of_another(cast: Cast, ada: keys.Actor, bought: list[str]) -> None:
    cy = await cast.agent("cy")
    for wanted in (bought, [bought[0]]):
        with pytest.raises(NotFound):
            await snapshot(cast, cy, observation_ids=wanted)
    empty = await snapshot(cast, cy, query={})
    assert (empty.status, empty.rows, empty.failure) == ("failed", 0, "No observation matches.")
    made = await snapshot(cast, ada, query={})
    for look in (datasets.get(cast.conn, cy.owner, made.id),
                 datasets.files(cast.conn, cy.owner, made.id, after=-1, limit=10)):  # fmt: skip
        with pytest.raises(NotFound):
            await look
    task = (await observations.get(cast.conn, ada.owner, bought[0])).task_id
    assert (await snapshot(cast, cy, query={"task_ids": [task]})).rows == 0


async def test_a_query_filters(cast: Cast, ada: keys.Actor, bought: list[str]) -> None:
    one = await observations.get(cast.conn, ada.owner, bought[2])
    made = await snapshot(cast, ada, query={"task_ids": [one.task_id]})
    assert [item["observation_id"] for item in await lines(cast, ada, made)] == [bought[2]]
    assert (await snapshot(cast, ada, query={"outcome": "honest_negative"})).status == "failed"
    at = one.created_at.isoformat()
    assert (await snapshot(cast, ada, query={"until": at})).rows == 0
    assert (await snapshot(cast, ada, query={"since": at})).rows == 5


@pytest.mark.parametrize(
    "asked",
    [{}, {"query": {}, "observation_ids": ["obs_" + "0" * 32]}, {"query": {"since": "2026-01-01T00:00:00"}}],
    ids=["neither", "both", "a time without offset"],
)
async def test_an_unclear_wish_is_refused(cast: Cast, ada: keys.Actor, asked: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        await snapshot(cast, ada, **asked)


async def test_an_observation_stands_in_a_snapshot_once(cast: Cast, ada: keys.Actor, bought: list[str]) -> None:
    with pytest.raises(Invalid):
        await snapshot(cast, ada, observation_ids=[bought[0], bought[0]])


async def test_people_are_pseudonyms_that_differ_from_buyer_to_buyer(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    cy = await cast.agent("cy")
    mine, again, theirs = await answered(cast, ada, bo), await answered(cast, ada, bo), await answered(cast, cy, bo)
    names = [(await observations.get(cast.conn, owner, seen)).person
             for owner, seen in ((ada.owner, mine), (ada.owner, again), (cy.owner, theirs))]  # fmt: skip
    assert names[0] == names[1] != names[2]
    assert bo.hex not in "".join(names)


async def test_a_rejected_answer_is_no_observation(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    _, submission = await cast.submit(bo, (await cast.post(ada)).id)
    doubtful = {"score": 0.5, "outcome": "review", "version": "1", "checks": []}
    await cast.judge(submission, doubtful)
    why = review.Rejecting(comment="Unreadable.", reason_code="unreadable")
    await review.reject(cast.conn, ada, ids.show("submission", submission), why)
    assert await observations.listed(cast.conn, ada.owner, limit=10) == []
