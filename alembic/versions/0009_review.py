"""Fix-ups, appeals and disputes, questions."""

from pathlib import Path

from alembic import op
from app.migrate import run_script

revision = "0009_review"
down_revision = "0008_prices"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    """Add it."""
    run_script(op, (SQL / "0009_review.sql").read_text())


def downgrade() -> None:
    """Take it away again."""
    run_script(op, (SQL / "0009_review_down.sql").read_text())
