"""Clarifying questions: who may ask how often, who is told what, and what never stands in them."""

from datetime import timedelta
from uuid import UUID

import pytest

from market import claims, contact_details, erasure, ids, keys, questions, tasks
from market.errors import ContactDetails, Invalid, NotFound, QuestionLimit, TaskNotOpen, TooOften, WrongState
from tests.market.conftest import Cast

BAD = (
    "Write to bo@example.com please",
    "Write to bo (at) example (dot) com",
    "bo at example dot com is me",
    "bo[at]example[.]com works",
    "bo \uff20 example\uff0ecom any time",  # bo ＠ example．com any time
    "b o @ e x a m p l e . c o m",
    "my mail is bo at gmail",
    "bo\u200b@\u200bexample.com",  # bo@example.com
    "Mail b\u043e@\u0435\u0445\u0430mple.\u0441\u043em now",  # Mail bо@ехаmple.соm now
    "Call +49 151 23456789",
    "Call 0151/234 567 89",
    "Ring 555-0199 1 twice",
    "Call 06.12.34.56.78 today",
    "0 1 5 1 2 3 4 5 6 7",
    "(030) 1234567 is me",
    "call zero one five one two three four five",
    "Call \u0660\u0661\u0665\u0661\u0662\u0663\u0664\u0665\u0666\u0667 now",  # Call ٠١٥١٢٣٤٥٦٧ now
    "call \uff10\uff11\uff15\uff11\uff12\uff13\uff14\uff15\uff16\uff17 now",  # call ０１５１２３４５６７ now
    "Call O15l 234 5678",
    "call 1\ufe0f\u20e32\ufe0f\u20e33\ufe0f\u20e34\ufe0f\u20e35\ufe0f\u20e36\ufe0f\u20e37\ufe0f\u20e3",  # call 1️⃣2️⃣3️⃣4️⃣5️⃣6️⃣7️⃣
    "See https://example.com/x",
    "See hxxp://example",
    "see www.example and more",
    "look at example.shop first",
    "see exa\u200bmple.com",  # see example.com
    "Find me as @bo_bakes",
    "find me (at)bo_bakes",
    "whatsapp me: bo77",
    "my telegram is bo_bakes",
    "telegram: bobakes",
    "Signal id bo.bakes",
    "I am bo_77 on insta",
    "line id bo",
    "t.me/bobakes for more",
    "see bakery . com for it",
    "see example[dot]org ok",
    "look at bakery.it first",
    "skype:bo.bakes",
    "server at 10.11.12.13 is mine",
    "Snapchat username is bo",
    "see \u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444 for it",  # пример.рф
    "see example\u3002com now",  # see example。com now
    "discord bo#1234",
    "wa.me/123 ok",
    "+1.415.555.2671",
    "call 415\n555\n2671",
    "bo_AT_example_DOT_com",
)
GOOD = (
    "Is the price 1,250,000 HUF or 12.50 EUR?",
    "Is it number 12, 14 or 16 on Main St?",
    "Do you mean 2026-12-01 at 14:30 or 18:00?",
    "Is 01.12.2026 08:00-18:00 what you ask for?",
    "Is the door 1200 x 2400 mm or 2.05 m high?",
    "Rooms 101, 103, 105, 107 or only 109?",
    "Do you want the WhatsApp sign in the picture?",
    "Is bus line 12 or line 140 meant?",
    "Is the signal at 5 bars or 4 there?",
    "The door is at 52.5200, 13.4050, right?",
    "Shall I photograph both sides of the shop? It has 2 doors.",
    "The shop is closed.Is the side door enough?",
    "Three kilos @ 3.00 each, or one at 2.50?",
    "Between 8 a.m. and 6 p.m., e.g. at noon?",
    "Ist die Tür am Hof (Haus 7b, 10115 Berlin) gemeint?",
    "Вход со двора или с улицы? Дом 12, корпус 3.",
    "Is 1013.25 hPa at 21.5 °C plausible, with 45 % humidity?",
    "Do I need 1 to 3 photos, 1920 x 1080 pixels at least?",
    "From 1990 to 2026, which sign is meant?",
    "Is 12/24/2026 a holiday there?",
    "Is it $1,500 or €2,000.50 on the tag?",
    "2026-12-01T14:30:00 or later?",
    "Meet at the bakery dot the i?",
    "Is St.Pauli meant, no.5?",
    "Is the poster for Facebook on the left door?",
    "Is it open 24/7, 365 days?",
    "It costs 1 250 000 Ft, right?",
    "Should it be 5 or 6 a day, 10 000 steps?",
    "What does the sign at the door say.It is unclear",
)


@pytest.mark.parametrize("text", BAD)
def test_a_way_to_be_reached_is_found(text: str) -> None:
    assert contact_details.found(text)


@pytest.mark.parametrize("text", GOOD)
def test_what_a_task_is_about_may_be_asked(text: str) -> None:
    assert not contact_details.found(text)


async def ask(cast: Cast, person: UUID, task: tasks.Task, text: str = "Is the side door enough?") -> str:
    return (await questions.ask(cast.conn, person, task.id, questions.Asking(text=text))).id


async def answer(cast: Cast, actor: keys.Actor, task: tasks.Task, question: str, text: str = "Yes, it is.") -> None:
    await questions.answer(cast.conn, actor.owner, task.id, question, questions.Answering(text=text))


