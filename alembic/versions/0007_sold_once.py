"""One answer of a person in a round, samples sold alone or to all, evidence's own time, less kept of the erased."""

from pathlib import Path

from alembic import op
from app.migrate import run_script

revision = "0007_sold_once"
down_revision = "0006_evidence"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    """Add what selling once needs."""
    run_script(op, (SQL / "0007_sold_once.sql").read_text())


def downgrade() -> None:
    """Take it away again."""
    run_script(op, (SQL / "0007_sold_once_down.sql").read_text())
