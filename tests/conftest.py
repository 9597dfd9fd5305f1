"""Fixtures that every folder of tests shares: real Postgres and Valkey, started once a run, and an empty database a test."""

from __future__ import annotations

import gc
import os
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import TypeVar

import psycopg
import pytest
import redis

import migrations
from bot.services import Services
from ops.stack import Stack
from storage.database import Database
from storage.settings import Settings
from tests.factory import Factory

if "PYTEST_XDIST_WORKER" in os.environ:  # threads would wait for a processor that other tests have
    os.environ.update({"OMP_NUM_THREADS": "1", "LIKENESS_WORKER_THREADS": "1"})

TESTS = Path(__file__).parent
WHOLE_SYSTEMS = frozenset({"browser", "end_to_end", "ops"})
Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def pytest_addoption(parser: pytest.Parser) -> None:
    """CI runs on a machine that has everything: a test that is skipped there has not been run anywhere."""
    parser.addoption("--forbid-skips", action="store_true", help="count a skipped test as failed")
    parser.addoption("--write-screenshots", action="store_true", help="write the pictures of docs/images anew")
    parser.addoption("--write-snapshots", action="store_true", help="write tests/bot/slack/snapshots anew")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where tests run side by side, those of whole systems run one after another, since they watch the clock; others by file."""
    for item in items:
        file = item.path.relative_to(TESTS)
        item.add_marker(pytest.mark.xdist_group("systems" if file.parts[0] in WHOLE_SYSTEMS else str(file)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure where skips are forbidden."""
    return _without_skip(item.config, (yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole file that skips itself."""
    return _without_skip(collector.config, (yield))


def _without_skip(config: pytest.Config, report: Report) -> Report:
    if report.skipped and config.getoption("--forbid-skips") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which --forbid-skips forbids: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Postgres and Valkey for the whole run."""
    with Stack.start(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture(scope="session")
def migrated(stack: Stack) -> str:
    """The name of a migrated, empty database to copy from."""
    create_database(stack, "migrated")
    migrations.upgrade(address(stack, "migrated"))
    return "migrated"


def address(stack: Stack, name: str) -> str:
    return stack.database_url.rpartition("/")[0] + "/" + name


def create_database(stack: Stack, name: str, template: str = "template1") -> None:
    gc.collect()  # a connection that was cancelled while it connected holds its socket, and DROP DATABASE waits for it
    address = stack.database_url.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')


@pytest.fixture
def settings(stack: Stack, migrated: str, tmp_path: Path) -> Settings:
    """Settings of a system of its own: a new database, an emptied broker, a folder of blobs. Its engine is `echo`."""
    create_database(stack, "test", migrated)
    redis.Redis.from_url(stack.broker_url).flushall()
    (tmp_path / "blobs").mkdir()
    return Settings(
        _env_file=None,
        data_dir=tmp_path,
        database_url=address(stack, "test"),
        broker_url=stack.broker_url,
        blobs_url=(tmp_path / "blobs").as_uri(),
        engine="echo",
        heartbeat_seconds=0.5,
        lease_seconds=2.0,
        sweep_seconds=0.5,
    )


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """The test's database."""
    opened = Database(settings.database_url)
    yield opened
    opened.close()


@pytest.fixture
def factory(database: Database) -> Factory:
    """Makes turns and what they need."""
    return Factory(database)


@pytest.fixture
async def services(settings: Settings) -> AsyncIterator[Services]:
    """A bot process's connections to the test's system."""
    opened = Services.open(settings)
    yield opened
    await opened.close()
