"""What devices push: signed batches of readings, bought by the standing tasks that ask for them."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from litestar.handlers import HTTPRouteHandler

from app import batches, judging
from app.auth import PERSON
from app.db import EVENTS, wake
from app.edge import Call, endpoint
from app.errors import FieldError, Problem
from app.request_headers import DEVICE_SIGNATURE
from app.routes.devices import refused, signature_of
from market import clock, devices, ids, standing
from market.errors import AlreadyAnswered, Invalid, SlotTaken
from sensors import senml, signatures

BATCH_LIMIT = 512_000
VALUES = ("v", "vs", "vb")


class Signed(NamedTuple):
    """A batch as its device signed it. signature: 64 bytes, r and s."""

    device: UUID
    sequence: int
    body: bytes
    signature: bytes


class Answered(msgspec.Struct, frozen=True):
    """A standing task that the batch was handed in to; `submission_id` leads to its verdict."""

    task_id: str
    submission_id: str


class Passed(msgspec.Struct, frozen=True):
    """A standing task that asks for these quantities and could not take the batch, and why.

    again_at: when its next round begins, where it cannot be answered before.
    """

    task_id: str
    detail: str
    again_at: datetime | None


class BatchTaken(msgspec.Struct, frozen=True):
    """What became of a batch. Both lists empty: no standing task asks for these quantities at this place now."""

    device_id: str
    sequence: int
    submissions: list[Answered]
    passed: list[Passed]


@endpoint(
    "POST", "/v1/devices/{device_id}/observations", by=PERSON, once=True, status=201, limit=BATCH_LIMIT,
    problems=("wrong-state", "validation", "not-found"),
    headers=(DEVICE_SIGNATURE,),
    example={"sequence": 17, "readings": [{"n": "pm25", "u": "ug/m3", "v": 12.5, "t": 1764075600}]},
)  # fmt: skip
async def push_observations(call: Call, device_id: str, data: standing.Batch) -> BatchTaken:
    """Push a batch of readings from a registered device.

    The header `Device-Signature` holds the device's signature (ECDSA P-256 over SHA-256, the 64 bytes r and s in
    base64url) over three lines joined by a newline: `sensorium batch 1`, the device's id, the body's SHA-256 in
    hexadecimal. `sequence` must be higher than that of every batch before. Standing tasks that ask for these quantities
    where the device stands buy them: each gets the samples of what it asks, measured since it opened, at most one round
    ago, and after what the device has sold to it before; it pays as for any answer once they are judged. Whoever pays
    to be the only one (`license`) gets samples that nobody has, and nobody else gets those. `passed` says of each other
    task that asks for it why it could not take the batch. No sample may be of more than 60 s from now. With a random
    `salt` in the body, whoever buys some of a batch cannot find out the rest by its hash.
    """
    device = await devices.owned(call.connection, call.actor.owner, device_id)
    if device.revoked_at is not None:
        raise Invalid("This device's key was revoked.")
    body = await call.request.body()
    signature = signature_of(call)
    said = signatures.spoken_for(signatures.BATCH, device_id, body)
    if not signatures.verify(device.public_key, said, signature):
        raise refused("The signature is not this device's over this body.")
    now = await clock.now(call.connection)
    pack = _resolved(data, now)
    await standing.count(call.connection, device.id, data.sequence)
    names = batches.candidates(pack)
    found = await standing.wanted(call.connection, call.actor.owner, device.id, device.place, names)
    sold = await standing.sold(call.connection, device.id, names)
    planned = list(batches.plan(found, pack, sold, now))
    signed = Signed(device.id, data.sequence, body, signature)
    taken, passed = await _hand_in(call, signed, [each for each in planned if each.sale is not None])
    passed += [_passed(each.task, each.detail) for each in planned if each.sale is None]
    wake(EVENTS)
    return BatchTaken(device_id, data.sequence, taken, passed)


async def _hand_in(call: Call, batch: Signed, planned: list[batches.Planned]) -> tuple[list[Answered], list[Passed]]:
    """The batch to each task that is to get some of it; the first to take it keeps the batch as it was signed."""
    taken: list[Answered] = []
    passed: list[Passed] = []
    # In the order of their ids, as everywhere: two batches at once never wait for each other in a ring.
    for task, sale, _ in sorted(planned, key=lambda each: each.task.id):
        assert sale is not None
        try:
            async with call.connection.transaction():
                if not taken:
                    await standing.keep(call.connection, batch.device, batch.sequence, batch.body, batch.signature)
                submission = await standing.answer(
                    call.connection, call.actor.owner, batch.device, batch.sequence, task, sale
                )
        except (SlotTaken, AlreadyAnswered) as refusal:
            passed.append(_passed(task, refusal.detail))
            continue
        await judging.ask_for(call.connection, submission)
        taken.append(Answered(ids.show("task", task.id), ids.show("submission", submission)))
    return taken, passed


def _passed(task: standing.Wanted, detail: str) -> Passed:
    return Passed(ids.show("task", task.id), detail, task.again_at)


def _resolved(batch: standing.Batch, now: datetime) -> list[dict[str, Any]]:
    """The batch in SenML's normalised form, what holds no value left out."""
    latest = now + timedelta(seconds=standing.MOST_AHEAD_S)
    try:
        return [each for each in senml.resolved(batch.readings, now, latest) if not each.keys().isdisjoint(VALUES)]
    except senml.BadReadings as error:
        where = "/readings" if error.record is None else f"/readings/{error.record}"
        raise Problem("validation", "The readings cannot be taken.", errors=[FieldError(where, f"{error}.")]) from None


ROUTES: list[HTTPRouteHandler] = [push_observations]
