"""Models: published with their files, tried out before they are taken, and asked about photos."""

import json
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from safetensors.numpy import save

from tests.app.conftest import Caller, World, answer, is_problem, ok, picture, post_task

LABELS = ["dark", "bright"]


def brightness_model(
    weight: float = 0.05, *, nodes: list[Any] | None = None, side: int = 8, channels: int = 1
) -> bytes:
    """A graph that says `bright` the brighter a photo is."""
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", channels, side, side])
    probabilities = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 2])
    kernel = np.array([[-weight, weight]], dtype=np.float32)
    bias = np.array([127.5 * weight, -127.5 * weight], dtype=np.float32)
    plain = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "last"], ["column"]),
        helper.make_node("MatMul", ["column", "kernel"], ["scaled"]),
        helper.make_node("Add", ["scaled", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    constants = [
        helper.make_tensor("kernel", TensorProto.FLOAT, kernel.shape, kernel.ravel()),
        helper.make_tensor("bias", TensorProto.FLOAT, bias.shape, bias),
        helper.make_tensor("last", TensorProto.INT64, [1], [1]),
    ]
    graph = helper.make_graph(nodes or plain, "brightness", [image], [probabilities], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return bytes(model.SerializeToString())


def description(**changes: Any) -> dict[str, Any]:
    return {
        "name": "bakery-bright",
        "task": "classification",
        "inputs": {"kind": "image", "width": 8, "height": 8, "channels": 1},
        "outputs": {"kind": "classification", "labels": LABELS, "abstain_below": 0.6},
        "metrics": {"accuracy": 0.9},
        **changes,
    }


def files(about: dict[str, Any] | None = None, **parts: bytes) -> dict[str, Any]:
    weights = save({"kernel": np.zeros((1, 2), dtype=np.float32)})
    found = {"onnx": brightness_model(), "weights": weights, "card": b"# Bright or dark\n", **parts}
    return {
        "model": (None, json.dumps(about or description()), "application/json"),
        **{name: (name, content, "application/octet-stream") for name, content in found.items()},
    }


def grey(value: int) -> bytes:
    from io import BytesIO

    from PIL import Image

    written = BytesIO()
    Image.new("L", (32, 32), value).save(written, "PNG")
    return written.getvalue()


async def test_a_model_is_published_and_asked_about_photos(ada: Caller) -> None:
    model = ok(await ada.post("/v1/models", files=files()), 201)
    assert (model["version"], model["status"]) == (1, "published")
    assert (await ada.get(model["links"]["card"])).text == "# Bright or dark\n"
    asked = [("files", (f"{value}.png", grey(value), "image/png")) for value in (250, 5, 127)]
    said = ok(await ada.post(model["links"]["predict"], files=asked))
    assert said["model"] == model["id"]
    assert [each["label"] for each in said["outputs"]] == ["bright", "dark", None]
    assert [each["abstained"] for each in said["outputs"]] == [False, False, True]
    assert sum(said["outputs"][0]["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    assert ok(await ada.get("/v1/models"))["items"][0]["id"] == model["id"]


async def test_a_model_is_asked_about_owned_observations(world: World, ada: Caller, bo: Caller, cy: Caller) -> None:
    await answer(bo, await post_task(ada), picture(5))
    observation = ok(await ada.get("/v1/observations"))["items"][0]["id"]
    model = ok(await ada.post("/v1/models", files=files()), 201)
    asked = {"observation_ids": [observation]}
    assert len(ok(await ada.post(model["links"]["predict"], asked))["outputs"]) == 1
    other = ok(await cy.post("/v1/models", files=files()), 201)
    is_problem(await cy.post(other["links"]["predict"], asked), 404, "not-found")


async def test_publishing_twice_with_one_key_makes_one_model(ada: Caller) -> None:
    headers = {"idempotency-key": "publish-1"}
    first = await ada.post("/v1/models", files=files(), headers=headers)
    again = await ada.post("/v1/models", files=files(), headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert len(ok(await ada.get("/v1/models"))["items"]) == 1
    other = await ada.post("/v1/models", files=files(card=b"another"), headers=headers)
    is_problem(other, 422, "idempotency-key-reused")


ENDLESS_BODY = helper.make_graph(
    [
        helper.make_node("Identity", ["go"], ["go_on"]),
        helper.make_node("Identity", ["carried"], ["carried_on"]),
    ],
    "body",
    [
        helper.make_tensor_value_info("i", TensorProto.INT64, []),
        helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        helper.make_tensor_value_info("carried", TensorProto.FLOAT, None),
    ],
    [
        helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
        helper.make_tensor_value_info("carried_on", TensorProto.FLOAT, None),
    ],
)


def hostile(kind: str) -> bytes:
    if kind == "no model at all":
        return b"MZ" + bytes(1000)
    if kind == "other outputs":
        return brightness_model(nodes=[helper.make_node("Identity", ["image"], ["probabilities"])])
    if kind == "all memory":
        huge = helper.make_tensor("shape", TensorProto.INT64, [1], [4_000_000_000])
        nodes = [
            helper.make_node("Constant", [], ["wide"], value=huge),
            helper.make_node("ConstantOfShape", ["wide"], ["zeros"]),
            helper.make_node("ReduceSum", ["zeros"], ["sum"], keepdims=0),
            helper.make_node("Mul", ["image", "sum"], ["probabilities"]),
        ]
        return brightness_model(nodes=nodes)
    if kind == "never ends":
        yes = helper.make_tensor("yes", TensorProto.BOOL, [], [True])
        most = helper.make_tensor("most", TensorProto.INT64, [], [2**62])
        nodes = [
            helper.make_node("Constant", [], ["go0"], value=yes),
            helper.make_node("Constant", [], ["n"], value=most),
            helper.make_node("Loop", ["n", "go0", "image"], ["probabilities"], body=ENDLESS_BODY),
        ]
        return brightness_model(nodes=nodes)
    model = onnx.load_from_string(brightness_model())
    kernel = model.graph.initializer[0]
    kernel.ClearField("float_data")
    kernel.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "app/main.py"), ("offset", "0"), ("length", "8")):
        entry = kernel.external_data.add()
        entry.key, entry.value = key, value
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("kind", ["no model at all", "other outputs", "all memory", "never ends", "files of ours"])
async def test_a_hostile_model_is_refused_and_the_service_lives(
    ada: Caller, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.predict.RUN_TIMEOUT_S", 3.0)
    refused = await ada.post("/v1/models", files=files(onnx=hostile(kind)))
    body = is_problem(refused, 422, "validation")
    assert body["errors"][0]["pointer"] == "/onnx"
    assert ok(await ada.get("/v1/models"))["items"] == []


async def test_what_is_incomplete_or_malformed_is_refused_by_field(ada: Caller) -> None:
    parts = files()
    del parts["card"]
    assert is_problem(await ada.post("/v1/models", files=parts), 422, "validation")["errors"][0]["pointer"] == "/card"
    wrong = await ada.post("/v1/models", files=files(weights=b"\x80\x04pickle..."))
    assert is_problem(wrong, 422, "validation")["errors"][0]["pointer"] == "/weights"
    wrong = await ada.post("/v1/models", files=files(description(task="regression", colour=1)))
    pointers = {error["pointer"] for error in is_problem(wrong, 422, "validation")["errors"]}
    assert pointers == {"/task", "/colour"}
    is_problem(await ada.post("/v1/models", {"name": "x"}), 415, "unsupported-media")
    headers = {"content-type": "multipart/form-data"}
    is_problem(await ada.post("/v1/models", content=b"nothing", headers=headers), 400, "malformed")
    headers = {"content-type": "multipart/form-data; boundary=b"}
    is_problem(await ada.post("/v1/models", content=b"--b\r\nbad", headers=headers), 400, "malformed")


async def test_a_file_that_is_no_photo_is_named(ada: Caller) -> None:
    model = ok(await ada.post("/v1/models", files=files()), 201)
    asked = [("files", ("a.png", grey(9), "image/png")), ("files", ("b.png", b"no photo", "image/png"))]
    body = is_problem(await ada.post(model["links"]["predict"], files=asked), 422, "validation")
    assert body["errors"][0]["pointer"] == "/files/1"
