"""The finished model: the kept train.py once more on all photos but the vault's, several seeds averaged, exported.

The graph must say the same as torch before anything else happens. Then the vault is opened, once for each version:
its photos have decided nothing until then, and what they say stands in the card, good or bad.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from research_runner import keep, results
from research_runner.card import write_card
from research_runner.errors import RunnerError
from research_runner.laboratory import Laboratory
from research_runner.loop import best, recover
from research_runner.measure import Measured, abstain_below, measure
from research_runner.onnx_model import OnnxModel
from research_runner.sandbox import Outcome
from research_runner.workspace import Budget, Workspace

SAME = 1e-4  # largest difference between the graph and torch
EXPORT_TIMEOUT_S = 300.0


class Package(msgspec.Struct, frozen=True):
    """A finished version in `folder`: model.onnx, model.safetensors, card.md, package.json (this)."""

    folder: str
    commit: str
    labels: list[str]
    width: int
    height: int
    channels: int
    measured: Measured
    members: int
    parameters: int

    @property
    def onnx(self) -> Path:
        return Path(self.folder) / "model.onnx"

    @property
    def weights(self) -> Path:
        return Path(self.folder) / "model.safetensors"

    @property
    def card(self) -> str:
        return (Path(self.folder) / "card.md").read_text(encoding="utf-8")


def build(workspace: Workspace, on_step: Callable[[str], None] = lambda line: None) -> Package:
    """The package of the branch's commit; made once, after that returned as it is, without the vault being opened."""
    with workspace.hold():
        recover(workspace)
        row = best(workspace.rows())
        if row is None or not workspace.is_prepared:
            raise RunnerError("there is no experiment yet to publish: run sensorium-runner loop first")
        folder = _home(workspace, row.commit)
        if (found := _read(folder)) is not None:
            return found
        folder.mkdir(parents=True, exist_ok=True)
        with Laboratory(workspace) as laboratory:
            probabilities, temperature = _on_val(workspace, laboratory, row.commit)
            members = _train_members(workspace, laboratory, row.commit, folder, on_step)
            on_step("exporting, and comparing the graph with torch")
            export(laboratory, workspace, row.commit, members, temperature, folder)
            threshold = abstain_below(probabilities, laboratory.scorer.labels["val"], workspace.program.answer_accuracy)
            on_step("opening the vault")
            measured = _open_vault(workspace, laboratory, row.commit, folder, threshold)
        meta = workspace.meta
        parameters = _parameters(folder / "model.safetensors")
        package = Package(
            str(folder),
            row.commit,
            meta.labels,
            meta.width,
            meta.height,
            meta.channels,
            measured,
            len(members),
            parameters,
        )
        write_card(workspace, package.folder, package.commit, measured, len(members), parameters)
        (folder / "package.json").write_bytes(msgspec.json.encode(package))
        return package


def built(workspace: Workspace) -> Package:
    """The newest package there is. Makes none: looking at a model must not open the vault."""
    for row in reversed(workspace.rows()):
        if (found := _read(_home(workspace, row.commit))) is not None:
            return found
    raise RunnerError("no model is finished yet: run sensorium-runner publish first (or publish --local)")


def _home(workspace: Workspace, commit: str) -> Path:
    return workspace.inner / "published" / commit[:16]


def _read(folder: Path) -> Package | None:
    path = folder / "package.json"
    return msgspec.json.decode(path.read_bytes(), type=Package) if path.is_file() else None


def first(workspace: Workspace) -> Path:
    """The graph of the first experiment as it was: one seed, trained on train alone."""
    with workspace.hold():
        recover(workspace)
        rows = workspace.rows()
        if not rows:
            raise RunnerError("there is no experiment yet: run sensorium-runner loop first")
        folder = workspace.inner / "first"
        if not (folder / "model.onnx").is_file():
            folder.mkdir(exist_ok=True)
            seed = workspace.seeds(1)[0]
            with Laboratory(workspace) as laboratory:
                said = laboratory.scorer.read(workspace.kept_file("npz", rows[0].commit, seed))
                temperature = laboratory.scorer.score(said).temperature
                weights = workspace.kept_file("safetensors", rows[0].commit, seed)
                export(laboratory, workspace, rows[0].commit, [weights], temperature, folder)
        return folder / "model.onnx"


