"""The Celery app of a worker: one process with one engine, which answers tickets.

    celery --app worker.app worker --queues likeness.preview --concurrency 1

Each ticket lets the process claim and draw (`Drawer.answer`). A ticket is acknowledged when it arrives and carries nothing: which
turn is drawn, and whether at all, is decided in Postgres (`storage.turns`). The parent process answers remote control and
notes that it is stopping; the child, started by spawn so that CUDA is safe, holds the engine.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from celery import signals
from sqlalchemy import func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from storage.blobs import blobs_of
from storage.database import Database, DatabaseUnavailable
from storage.settings import Settings, settings
from storage.tables import Worker
from storage.tickets import TASK, bell, celery_app, queue
from worker import engines
from worker.drawing import Drawer
from worker.engines.contract import Engine, EngineProblem, OutOfMemory
from worker.identity.choice import guard_for

if TYPE_CHECKING:
    from worker.history.segments import SegmentStore

log = logging.getLogger(__name__)

# Read by OpenMP when a child first imports torch: threads that spin while they wait slow a busy machine down tenfold.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

TIME_LIMIT_GRACE = 30  # seconds after a turn's deadline before its process is killed

app = celery_app(settings().broker_url)
app.conf.update(
    task_acks_late=False,
    task_default_queue=queue(settings().engine),
    task_soft_time_limit=settings().turn_seconds + TIME_LIMIT_GRACE / 2,
    task_time_limit=settings().turn_seconds + TIME_LIMIT_GRACE,
    worker_pool="prefork",
    worker_pool_start_method="spawn",
    worker_concurrency=1,
    worker_prefetch_multiplier=1,
    worker_disable_prefetch=True,
    worker_proc_alive_timeout=300.0,
    worker_soft_shutdown_timeout=settings().lease_seconds,
    worker_send_task_events=False,
    worker_redirect_stdouts=False,
)

_drawer: Drawer | None = None


@app.task(name=TASK)
def draw() -> None:
    """Answer one ticket."""
    if _drawer is None:
        raise RuntimeError("this process has no engine; a ticket can only be answered in a child of the worker")
    _drawer.answer()


@signals.setup_logging.connect
def _set_up_logging(**_: Any) -> None:
    logging.basicConfig(level=settings().log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


@signals.worker_process_init.connect
def _start(**_: Any) -> None:
    """In the child: load the engine, say that this worker lives, and go on saying it."""
    global _drawer  # noqa: PLW0603  (Celery gives a task no other way to a process's state)
    _set_up_logging()
    chosen = settings()
    try:
        engine = _load(chosen)
        compared = engines.load(chosen.compare, chosen) if chosen.compare else None
    except Exception as error:  # Celery would pass over it, and leave a worker that draws nothing and says nothing
        told = isinstance(error, EngineProblem | OutOfMemory)  # who runs it needs no traceback of a sentence
        log.critical(
            "the engine %s %s cannot be loaded, so this worker ends: %s",
            chosen.engine,
            chosen.compare,
            error,
            exc_info=not told,
        )
        os.kill(os.getppid(), signal.SIGKILL)
        os._exit(1)
    database = Database(chosen.database_url, pool_size=3)
    worker_id = uuid7()
    _drawer = Drawer(
        settings=chosen,
        database=database,
        blobs=blobs_of(chosen),
        bell=bell(chosen.broker_url),
        engine_name=chosen.engine,
        engine=engine,
        worker_id=worker_id,
        segments=_segments(chosen),
        guard=guard_for(chosen.engine, chosen),
        compared=compared,
        compared_name=chosen.compare,
    )
    threading.Thread(target=_live, args=(database, worker_id, chosen, engine), name="heartbeat", daemon=True).start()


def _load(chosen: Settings) -> Engine:
    if chosen.engine != "echo":
        import torch

        torch.set_num_threads(chosen.threads)
    return engines.load(chosen.engine, chosen)


def _segments(chosen: Settings) -> SegmentStore | None:
    if chosen.engine == "echo":  # which has no MLLM, and must start without torch
        return None
    from worker.history.segments import SegmentStore

    return SegmentStore(
        memory_bytes=chosen.history_memory_bytes,
        disk_folder=chosen.history_folder,
        disk_bytes=chosen.history_disk_bytes,
    )


def _host() -> str:
    """Names the parent process, so that it can tell which rows are its children's."""
    return f"{socket.gethostname()}:{os.getppid()}"


def _live(database: Database, worker_id: UUID, chosen: Settings, engine: Engine) -> None:
    pause = threading.Event()
    while True:
        try:
            with database.begin() as session:
                _beat(session, worker_id, chosen.engine, engine)
        except (DBAPIError, DatabaseUnavailable) as error:
            log.warning("no sign of life: %s", error)
        pause.wait(chosen.heartbeat_seconds)


def _beat(session: Session, worker_id: UUID, engine_name: str, engine: Engine) -> None:
    session.execute(
        insert(Worker)
        .values(
            id=worker_id,
            engine=engine_name,
            fingerprint=engine.fingerprint,
            abilities=asdict(engine.abilities),
            host=_host(),
        )
        .on_conflict_do_update(index_elements=[Worker.id], set_={"heartbeat_at": func.now()})
    )


@signals.worker_shutting_down.connect
def _stopping(**_: Any) -> None:
    """In the parent: what its children cannot finish any more is taken back without a strike."""
    database = Database(settings().database_url, pool_size=1, patience=2)
    host = f"{socket.gethostname()}:{os.getpid()}"
    try:
        database.run(_mark_stopping, host)
    except (DBAPIError, DatabaseUnavailable) as error:
        log.warning("could not note that this worker stops: %s", error)
    finally:
        database.close()


def _mark_stopping(session: Session, host: str) -> None:
    session.execute(
        update(Worker)
        .where(Worker.host == host, Worker.heartbeat_at > func.now() - timedelta(hours=1))
        .values(stopping=True)
    )
