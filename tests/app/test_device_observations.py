"""A registered device pushes signed batches of readings, and the standing tasks that ask for them buy them."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from market import ids
from tests.app.conftest import BAKERY, Caller, Json, World, a_task, is_problem, ok, person

HOUR = {"every_s": 3600}
PM = [{"name": "pm25", "unit": "ug/m3"}]


@dataclass
class Instrument:
    """A particle counter on Bo's balcony, with a key of its own."""

    owner: Caller
    id: str
    key: ec.EllipticCurvePrivateKey
    sequence: int = 0

    def signed(self, body: bytes) -> str:
        lines = (b"sensorium batch 1", self.id.encode(), hashlib.sha256(body).hexdigest().encode())
        r, s = decode_dss_signature(self.key.sign(b"\n".join(lines), ec.ECDSA(hashes.SHA256())))
        return urlsafe_b64encode(r.to_bytes(32) + s.to_bytes(32)).decode().rstrip("=")

    async def push(self, *records: Json, sequence: int | None = None, **options: Any) -> Any:
        self.sequence = self.sequence + 1 if sequence is None else sequence
        body = json.dumps({"sequence": self.sequence, "readings": list(records)}).encode()
        headers = {"content-type": "application/json", "device-signature": self.signed(body), **options}
        return await self.owner.post(f"/v1/devices/{self.id}/observations", content=body, headers=headers)


async def instrument(owner: Caller, **place: float) -> Instrument:
    key = ec.generate_private_key(ec.SECP256R1())
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    device = ids.new()
    where = {**BAKERY, **place}
    async with owner.world.services.database.transaction() as connection:
        await connection.execute(
            """INSERT INTO device (id, person_id, kind, name, public_key, lat, lon)
               VALUES ($1, $2, 'sensor', 'balcony', $3, $4, $5)""",
            device, ids.read("person", owner.id), point, where["lat"], where["lon"],
        )  # fmt: skip
    return Instrument(owner, ids.show("device", device), key)


async def standing_task(buyer: Caller, **changes: Any) -> Json:
    asked = {
        "kind": "reading", "title": "Fine dust in Main St", "quantity": 10, "evidence": {"readings": PM},
        "standing": HOUR, "acceptance": {"checks": ["at_place", "readings"]}, **changes,
    }  # fmt: skip
    task: Json = ok(await buyer.post("/v1/tasks", a_task(**asked)), 201)
    return task


def pm(value: float, *, t: float | None = None) -> Json:
    return {"n": "urn:dev:mac:0024befffe804ff1:pm25", "u": "ug/m3", "v": value, "t": now() if t is None else t}


def now() -> float:
    return datetime.now(UTC).timestamp()


async def test_a_batch_becomes_a_paid_observation_of_what_was_asked_and_of_nothing_else(
    world: World, ada: Caller, bo: Caller
) -> None:
    task, balcony = await standing_task(ada), await instrument(bo)
    assert task["standing"] == {"every_s": 3600, "per_round": 1, "per_person": 1}
    pushed = ok(await balcony.push(pm(12.5), {"n": "co2", "u": "ppm", "v": 450}), 201)
    assert [each["task_id"] for each in pushed["submissions"]] == [task["id"]] and pushed["passed"] == []
    await world.jobs()
    judged = ok(await ada.get(f"/v1/submissions/{pushed['submissions'][0]['submission_id']}"))
    assert judged["status"] == "accepted", judged["verdict"]
    assert [each["v"] for each in judged["readings"]] == [12.5]
    assert ok(await bo.get("/v1/people/earnings"))["pending"]["amount"] == 300
    events = ok(await ada.get("/v1/events"))["items"]
    assert [each["data"]["device_id"] for each in events if each["type"] == "submission.received"] == [balcony.id]


async def test_a_round_buys_so_many_answers_and_the_next_one_again(world: World, ada: Caller, bo: Caller) -> None:
    task = await standing_task(ada, standing={"every_s": 3600, "per_round": 2, "per_person": 2})
    first, second, third = [await instrument(bo) for _ in range(3)]
    for each in (first, second):
        assert len(ok(await each.push(pm(10)), 201)["submissions"]) == 1
    assert ok(await first.push(pm(11)), 201)["submissions"] == []  # has answered in this round
    assert ok(await third.push(pm(12)), 201)["submissions"] == []  # the round is full
    await world.jobs()
    await world.later(3600)
    assert len(ok(await third.push(pm(13, t=0)), 201)["submissions"]) == 1  # t 0: now, by the market's clock
    await world.jobs()
    assert ok(await ada.get(f"/v1/tasks/{task['id']}"))["slots"]["done"] == 3


async def test_old_samples_are_not_sold_twice(world: World, ada: Caller, bo: Caller) -> None:
    await standing_task(ada)
    balcony = await instrument(bo)
    sold = now()
    ok(await balcony.push(pm(10, t=sold)), 201)
    await world.jobs()
    await world.later(3600)
    again = ok(await balcony.push(pm(10, t=sold)), 201)
    assert again["submissions"] == [] and "pm25" in again["passed"][0]["detail"]
    both = ok(await balcony.push(pm(10, t=sold), pm(11, t=0)), 201)["submissions"]
    judged = ok(await ada.get(f"/v1/submissions/{both[0]['submission_id']}"))
    assert [each["v"] for each in judged["readings"]] == [11]