async def told(cast: Cast, **reader: UUID) -> list[str]:
    """What a reader was told of questions. Seen inside the transaction, where the log's readers would wait."""
    column, value = next(iter(reader.items()))
    rows = await cast.conn.fetch(
        f"SELECT type FROM event WHERE {column} = $1 AND type IN ('task.question', 'task.answered') ORDER BY seq", value
    )
    return [row["type"] for row in rows]


async def test_a_question_is_answered_once_for_all_and_changes_nothing_of_the_task(
    cast: Cast, ada: keys.Actor, bo: UUID
) -> None:
    task = await cast.post(ada, quantity=3)
    worker, reader = await cast.person("cleo"), await cast.person("dee")
    await claims.claim(cast.conn, worker, task.id, None)
    before = await cast.conn.fetchrow("SELECT * FROM task")
    asked = await ask(cast, bo, task, "  Is the side door enough?  ")
    [seen] = await questions.of_task(cast.conn, ada.owner, task.id)
    assert (seen.text, seen.answer) == ("Is the side door enough?", None)
    assert await told(cast, account_id=ada.owner) == ["task.question"]
    assert await questions.public(cast.conn, reader, task.id) == []
    assert await questions.public(cast.conn, None, task.id) == []
    [own] = await questions.public(cast.conn, bo, task.id)
    assert own.own and own.id == asked
    await answer(cast, ada, task, asked, "Yes, with its sign.")
    for who, is_own in ((bo, True), (worker, False), (reader, False), (None, False)):
        [seen_now] = await questions.public(cast.conn, who, task.id)
        assert (seen_now.answer, seen_now.own) == ("Yes, with its sign.", is_own)
    assert [await told(cast, person_id=who) for who in (bo, worker, reader)] == [["task.answered"]] * 2 + [[]]
    with pytest.raises(WrongState):
        await answer(cast, ada, task, asked)
    assert await cast.conn.fetchrow("SELECT * FROM task") == before
    assert not await cast.broken()


async def test_nobody_is_told_who_asked(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    task = await cast.post(ada)
    await ask(cast, bo, task)
    event = await cast.conn.fetchrow("SELECT person_id, actor, data FROM event WHERE type = 'task.question'")
    assert (event["person_id"], event["actor"]) == (None, "person")
    seen = f"{event['data']} {await questions.of_task(cast.conn, ada.owner, task.id)}"
    assert "side door" in seen and bo.hex not in seen and str(bo) not in seen


async def test_a_person_asks_three_times_about_a_task_and_twenty_times_a_day(
    cast: Cast, ada: keys.Actor, bo: UUID
) -> None:
    posted = [await cast.post(ada) for _ in range(8)]
    for task in posted[:6]:
        for _ in range(3):
            await ask(cast, bo, task)
        with pytest.raises(QuestionLimit, match="3 questions"):
            await ask(cast, bo, task)
    await ask(cast, bo, posted[6])
    await ask(cast, bo, posted[6])
    with pytest.raises(TooOften):
        await ask(cast, bo, posted[7])
    await cast.conn.execute("UPDATE task_question SET asked_at = asked_at - $1::interval", timedelta(days=1))
    await ask(cast, bo, posted[7])


async def test_a_task_takes_fifty_questions(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    task = await cast.post(ada)
    await cast.conn.executemany(
        "INSERT INTO task_question (id, task_id, text) VALUES ($1, $2, 'Is the side door enough?')",
        [(ids.new(), ids.read("task", task.id)) for _ in range(questions.MOST_OF_TASK - 1)],
    )
    await ask(cast, bo, task)
    with pytest.raises(QuestionLimit, match="50 questions"):
        await ask(cast, bo, task)


async def test_what_is_refused(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    task, cy = await cast.post(ada), await cast.agent("cy")
    for text, refusal in (("Call 0151 234 567 89", ContactDetails), ("         it?         ", Invalid)):
        with pytest.raises(refusal) as refused:
            await ask(cast, bo, task, text)
        assert refused.value.pointer == "/text"
    asked = await ask(cast, bo, task)
    with pytest.raises(ContactDetails):
        await answer(cast, ada, task, asked, "See example.com")
    with pytest.raises(NotFound):
        await answer(cast, cy, task, asked)
    with pytest.raises(NotFound):
        await questions.of_task(cast.conn, cy.owner, task.id)
    with pytest.raises(NotFound):
        await answer(cast, ada, await cast.post(ada), asked)  # a question about another task
    with pytest.raises(NotFound):
        nowhere = ids.show("task", ids.new())
        await questions.ask(cast.conn, bo, nowhere, questions.Asking(text="Is the side door enough?"))
    await tasks.cancel(cast.conn, ada, task.id)
    with pytest.raises(TaskNotOpen):
        await ask(cast, bo, task)
    await answer(cast, ada, task, asked)  # whoever still works on it wants to know


async def test_whoever_leaves_takes_their_name_from_their_questions(cast: Cast, ada: keys.Actor, bo: UUID) -> None:
    task = await cast.post(ada)
    asked = await ask(cast, bo, task)
    [kept] = (await erasure.export(cast.conn, bo))["questions"]
    assert (kept["id"], kept["task_id"], kept["text"]) == (asked, task.id, "Is the side door enough?")
    await erasure.erase(cast.conn, bo)
    assert await cast.conn.fetchval("SELECT person_id FROM task_question") is None
    await answer(cast, ada, task, asked)
    assert len(await questions.public(cast.conn, None, task.id)) == 1
