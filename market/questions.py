"""Clarifying questions: asked by people about an open task, answered once for all. They change nothing of the task."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import asyncpg
import msgspec

from market import contact_details, events, ids
from market.errors import (
    Invalid,
    NotFound,
    QuestionLimit,
    TaskNotOpen,
    TooOften,
    Unauthenticated,
    WrongState,
)
from market.terms import Strict

LEAST_SAID = 10  # characters of a question, without the white space around it
MOST_OF_PERSON = 3  # about one task
MOST_OF_TASK = 50
MOST_A_DAY = 20  # of one person, in 24 hours


class Asking(Strict, frozen=True, kw_only=True):
    """A question about a task, without contact details."""

    text: Annotated[
        str, msgspec.Meta(min_length=LEAST_SAID, max_length=500, examples=["Is the side door enough if it is closed?"])
    ]


class Answering(Strict, frozen=True, kw_only=True):
    """What is answered, for all to read; without contact details."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=1000, examples=["Yes, with its sign in the frame."])]


class Question(msgspec.Struct, frozen=True):
    """A question about a task, as its buyer sees it: nobody is told who asked."""

    id: str
    task_id: str
    text: str
    asked_at: datetime
    answer: str | None
    answered_at: datetime | None


class PublicQuestion(Question, frozen=True):
    """A question as people see it. own: asked by whoever reads it."""

    own: bool


async def ask(conn: asyncpg.Connection, person: UUID, task: str, asking: Asking) -> PublicQuestion:
    """Ask. Raises TaskNotOpen, QuestionLimit, TooOften, ContactDetails, NotFound."""
    task_id, text = ids.read("task", task), _said(asking.text, LEAST_SAID)
    # The person, then the task: what is counted below is counted for both, whoever else asks at the same time.
    if not await conn.fetchval("SELECT true FROM person WHERE id = $1 AND erased_at IS NULL FOR NO KEY UPDATE", person):
        raise Unauthenticated
    row = await conn.fetchrow(
        """SELECT account_id, status = 'open' AND closes_at > market_now() AS open FROM task WHERE id = $1
           FOR NO KEY UPDATE""",
        task_id,
    )
    if row is None:
        raise NotFound("There is no such task.")
    if not row["open"]:
        raise TaskNotOpen
    counts = await conn.fetchrow(
        """SELECT (SELECT count(*) FROM task_question WHERE task_id = $1) AS of_task,
             (SELECT count(*) FROM task_question WHERE task_id = $1 AND person_id = $2) AS own,
             (SELECT count(*) FROM task_question WHERE person_id = $2 AND asked_at > market_now() - interval '1 day')
               AS today""",
        task_id, person,
    )  # fmt: skip
    if counts["own"] >= MOST_OF_PERSON:
        raise QuestionLimit(f"You have asked {MOST_OF_PERSON} questions about this task.")
    if counts["of_task"] >= MOST_OF_TASK:
        raise QuestionLimit(f"This task has been asked {MOST_OF_TASK} questions.")
    if counts["today"] >= MOST_A_DAY:
        raise TooOften(f"A person asks {MOST_A_DAY} questions in a day. Ask again tomorrow.")
    asked = await conn.fetchrow(
        "INSERT INTO task_question (id, task_id, person_id, text) VALUES ($1, $2, $3, $4) RETURNING *",
        ids.new(), task_id, person, text,
    )  # fmt: skip
    await events.append(
        conn, "task.question", ("task", task_id), "person", account=row["account_id"],
        data={"question_id": ids.show("question", asked["id"]), "text": text},
    )  # fmt: skip
    return _public(asked, person)


async def answer(conn: asyncpg.Connection, account: UUID, task: str, question: str, given: Answering) -> Question:
    """Answer once, for all. Raises WrongState where it has been answered, ContactDetails, NotFound.

    Whoever asked, and whoever works on the task now, is told.
    """
    task_id, question_id, text = ids.read("task", task), ids.read("question", question), _said(given.text, 1)
    await _require_own(conn, account, task_id)
    row = await conn.fetchrow(
        """UPDATE task_question SET answer = $3, answered_at = market_now()
           WHERE id = $1 AND task_id = $2 AND answer IS NULL RETURNING *""",
        question_id, task_id, text,
    )  # fmt: skip
    if row is None:
        if await conn.fetchval("SELECT true FROM task_question WHERE id = $1 AND task_id = $2", question_id, task_id):
            raise WrongState("This has been answered, once for all.")
        raise NotFound("There is no such question.")
    concerned = await conn.fetch(
        "SELECT person_id FROM claim WHERE task_id = $1 AND status = 'active' AND person_id IS NOT NULL", task_id
    )
    for person in sorted({each["person_id"] for each in concerned} | ({row["person_id"]} - {None})):
        await events.append(
            conn, "task.answered", ("task", task_id), f"agent:{account}", person=person,
            data={"question_id": question},
        )  # fmt: skip
    return _show(row)


async def of_task(conn: asyncpg.Connection, account: UUID, task: str) -> list[Question]:
    """All questions about a task of the account, in the order asked."""
    task_id = ids.read("task", task)
    await _require_own(conn, account, task_id)
    return [_show(row) for row in await _all(conn, task_id)]


async def public(conn: asyncpg.Connection, person: UUID | None, task: str) -> list[PublicQuestion]:
    """What was answered about a task, and one's own that was not yet, in the order asked."""
    task_id = ids.read("task", task)
    if not await conn.fetchval("SELECT true FROM task WHERE id = $1", task_id):
        raise NotFound("There is no such task.")
    seen = [row for row in await _all(conn, task_id) if row["answer"] is not None or _is_own(row, person)]
    return [_public(row, person) for row in seen]


async def _all(conn: asyncpg.Connection, task: UUID) -> list[asyncpg.Record]:
    rows: list[asyncpg.Record] = await conn.fetch("SELECT * FROM task_question WHERE task_id = $1 ORDER BY id", task)
    return rows


async def _require_own(conn: asyncpg.Connection, account: UUID, task: UUID) -> None:
    if not await conn.fetchval("SELECT true FROM task WHERE id = $1 AND account_id = $2", task, account):
        raise NotFound("There is no such task.")


def _said(text: str, least: int) -> str:
    """The text without white space around it. Raises Invalid, ContactDetails."""
    text = text.strip()
    if len(text) < least:
        raise Invalid(f"At least {least} characters, white space around them left out.", pointer="/text")
    contact_details.require_none(text, "/text")
    return text


def _is_own(row: asyncpg.Record, person: UUID | None) -> bool:
    return person is not None and bool(row["person_id"] == person)


def _show(row: asyncpg.Record) -> Question:
    return Question(
        ids.show("question", row["id"]), ids.show("task", row["task_id"]), row["text"], row["asked_at"],
        row["answer"], row["answered_at"],
    )  # fmt: skip


def _public(row: asyncpg.Record, person: UUID | None) -> PublicQuestion:
    return PublicQuestion(
        ids.show("question", row["id"]), ids.show("task", row["task_id"]), row["text"], row["asked_at"],
        row["answer"], row["answered_at"], own=_is_own(row, person),
    )  # fmt: skip