@pytest.mark.parametrize("wrong", ["missing", "another's", "of another body", "of another device", "not base64"])
async def test_what_the_device_has_not_signed_is_refused(world: World, ada: Caller, bo: Caller, wrong: str) -> None:
    await standing_task(ada)
    balcony, other = await instrument(bo), await instrument(bo)
    body = json.dumps({"sequence": 1, "readings": [pm(10)]}).encode()
    stolen = Instrument(bo, balcony.id, other.key)
    signature = {
        "missing": "", "another's": stolen.signed(body), "of another body": balcony.signed(body + b" "),
        "of another device": other.signed(body), "not base64": "é" * 20,
    }[wrong]  # fmt: skip
    headers = {"content-type": "application/json", "device-signature": signature.encode("latin-1")}
    refused = await bo.post(f"/v1/devices/{balcony.id}/observations", content=body, headers=headers)
    assert is_problem(refused, 422, "validation")["errors"][0]["pointer"] == "/device-signature"
    assert len(ok(await balcony.push(pm(10)), 201)["submissions"]) == 1  # and the number is not used up


async def test_a_batch_that_came_already_is_no_new_one(world: World, ada: Caller, bo: Caller) -> None:
    await standing_task(ada, standing={"every_s": 60})
    balcony = await instrument(bo)
    once = await balcony.push(pm(10), sequence=5, **{"idempotency-key": "k"})
    again = await balcony.push(pm(10), sequence=5, **{"idempotency-key": "k"})
    # The time in the body is another: the same key for another batch.
    assert ok(once, 201) and is_problem(again, 422, "idempotency-key-reused")
    is_problem(await balcony.push(pm(10), sequence=5), 409, "wrong-state")
    is_problem(await balcony.push(pm(10), sequence=4), 409, "wrong-state")
    ok(await balcony.push(pm(10), sequence=6), 201)


async def test_a_device_answers_where_it_stands(world: World, ada: Caller, bo: Caller) -> None:
    task = await standing_task(ada)
    anywhere = await standing_task(ada, place=None, acceptance={"checks": ["readings"]})
    far = await instrument(bo, lat=48.1)
    pushed = ok(await far.push(pm(10)), 201)
    assert [each["task_id"] for each in pushed["submissions"]] == [anywhere["id"]] != [task["id"]]


async def test_what_cannot_serve_a_task_is_told_and_costs_nothing(world: World, ada: Caller, bo: Caller) -> None:
    task = await standing_task(ada)
    balcony = await instrument(bo)
    pushed = ok(await balcony.push({**pm(10), "u": "Cel"}), 201)
    assert pushed["submissions"] == [] and [each["task_id"] for each in pushed["passed"]] == [task["id"]]
    assert ok(await ada.get(f"/v1/tasks/{task['id']}"))["slots"]["claimed"] == 0
    assert is_problem(await balcony.push({"n": "pm25", "v": "x"}), 422, "validation")["errors"][0]["pointer"] == (
        "/readings/0"
    )


async def test_who_pays_to_be_the_only_one_gets_the_batch_alone(world: World, ada: Caller, bo: Caller) -> None:
    await standing_task(ada)
    alone = await standing_task(
        ada, reward={"amount": 900, "currency": "usd"}, license={"exclusive_s": 3600, "resale": True}
    )
    balcony = await instrument(bo)
    pushed = ok(await balcony.push(pm(10)), 201)
    assert [each["task_id"] for each in pushed["submissions"]] == [alone["id"]]


async def test_nobody_pushes_for_anothers_device(world: World, ada: Caller, bo: Caller) -> None:
    cleo = await person(world, "Cleo")
    balcony = await instrument(bo)
    is_problem(await Instrument(cleo, balcony.id, balcony.key).push(pm(10)), 404, "not-found")


async def test_people_may_answer_a_standing_task_once_a_round_too(world: World, ada: Caller, bo: Caller) -> None:
    task = await standing_task(ada)
    claimed = ok(await bo.post(f"/v1/people/tasks/{task['id']}/claims", {**BAKERY, "accuracy_m": 5}), 201)
    near = ok(await bo.get("/v1/people/tasks", params=BAKERY))["items"]
    assert near == []  # the round is taken
    ok(await bo.post(f"/v1/people/claims/{claimed['id']}/submission", {"readings": [pm(9)]}), 201)
    await world.jobs()
    await world.later(3600)
    again = ok(await bo.get("/v1/people/tasks", params=BAKERY))["items"]
    assert [each["id"] for each in again] == [task["id"]]


async def test_a_round_cannot_buy_more_than_there_is(world: World, ada: Caller) -> None:
    refused = await ada.post("/v1/tasks", a_task(standing={"every_s": 60, "per_round": 2}))
    assert is_problem(refused, 422, "validation")["errors"][0]["pointer"] == "/standing/per_round"
