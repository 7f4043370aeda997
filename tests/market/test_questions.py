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
    "reach me: b.o+spam@mail.example.co.uk",
    "bo AT gmail DOT com",
    "bo  at  gmail",
    "example,com no: example.com",
    "BO@EXAMPLE.COM",
    "bo@example\u3002com",
    "bo@ex\xadample.com",
    "Tel.: 0043 (0)1 58 58 58 0",
    "call me o-one-five-five-five-one-two-three-four",
    "eight six seven five three oh nine now",
    "five five five - one two one two",
    "06 12 34 56 78",
    "06/12/34/56/78",
    "tel 555 12 34 ext 9",
    "+36-30-123-4567",
    "\u2080\u2081\u2085\u2081\u2082\u2083\u2084\u2085\u2086\u2087",
    "\u2460\u2461\u2462\u2463\u2464\u2465\u2466\u2467",
    "\u0e50\u0e51\u0e52\u0e53\u0e54\u0e55\u0e56\u0e57",
    "whatsapp 0151 2345678",
    "WhatsApp: bo.b",
    "my wechat id: boxyz",
    "wechat boxyz1",
    "insta: bobakes",
    "ig @bobakes",
    "find bo.bakes77 on Telegram",
    "discord.gg/abc",
    "https : //example",
    "t . me / bobakes",
    "goo.gl/maps/x",
    "bit.ly/abc",
    "mail: bo@localhost",
    "example.photography is mine",
    "bo-bakes.berlin",
    "\uff37\uff37\uff37\uff0e\uff25\uff38\uff21\uff2d\uff30\uff2c\uff25\uff0e\uff23\uff2f\uff2d",
    "b0.example[.]net",
    "bo(at)example.org",
    "bo{at}example{dot}org",
    "example (punkt) de",
    "e-mail bo at example punkt de",
    "call 0 (151) 23 45 67",
    "2 3 4 5 6 7 8",
    "bo_bakes@insta",
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
    "Is the café's door No.12 or No.14?",
    "Geht es um die Tür z.B. links, u.a. mit Schild?",
    "Is it by Dr.Müller's office, 3rd floor?",
    "A képen a 12. számú ház legyen, 1052 Budapest, Deák tér 3.?",
    "Doit-on voir l'entrée au 3 bis, 75011 Paris?",
    "Are 3 photos, 4000x3000 px, from 2 m enough?",
    "The meter shows 0012345 kWh; shall I read all digits?",
    "Is the serial number needed?",
    "Is it the ATM at the corner (left)?",
    "Is it at Berlin Hbf, track 12, 14:05 to 14:20?",
    "Between 06:00 and 07:30 on 3.12.2026 or 4.12.2026?",
    "Should the price tags of 0.99, 1.29, 1.49, 1.99 be readable?",
    "Do bus lines 100, 200, 300 and 245 all count?",
    "Is 25 kg, 30 kg or 50 kg meant?",
    "Is the temperature -5 to 10 °C ok; humidity 40-60 %?",
    "I read 1234 and 5678 on two meters, which?",
    "Photo at 8:00, 12:00, 16:00 and 20:00?",
    "A4 or A3 poster; 297 x 420 mm?",
    "the shop in the yard is it? Or in.the front",
    "Version 2.10.3 of the sign?",
    "Is it 48.8566° N, 2.3522° E?",
    "Does the e-mail address on the door have to be visible?",
    "Is the telephone number on the sign to be hidden?",
    "Is the website on the sign needed?",
    "Are weekdays 1-5, 8-12 and 13-17 o'clock meant?",
    "Is the sign '@ the bakery' enough?",
    "From $1.50 to $2.75, or £3?",
    "About 1000 people or 1500 people at 2026?",
    "Mo-Fr 08:00-12:00 14:00-18:00, Sa 09:00-13:00?",
    "at gate 7, bay 3, row 12, slot 144?",
    "Facebook, Instagram and TikTok stickers on the window, do they count?",
    "the telegram from 1943 in the vitrine?",
    "Is 10:30-11:30 on 12/11/26 fine?",
    "What of the x: axis label 12?",
    "12 kWh/100 km on the display 2026?",
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
