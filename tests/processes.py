"""Worker processes for tests: the real Celery worker, started and stopped by process id."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ops.processes import Process
from ops.stack import Stack
from storage.database import Database
from storage.settings import Settings
from storage.tables import Worker


def environment(settings: Settings) -> dict[str, str]:
    """`LIKENESS_*` variables that make a process read the same settings."""
    return {
        f"LIKENESS_{name.upper()}": value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in settings.model_dump().items()
        if name in settings.model_fields_set and value is not None and name != "_env_file"
    }


def until(condition: Callable[[], object], seconds: float = 15.0, what: str = "") -> None:
    """Wait until a condition holds; fail when it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what or condition}")
        time.sleep(0.02)


def is_up(database: Database, worker: Process) -> bool:
    """Whether the drawing process of this very worker has given a sign of life."""

    def beats(session: Session) -> bool:
        host = f"{socket.gethostname()}:{worker.pid}"
        return session.scalar(select(func.count()).where(Worker.host == host, Worker.stopping.is_(False))) != 0

    return database.run(beats)


def children(pid: int) -> list[int]:
    """Process ids of the direct children."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def drawing_child(worker: Process) -> int:
    """The process of a worker that holds the engine."""
    found = [child for child in children(worker.pid) if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
    assert len(found) == 1, found
    return found[0]


@contextmanager
def running_worker(stack: Stack, settings: Settings, database: Database, name: str = "worker") -> Iterator[Process]:
    """A worker that is up and waits for tickets."""
    process = stack.spawn(
        name,
        [
            *(sys.executable, "-m", "celery", "--app", "worker.app", "worker"),
            *("--queues", f"likeness.{settings.engine}", "--concurrency", "1", "--hostname", f"{name}@%h"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO"),
        ],
        environment={**environment(settings), "PYTHONPATH": os.getcwd()},
    )
    try:
        until(lambda: is_up(database, process), 30, f"{name} is up")
        yield process
    finally:
        process.signal(signal.SIGKILL, group=True)
        process.stop(0)
