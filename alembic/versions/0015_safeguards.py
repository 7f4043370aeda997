"""Awards that are owed, reviewers that are drawn, prices that wait while nobody may take them."""

from pathlib import Path

from alembic import op
from app.migrate import run_script

revision = "0015_safeguards"
down_revision = "0014_notices"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    """Add it."""
    run_script(op, (SQL / "0015_safeguards.sql").read_text())


def downgrade() -> None:
    """Take it away again."""
    run_script(op, (SQL / "0015_safeguards_down.sql").read_text())
