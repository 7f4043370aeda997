"""Postings by the set."""

from pathlib import Path

from alembic import op
from app.migrate import run_script

revision = "0005_posting"
down_revision = "0004_settlement"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    """Put the function that posts many in the place of the one that posts one."""
    run_script(op, (SQL / "0005_posting.sql").read_text())


def downgrade() -> None:
    """The one that posts one."""
    run_script(op, (SQL / "0005_posting_down.sql").read_text())
