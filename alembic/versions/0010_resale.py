"""Observations and data sets are sold on."""

from pathlib import Path

from alembic import op
from app.migrate import run_script

revision = "0010_resale"
down_revision = "0009_review"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    """Add it."""
    run_script(op, (SQL / "0010_resale.sql").read_text())


def downgrade() -> None:
    """Take it away again."""
    run_script(op, (SQL / "0010_resale_down.sql").read_text())
