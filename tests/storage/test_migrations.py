"""Migrations go up and down, and end where the tables say."""

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
