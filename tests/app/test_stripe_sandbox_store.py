"""The sandbox's memory: calls share commits, and each is undone, or kept, by itself."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.sandbox.stripe.errors import CardRefusal, StripeRefusal
from app.sandbox.stripe.store import State, Store, new_id


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = Store(tmp_path / "state.sqlite")
    yield opened
    await opened.close()


def _put(state: State, number: int) -> int:
    state.put({"id": f"thing_{number}", "object": "thing"})
    return number


async def _there(store: Store) -> set[str]:
    rows = await store.run(lambda state: state.db.execute("SELECT id FROM object").fetchall())
    return {row[0] for row in rows}


async def test_calls_that_wait_share_a_commit_and_one_that_fails_is_undone_alone(store: Store) -> None:
    raised: dict[int, Exception] = {
        7: StripeRefusal(400, "no"), 9: ValueError("a mistake"),
        11: CardRefusal("declined", code="card_declined", decline_code="generic_decline"),
    }  # fmt: skip

    def work(number: int) -> Any:
        def do(state: State) -> int:
            _put(state, number)
            if number in raised:
                raise raised[number]
            return number

        return do

    commits: list[str] = []
    store._db.set_trace_callback(lambda statement: commits.append(statement) if statement == "COMMIT" else None)
    results = await asyncio.gather(*(store.run(work(number)) for number in range(20)), return_exceptions=True)
    store._db.set_trace_callback(None)
    assert results == [raised.get(number, number) for number in range(20)]
    assert await _there(store) == {f"thing_{number}" for number in range(20) if number not in (7, 9)}
    assert len(commits) < 10


async def test_a_commit_that_fails_fails_every_call_in_it_and_leaves_nothing(store: Store) -> None:
    def orphan(state: State) -> None:
        state.db.execute("PRAGMA defer_foreign_keys = ON")
        state.db.execute("INSERT INTO delivery (event_seq, due) VALUES (999, 0)")

    first = asyncio.ensure_future(store.run(lambda state: _put(state, 0)))  # goes alone: nothing else waits yet
    await asyncio.sleep(0)
    together = [store.run(lambda state: _put(state, 1)), store.run(orphan), store.run(lambda state: _put(state, 2))]
    results = await asyncio.gather(*together, return_exceptions=True)
    assert await first == 0
    assert all(isinstance(result, sqlite3.IntegrityError) for result in results)
    assert await _there(store) == {"thing_0"}
    assert await store.run(lambda state: _put(state, 3)) == 3


async def test_what_a_call_makes_due_happens_before_the_next_one_even_in_the_same_commit(store: Store) -> None:
    def due(state: State) -> None:
        for row in state.db.execute(
            "DELETE FROM scheduled WHERE due <= ? RETURNING object_id", (state.now,)
        ).fetchall():
            state.put({"id": row[0], "object": "thing"})

    store.perform_due = due
    first = asyncio.ensure_future(store.run(lambda state: _put(state, 0)))
    await asyncio.sleep(0)
    plan = store.run(lambda state: state.schedule(state.now, "come about", "thing_due"))
    see = store.run(lambda state: state.find("thing_due"))
    _, _, seen = await asyncio.gather(first, plan, see)
    assert seen == {"id": "thing_due", "object": "thing"}


async def test_what_is_due_and_fails_is_tried_before_the_next_call_again(store: Store) -> None:
    tries: list[int] = []

    def due(state: State) -> None:
        tries.append(len(tries))
        if len(tries) == 1:
            raise ValueError("once")
        state.db.execute("DELETE FROM scheduled")

    store.perform_due = due
    await store.run(lambda state: state.schedule(state.now - 1, "come about", "thing_due"))
    with pytest.raises(ValueError, match="once"):
        await store.run(lambda state: _put(state, 1))
    assert await store.run(lambda state: _put(state, 2)) == 2
    assert len(tries) == 2 and await _there(store) == {"thing_2"}


async def test_a_full_disk_fails_every_call_of_the_commit_and_leaves_nothing(store: Store) -> None:
    first = asyncio.ensure_future(store.run(lambda state: _put(state, 0)))
    await asyncio.sleep(0)

    def fill(state: State) -> None:
        # As when SQLite finds the disk full in the middle of a statement: it has undone the whole transaction.
        state.db.execute("ROLLBACK")
        raise sqlite3.OperationalError("database or disk is full")

    together = [store.run(lambda state: _put(state, 1)), store.run(fill), store.run(lambda state: _put(state, 2))]
    results = await asyncio.gather(*together, return_exceptions=True)
    assert await first == 0
    assert [str(result) for result in results] == ["database or disk is full"] * 3
    assert await _there(store) == {"thing_0"}


async def test_what_was_asked_for_before_the_end_is_done_and_nobody_hangs_after_it(tmp_path: Path) -> None:
    ending = Store(tmp_path / "ending.sqlite")
    calls = [asyncio.ensure_future(ending.run(lambda state, n=n: _put(state, n))) for n in range(3)]  # type: ignore[misc]
    await asyncio.sleep(0)
    await ending.close()
    assert await asyncio.gather(*calls) == [0, 1, 2]
    for _ in range(2):
        with pytest.raises(RuntimeError):
            await asyncio.wait_for(ending.run(lambda state: _put(state, 9)), 5)


async def test_whoever_goes_away_leaves_the_others_their_answers(store: Store) -> None:
    calls = [asyncio.ensure_future(store.run(lambda state, n=n: _put(state, n))) for n in range(5)]  # type: ignore[misc]
    await asyncio.sleep(0)
    calls[3].cancel()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(results[3], asyncio.CancelledError)
    assert [result for n, result in enumerate(results) if n != 3] == [0, 1, 2, 4]
    assert await _there(store) == {f"thing_{n}" for n in range(5)}


def test_ids_are_letters_and_digits_and_differ() -> None:
    made = {new_id("tr") for _ in range(2000)}
    assert len(made) == 2000
    assert all(len(one) == 27 and one.startswith("tr_") and one[3:].isalnum() and one.isascii() for one in made)
