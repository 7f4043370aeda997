"""What a buyer holds in hand of an observation: verifiable without the market, and telling of whatever was altered."""

from __future__ import annotations

import copy
import hashlib
import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import commands
from app.receipts import issue_due, sealed
from market import ids
from sensors.receipt import Finding, genuine, verify
from tests.app.conftest import (
    Caller,
    Json,
    World,
    a_task,
    agent,
    claim,
    is_problem,
    ok,
    person,
    photo,
    picture,
    post_task,
    submit,
)
from tests.app.phone import phone
from tests.app.test_device_observations import instrument, pm, standing_task
from tests.keys import Key, base64url


async def bought(ada: Caller, bo: Caller, content: bytes, **task: object) -> tuple[bytes, bytes]:
    """Ada's receipt of a photo that Bo signed, and the market's key."""
    pixel = await phone(bo)
    claimed = await claim(bo, await post_task(ada, **task))
    await pixel.capture(claimed, content, frames=2)
    await submit(bo, claimed)
    await ada.world.jobs()
    observation = ok(await ada.get("/v1/observations"))["items"][0]["id"]
    receipt = await ada.get(f"/v1/observations/{observation}/receipt")
    assert receipt.status_code == 200, receipt.text
    key = ok(await ada.world.client.get("/v1/keys/receipts"))["public_key"]
    return receipt.content, bytes.fromhex(key)


async def test_a_receipt_verifies_on_the_downloaded_files_alone(ada: Caller, bo: Caller) -> None:
    content = picture(41)
    receipt, key = await bought(ada, bo, content)
    found = verify(receipt, [content], key)
    assert genuine(found) and [each.what for each in found] == ["market", "capture 1", "photo 1"]
    assert bo.id not in receipt.decode()
    laid_out = json.dumps(json.loads(receipt), indent=2).encode()
    assert genuine(verify(laid_out, [content], key))
    assert [each.ok for each in verify(receipt, [], key)] == [True, True, None]


async def test_a_receipt_stays_as_it_was_made(world: World, ada: Caller, bo: Caller) -> None:
    receipt, _ = await bought(ada, bo, picture(42))
    observation = ok(await ada.get("/v1/observations"))["items"][0]["id"]
    await world.later(100_000)
    assert (await ada.get(f"/v1/observations/{observation}/receipt")).content == receipt


async def test_what_the_buyer_or_the_deadline_accepts_has_one_too(world: World, ada: Caller, bo: Caller) -> None:
    for by in ("buyer", "deadline"):
        pixel = await phone(bo)
        claimed = await claim(bo, await post_task(ada, acceptance={"mode": "manual", "checks": ["live"]}))
        await pixel.capture(claimed)
        submitted = await submit(bo, claimed)
        await world.jobs()
        if by == "buyer":
            ok(await ada.post(f"/v1/submissions/{submitted['id']}/accept", {}))
        else:
            await world.later(10 * 86_400)
        observation = ok(await ada.get("/v1/observations"))["items"][0]["id"]
        told = ok(await ada.get(f"/v1/observations/{observation}/receipt"))["content"]
        assert told["accepted_by"] == by and told["submission"] == submitted["id"]


async def test_a_receipt_is_the_buyers_alone(world: World, ada: Caller, bo: Caller) -> None:
    await bought(ada, bo, picture(43))
    cy = await agent(world, "Cy")
    observation = ok(await ada.get("/v1/observations"))["items"][0]["id"]
    is_problem(await cy.get(f"/v1/observations/{observation}/receipt"), 404, "not-found")


async def test_an_observation_without_photos_has_a_receipt(world: World, ada: Caller, bo: Caller) -> None:
    question = {"id": "open", "type": "number"}
    asked = a_task(kind="action", evidence={"questions": [question]}, acceptance={"checks": [], "min_score": 0.1})
    claimed = await claim(bo, ok(await ada.post("/v1/tasks", asked), 201))
    await submit(bo, claimed, answers={"open": 2**60})
    await world.jobs()
    observation = ok(await ada.get("/v1/observations"))["items"][0]["id"]
    receipt = (await ada.get(f"/v1/observations/{observation}/receipt")).content
    key = bytes.fromhex(ok(await world.client.get("/v1/keys/receipts"))["public_key"])
    assert [(each.what, each.ok) for each in verify(receipt, [], key)] == [("market", True)]


async def test_a_receipt_that_cannot_be_made_stops_neither_its_sale_nor_the_others(
    world: World, ada: Caller, bo: Caller
) -> None:
    """What no canonical form has came in before the door looked at it; the buyer accepts it all the same."""
    cleo = await person(world, "Cleo")
    manual = {"mode": "manual", "checks": ["fresh"], "review_deadline_s": 3600}
    submitted = []
    for who in (bo, bo, cleo):
        claimed = await claim(who, await post_task(ada, acceptance=manual, place=None))
        ok(await photo(who, claimed))
        submitted.append((await submit(who, claimed))["id"])
    await world.jobs()
    async with world.services.database.transaction() as connection:
        for each in submitted[:2]:
            await connection.execute(
                "UPDATE submission SET readings = ('[{\"x\": 1' || repeat('0', 400) || '}]')::jsonb WHERE id = $1",
                ids.read("submission", each),
            )  # fmt: skip
    ok(await ada.post(f"/v1/submissions/{submitted[0]}/accept", {}))
    await world.later(3700)  # the deadline accepts the others, and the sweep makes their receipts
    await issue_due(world.services)
    for observed in ok(await ada.get("/v1/observations"))["items"]:
        answered = await ada.get(f"/v1/observations/{observed['id']}/receipt")
        assert answered.status_code == (200 if observed["submission_id"] == submitted[2] else 409), answered.text
    assert len(ok(await ada.get("/v1/observations"))["items"]) == 3


