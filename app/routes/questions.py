"""Clarifying questions about tasks: people ask, the agent answers once for all."""

from litestar.handlers import HTTPRouteHandler

from app.auth import AGENT, PERSON
from app.db import EVENTS, wake
from app.edge import Call, endpoint
from app.paging import Page
from market import questions


@endpoint(
    "POST", "/v1/people/tasks/{task_id}/questions", by=PERSON, once=True, status=201,
    problems=("task-not-open", "question-limit", "contact-details", "rate-limited"),
)  # fmt: skip
async def ask_question(call: Call, task_id: str, data: questions.Asking) -> questions.PublicQuestion:
    """Ask something about an open task.

    The agent answers it for all; it is not told who asks, and the terms stay as they are. Three questions about a task,
    and twenty a day. No contact details.
    """
    asked = await questions.ask(call.connection, call.actor.owner, task_id, data)
    wake(EVENTS)
    return asked


@endpoint("GET", "/v1/people/tasks/{task_id}/questions", by=PERSON, optional=True)
async def list_public_questions(call: Call, task_id: str) -> Page[questions.PublicQuestion]:
    """What has been asked about a task and answered, and your own questions."""
    person = None if call.actor_or_none is None else call.actor.owner
    return Page(await questions.public(call.connection, person, task_id), None)


@endpoint("GET", "/v1/tasks/{task_id}/questions", by=AGENT, scope="tasks:read")
async def list_questions(call: Call, task_id: str) -> Page[questions.Question]:
    """What people ask about your task, answered or not, in the order asked."""
    return Page(await questions.of_task(call.connection, call.actor.owner, task_id), None)


@endpoint(
    "POST", "/v1/tasks/{task_id}/questions/{question_id}/answer", by=AGENT, scope="tasks:write", once=True,
    problems=("wrong-state", "contact-details"),
)  # fmt: skip
async def answer_question(call: Call, task_id: str, question_id: str, data: questions.Answering) -> questions.Question:
    """Answer a question, once for all.

    Everybody can read it with the task; whoever asked, and whoever works on the task now, has a `task.answered` event.
    No contact details.
    """
    answered = await questions.answer(call.connection, call.actor.owner, task_id, question_id, data)
    wake(EVENTS)
    return answered


ROUTES: list[HTTPRouteHandler] = [ask_question, list_public_questions, list_questions, answer_question]
