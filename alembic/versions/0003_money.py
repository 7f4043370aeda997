"""Money in and out: the outbox and inbox of Stripe, funding, payout accounts, settlement runs."""

from pathlib import Path

from alembic import op
from app.migrate import run_script

revision = "0003_money"
down_revision = "0002_jobs"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    """Make the tables."""
    run_script(op, (SQL / "0003_money.sql").read_text())


def downgrade() -> None:
    """Drop them; the ledger keeps what it has."""
    run_script(op, (SQL / "0003_money_down.sql").read_text())
