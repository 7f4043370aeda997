"""Alembic's entry: run the migrations on the connection that app/migrate.py hands over, each in its own transaction."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    transaction_per_migration=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