async def pushed(world: World, ada: Caller, bo: Caller) -> tuple[Json, bytes, str]:
    """Ada's receipt of a sample of Bo's instrument, the market's key, and the body that was signed."""
    await standing_task(ada)
    balcony = await instrument(bo)
    body = json.dumps({"sequence": 7, "readings": [pm(12.5), {"n": "co2", "u": "ppm", "v": 451}], "salt": "x" * 20})
    headers = {"content-type": "application/json", "device-signature": balcony.signed(body.encode())}
    ok(await bo.post(f"/v1/devices/{balcony.id}/observations", content=body, headers=headers), 201)
    await world.jobs()
    observation = ok(await ada.get("/v1/observations"))["items"][0]["id"]
    receipt = ok(await ada.get(f"/v1/observations/{observation}/receipt"))
    assert receipt["content"]["batch"]["device"] == balcony.id
    return receipt, bytes.fromhex(ok(await world.client.get("/v1/keys/receipts"))["public_key"]), body


async def test_a_receipt_of_a_batch_has_what_the_device_signed_and_nothing_else_of_it(
    world: World, ada: Caller, bo: Caller, tmp_path: Path
) -> None:
    receipt, key, body = await pushed(world, ada, bo)
    found = verify(json.dumps(receipt).encode(), [], key)
    assert genuine(found) and [each.what for each in found] == ["market", "batch"]
    batch = receipt["content"]["batch"]
    assert (batch["sequence"], batch["sha256"]) == (7, hashlib.sha256(body.encode()).hexdigest())
    # The other quantity of the batch is nowhere, and its buyer cannot try which it was: the body has a salt.
    assert "co2" not in json.dumps(receipt) and "451" not in json.dumps(ok(await ada.get("/v1/observations")))
    (tmp_path / "receipt.json").write_text(json.dumps(receipt))
    told = CliRunner().invoke(commands, ["verify-receipt", str(tmp_path / "receipt.json"), "--key", key.hex()])
    assert told.exit_code == 0 and "signed batch 7" in told.output, told.output


@pytest.mark.parametrize("field", ["device", "sha256", "signature", "public_key"])
async def test_even_the_market_cannot_alter_whose_batch_it_was(
    world: World, ada: Caller, bo: Caller, field: str
) -> None:
    receipt, key, _ = await pushed(world, ada, bo)
    altered = receipt["content"]
    altered["batch"][field] = {"signature": base64url(b"\1" * 64), "public_key": base64url(Key().point)}.get(
        field, "ab"
    )
    again = sealed(altered, world.services.config.secret_key)
    forged = {**receipt, "content": altered, "signature": again.signature.hex()}
    assert wrong(verify(json.dumps(forged).encode(), [], key)) == {"batch"}


async def test_receipts_of_before_batches_and_of_people_have_none(ada: Caller, bo: Caller) -> None:
    receipt, key = await bought(ada, bo, picture(49))
    content = json.loads(receipt)["content"]
    assert content.pop("batch") is None
    again = sealed(content, ada.world.services.config.secret_key)
    older = {**json.loads(receipt), "content": content, "signature": again.signature.hex()}
    assert genuine(verify(json.dumps(older).encode(), [picture(49)], key))


def wrong(found: list[Finding]) -> set[str]:
    return {each.what for each in found if each.ok is False}


ALTERATIONS: dict[str, Callable[[Json], object]] = {
    "task": lambda c: c.update(task="task_" + "0" * 32),
    "accepted_at": lambda c: c.update(accepted_at="2020-01-01T00:00:00Z"),
    "photo": lambda c: c["photos"][0].update(sha256="00" * 32),
    "score": lambda c: c["verdict"].update(score=1.0),
    "position": lambda c: c["photos"][0]["capture"]["statement"].update(lat=1.0),
    "signature": lambda c: c["photos"][0]["capture"].update(signature=base64url(b"\1" * 64)),
    "capture gone": lambda c: c["photos"][0].update(capture=None),
}


@pytest.mark.parametrize("name", ALTERATIONS)
async def test_an_altered_receipt_says_so(ada: Caller, bo: Caller, name: str) -> None:
    content = picture(44)
    receipt, key = await bought(ada, bo, content)
    altered = json.loads(receipt)
    ALTERATIONS[name](altered["content"])
    assert "market" in wrong(verify(json.dumps(altered).encode(), [content], key))


