"""The whole of Likeness on one machine: the stack, its tables, and a worker, as `demo` and `chat` need it.

Where the settings name a database, that system is used and nothing is started. Otherwise the stack of the data folder is
reused when one runs, and started when none does; whoever started it stops it.
"""

from __future__ import annotations

import fcntl
import importlib.util
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import update
from sqlalchemy.orm import Session

import migrations
from ops.processes import Process
from ops.stack import Stack, StackRunning, running_stack
from storage import turns
from storage.database import Database
from storage.settings import Settings
from storage.tables import Worker
from storage.tickets import queue
from worker import engines
from worker.engines.capacity import machine, shortages
from worker.engines.models import ENGINES

START_SECONDS = 120.0  # a first start of the preview engine reads its libraries from a cold disk


class NoWorker(Exception):
    """No worker comes up; the message says why, or where to look."""


@dataclass(frozen=True, slots=True)
class OneMachine:
    """A system to talk to. `stack` and `worker` are set when this process started them."""

    settings: Settings
    stack: Stack | None
    worker: Process | None = None


def check_machine(settings: Settings) -> None:
    """Raises `NoWorker` where this machine cannot hold the settings' engine, with all that it lacks."""
    if settings.engine not in ENGINES:
        return
    short = shortages(settings.engine, settings, machine())
    if short:
        raise NoWorker(
            f"This machine cannot run the engine {settings.engine}: "
            + " ".join(f"{one.says[0].upper()}{one.says[1:].removesuffix('.')}. {one.mend}" for one in short)
        )


def worker_argv(
    settings: Settings, *, concurrency: int = 1, name: str = "worker", log_level: str | None = None
) -> list[str]:
    """The command line of a worker: `concurrency` processes with the settings' engine each. Raises `NoWorker`."""
    engine = settings.engine
    if engine not in engines.NAMES:
        raise NoWorker(f"There is no engine named {engine}. There are: {', '.join(engines.NAMES)}.")
    if engine != "echo" and importlib.util.find_spec("torch") is None:
        raise NoWorker(f"The engine {engine} needs torch, which is not installed here. `make install` installs it.")
    return [
        *(sys.executable, "-m", "celery", "--app", "worker.app", "--quiet", "worker"),
        *(
            "--queues",
            queue(engine),
            "--concurrency",
            str(concurrency),
            "--hostname",
            f"{name}@%h",
            "--loglevel",
            log_level or settings.log_level,
        ),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    ]


@contextmanager
def one_machine(settings: Settings) -> Iterator[OneMachine]:
    """A migrated system with at least one worker of the settings' engine starting up.

    Raises `ops.stack.StackError` or `NoWorker`.
    """
    argv = worker_argv(settings)  # a name that does not exist is said before anything is started
    if "database_url" in settings.model_fields_set:
        yield OneMachine(settings, None)
        return
    if running_stack(settings.data_dir) is None:  # else its worker holds the engine already
        check_machine(settings)
    end = time.monotonic() + 30
    while True:
        try:
            stack = Stack.start(settings.data_dir, postgres_bin=settings.postgres_bin)
        except StackRunning:
            with _guests(settings, fcntl.LOCK_SH):
                environment = _running(settings, end)
                if environment is not None:
                    local = pointed_at(settings, environment)
                    migrations.upgrade(local.database_url)  # it may have come up a moment ago
                    yield OneMachine(local, None)
                    return
            if time.monotonic() > end:
                raise
            continue
        with stack:
            prepare(stack)
            local = pointed_at(settings, stack.environment)
            worker = stack.spawn("worker", argv, environment={"LIKENESS_ENGINE": local.engine})
            yield OneMachine(local, stack, worker)
            with _guests(settings, fcntl.LOCK_EX):
                stack.stop()
        return


@contextmanager
def _guests(settings: Settings, kind: int) -> Iterator[None]:
    """Hold the lock that those share who use a stack without having started it; its owner takes it alone to stop it."""
    with (settings.data_dir.expanduser() / "guests").open("a") as file:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if kind == fcntl.LOCK_EX:
                print("Another command still uses this stack; Ctrl-C stops it now.", file=sys.stderr)  # noqa: T201
            fcntl.flock(file, kind)
        yield


def prepare(stack: Stack) -> None:
    """Bring the tables of a stack that has just started up to date, and forget workers that were killed with an earlier one."""
    migrations.upgrade(stack.database_url)
    database = Database(stack.database_url, pool_size=1)
    try:
        database.run(_forget_workers)
    finally:
        database.close()


def _forget_workers(session: Session) -> None:
    session.execute(update(Worker).where(Worker.stopping.is_(False)).values(stopping=True))


def wait_for_worker(machine: OneMachine) -> None:
    """Wait until a worker of the engine gives a sign of life. Raises `NoWorker`."""
    settings = machine.settings
    end = time.monotonic() + START_SECONDS
    database = Database(settings.database_url)
    try:
        while not database.run(turns.live_workers, settings.heartbeat_seconds).get(settings.engine):
            if machine.stack is not None and machine.worker is not None and machine.worker.poll() is not None:
                raise NoWorker(f"The worker ended at once. {machine.stack.end_of_log('worker')}")
            if time.monotonic() > end:
                raise NoWorker(
                    f"No worker of the engine {settings.engine} came up in {START_SECONDS:.0f} s. "
                    "`likeness doctor` says which workers run."
                )
            time.sleep(0.05)
    finally:
        database.close()


def _running(settings: Settings, end: float) -> dict[str, str] | None:
    """The addresses of a stack that another process has started or is just starting; None when it is gone, or by `end`."""
    while (record := running_stack(settings.data_dir)) is not None and time.monotonic() < end:
        if record.database_url and record.broker_url:
            return record.environment
        time.sleep(0.1)
    return None


def pointed_at(settings: Settings, environment: dict[str, str]) -> Settings:
    """The same settings with the addresses of a stack."""
    values = {name.removeprefix("LIKENESS_").lower(): value for name, value in environment.items()}
    known = {name: value for name, value in values.items() if name in Settings.model_fields and name != "data_dir"}
    return settings.model_copy(update=known)


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Treat SIGTERM and SIGHUP as Ctrl-C, which unwinds and so stops what was started.

    A job in the background of a script was started with SIGINT ignored; it is to listen to it all the same.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    others = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number in others:
        signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        for number, handler in others.items():
            signal.signal(number, handler)
