"""Two readers of one verdict: the person reads all of it, the buyer nothing of other tasks and of what is not paid."""

from __future__ import annotations

import hashlib
from typing import Any

from sensors.canonical import canonical
from tests.app.conftest import Caller, Json, World, answer, claim, fund, ok, photo, post_task, submit

HAMBURG = {"lat": 53.55, "lon": 9.99}
PM: Json = {"n": "pm25", "u": "ug/m3", "v": 12.3456}
READING: Json = {
    "kind": "reading", "evidence": {"readings": [{"name": "pm25", "unit": "ug/m3"}], "questions": []},
    "acceptance": {"mode": "manual", "checks": ["readings"]},
}  # fmt: skip


def finding(submission: Json, name: str) -> Json:
    found: Json = next(each for each in submission["verdict"]["checks"] if each["name"] == name)
    return found


async def everything(buyer: Caller, task: Json, submitted: Json) -> str:
    """All that a buyer can read of a submission, as text."""
    paths = [
        f"/v1/submissions/{submitted['id']}", f"/v1/tasks/{task['id']}/submissions", "/v1/events?wait_s=0",
        f"/v1/tasks/{task['id']}",
    ]  # fmt: skip
    return " ".join([(await buyer.get(path)).text for path in paths])


async def test_no_buyer_reads_where_else_somebody_was(world: World, ada: Caller, bo: Caller, cy: Caller) -> None:
    await fund(cy, 100_000)
    assert (await answer(bo, await post_task(ada)))["status"] == "accepted"
    task = await post_task(cy, place={**HAMBURG, "radius_m": 80})
    claimed = await claim(bo, task)
    ok(await photo(bo, claimed, capture=HAMBURG))
    submitted = await submit(bo, claimed)
    await world.jobs()
    own = ok(await bo.get(f"/v1/people/submissions/{submitted['id']}"))
    assert "255 km" in finding(own, "at_place")["detail"] and "255 km" in own["rejection"]["comment"]
    assert finding(own, "at_place")["data"]["distance_m"] > 250_000
    seen = ok(await cy.get(f"/v1/submissions/{submitted['id']}"))
    assert seen["status"] == "rejected" and seen["rejection"]["failed_check"] == "at_place"
    assert finding(seen, "at_place")["status"] == "fail" and finding(seen, "at_place")["data"] == {}
    text = await everything(cy, task, submitted)
    assert submitted["id"] in text
    assert not any(each in text for each in ("255", " km", "distance_m", "speed_m_s", "shortly before"))


async def test_an_undeclared_jump_is_not_told_either_while_the_buyer_decides(
    world: World, ada: Caller, bo: Caller, cy: Caller
) -> None:
    await fund(cy, 100_000)
    await answer(bo, await post_task(ada))
    task = await post_task(cy, place={**HAMBURG, "radius_m": 80}, acceptance={"mode": "manual", "checks": ["fresh"]})
    claimed = await claim(bo, task)
    ok(await photo(bo, claimed, capture=HAMBURG))
    submitted = await submit(bo, claimed)
    await world.jobs()
    seen = ok(await cy.get(f"/v1/submissions/{submitted['id']}"))
    assert seen["status"] == "needs_review" and finding(seen, "at_place")["status"] == "fail"
    text = await everything(cy, task, submitted)
    assert not any(each in text for each in ("255", " km", "distance_m", "speed_m_s", "shortly before"))


async def test_what_was_measured_and_not_paid_for_is_not_told(world: World, ada: Caller, bo: Caller) -> None:
    task = await post_task(ada, **READING)
    submitted = await submit(bo, await claim(bo, task), answers={}, readings=[PM])
    await world.jobs()
    before = ok(await ada.get(f"/v1/submissions/{submitted['id']}"))
    assert finding(before, "readings")["data"]["mean"] == 12.3456
    ok(
        await ada.post(
            f"/v1/submissions/{submitted['id']}/reject", {"reason_code": "wrong_answer", "comment": "No thanks."}
        )
    )
    assert "12.3" not in await everything(ada, task, submitted)
    own = ok(await bo.get(f"/v1/people/submissions/{submitted['id']}"))
    assert finding(own, "readings")["data"]["mean"] == 12.3456 and own["rejection"]["comment"] == "No thanks."


async def test_a_value_that_cannot_be_is_told_to_who_measured_it_alone(world: World, ada: Caller, bo: Caller) -> None:
    task = await post_task(ada, **READING)
    submitted = await submit(bo, await claim(bo, task), answers={}, readings=[{**PM, "v": -512.5}])
    await world.jobs()
    own = ok(await bo.get(f"/v1/people/submissions/{submitted['id']}"))
    assert own["status"] == "rejected" and "-512.5" in own["rejection"]["comment"]
    assert "512.5" not in await everything(ada, task, submitted)


async def test_a_receipt_holds_the_hash_of_what_its_buyer_reads(world: World, ada: Caller, bo: Caller) -> None:
    await answer(bo, await post_task(ada))
    made: Any = ok(await ada.get("/v1/observations"))["items"][0]
    receipt = ok(await ada.get(f"/v1/observations/{made['id']}/receipt"))["content"]
    seen = ok(await ada.get(f"/v1/submissions/{receipt['submission']}"))["verdict"]
    assert receipt["verdict"]["sha256"] == hashlib.sha256(canonical(seen)).hexdigest()
