"""The API describes itself: every operation, every refusal, with examples that are what the service takes."""

import json
from typing import Any

import jsonschema

from app.docs import endpoints
from app.errors import PROBLEMS
from tests.app.conftest import Caller, World, ok


async def test_every_operation_is_described_with_its_refusals_and_examples(world: World) -> None:
    document = ok(await world.client.get("/openapi.json"))
    assert document["openapi"] == "3.1.0"
    shown = [spec for spec in endpoints(world.app) if not spec.hidden]
    operations = [op for path in document["paths"].values() for op in path.values()]
    assert len(operations) == len(shown) == len({op["operationId"] for op in operations})
    for spec in shown:
        operation = document["paths"][spec.path][spec.method.lower()]
        assert len(operation["description"]) > 20, spec.name
        assert str(spec.status) in operation["responses"], spec.name
        if spec.by:
            assert {"401", "403"} <= set(operation["responses"]), spec.name
        for parameter in operation["parameters"]:
            assert parameter["description"] and "example" in parameter, (spec.name, parameter["name"])


async def test_examples_fit_their_schemas(world: World) -> None:
    document = ok(await world.client.get("/openapi.json"))
    examples = 0
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
            for media in (each for body in bodies for each in body.get("content", {}).values()):
                if "example" in media:
                    examples += 1
                    schema = {**media["schema"], "components": document["components"]}
                    try:
                        jsonschema.Draft202012Validator(schema).validate(media["example"])
                    except jsonschema.ValidationError as error:
                        raise AssertionError(f"{method} {path}: {error.message} at {error.json_path}") from None
    assert examples > 100


async def test_the_example_of_a_task_can_be_posted(world: World, ada: Caller) -> None:
    document = ok(await world.client.get("/openapi.json"))
    body = document["paths"]["/v1/tasks"]["post"]["requestBody"]["content"]["application/json"]["example"]
    posted: Any = await ada.post("/v1/tasks", json.loads(json.dumps(body)))
    assert posted.status_code == 201, posted.text


async def test_the_example_of_a_key_can_be_posted(world: World, ada: Caller) -> None:
    document = ok(await world.client.get("/openapi.json"))
    example = document["paths"]["/v1/keys"]["post"]["requestBody"]["content"]["application/json"]["example"]
    made = ok(await ada.post("/v1/keys", example), 201)["key"]
    assert made["name"] and made["scopes"] == ["tasks:write", "tasks:read"] and made["max_per_day"] == 5000


async def test_asking_a_model_is_described_both_ways(world: World) -> None:
    document = ok(await world.client.get("/openapi.json"))
    content = document["paths"]["/v1/models/{model_id}/predict"]["post"]["requestBody"]["content"]
    shapes = {}
    for kind, media in content.items():
        schema = document["components"]["schemas"][media["schema"]["$ref"].rsplit("/", 1)[-1]]
        [shapes[kind]] = schema["properties"].items()
        assert media["example"] and schema["required"] == list(schema["properties"])
    assert {kind: name for kind, (name, _) in shapes.items()} == {
        "multipart/form-data": "files", "application/json": "observation_ids",
    }  # fmt: skip
    assert shapes["multipart/form-data"][1]["items"]["format"] == "binary"
    sent = document["paths"]["/v1/models"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert set(sent["example"]) == {"model", "onnx", "weights", "card"}
    assert sent["example"]["model"]["name"] == "bakery-open"


async def test_no_example_of_a_body_is_empty(world: World) -> None:
    document = ok(await world.client.get("/openapi.json"))
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for kind, media in operation.get("requestBody", {}).get("content", {}).items():
                if kind in ("application/json", "multipart/form-data"):
                    assert media["example"] not in ({}, None), f"{method} {path}"
                    assert "" not in media["example"].values(), f"{method} {path}: {media['example']}"


async def test_the_documentation_loads_nothing_from_elsewhere(world: World) -> None:
    page = (await world.client.get("/docs")).text
    assert "POST</b> <code>/v1/tasks" in page
    assert "http" not in page.split("</style>")[0]
    assert "<script" not in page and "src=" not in page


async def test_every_problem_type_has_its_page(world: World) -> None:
    for slug, kind in PROBLEMS.items():
        page = await world.client.get(f"/problems/{slug}")
        assert page.status_code == 200
        assert kind.title in page.text.replace("&#x27;", "'")
    assert (await world.client.get("/problems/none")).status_code == 404
