"""`likeness doctor`: looks at each part that this machine needs and says how to mend what is broken.

It looks at the system that the settings name. Where they name none, it looks at the one-machine stack, and starts it for
as long as it looks when it does not run.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import redis
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from sqlalchemy import text
from sqlalchemy.orm import Session

import migrations
from ops.one_machine import pointed_at, prepare
from ops.processes import KeeperGone
from ops.stack import Stack, StackError, StackRunning, running_stack
from storage import turns
from storage.blobs import BlobError, blobs_of
from storage.database import Database
from storage.settings import Settings
from worker.engines.capacity import machine, shortages, summary
from worker.engines.models import ENGINES, chosen
from worker.identity.choice import licence_of

FREE_BYTES = 2 * 10**9


@dataclass(frozen=True)
class Check:
    """What was looked at, whether it is well, what was seen, and what to do where it is not."""

    name: str
    ok: bool
    says: str
    mend: str = ""


class _Broken(Exception):
    """A part is broken: what was seen, and how to mend it."""

    def __init__(self, says: str, mend: str) -> None:
        super().__init__(says)
        self.mend = mend


def examine(read_settings: Callable[[], Settings]) -> list[Check]:
    """Look at every part. Never raises for a part that is broken."""
    checks = [_check("python", _python)]
    try:
        settings = read_settings()
    except ValidationError as error:
        wrong = "; ".join(f"LIKENESS_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        return [*checks, Check("settings", False, wrong, "Correct it in the environment or in .env.")]
    checks.append(Check("settings", True, f"engine {settings.engine}, data in {settings.data_dir}"))
    checks.append(_check("disk", lambda: _disk(settings)))
    try:
        with _system(settings) as (kind, found):
            if kind:
                checks.append(Check("stack", True, kind))
            checks += [
                _check("database", lambda: _database(found)),
                _check("broker", lambda: _broker(found)),
                _check("blobs", lambda: _blobs(found)),
            ]
            if kind != _STARTED:
                checks.append(_check("worker", lambda: _worker(found)))
    except (StackError, KeeperGone) as error:
        checks.append(Check("stack", False, str(error), "Mend what the message names, then start again."))
    return [*checks, *_engine(settings)]


def show(checks: list[Check], *, as_json: bool) -> None:
    """Print the checks as a table, or as a JSON list on standard output."""
    console = Console(highlight=False, soft_wrap=as_json)
    if as_json:
        console.print(json.dumps([asdict(check) for check in checks], ensure_ascii=False, indent=2), markup=False)
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    for check in checks:
        mark = "[green]✓[/green]" if check.ok else "[red]✗[/red]"
        table.add_row(mark, check.name, "\n→ ".join(filter(None, (check.says, check.mend))).replace("[", r"\["))
    console.print(table)


def _check(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except _Broken as broken:
        return Check(name, False, str(broken), broken.mend)


_RUNNING = "the one-machine stack runs"
_STARTED = "Postgres and Valkey start on this machine"


@contextmanager
def _system(settings: Settings) -> Iterator[tuple[str, Settings]]:
    """The system to look at, and what is to be said of its stack, if it has one."""
    if "database_url" in settings.model_fields_set:
        yield "", settings
        return
    try:
        stack = Stack.start(settings.data_dir, postgres_bin=settings.postgres_bin)
    except StackRunning:
        record = running_stack(settings.data_dir)
        if record is None or not record.database_url:
            raise
        yield _RUNNING, pointed_at(settings, record.environment)
        return
    with stack:
        prepare(stack)
        yield _STARTED, pointed_at(settings, stack.environment)


def _python() -> str:
    found = ".".join(map(str, sys.version_info[:3]))
    if not (3, 11) <= sys.version_info < (3, 14):
        raise _Broken(f"this is Python {found}", "Use Python 3.11, 3.12 or 3.13: PYTHON=python3.12 make install.")
    return found


def _disk(settings: Settings) -> str:
    folder = next(path for path in (settings.data_dir, *settings.data_dir.absolute().parents) if path.exists())
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES:
        raise _Broken(f"{free / 1e9:.1f} GB free in {folder}", "Free some, or set LIKENESS_DATA_DIR to another disk.")
    return f"{free / 1e9:.0f} GB free"


def _database(settings: Settings) -> str:
    database = Database(settings.database_url, pool_size=1, patience=0)
    try:
        version = database.run(_server_version)
        revision = migrations.current(settings.database_url)
    except Exception as error:  # a wrong address, password, name or network each raise their own
        reason = str(getattr(error.__cause__ or error, "orig", error)).strip().splitlines()[0]
        raise _Broken(f"cannot be reached: {reason}", "Start Postgres, or correct LIKENESS_DATABASE_URL.") from error
    finally:
        database.close()
    if revision != migrations.head():
        mend = (
            "Run likeness migrate."
            if revision is None or revision < str(migrations.head())
            else "Install this version."
        )
        raise _Broken(f"is at revision {revision}, this version needs {migrations.head()}", mend)
    return f"Postgres {version}, revision {revision}"


def _server_version(session: Session) -> str:
    return str(session.scalar(text("SHOW server_version"))).split()[0]


def _broker(settings: Settings) -> str:
    try:
        broker = redis.Redis.from_url(settings.broker_url, socket_timeout=3, socket_connect_timeout=3)
        about = broker.info("server")
    except (redis.RedisError, OSError, ValueError) as error:
        raise _Broken(f"cannot be reached: {error}", "Start Valkey, or correct LIKENESS_BROKER_URL.") from error
    return f"Valkey {about['valkey_version']}" if "valkey_version" in about else f"Redis {about['redis_version']}"


def _blobs(settings: Settings) -> str:
    try:
        blobs_of(settings).check()
    except (BlobError, ValueError, OSError) as error:
        raise _Broken(
            str(error), "Correct LIKENESS_BLOBS_URL, the LIKENESS_S3_* settings, or the bucket's rights."
        ) from error
    return settings.blobs


def _worker(settings: Settings) -> str:
    database = Database(settings.database_url, pool_size=1, patience=0)
    try:
        live = database.run(turns.live_workers, settings.heartbeat_seconds)
    except Exception as error:  # the database check has said why
        raise _Broken("cannot be known without the database", "Mend the database first.") from error
    finally:
        database.close()
    if not live.get(settings.engine):
        raise _Broken(f"no worker draws with {settings.engine}", f"Run likeness worker --engine {settings.engine}.")
    return ", ".join(f"{count} with {engine}" for engine, count in sorted(live.items()))


def _engine(settings: Settings) -> list[Check]:
    """Whether the engine loads; of published models, which take minutes to load, whether this machine can hold them."""
    if settings.engine not in ENGINES:
        return [_check("engine", lambda: _loads(settings))]
    if importlib.util.find_spec("torch") is None:
        return [Check("engine", True, _BOT_ONLY)]
    parts = chosen(settings.engine, settings)
    licences = ", ".join(f"{one.name} ({one.licence})" for one in parts)
    found = machine()
    short = shortages(settings.engine, settings, found)
    broken = [Check(one.part, False, one.says, one.mend) for one in short]
    if not any(one.part == "models" for one in short):
        broken.append(Check("models", True, licences))
    if settings.guard:
        broken.append(_check("faces", lambda: _faces(settings)))
    if not any(one.part == "gpu" for one in short):
        broken.append(Check("gpu", True, summary(settings.engine, settings, found)))
    return broken


_BOT_ONLY = "not installed here: this machine can run the bot, not draw"


def _faces(settings: Settings) -> str:
    """The models by which the guard compares people in photographs, and their licence."""
    if not settings.faces_folder.is_dir():
        raise _Broken(
            "there are no models that compare faces, so nobody is compared",
            "Run likeness models fetch --faces, or set LIKENESS_GUARD=false.",
        )
    return f"{settings.faces_folder}: {licence_of(settings.faces_folder, settings)}"


def _loads(settings: Settings) -> str:
    if settings.engine != "echo" and importlib.util.find_spec("torch") is None:
        return _BOT_ONLY
    from worker import engines

    try:
        loaded = engines.load(settings.engine, settings)
    except Exception as error:  # damaged weights, a missing library and a wrong name each raise their own
        mend = "Set LIKENESS_ENGINE to an engine that exists, or run make install to get its weights and libraries."
        raise _Broken(f"{settings.engine} does not load: {error}", mend) from error
    return f"{settings.engine} loads, fingerprint {loaded.fingerprint[:12]}"
