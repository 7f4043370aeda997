"""Questions over HTTP and on the page of a task."""

import asyncio

from tests.app.conftest import Caller, World, is_problem, ok, post_task

TEXT = "Is the side door enough if the shop is closed?"


async def test_a_question_goes_to_the_agent_and_its_answer_to_everybody(world: World, ada: Caller, bo: Caller) -> None:
    task = await post_task(ada)
    path = f"/v1/people/tasks/{task['id']}/questions"
    asked = ok(await bo.post(path, {"text": TEXT}), 201)
    [event] = [each for each in ok(await ada.get("/v1/events"))["items"] if each["type"] == "task.question"]
    assert event["data"] == {"question_id": asked["id"], "text": TEXT}
    [seen] = ok(await ada.get(f"/v1/tasks/{task['id']}/questions"))["items"]
    assert seen == {
        "id": asked["id"], "task_id": task["id"], "text": TEXT, "asked_at": asked["asked_at"], "answer": None,
        "answered_at": None,
    }  # fmt: skip
    assert ok(await world.client.get(path))["items"] == []
    answering = f"/v1/tasks/{task['id']}/questions/{asked['id']}/answer"
    answered = ok(await ada.post(answering, {"text": "Yes."}))
    assert answered["answer"] == "Yes."
    is_problem(await ada.post(answering, {"text": "No."}), 409, "wrong-state")
    [shown] = ok(await world.client.get(path))["items"]
    assert (shown["answer"], shown["own"]) == ("Yes.", False)
    events = [each for each in ok(await bo.get("/v1/events"))["items"] if each["type"] == "task.answered"]
    assert [each["data"] for each in events] == [{"question_id": asked["id"]}]


async def test_contact_details_and_a_fourth_question_are_problems_of_their_own(ada: Caller, bo: Caller) -> None:
    task = await post_task(ada)
    path = f"/v1/people/tasks/{task['id']}/questions"
    refused = is_problem(await bo.post(path, {"text": "Write to bo@example.com first"}), 422, "contact-details")
    assert refused["errors"][0]["pointer"] == "/text"
    for _ in range(3):
        asked = ok(await bo.post(path, {"text": TEXT}), 201)
    is_problem(await bo.post(path, {"text": TEXT}), 409, "question-limit")
    answering = f"/v1/tasks/{task['id']}/questions/{asked['id']}/answer"
    is_problem(await ada.post(answering, {"text": "Call 0151 234 567 89"}), 422, "contact-details")


async def test_the_page_of_a_task_shows_answers_and_takes_questions(world: World, ada: Caller, bo: Caller) -> None:
    task = await post_task(ada)
    cookie = {"cookie": f"sensorium_session={bo.secret}", "sec-fetch-site": "same-origin"}
    page = f"/w/tasks/{task['id']}"
    assert "Ask the buyer" in (await world.client.get(page, headers=cookie)).text
    assert "Ask the buyer" not in (await world.client.get(page)).text
    sent = await world.client.post(f"{page}/questions", data={"text": TEXT}, headers=cookie)
    assert (sent.status_code, sent.headers["location"]) == (303, f"{page}#asked")
    assert "not answered yet" in (await world.client.get(page, headers=cookie)).text
    assert TEXT not in (await world.client.get(page)).text
    [asked] = ok(await ada.get(f"/v1/tasks/{task['id']}/questions"))["items"]
    ok(await ada.post(f"/v1/tasks/{task['id']}/questions/{asked['id']}/answer", {"text": "Yes, <b>it</b> is."}))
    shown = (await world.client.get(page)).text
    assert TEXT in shown and "Yes, &lt;b&gt;it&lt;/b&gt; is." in shown
    refused = await world.client.post(f"{page}/questions", data={"text": "Find me as @bo_bakes"}, headers=cookie)
    assert refused.status_code == 422 and "No contact details" in refused.text


async def test_of_many_at_once_no_more_are_asked_than_may_be_and_one_answer_stands(
    world: World, ada: Caller, bo: Caller
) -> None:
    task = await post_task(ada)
    path = f"/v1/people/tasks/{task['id']}/questions"
    asked = await asyncio.gather(*(bo.post(path, {"text": TEXT}) for _ in range(8)))
    assert sorted(each.status_code for each in asked) == [201] * 3 + [409] * 5
    [first, *_] = ok(await ada.get(f"/v1/tasks/{task['id']}/questions"))["items"]
    answering = f"/v1/tasks/{task['id']}/questions/{first['id']}/answer"
    said = await asyncio.gather(*(ada.post(answering, {"text": f"Yes, number {n}."}) for n in range(4)))
    assert sorted(each.status_code for each in said) == [200] + [409] * 3
    [stands] = [each.json()["answer"] for each in said if each.status_code == 200]
    [shown] = ok(await world.client.get(path))["items"]
    assert shown["answer"] == stands
