"""How far people have been told of what happened to their answers."""

from pathlib import Path

from alembic import op
from app.migrate import run_script

revision = "0014_notices"
down_revision = "0013_claims"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    """Add it."""
    run_script(op, (SQL / "0014_notices.sql").read_text())


def downgrade() -> None:
    """Take it away again."""
    run_script(op, (SQL / "0014_notices_down.sql").read_text())
