"""A workspace: a git repository with program.md, prepare.py, train.py and the log, and beside them what git ignores.

program.md prepare.py train.py        tracked; only train.py ever changes
results.tsv                           the log of experiments; ignored by git, so that no reset can lose it
.runner/frozen.json                   hashes of what must not change
.runner/public/                       arrays that experiments read
.runner/private/                      labels of scored photos, the vault, seeds; never in a run's folder
.runner/runs/ · runs.jsonl            run folders · one line a training run
.runner/kept/                         predictions and weights of the runs that matter
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import msgspec

from research_runner import dataset, program, results
from research_runner.errors import RunnerError
from research_runner.git import Repository
from research_runner.program import Program

HERE = Path(__file__).parent
TRACKED = ("program.md", "prepare.py", "train.py", ".gitignore")
SEED_BYTES = 4


class Budget(msgspec.Struct, frozen=True):
    """Fixed before the first experiment: steps of a run, seconds after which it is stopped, threads it uses."""

    steps: int
    timeout_s: float
    threads: int


class Meta(msgspec.Struct, frozen=True):
    """What public/meta.json says about the arrays."""

    labels: list[str]
    width: int
    height: int
    channels: int


class Workspace:
    """An opened workspace. Only `hold()` makes it safe to write to."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.inner = self.root / ".runner"
        if not (self.inner / "frozen.json").is_file():
            raise RunnerError(f"{root} is not a workspace; make one with: sensorium-runner new {root}")
        self.repository = Repository(self.root)
        self.public, self.private = self.inner / "public", self.inner / "private"
        self.kept = self.inner / "kept"
        self.log = self.root / "results.tsv"

    @property
    def name(self) -> str:
        return self.root.name

    @property
    def program(self) -> Program:
        return program.read(self.root / "program.md")

    @property
    def meta(self) -> Meta:
        return msgspec.json.decode((self.public / "meta.json").read_bytes(), type=Meta)

    @property
    def is_prepared(self) -> bool:
        return "public/meta.json" in self._frozen()

    @property
    def split_rows(self) -> dict[str, list[dict[str, str]]]:
        """The rows of labels.csv in every split, in the order of the arrays, with sha256."""
        return msgspec.json.decode((self.private / "rows.json").read_bytes(), type=dict[str, list[dict[str, str]]])

    @property
    def data_folder(self) -> Path:
        """The folder with labels.csv that the workspace learns from."""
        path = self.inner / "data.txt"
        if not path.is_file():
            raise RunnerError(f"{self.root} has no data yet: give loop a folder by --data, or --dataset and --question")
        return Path(path.read_text())

    def use_data(self, folder: Path) -> None:
        """Learn from this folder; refused once the data is frozen, unless it is the same folder."""
        folder = folder.resolve()
        path = self.inner / "data.txt"
        if self.is_prepared and path.read_text() != str(folder):
            raise RunnerError(f"this workspace learns from {path.read_text()}; other data needs a new workspace")
        dataset.read(folder)
        _write(path, str(folder).encode())

    @contextmanager
    def hold(self) -> Iterator[None]:
        """The workspace's lock; RunnerError when another loop has it. A killed process leaves nothing behind."""
        with (self.inner / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as problem:
                raise RunnerError(f"{self.root} is in use by another loop") from problem
            yield

    def prepare(self) -> list[str]:
        """Make the arrays by the frozen prepare.py, once; returns warnings about the data."""
        self.check_frozen()
        if self.is_prepared:
            return []
        rows, warnings = dataset.read(self.data_folder)
        for folder in (self.public, self.private):
            folder.mkdir(exist_ok=True, mode=0o700)
        side = self.program.image_px
        prepare = self.prepare_module()
        warnings += prepare.prepare(rows, self.data_folder, self.public, self.private, None if side == "auto" else side)
        files = sorted([*self.public.iterdir(), *self.private.iterdir()])
        hashes = {str(file.relative_to(self.inner)): _hash(file) for file in files}
        _write(self.inner / "frozen.json", msgspec.json.encode({**self._frozen(), **hashes}))
        return warnings

    def prepare_module(self) -> ModuleType:
        """The workspace's own prepare.py, imported after its hash was found right."""
        self.check_frozen()
        spec = importlib.util.spec_from_file_location("workspace_prepare", self.root / "prepare.py")
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def check_frozen(self) -> None:
        """RunnerError naming the first file that is not what it was when it was frozen."""
        for name, digest in self._frozen().items():
            path = self.root / name if name == "prepare.py" else self.inner / name
            if not path.is_file() or _hash(path) != digest:
                raise RunnerError(
                    f"{name} has changed since it was frozen: results would no longer compare; put it back"
                )

    def seeds(self, count: int) -> list[int]:
        """The seeds of this workspace, the same for every experiment, unknown to them beforehand."""
        master = (self.private / "seed").read_bytes()
        digests = (hashlib.sha256(master + number.to_bytes(4, "big")).digest() for number in range(count))
        return [int.from_bytes(digest[:SEED_BYTES], "big") >> 1 for digest in digests]

    def budget(self) -> Budget | None:
        path = self.inner / "budget.json"
        return msgspec.json.decode(path.read_bytes(), type=Budget) if path.is_file() else None

    def fix_budget(self, budget: Budget) -> None:
        _write(self.inner / "budget.json", msgspec.json.encode(budget))

    def rows(self) -> list[results.Row]:
        return results.read_rows(self.log)

    def kept_file(self, kind: str, commit: str, seed: int) -> Path:
        """Where the predictions (.npz) or weights (.safetensors) of a run are kept."""
        return self.kept / f"{commit[:16]}-{seed}.{kind}"

    def _frozen(self) -> dict[str, str]:
        return msgspec.json.decode((self.inner / "frozen.json").read_bytes(), type=dict[str, str])


def create(
    root: Path, program_file: Path | None = None, data: Path | None = None, seed: int | None = None
) -> Workspace:
    """A new workspace at `root`, which must not exist or be empty. The seed is for repeatable tests."""
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise RunnerError(f"{root} exists already and is not empty")
    text = program.DEFAULT if program_file is None else _text(program_file)
    program.parse(text, str(program_file or "program.md"))
    if data is not None:
        dataset.read(data)
    root.mkdir(parents=True, exist_ok=True)
    (root / "program.md").write_text(text, encoding="utf-8")
    shutil.copyfile(HERE / "prepare.py", root / "prepare.py")
    shutil.copyfile(HERE / "train.py", root / "train.py")
    (root / ".gitignore").write_text(".runner/\nresults.tsv\nreport.html\n__pycache__/\n")
    inner = root / ".runner"
    for folder in ("private", "public", "runs", "kept"):
        (inner / folder).mkdir(parents=True, mode=0o700)
    master = secrets.token_bytes(16) if seed is None else hashlib.sha256(str(seed).encode()).digest()
    (inner / "private" / "seed").write_bytes(master)
    Repository(root.resolve()).start(list(TRACKED))
    _write(inner / "frozen.json", msgspec.json.encode({"prepare.py": _hash(root / "prepare.py")}))
    workspace = Workspace(root)
    if data is not None:
        workspace.use_data(data)
    return workspace


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise RunnerError(f"{path} cannot be read: {problem}") from problem


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write(path: Path, content: bytes) -> None:
    """All or nothing, and on disk when it returns."""
    partial = path.with_name(path.name + ".part")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
