"""Evidence that cannot be cheaply faked: devices and their keys, receipts, what cameras write, likenesses, privacy."""

from pathlib import Path

from alembic import op
from app.migrate import run_script

revision = "0006_evidence"
down_revision = "0005_posting"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    """Add what evidence needs."""
    run_script(op, (SQL / "0006_evidence.sql").read_text())


def downgrade() -> None:
    """Take it away again."""
    run_script(op, (SQL / "0006_evidence_down.sql").read_text())
