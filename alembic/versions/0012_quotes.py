"""What quotes are made of, and how they came true."""

from pathlib import Path

from alembic import op
from app.migrate import run_script

revision = "0012_quotes"
down_revision = "0011_groups"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    """Add it."""
    run_script(op, (SQL / "0012_quotes.sql").read_text())


def downgrade() -> None:
    """Take it away again."""
    run_script(op, (SQL / "0012_quotes_down.sql").read_text())
