"""Transactions, for processes with an event loop and for those without.

A function that changes or reads the database is written once, against a synchronous `Session`, and is called through
`Database.run` (a worker, a command) or `await Database.arun` (a bot). It knows how to wait out a database that restarts;
it knows nothing of tables.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from typing import Any, Concatenate, ParamSpec, TypeVar

import psycopg
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
Work = Callable[Concatenate[Session, P], T]

_SINGLE: set[Callable[..., Any]] = set()


def single(work: Work[P, T]) -> Work[P, T]:
    """Mark work whose statements each stand alone: `Database.run` spares it the two trips that begin and commit."""
    _SINGLE.add(work)
    return work


class DatabaseUnavailable(Exception):
    """Postgres could not be reached for as long as the caller was willing to wait."""


def _transient(error: DBAPIError) -> bool:
    """Whether the same transaction may well succeed in a moment: a lost connection, a deadlock, a restart."""
    if error.connection_invalidated:
        return True
    return isinstance(error, OperationalError | InterfaceError) and (
        error.orig is None
        or isinstance(error.orig, psycopg.errors.DeadlockDetected | psycopg.errors.SerializationFailure)
        or getattr(error.orig, "sqlstate", None) is None
        or str(getattr(error.orig, "sqlstate", "")).startswith(("57P", "08", "53"))
    )


class Database:
    """A pool of connections to one Postgres.

    `patience` is how many seconds a transaction is tried again while Postgres is away. Work that is tried again must be
    safe to repeat even when its first commit succeeded unseen: everything in `storage.turns` is.
    """

    def __init__(self, url: str, *, pool_size: int = 5, patience: float = 15.0) -> None:
        self.url = url
        self.patience = patience
        self._under_way = 0  # calls of `arun`
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._options: dict[str, Any] = {
            "pool_size": pool_size,
            "max_overflow": 0,
            "pool_timeout": 30,
            "pool_use_lifo": True,  # the connection used last has its statements prepared and its caches warm
            "connect_args": {"connect_timeout": 5, "application_name": "likeness"},
        }

    @cached_property
    def engine(self) -> Engine:
        """The pool of connections."""
        return create_engine(self.url, **self._options)

    @cached_property
    def _autocommit(self) -> Engine:
        return self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._options["pool_size"], thread_name_prefix="database")

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """One transaction, without a second try."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    def run(self, work: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` in one transaction; again when Postgres was away. Raises `DatabaseUnavailable`."""
        give_up = time.monotonic() + self.patience
        for pause in _pauses():
            try:
                return self._once(work, *args, **kwargs)
            except DBAPIError as error:
                self._tolerate(error, give_up)
                time.sleep(pause)
        raise AssertionError("unreachable: the pauses never end")

    async def arun(self, work: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`run`, for processes with an event loop: each try in a thread, of as many threads as there are connections.

        A caller that is cancelled waits no more; a transaction that is under way still commits or rolls back as a whole.
        """
        give_up = time.monotonic() + self.patience
        loop = asyncio.get_running_loop()
        self._count(1)
        try:
            for pause in _pauses():
                try:
                    return await loop.run_in_executor(self._threads, lambda: self._once(work, *args, **kwargs))
                except DBAPIError as error:
                    self._tolerate(error, give_up)
                    await asyncio.sleep(pause)
            raise AssertionError("unreachable: the pauses never end")
        finally:
            self._count(-1)

    async def quiet(self, seconds: float) -> None:
        """Wait until no transaction of `arun` waits for another, or so long: before what may as well be done later."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._quiet.wait()

    def _count(self, more: int) -> None:
        self._under_way += more
        if self._under_way > self._options["pool_size"]:
            self._quiet.clear()
        else:
            self._quiet.set()

    def _once(self, work: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if work in _SINGLE:
            with Session(self._autocommit, expire_on_commit=False) as session:
                return work(session, *args, **kwargs)
        with self.begin() as session:
            return work(session, *args, **kwargs)

    def _tolerate(self, error: DBAPIError, give_up: float) -> None:
        if not _transient(error):
            raise error
        if time.monotonic() >= give_up:
            raise DatabaseUnavailable("The database cannot be reached.") from error
        log.warning("transaction will be tried again: %s", str(error.orig).strip().splitlines()[:1])

    def warm(self) -> None:
        """Open all connections of the pool, so that none of the first transactions waits for its own. May fail."""
        try:
            with ExitStack() as opened:
                for _ in range(self._options["pool_size"]):
                    opened.enter_context(self.engine.connect())
        except DBAPIError as error:
            log.warning("connections will be opened later: %s", str(error.orig).strip().splitlines()[:1])

    def close(self) -> None:
        """Close the pool, once the transactions that are under way have ended."""
        if "_threads" in self.__dict__:
            self._threads.shutdown(cancel_futures=True)
        if "engine" in self.__dict__:
            self.engine.dispose()

    async def aclose(self) -> None:
        """`close`, for processes with an event loop."""
        await asyncio.to_thread(self.close)


def _pauses() -> Iterator[float]:
    pause = 0.02
    while True:
        yield pause
        pause = min(pause * 2, 0.5)
