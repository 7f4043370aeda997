"""`sensorium books …`: a journal written, tampered with, and read back, on a database of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.db import create_pool
from market import csv_cells, ledger
from market.journal import COLUMNS
from tests.app.test_cli import sensorium


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> dict[str, str]:
    """A ledger with two postings, one with a key that would be a formula."""
    asyncio.run(post(database_url, "=1+1", 700))
    asyncio.run(post(database_url, '\t@cmd, "quoted"\r\n\'', 55))
    return {"DATABASE_URL": database_url, "SENSORIUM_DATA_DIR": str(tmp_path / "data")}


async def post(url: str, key: str, amount: int) -> None:
    async with await create_pool(url) as pool, pool.acquire() as conn, conn.transaction():
        lines = [(ledger.CLEARING, amount), (ledger.CAPITAL, -amount)]
        await ledger.post(conn, "test", key, lines, currency="usd", actor="test")


def test_balances_come_back_from_the_journal_and_are_those_of_the_database(
    settings: dict[str, str], tmp_path: Path
) -> None:
    written = tmp_path / "j.csv"
    assert sensorium("books", "journal", "-o", str(written), **settings).returncode == 0
    with written.open(newline="") as opened:
        rows = list(csv_cells.read(opened))
    assert [row[4] for row in rows] == ["key", *["=1+1"] * 2, *['\t@cmd, "quoted"\r\n\''] * 2]
    assert "'=1+1" in written.read_text()
    said = sensorium("books", "rebuild", str(written), "--compare", **settings)
    assert said.returncode == 0, said.stderr
    assert said.stdout.splitlines() == ["platform:capital,usd,-755", "stripe:clearing,usd,755"]
    assert "2 transactions of 4 lines sum to zero, and every balance is that of the database" in said.stderr
    asyncio.run(post(settings["DATABASE_URL"], "later", 5))
    behind = sensorium("books", "rebuild", str(written), "--compare", **settings)
    assert behind.returncode == 1
    assert "stripe:clearing usd: 755 in the journal, 760 in the database" in behind.stderr
    assert sensorium("books", "rebuild", str(written), **settings).returncode == 0  # in itself it is right


def test_a_journal_that_was_changed_is_found(settings: dict[str, str], tmp_path: Path) -> None:
    text = sensorium("books", "journal", **settings).stdout
    forged = tmp_path / "forged.csv"
    forged.write_text(text.replace(",700,0,", ",701,0,"), newline="")
    said = sensorium("books", "rebuild", str(forged), **settings)
    assert said.returncode == 1
    assert "does not sum to zero: 1 usd" in said.stderr
    forged.write_text("a,b\r\n", newline="")
    said = sensorium("books", "rebuild", str(forged), **settings)
    assert (said.returncode, said.stdout) == (1, "")
    assert f"the first row of a journal is {','.join(COLUMNS)}" in said.stderr and "Traceback" not in said.stderr
    forged.write_bytes(b"\xff\xfe")
    assert "Traceback" not in sensorium("books", "rebuild", str(forged), **settings).stderr


def test_the_trial_balance_balances_and_can_be_of_a_time(settings: dict[str, str]) -> None:
    said = sensorium("books", "trial-balance", **settings)
    assert said.returncode == 0, said.stderr
    assert "stripe:clearing,asset,usd,1,755,0,755,0" in said.stdout
    assert "usd: debits 755, credits 755: balanced" in said.stderr
    before = sensorium("books", "trial-balance", "--at", "2020-01-01", **settings)
    assert before.stdout.splitlines() == ["kind,class,currency,accounts,debits,credits,debit_balance,credit_balance"]
    assert "clean: " in sensorium("audit", **settings).stdout
