"""Devices: a key is enrolled by whoever shows that they hold it, once, and is theirs until they revoke it."""

from __future__ import annotations

from typing import Any

import pytest

from market import devices
from tests.app.conftest import BAKERY, Caller, World, is_problem, ok, person
from tests.app.phone import enrol
from tests.keys import Key, base64url

PM = {"quantity": "pm25", "unit": "ug/m3", "calibration": {"gain": 1.02, "date": "2026-03-31", "certificate": "C 7"}}


async def test_bo_enrols_a_device_and_sees_it(world: World, bo: Caller) -> None:
    key = Key()
    made = ok(await enrol(bo, key, kind="sensor", place=BAKERY, altitude_m=34.0, sensors=[PM]), 201)
    assert made["public_key"] == base64url(key.point) and made["place"] == BAKERY and made["revoked_at"] is None
    assert made["sensors"] == [{**PM, "calibration": {**PM["calibration"], "offset": 0.0}}]
    assert ok(await bo.get("/v1/devices"))["items"] == [made] == [ok(await bo.get(f"/v1/devices/{made['id']}"))]
    assert [each["type"] for each in ok(await bo.get("/v1/events"))["items"]][-1:] == ["device.enrolled"]


async def test_a_key_may_come_as_webcrypto_exports_it(bo: Caller) -> None:
    key = Key()
    assert ok(await enrol(bo, key, public_key=key.jwk()), 201)["public_key"] == base64url(key.point)
    private = {**Key().jwk(), "d": "AAAA"}
    refused = is_problem(await enrol(bo, key, public_key=private), 422, "validation")
    assert refused["errors"][0]["pointer"] == "/public_key/d"


async def test_a_key_is_shown_to_be_held_by_who_enrols_it(world: World, bo: Caller) -> None:
    key, other = Key(), Key()
    cleo = await person(world, "Cleo")
    for refused in (
        await enrol(bo, key, signer=other),
        await enrol(cleo, key, person=bo.id),  # a proof made for Bo
        await bo.post("/v1/devices", {"name": "x", "kind": "phone", "public_key": base64url(key.point)}),
    ):
        assert is_problem(refused, 422, "validation")["errors"][0]["pointer"] == "/device-signature"
    assert ok(await bo.get("/v1/devices"))["items"] == []


async def test_a_key_has_one_owner_for_ever(world: World, bo: Caller) -> None:
    key, cleo = Key(), await person(world, "Cleo")
    made = ok(await enrol(bo, key), 201)
    ok(await bo.delete(f"/v1/devices/{made['id']}"), 204)
    ok(await bo.delete(f"/v1/devices/{made['id']}"), 204)  # again: nothing more happens
    assert ok(await bo.get(f"/v1/devices/{made['id']}"))["revoked_at"]
    for caller in (bo, cleo):
        assert is_problem(await enrol(caller, key), 422, "validation")["errors"][0]["pointer"] == "/public_key"
    revoked = [each for each in ok(await bo.get("/v1/events"))["items"] if each["type"] == "device.revoked"]
    assert len(revoked) == 1


async def test_anothers_device_does_not_exist(world: World, bo: Caller) -> None:
    cleo = await person(world, "Cleo")
    made = ok(await enrol(bo, Key()), 201)
    is_problem(await cleo.get(f"/v1/devices/{made['id']}"), 404, "not-found")
    is_problem(await cleo.delete(f"/v1/devices/{made['id']}"), 404, "not-found")
    assert ok(await bo.get(f"/v1/devices/{made['id']}"))["revoked_at"] is None


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"public_key": base64url(b"\x04" + b"\x01" * 64)}, "/public_key"),  # not on the curve
        ({"public_key": base64url(Key().point[:33])}, "/public_key"),
        ({"public_key": "§" * 20}, "/public_key"),
        ({"kind": "toaster"}, "/kind"),
        ({"sensors": [{"quantity": "pm25", "unit": "furlong"}]}, "/sensors/0/unit"),
        ({"sensors": [{"quantity": "pm25", "unit": "Cel"}]}, "/sensors/0/unit"),
        ({"sensors": [PM, {"quantity": "pm25", "unit": "mg/m3"}]}, "/sensors/1/quantity"),
        ({"sensors": [{**PM, "calibration": {"gain": 0, "date": "2026-03-31"}}]}, "/sensors/0/calibration/gain"),
        ({"place": {"lat": 91, "lon": 0}}, "/place/lat"),
    ],
)
async def test_what_is_no_device_is_refused_by_its_field(bo: Caller, given: dict[str, Any], pointer: str) -> None:
    refused = is_problem(await enrol(bo, Key(), **given), 422, "validation")
    assert [each["pointer"] for each in refused["errors"]] == [pointer]


async def test_there_is_an_end_to_how_many_devices_one_may_have(bo: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "MOST_DEVICES", 2)
    made = [ok(await enrol(bo, Key()), 201) for _ in range(2)]
    is_problem(await enrol(bo, Key()), 409, "wrong-state")
    ok(await bo.delete(f"/v1/devices/{made[0]['id']}"), 204)
    ok(await enrol(bo, Key()), 201)
