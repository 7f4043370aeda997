"""Publishing: the finished package to the market, as a new version of the workspace's model."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

from research_runner import dataset, final
from research_runner.client import MarketClient
from research_runner.final import Package
from research_runner.workspace import Workspace


def publish(
    workspace: Workspace, client: MarketClient, on_step: Callable[[str], None] = lambda line: None
) -> dict[str, Any]:
    """The model as the market has it: {id, name, version, status, …}. Repeating it publishes nothing twice."""
    package = final.build(workspace, on_step)
    on_step("publishing")
    onnx, weights = package.onnx.read_bytes(), package.weights.read_bytes()
    key = hashlib.sha256(onnx + package.card.encode()).hexdigest()[:48]
    answer: dict[str, Any] = client.publish_model(describe(workspace, package), onnx, weights, package.card, key)
    return answer


def describe(workspace: Workspace, package: Package) -> dict[str, Any]:
    """The JSON part of POST /v1/models."""
    measured = package.measured
    model = {
        "name": model_name(workspace.name),
        "task": "classification",
        "inputs": {
            "kind": "image", "width": package.width, "height": package.height, "channels": package.channels,
            "dtype": "float32", "layout": "NCHW", "range": [0, 255],
        },
        "outputs": {"kind": "classification", "labels": package.labels, "abstain_below": measured.abstain_below},
        "metrics": {
            "photos": measured.n,
            "accuracy": measured.accuracy.value,
            "accuracy_low": measured.accuracy.low,
            "accuracy_high": measured.accuracy.high,
            "macro_f1": measured.macro_f1.value,
            "log_loss": measured.log_loss.value,
            "answered": measured.answered,
        },
    }  # fmt: skip
    dataset_id = dataset.origin(workspace.data_folder).dataset_id
    return model if dataset_id is None else {**model, "dataset_id": dataset_id}


def model_name(workspace_name: str) -> str:
    """What the market takes as a name: lower case letters, digits and hyphens, at most 64."""
    return re.sub(r"[^a-z0-9]+", "-", workspace_name.lower()).strip("-")[:64] or "model"
