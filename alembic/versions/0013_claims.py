"""One index for the claims of a person on a task."""

from pathlib import Path

from alembic import op
from app.migrate import run_script

revision = "0013_claims"
down_revision = "0012_quotes"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    """Add it."""
    run_script(op, (SQL / "0013_claims.sql").read_text())


def downgrade() -> None:
    """Take it away again."""
    run_script(op, (SQL / "0013_claims_down.sql").read_text())
