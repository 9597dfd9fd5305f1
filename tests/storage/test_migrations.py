"""Migrations go up and down, and end where the tables say."""

import psycopg
import pytest

import migrations
from ops.stack import Stack
from tests.conftest import address, create_database


def test_migrations_go_up_and_down_and_match_the_tables(stack: Stack) -> None:
    create_database(stack, "migrations")
    url = address(stack, "migrations")
    assert migrations.current(url) is None
    migrations.upgrade(url)
    assert migrations.current(url) == migrations.head()
    assert migrations.differences(url) == []
    migrations.downgrade(url, "base")
    assert migrations.current(url) is None
    migrations.upgrade(url)
    assert migrations.differences(url) == []


def test_a_database_of_a_newer_version_is_left_alone_with_a_sentence(stack: Stack) -> None:
    create_database(stack, "newer")
    url = address(stack, "newer")
    migrations.upgrade(url)
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(migrations.NewerDatabase, match="9999"):
        migrations.upgrade(url)
    assert migrations.current(url) == "9999"
