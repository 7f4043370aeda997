"""Series, routes and areas: tasks that belong together."""

from pathlib import Path

from alembic import op
from app.migrate import run_script

revision = "0011_groups"
down_revision = "0010_resale"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    """Add it."""
    run_script(op, (SQL / "0011_groups.sql").read_text())


def downgrade() -> None:
    """Take it away again."""
    run_script(op, (SQL / "0011_groups_down.sql").read_text())