def export(
    laboratory: Laboratory, workspace: Workspace, commit: str, weights: list[Path], temperature: float, folder: Path
) -> None:
    """model.onnx and model.safetensors into `folder`, by the commit's own train.py; RunnerError unless they agree."""
    job = {
        "do": "export", "weights": [str(file) for file in weights], "temperature": temperature,
        "threads": workspace.program.threads, "data": str(workspace.public),
    }  # fmt: skip
    failed: list[str] = []

    def ended(index: int, run: Path, outcome: Outcome) -> None:
        out = run / "out"
        if outcome.status != "ok":
            failed.append(outcome.tail or outcome.status)
            return
        with np.load(out / "check.npz", allow_pickle=False) as check:
            said = OnnxModel(out / "model.onnx")(check["image"])
            far = float(np.abs(said - check["probabilities"]).max())
        if not far <= SAME:
            failed.append(f"the exported graph differs from torch by {far:.2g}, more than {SAME}")
            return
        for name in ("model.safetensors", "model.onnx"):
            (out / name).replace(folder / name)

    laboratory.carry_out(workspace.repository.file(commit, "train.py"), [job], EXPORT_TIMEOUT_S, ended)
    if failed:
        raise RunnerError(f"the model cannot be exported: {failed[0].splitlines()[-1]}")


def _on_val(workspace: Workspace, laboratory: Laboratory, commit: str) -> tuple[Any, float]:
    """Val probabilities of the kept runs, averaged over seeds and tempered, and the temperature that suits them."""
    seeds = workspace.seeds(keep.TEST)
    laboratory.runs(commit, seeds)
    each = [laboratory.scorer.read(workspace.kept_file("npz", commit, seed))["val"] for seed in seeds]
    mean = np.mean(each, axis=0)
    temperature = laboratory.scorer.against(mean, "val")["temperature"]
    tempered = np.clip(mean, 1e-8, 1.0) ** (1 / temperature)
    return tempered / tempered.sum(axis=1, keepdims=True), temperature


def _train_members(
    workspace: Workspace, laboratory: Laboratory, commit: str, folder: Path, on_step: Callable[[str], None]
) -> list[Path]:
    """Weights of the ensemble's members, trained on everything but the vault; those already there are not repeated."""
    budget = workspace.budget()
    assert budget is not None  # fixed before the first experiment
    data, grown = _all_but_the_vault(workspace)
    steps = round(budget.steps * grown)
    seeds = workspace.seeds(keep.TEST + 1 + workspace.program.ensemble)[keep.TEST + 1 :]
    files = [folder / f"member-{seed}.safetensors" for seed in seeds]
    missing = [(seed, file) for seed, file in zip(seeds, files, strict=True) if not file.is_file()]
    on_step(f"training {len(missing)} of {len(files)} members for {steps} steps")
    failed: list[str] = []

    def ended(index: int, run: Path, outcome: Outcome) -> None:
        if outcome.status == "ok" and (run / "out" / "weights.safetensors").is_file():
            (run / "out" / "weights.safetensors").replace(missing[index][1])
        else:
            failed.append(outcome.tail or outcome.status)

    jobs = [
        {"do": "train", "seed": seed, "steps": steps, "threads": budget.threads, "data": str(data)}
        for seed, _ in missing
    ]
    source = workspace.repository.file(commit, "train.py")
    laboratory.carry_out(source, jobs, _timeout(budget, grown), ended)
    shutil.rmtree(data)
    if failed:
        raise RunnerError(f"final training failed: {failed[0].splitlines()[-1]}")
    return files


def _timeout(budget: Budget, grown: float) -> float:
    return 2 * budget.timeout_s * max(1.0, grown)


def _all_but_the_vault(workspace: Workspace) -> tuple[Path, float]:
    """A data folder whose train holds train, val and test, and how many times as many photos that is."""
    data = workspace.inner / "final"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(mode=0o700)
    public, private = workspace.public, workspace.private
    images = [np.load(public / f"{split}_images.npy", allow_pickle=False) for split in ("train", "val", "test")]
    homes = {"train": public, "val": private, "test": private}
    labels = [np.load(home / f"{split}_labels.npy", allow_pickle=False) for split, home in homes.items()]
    np.save(data / "train_images.npy", np.concatenate(images))
    np.save(data / "train_labels.npy", np.concatenate(labels))
    for split in ("val", "test"):
        np.save(data / f"{split}_images.npy", images[0][:0])
    shutil.copyfile(public / "meta.json", data / "meta.json")
    return data, sum(len(part) for part in images) / len(images[0])


def _open_vault(workspace: Workspace, laboratory: Laboratory, commit: str, folder: Path, threshold: float) -> Measured:
    workspace.check_frozen()
    entry = {"commit": commit, "opened_at": datetime.now(UTC).isoformat(timespec="seconds")}
    results.append_line(workspace.inner / "vault.jsonl", json.dumps(entry))
    images = np.load(workspace.private / "vault_images.npy", allow_pickle=False)
    probabilities = OnnxModel(folder / "model.onnx", threads=laboratory.workers)(images)
    measured = measure(probabilities, laboratory.scorer.labels["vault"], threshold)
    np.savez(folder / "vault.npz", probabilities=probabilities)
    return measured


def _parameters(weights: Path) -> int:
    """Numbers in a safetensors file: its header is JSON behind an 8-byte length."""
    with weights.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    shapes = [entry["shape"] for name, entry in header.items() if name != "__metadata__"]
    return sum(int(np.prod(shape)) for shape in shapes)
