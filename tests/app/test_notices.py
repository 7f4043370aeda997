"""People are told by mail what waits for them: once each, while it is so, and in the market's own words."""

from typing import Any

from app.notices import write_notices
from tests.app.conftest import Caller, Json, World, answer, claim, ok, person, photo, post_task, submit
from tests.app.test_erasure import leave

MANUAL = {"mode": "manual", "checks": ["fresh"]}
FIX = {"reason_code": "incomplete", "comment": "Call me: evil words", "within_s": 86_400}


async def mails(world: World, who: Caller) -> list[Json]:
    """What somebody was written since they signed in, the first mail first."""
    await write_notices(world.services)
    email = f"{who.name.lower()}@example.com"
    found = ok(await world.client.get("/sandbox/outbox", params={"to": email}))["items"]
    return [each for each in reversed(found) if "code" not in each["subject"]]


async def waiting(ada: Caller, bo: Caller, **changes: Any) -> Json:
    return await answer(bo, await post_task(ada, acceptance=MANUAL, **changes))


async def test_a_fix_up_is_told_with_its_end_and_its_page(world: World, ada: Caller, bo: Caller) -> None:
    found = await waiting(ada, bo)
    assert await mails(world, bo) == []
    until = ok(await ada.post(f"/v1/submissions/{found['id']}/fix-up", FIX))["fix_up"]["until"]
    [told] = await mails(world, bo)
    assert told["subject"].startswith("Please mend your answer: ")
    assert f"{until[11:16]} UTC" in told["text"] and "$3.00" in told["text"]
    assert told["text"].rstrip().endswith(f"/w/submissions/{found['id']}")
    assert "evil" not in told["text"], "a buyer's words are on the page alone"
    assert len(await mails(world, bo)) == 1, "told once"


async def test_what_is_over_before_it_is_told_is_not_told(world: World, ada: Caller, bo: Caller) -> None:
    found = await waiting(ada, bo)
    ok(await ada.post(f"/v1/submissions/{found['id']}/fix-up", FIX))
    ok(await bo.delete(f"/v1/people/claims/{found['claim_id']}"), 204)
    assert await mails(world, bo) == []


async def test_a_rejection_by_the_buyer_is_told_and_the_machines_is_not(world: World, ada: Caller, bo: Caller) -> None:
    by_machine = await claim(bo, await post_task(ada), lat=52.6)
    ok(await photo(bo, by_machine, capture={"lat": 52.6}))
    await submit(bo, by_machine)
    await world.jobs()
    refused = ok(await bo.get("/v1/people/submissions"))["items"][0]
    assert refused["status"] == "rejected" and await mails(world, bo) == []
    eve = await person(world, "Eve")
    found = await waiting(ada, eve)
    why = {"reason_code": "unreadable", "comment": "Too dark."}
    ok(await ada.post(f"/v1/submissions/{found['id']}/reject", why))
    [told] = await mails(world, eve)
    assert told["subject"].startswith("Your answer was not accepted: ") and "within 3 days" in told["text"]
    ok(await eve.post(f"/v1/people/submissions/{found['id']}/appeal", {"words": "It is bright enough."}), 201)
    assert len(await mails(world, eve)) == 1, "what they do themselves they know"
    await world.later(15 * 86_400)
    [_, decided] = await mails(world, eve)
    assert decided["subject"].startswith("It is decided: ") and "It pays $3.60 in all" in decided["text"]


async def test_a_dispute_is_told_to_whoever_waits_for_the_pay(world: World, ada: Caller, bo: Caller) -> None:
    found = await answer(bo, await post_task(ada))
    assert found["status"] == "accepted"
    words = {"reason_code": "not_what_was_asked", "words": "The shop next door."}
    ok(await ada.post(f"/v1/submissions/{found['id']}/dispute", words), 201)
    [told] = await mails(world, bo)
    assert told["subject"].startswith("Your pay is disputed: ") and "until " in told["text"]


async def test_whoever_has_left_is_not_written_to(world: World, ada: Caller, bo: Caller) -> None:
    found = await waiting(ada, bo)
    ok(await ada.post(f"/v1/submissions/{found['id']}/reject", {"reason_code": "unreadable", "comment": "Too dark."}))
    ok(await leave(bo))
    assert await mails(world, bo) == []


async def test_a_title_leads_nobody_elsewhere(world: World, ada: Caller, bo: Caller) -> None:
    for title in ("URGENT fee at https://evil.example/pay", "Call +49 151 23456789 now"):
        found = await waiting(ada, bo, title=title)
        ok(await ada.post(f"/v1/submissions/{found['id']}/fix-up", FIX))
    turned = await waiting(ada, bo, title="Is it \u202eopen?")
    ok(await ada.post(f"/v1/submissions/{turned['id']}/fix-up", FIX))
    told = [each["subject"] for each in await mails(world, bo)]
    assert told == ["Please mend your answer"] * 2 + ["Please mend your answer: Is it open?"]
