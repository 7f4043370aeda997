"""What a slot pays may rise, and a claim keeps its price."""

from pathlib import Path

from alembic import op
from app.migrate import run_script

revision = "0008_prices"
down_revision = "0007_sold_once"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    """Add it."""
    run_script(op, (SQL / "0008_prices.sql").read_text())


def downgrade() -> None:
    """Take it away again."""
    run_script(op, (SQL / "0008_prices_down.sql").read_text())
