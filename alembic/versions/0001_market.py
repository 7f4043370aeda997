"""The market: ledger, accounts and keys, people, tasks and their answers, what is learned from them, the event log."""

from pathlib import Path

from alembic import op
from app.migrate import run_script

revision = "0001_market"
down_revision = None
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    for part in ("0001_ledger.sql", "0001_market.sql"):
        run_script(op, (SQL / part).read_text())


def downgrade() -> None:
    run_script(op, (SQL / "0001_down.sql").read_text())
