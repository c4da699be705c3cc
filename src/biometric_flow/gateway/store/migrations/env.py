"""Alembic's entry: run on the connection that `schema.migrate` hands over, inside its transaction and lock."""

from alembic import context

from biometric_flow.gateway.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
