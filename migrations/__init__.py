"""Alembic migrations of the tables, and the few calls that others make of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from storage.tables import Base

_FOLDER = Path(__file__).parent


class NewerDatabase(Exception):
    """The database was brought up to a revision that this version does not know; the message is one sentence."""


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    return config


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database up to a revision. One process at a time does it; others wait and find it done.

    Raises `NewerDatabase`.
    """
    _run(url, lambda config: command.upgrade(config, revision))


def downgrade(url: str, revision: str) -> None:
    """Take the database back to a revision; `base` is empty."""
    _run(url, lambda config: command.downgrade(config, revision))


def _run(url: str, act: Callable[[Config], None]) -> None:
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(4510)")
        config = _config(connection)
        at = MigrationContext.configure(connection).get_current_revision()
        if at is not None and at not in {one.revision for one in ScriptDirectory.from_config(config).walk_revisions()}:
            raise NewerDatabase(
                f"The database is at revision {at}, which this version does not know: a newer version has used it. "
                "Install that version, or use another database."
            )
        act(config)


def current(url: str) -> str | None:
    """The revision that the database is at; None for an empty one."""
    with create_engine(url, poolclass=NullPool).connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head() -> str | None:
    """The revision that the code needs."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def differences(url: str) -> list[object]:
    """Where a migrated database is not what `storage.tables` says; empty when they agree."""
    with create_engine(url, poolclass=NullPool).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return list(compare_metadata(context, Base.metadata))