@pytest.mark.parametrize("name", ["photo", "position", "signature"])
async def test_even_the_market_cannot_alter_what_a_device_signed(ada: Caller, bo: Caller, name: str) -> None:
    content = picture(45)
    receipt, key = await bought(ada, bo, content)
    altered = copy.deepcopy(json.loads(receipt)["content"])
    ALTERATIONS[name](altered)
    again = sealed(altered, ada.world.services.config.secret_key)
    forged = {
        "content": altered, "signature": again.signature.hex(), "public_key": again.public_key.hex(),
        "algorithm": "Ed25519",
    }  # fmt: skip
    found = verify(json.dumps(forged).encode(), [content], key)
    assert "market" not in wrong(found) and "capture 1" in wrong(found)


async def test_another_photo_another_key_and_what_is_no_receipt(ada: Caller, bo: Caller) -> None:
    content = picture(46)
    receipt, key = await bought(ada, bo, content)
    assert wrong(verify(receipt, [content + b"\0"], key)) == {"file 1"}
    assert wrong(verify(receipt, [content], Key().point[1:33])) == {"market"}
    for nothing in (b"", b"{}", b"[" * 100_000, receipt[:-9], receipt.replace(b'"Ed25519"', b'"none"')):
        assert wrong(verify(nothing, [content], key)) == {"receipt"}


async def test_the_command_needs_no_server(ada: Caller, bo: Caller, tmp_path: Path) -> None:
    content = picture(47)
    receipt, key = await bought(ada, bo, content)
    (tmp_path / "receipt.json").write_bytes(receipt)
    (tmp_path / "a.jpg").write_bytes(content)
    (tmp_path / "b.jpg").write_bytes(picture(48))
    run = ["verify-receipt", str(tmp_path / "receipt.json"), "--key", key.hex(), "--photo"]
    good = CliRunner().invoke(commands, [*run, str(tmp_path / "a.jpg")])
    assert good.exit_code == 0 and "byte for byte" in good.output, good.output
    bad = CliRunner().invoke(commands, [*run, str(tmp_path / "b.jpg")])
    assert bad.exit_code == 1 and "WRONG" in bad.output
    assert CliRunner().invoke(commands, [*run[:3], "ab", "--photo", str(tmp_path / "a.jpg")]).exit_code == 1


async def test_a_copy_is_told_to_be_one(ada: Caller, bo: Caller, tmp_path: Path) -> None:
    receipt, _ = await bought(ada, bo, picture(49))
    seen = ok(await ada.get("/v1/observations"))["items"][0]
    copied = await ada.get(seen["photos"][0]["links"]["full"])
    digest = f"sha-256=:{b64encode(hashlib.sha256(copied.content).digest()).decode()}:"
    assert copied.headers["content-digest"] == digest
    assert hashlib.sha256(copied.content).hexdigest() != seen["photos"][0]["sha256"]
    assert seen["photos"][0]["sha256"] == json.loads(receipt)["content"]["photos"][0]["sha256"]
    (tmp_path / "receipt.json").write_bytes(receipt)
    (tmp_path / "full.jpg").write_bytes(copied.content)
    (tmp_path / "key.json").write_bytes((await ada.world.client.get("/v1/keys/receipts")).content)
    run = ["verify-receipt", str(tmp_path / "receipt.json"), "--key"]
    told = CliRunner().invoke(commands, [*run, str(tmp_path / "key.json"), "--photo", str(tmp_path / "full.jpg")])
    assert told.exit_code == 1 and "Copies" in told.output and "variant=original" in told.output, told.output


async def test_the_original_has_the_hash_that_the_observation_names(ada: Caller, bo: Caller) -> None:
    content = picture(50)
    photos = {"min": 1, "live_capture": True, "originals": True}
    await bought(ada, bo, content, evidence={**a_task()["evidence"], "photos": photos})
    seen = ok(await ada.get("/v1/observations"))["items"][0]["photos"][0]
    came = await ada.get(seen["links"]["original"])
    assert came.content == content and hashlib.sha256(content).hexdigest() == seen["sha256"]
    assert came.headers["content-digest"] == f"sha-256=:{b64encode(hashlib.sha256(content).digest()).decode()}:"


async def test_the_key_may_be_the_markets_own_answer(world: World, ada: Caller, bo: Caller, tmp_path: Path) -> None:
    receipt, key = await bought(ada, bo, picture(51))
    (tmp_path / "receipt.json").write_bytes(receipt)
    answer = (await world.client.get("/v1/keys/receipts")).text
    (tmp_path / "key.json").write_text(answer)
    (tmp_path / "key.hex").write_text(f"{key.hex()}\n")
    run = ["verify-receipt", str(tmp_path / "receipt.json"), "--key"]
    for given in (key.hex(), answer, str(tmp_path / "key.json"), str(tmp_path / "key.hex")):
        told = CliRunner().invoke(commands, [*run, given])
        assert told.exit_code == 0, told.output
    for given in ("{}", "[1]", '{"public_key": 3}', '{"public_key": "ab"}', "nowhere.json", "{"):
        told = CliRunner().invoke(commands, [*run, given])
        assert told.exit_code == 1 and "--key is 64 hexadecimal digits" in told.output, told.output
