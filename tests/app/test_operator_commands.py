"""`sensorium operator …` on a system that runs: what is printed, what is refused, and how soon a door is shut."""

from __future__ import annotations

import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.config import without_settings
from app.supervisor import System
from tests.app.test_cli import sensorium
from tests.conftest import throw_away_folder

OLU = ("--email", "olu@example.org")


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    with (
        throw_away_folder() as folder,
        (folder / "output").open("wb") as output,
        System(folder / "data", port=0, environment=without_settings(os.environ), output=output) as started,
    ):
        yield started


def status(system: System, key: str) -> int:
    """What the API answers to whoever holds the key."""
    request = urllib.request.Request(
        f"{system.url}/v1/operator/payout-runs", headers={"authorization": f"Bearer {key}"}
    )  # fmt: skip
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code


def test_olu_is_added_shut_out_and_let_in_again(system: System) -> None:
    there = ("--data-dir", str(system.config.data_dir if system.config else Path()))
    added = sensorium("operator", "add", *OLU, "--name", "Olu", *there)
    first = added.stdout.strip()
    assert status(system, first) == 200 and re.fullmatch(r"op_[\w-]+\n", added.stdout)
    assert (
        "/operator (or" in added.stderr
        and "shown this once" in added.stderr
        and "give it on the sign-in page" in added.stderr
    )
    assert first not in added.stderr
    again = sensorium("operator", "add", *OLU, "--name", "Mallory", *there)
    assert (again.returncode, again.stdout) == (1, "")
    assert "olu@example.org is an operator already." in again.stderr and "operator key" in again.stderr
    second = sensorium("operator", "key", *OLU, *there).stdout.strip()
    assert (status(system, first), status(system, second)) == (200, 200)
    assert "keys revoked: 2" in sensorium("operator", "disable", *OLU, *there).stdout
    assert (status(system, first), status(system, second)) == (401, 401)
    refused = sensorium("operator", "key", *OLU, *there)
    assert (refused.returncode, refused.stderr) == (1, "sensorium: olu@example.org is disabled.\n")
    assert sensorium("operator", "enable", *OLU, *there).returncode == 0
    third = sensorium("operator", "key", *OLU, *there).stdout.strip()
    assert (status(system, first), status(system, third)) == (401, 200)
    head, *held = sensorium("operator", "list", *there).stdout.splitlines()
    assert re.fullmatch(r"oper_[0-9a-f]{32}  olu@example.org  Olu  enabled", head)
    assert [(line.split()[1], "revoked" in line) for line in held] == [
        (first[:7] + "…", True), (second[:7] + "…", True), (third[:7] + "…", False)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("add", "--email", "nope", "--name", "Olu"), "'nope' is no e-mail address, such as olu@example.org."),
        (("add", *OLU, "--name", ""), "The name must have 1 to 200 characters, all of which can be seen."),
        (("disable", "--email", "pia@example.org"), "There is no operator pia@example.org."),
    ],
)
def test_a_mistake_is_one_line_and_no_key(given: tuple[str, ...], said: str, database_url: str, tmp_path: Path) -> None:
    refused = sensorium("operator", *given, DATABASE_URL=database_url, SENSORIUM_DATA_DIR=str(tmp_path))
    assert (refused.returncode, refused.stdout, refused.stderr) == (1, "", f"sensorium: {said}\n")
