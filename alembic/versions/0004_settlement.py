"""Settlement: histories, refunds, disputes, four eyes, approvals that expire, the audit log, the daily close."""

from pathlib import Path

from alembic import op
from app.migrate import run_script

revision = "0004_settlement"
down_revision = "0003_money"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    """Make the tables."""
    for name in ("0004_settlement.sql", "0004_desk.sql"):
        run_script(op, (SQL / name).read_text())


def downgrade() -> None:
    """Drop them; the ledger keeps what it has, and operations of the newer kinds stop this."""
    run_script(op, (SQL / "0004_settlement_down.sql").read_text())
