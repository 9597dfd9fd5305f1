"""Whether the migrations lead to the tables of `storage.tables`, tried out in a database made for it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import migrations
from ops.stack import Stack


def differences(postgres_bin: Path | None = None) -> list[str]:
    """Migrate an empty database up, down and up again. Returns a line for each thing that only one of tables and database has."""
    with (
        tempfile.TemporaryDirectory(prefix="likeness-") as folder,
        Stack.start(Path(folder), postgres_bin=postgres_bin) as stack,
    ):
        migrations.upgrade(stack.database_url)
        migrations.downgrade(stack.database_url, "base")
        migrations.upgrade(stack.database_url)
        return [str(difference) for difference in migrations.differences(stack.database_url)]
