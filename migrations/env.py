"""Alembic's environment: runs migrations on the connection that `migrations` hands over, or on the settings' database."""

from alembic import context
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from storage.settings import settings
from storage.tables import Base

connection = context.config.attributes.get("connection")
if connection is not None:
    context.configure(connection=connection, target_metadata=Base.metadata)
    context.run_migrations()
else:
    with create_engine(settings().database_url, poolclass=NullPool).begin() as own:
        context.configure(connection=own, target_metadata=Base.metadata)
        context.run_migrations()
