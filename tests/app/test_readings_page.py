"""What docs/readings.md says may be posted as it stands there."""

import json
import re
from pathlib import Path

from sensors.limits import QUANTITIES
from tests.app.conftest import BAKERY, Caller, World, ok
from tests.app.test_device_observations import instrument, pm

PAGE = (Path(__file__).parents[2] / "docs" / "readings.md").read_text()


async def test_both_examples_are_tasks_and_a_device_answers_the_standing_one(
    world: World, ada: Caller, bo: Caller
) -> None:
    plain, standing = [json.loads(each) for each in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
    ok(await ada.post("/v1/tasks", plain), 201)
    posted = ok(await ada.post("/v1/tasks", standing), 201)
    offered = ok(await bo.get("/v1/people/tasks", params=BAKERY))["items"]
    assert {each["title"] for each in offered} == {plain["title"], standing["title"]}
    balcony = await instrument(bo)
    pushed = ok(await balcony.push(*[pm(12)] * 3, {"n": "relative_humidity", "u": "%RH", "v": 55}), 201)
    assert [each["task_id"] for each in pushed["submissions"]] == [posted["id"]], pushed
    await world.jobs()
    judged = ok(await ada.get(f"/v1/submissions/{pushed['submissions'][0]['submission_id']}"))
    assert judged["status"] == "accepted", judged["verdict"]


def test_every_quantity_is_listed_with_its_unit() -> None:
    listed = re.findall(r"`(\w+)`\s\(([^)\s]+)\)", PAGE[PAGE.index("**Quantities and limits**") :])
    assert dict(listed) == {each.name: each.unit for each in QUANTITIES.values()}
    assert f"**Quantities and limits**: {len(QUANTITIES)}," in PAGE
