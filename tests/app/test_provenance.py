"""Whose signed pictures are trusted is a setting that reaches the children; what cameras write is learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app import config as configuration
from app.config import BadSetting, Config
from app.decode_pool import DecodePool
from app.services import anchors
from market import ids
from sensors.jpeg import read_header
from tests.app.conftest import Caller, World, answer, ok, person, post_task
from tests.sensors.pictures import encoded, photo, scene, short, text, tiff
from tests.sensors.signer import maker, signed


@pytest.fixture
def load(tmp_path: Path) -> Any:
    def body(file: Path) -> Config:
        return configuration.load({"SENSORIUM_DATA_DIR": str(tmp_path), "SENSORIUM_C2PA_ANCHORS": str(file)})

    return body


async def test_a_signature_is_trusted_by_the_children_that_were_given_its_anchor(load: Any, tmp_path: Path) -> None:
    file = tmp_path / "anchors.pem"
    file.write_text(maker(2).anchor + maker().anchor)
    given = anchors(load(file))
    file.unlink()
    data = signed(photo(), maker())
    async with DecodePool(workers=1, anchors=given) as knowing, DecodePool(workers=1) as other:
        assert (await knowing.inspect(data)).provenance.state == "trusted"
        assert (await other.inspect(data)).provenance.state == "valid"


async def test_a_broken_signature_is_no_crash(load: Any) -> None:
    data = bytearray(signed(photo(), maker()))
    data[-100] ^= 1
    async with DecodePool(workers=1) as pool:
        assert (await pool.inspect(bytes(data))).provenance.state == "invalid"


@pytest.mark.parametrize(
    "content",
    [b"", b"no certificate", b"\xff\xfe", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"],
)
def test_a_file_of_anchors_that_is_wrong_stops_the_start(load: Any, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "anchors.pem"
    with pytest.raises(BadSetting, match="SENSORIUM_C2PA_ANCHORS must be a file of PEM certificates"):
        load(file)
    file.write_bytes(content)
    with pytest.raises(BadSetting, match="SENSORIUM_C2PA_ANCHORS must be a file of PEM certificates"):
        load(file)


def claiming(seed: int, quality: int = 90) -> bytes:
    """A photo that says a Plover P3 took it."""
    block = tiff([text(0x010F, "Plover"), text(0x0110, "P3"), short(0x0112, 1)])
    return encoded(scene(640, 480, seed), quality=quality, exif=block)


async def test_accepted_photos_teach_the_market_what_a_camera_writes(world: World, ada: Caller, bo: Caller) -> None:
    rules = {"mode": "auto", "checks": [], "min_score": 0.0}
    task = await post_task(ada, acceptance=rules, quantity=5)
    seen = ok(await bo.get(f"/v1/people/submissions/{(await answer(bo, task, claiming(1)))['id']}"))
    assert seen["status"] == "accepted"
    async with world.services.database.read() as connection:
        rows = await connection.fetch("SELECT * FROM camera_trait")
        assert [(row["make"], row["model"], row["photos"]) for row in rows] == [("Plover", "P3", 1)]
        assert await connection.fetchval("SELECT count(*) FROM photo_camera") == 0


async def test_a_photo_unlike_its_camera_is_a_signal_to_the_buyer(world: World, ada: Caller, bo: Caller) -> None:
    rules = {"mode": "manual", "checks": ["unedited"], "min_score": 0.0}
    usual = read_header(claiming(1))
    assert usual is not None
    tables = bytes.fromhex(usual.traits.tables)
    for name in ("dee", "eve", "fay"):
        other = await person(world, name)
        async with world.services.database.transaction() as connection:
            await connection.execute(
                "INSERT INTO camera_trait VALUES ('Plover', 'P3', $1, $2, 9, market_now(), market_now())",
                tables,
                ids.read("person", other.id),
            )
    for content, status in ((claiming(1), "pass"), (claiming(2, quality=71), "warn")):
        task = await post_task(ada, acceptance=rules)
        seen = ok(await bo.get(f"/v1/people/submissions/{(await answer(bo, task, content))['id']}"))
        (check,) = (each for each in seen["verdict"]["checks"] if each["name"] == "unedited")
        assert check["status"] == status and seen["status"] == "needs_review"
