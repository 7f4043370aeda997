"""${message}"""

from alembic import op
from app.migrate import run_script

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    run_script(op, """
""")


def downgrade() -> None:
    run_script(op, """
""")
