"""What devices push: signed batches of readings, bought by the standing tasks that ask for them."""

from datetime import datetime
from typing import Any

import msgspec
from litestar.handlers import HTTPRouteHandler

from app import judging
from app.auth import PERSON
from app.db import EVENTS, wake
from app.edge import Call, endpoint
from app.errors import FieldError, Problem
from app.routes.devices import refused, signature_of
from market import clock, devices, ids, standing
from market.errors import Invalid, SlotTaken
from market.submissions import Answering
from sensors import senml, signatures
from sensors.readings import last_segment

BATCH_LIMIT = 512_000
VALUES = ("v", "vs", "vb")


class Answered(msgspec.Struct, frozen=True):
    """A standing task that the batch was handed in to; `submission_id` leads to its verdict."""

    task_id: str
    submission_id: str


class Passed(msgspec.Struct, frozen=True):
    """A standing task that asks for these quantities and could not take the batch, and why."""

    task_id: str
    detail: str


class BatchTaken(msgspec.Struct, frozen=True):
    """What became of a batch. Both lists empty: nobody asks for these quantities at this place now."""

    device_id: str
    sequence: int
    submissions: list[Answered]
    passed: list[Passed]


@endpoint(
    "POST", "/v1/devices/{device_id}/observations", by=PERSON, once=True, status=201, limit=BATCH_LIMIT,
    problems=("wrong-state", "validation", "not-found"),
    example={"sequence": 17, "readings": [{"n": "pm25", "u": "ug/m3", "v": 12.5, "t": 1764075600}]},
)  # fmt: skip
async def push_observations(call: Call, device_id: str, data: standing.Batch) -> BatchTaken:
    """Push a batch of readings from a registered device.

    The header `Device-Signature` holds the device's signature (ECDSA P-256 over SHA-256, the 64 bytes r and s in
    base64url) over three lines joined by a newline: `sensorium batch 1`, the device's id, the body's SHA-256 in
    hexadecimal. `sequence` must be higher than that of every batch before. Standing tasks that ask for these quantities
    where the device stands buy them: each gets the samples of what it asks, measured since the device's last answer to
    it, and pays as for any answer once they are judged.
    """
    device = await devices.owned(call.connection, call.actor.owner, device_id)
    if device.revoked_at is not None:
        raise Invalid("This device's key was revoked.")
    body = await call.request.body()
    signature = signature_of(call)
    said = signatures.spoken_for("sensorium batch 1", device_id, body)
    if not signatures.verify(device.public_key, said, signature):
        raise refused("The signature is not this device's over this body.")
    now = await clock.now(call.connection)
    pack = _resolved(data, now)
    await standing.count(call.connection, device.id, data.sequence)
    found = await standing.wanted(
        call.connection, call.actor.owner, device.id, device.place, sorted({last_segment(each["n"]) for each in pack})
    )
    taken, passed = await _hand_in(call, device, data.sequence, pack, found, now, body, signature)
    wake(EVENTS)
    return BatchTaken(device_id, data.sequence, taken, passed)


async def _hand_in(
    call: Call,
    device: devices.Device,
    sequence: int,
    pack: list[dict[str, Any]],
    found: list[standing.Wanted],
    now: datetime,
    body: bytes,
    signature: bytes,
) -> tuple[list[Answered], list[Passed]]:
    """The batch to each task that can take it; the first to do so keeps the batch as it was signed."""
    taken: list[Answered] = []
    passed: list[Passed] = []
    # In the order of their ids, as everywhere: two batches at once never wait for each other in a ring.
    for task in sorted(found, key=lambda each: each.id):
        public = ids.show("task", task.id)
        # Whoever pays for one quantity gets no other, and nothing twice.
        asked = {each.name for each in task.evidence.readings}
        own = [each for each in pack if each["t"] > task.since.timestamp() and last_segment(each["n"]) in asked]
        try:
            judging.require_fitting(Answering(readings=own), task.evidence, now)
            async with call.connection.transaction():
                if not taken:
                    await standing.keep(call.connection, device.id, sequence, body, signature)
                submission = await standing.answer(call.connection, call.actor.owner, device.id, sequence, task, own)
        except Problem as problem:
            passed.append(Passed(public, (problem.errors or [FieldError("", problem.detail)])[0].detail))
            continue
        except SlotTaken as refusal:
            passed.append(Passed(public, refusal.detail))
            continue
        await judging.ask_for(call.connection, submission)
        taken.append(Answered(public, ids.show("submission", submission)))
    return taken, passed


def _resolved(batch: standing.Batch, now: datetime) -> list[dict[str, Any]]:
    """The batch in SenML's normalised form, what holds no value left out."""
    try:
        return [each for each in senml.resolved(batch.readings, now) if not each.keys().isdisjoint(VALUES)]
    except senml.BadReadings as error:
        where = "/readings" if error.record is None else f"/readings/{error.record}"
        raise Problem(
            "validation", "The readings are no SenML pack.", errors=[FieldError(where, f"{error}.")]
        ) from None


ROUTES: list[HTTPRouteHandler] = [push_observations]
