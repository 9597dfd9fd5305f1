"""A system of its own for a run of benchmarks: a stack in a temporary folder, a database a measurement, real workers."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis

import migrations
from ops.one_machine import worker_argv
from ops.stack import Stack
from storage import turns
from storage.database import Database
from storage.settings import Settings


@dataclass(frozen=True, slots=True)
class System:
    """Where a measurement happens."""

    stack: Stack
    settings: Settings
    database: Database

    @contextmanager
    def workers(self, count: int = 1) -> Iterator[None]:
        """Real Celery workers, up and waiting."""
        environment = {
            "LIKENESS_DATABASE_URL": self.settings.database_url,
            "LIKENESS_ENGINE": self.settings.engine,
            "LIKENESS_HEARTBEAT_SECONDS": str(self.settings.heartbeat_seconds),
            "LIKENESS_LOG_LEVEL": "WARNING",
            "PYTHONPATH": str(Path(__file__).parents[1]),
        }
        with ExitStack() as running:
            for number in range(count):
                argv = worker_argv(self.settings, name=f"worker-{number}", log_level="WARNING")
                process = self.stack.spawn(f"worker-{number}", argv, environment=environment)
                running.callback(process.stop, 3.0)
            end = time.monotonic() + 120
            while self._live() < count:
                if time.monotonic() > end:
                    raise RuntimeError(self.stack.end_of_log("worker-0"))
                time.sleep(0.1)
            yield

    def _live(self) -> int:
        return self.database.run(turns.live_workers, self.settings.heartbeat_seconds).get(self.settings.engine, 0)

    @contextmanager
    def without_housekeeping(self) -> Iterator[None]:
        """Without autovacuum, whose transactions would be counted among the turns'."""
        with psycopg.connect(plain(self.settings.database_url), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET autovacuum = off")
            connection.execute("SELECT pg_reload_conf()")
            yield
            connection.execute("ALTER SYSTEM RESET autovacuum")
            connection.execute("SELECT pg_reload_conf()")

    def commits(self) -> int:
        """Transactions that the server has committed in this database, reads included."""
        with psycopg.connect(plain(self.settings.database_url), autocommit=True) as connection:
            connection.execute("SELECT pg_stat_force_next_flush()")
            row = connection.execute(
                "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
            ).fetchone()
        assert row is not None
        return int(row[0])


@contextmanager
def stack_with_commit_times(folder: Path) -> Iterator[Stack]:
    """A stack in a folder, whose Postgres keeps when each transaction was committed; it asks for a restart to do so."""
    with Stack.start(folder) as stack, psycopg.connect(plain(stack.database_url), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET track_commit_timestamp = on")
    with Stack.start(folder) as stack:
        yield stack


@contextmanager
def system(stack: Stack, name: str, engine: str = "echo") -> Iterator[System]:
    """An empty, migrated database of this name, and an emptied broker."""
    with psycopg.connect(plain(stack.database_url), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    url = stack.database_url.rpartition("/")[0] + "/" + name
    migrations.upgrade(url)
    redis.Redis.from_url(stack.broker_url).flushall()
    settings = Settings(
        _env_file=None,
        data_dir=stack.data_dir,
        database_url=url,
        broker_url=stack.broker_url,
        blobs_url=stack.blobs_url,
        engine=engine,
    )
    database = Database(url)
    try:
        yield System(stack, settings, database)
    finally:
        database.close()


def plain(url: str) -> str:
    """A SQLAlchemy address as psycopg takes it."""
    return url.replace("postgresql+psycopg://", "postgresql://")


def seconds_of(work: Callable[[], object], times: int) -> list[float]:
    """How long each call takes."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return taken


def commit_seconds(target: System) -> float:
    """The p50 of inserting one row and committing, by one client, on this Postgres."""
    with psycopg.connect(plain(target.settings.database_url)) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS baseline (id bigserial PRIMARY KEY, words text)")
        connection.commit()

        def commit() -> None:
            connection.execute("INSERT INTO baseline (words) VALUES ('one row')")
            connection.commit()

        return statistics.median(seconds_of(commit, 200))


def trip_seconds(stack: Stack) -> float:
    """The p50 of a bare Celery round trip: a task that answers with one RPUSH, on this Valkey, prefork."""
    variables = {"BASELINE_BROKER": stack.broker_url, "PYTHONPATH": str(Path(__file__).parents[1])}
    argv = [
        *(sys.executable, "-m", "celery", "--app", "benchmarks.bare_celery", "worker", "--pool", "prefork"),
        *("--concurrency", "1", "--loglevel", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat"),
    ]
    process = stack.spawn("bare-celery", argv, environment=variables)
    try:
        from benchmarks.bare_celery import ANSWERS, answer

        answer.app.conf.broker_url = stack.broker_url
        store = redis.Redis.from_url(stack.broker_url)

        def trip() -> None:
            answer.apply_async()
            if store.blpop([ANSWERS], 30) is None:
                raise RuntimeError(stack.end_of_log("bare-celery"))

        seconds_of(trip, 20)
        return statistics.median(seconds_of(trip, 300))
    finally:
        process.stop(3.0)


def percentile(values: list[float], part: float) -> float:
    """The value below which `part` of the values lie."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]
