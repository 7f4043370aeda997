"""Whoever has an instrument that writes tables sees them as SenML, and hands them in as such."""

from tests.app.conftest import Caller, World, claim, is_problem, ok, post_task, submit

CONVERT = "/v1/people/readings/convert"
CSV = {"content-type": "text/csv"}


async def test_bo_turns_a_table_into_readings_and_hands_them_in(world: World, ada: Caller, bo: Caller) -> None:
    asked = [{"name": "pm25", "unit": "ug/m3", "min_samples": 2}]
    task = await post_task(ada, kind="reading", evidence={"readings": asked}, acceptance={"checks": ["readings"]})
    claimed = await claim(bo, task)
    async with world.services.database.read() as connection:
        now = await connection.fetchval("SELECT extract(epoch FROM market_now())::bigint")
    table = f"time;pm25 (µg/m³)\n{now - 1};12,5\n{now};13,5\n{now};?\n"
    told = ok(await bo.ask("POST", CONVERT, content=table.encode(), headers=CSV))
    assert told["readings"] == [
        {"n": "pm25", "u": "ug/m3", "v": 12.5, "t": now - 1}, {"n": "pm25", "u": "ug/m3", "v": 13.5, "t": now},
    ]  # fmt: skip
    assert told["problems"] == [{"row": 4, "column": "pm25 (µg/m³)", "detail": "'?' is no number."}]
    assert (told["problem_count"], told["missing"]) == (1, 0)
    handed_in = await submit(bo, claimed, answers={}, readings=told["readings"])
    await world.jobs()
    judged = ok(await bo.get(f"/v1/people/submissions/{handed_in['id']}"))
    (check,) = [each for each in judged["verdict"]["checks"] if each["name"] == "readings"]
    assert check["status"] == "pass" and check["data"]["mean"] == 13


async def test_what_is_no_table_is_told_so(ada: Caller, bo: Caller) -> None:
    refused = is_problem(await bo.ask("POST", CONVERT, content=b"nothing", headers=CSV), 422, "validation")
    assert "header" in refused["errors"][0]["detail"]
    is_problem(await bo.ask("POST", CONVERT, content=b"x" * 1_000_001, headers=CSV), 413, "too-large")
    is_problem(
        await bo.ask("POST", CONVERT, content=b"[]", headers={"content-type": "text/html"}), 415, "unsupported-media"
    )
    zone = is_problem(await bo.ask("POST", CONVERT + "?offset_min=900", content=b"", headers=CSV), 422, "validation")
    assert zone["errors"][0]["pointer"] == "/offset_min"
    is_problem(await ada.ask("POST", CONVERT, content=b"", headers=CSV), 403, "forbidden")


async def test_the_offset_serves_times_without_a_zone(bo: Caller) -> None:
    table = b"time,co2 (ppm)\n2026-05-03 14:00,420\n"
    told = ok(await bo.ask("POST", CONVERT + "?offset_min=120", content=table, headers=CSV))
    assert told["readings"] == [{"n": "co2", "u": "ppm", "v": 420, "t": 1777809600}]
