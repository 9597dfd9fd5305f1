"""Workers as those see them who look after them: what each holds and did lately, and which are paused.

A paused worker lives on and ends what it draws, but `storage.turns.claim` gives it nothing more. It is paused as long as its
process lives: one that is started anew draws. Heartbeats are written by the workers themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from storage.database import single
from storage.tables import Status, Turn, Worker
from storage.turns import DEAD_AFTER

LATELY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class WorkerView:
    """A worker as it is listed. `silent` is how many seconds ago it gave its last sign of life."""

    id: UUID
    engine: str
    fingerprint: str
    host: str
    stopping: bool
    paused: bool
    silent: float
    live: bool  # it gave a sign of life lately
    drawing: int  # turns that it draws now
    drawn: int  # turns of the last hour that it drew

    @property
    def short(self) -> str:
        """Enough of the id to tell workers apart."""
        return self.id.hex[-8:]


def listed(session: Session, *, heartbeat_seconds: float, workspace_id: UUID | None = None) -> list[WorkerView]:
    """All workers that did not end, oldest first. With a workspace, only turns of that one are counted."""
    silent = func.extract("epoch", func.now() - Worker.heartbeat_at)
    rows = session.execute(select(Worker, silent).order_by(Worker.id)).all()
    ours = [] if workspace_id is None else [Turn.workspace_id == workspace_id]
    by_worker = select(Turn.worker_id, func.count()).group_by(Turn.worker_id)
    lately = Turn.finished_at > func.now() - LATELY
    engines = {worker.engine for worker, _ in rows}
    running = session.execute(by_worker.where(Turn.status == Status.RUNNING, *ours))
    drawing = {worker_id: count for worker_id, count in running}  # noqa: C416  (as in `turns.live_workers`)
    done = session.execute(by_worker.where(Turn.engine.in_(engines), Turn.status == Status.DONE, lately, *ours))
    drawn = {worker_id: count for worker_id, count in done}  # noqa: C416  (as above)
    views = [
        WorkerView(
            id=worker.id,
            engine=worker.engine,
            fingerprint=worker.fingerprint,
            host=worker.host,
            stopping=worker.stopping,
            paused=worker.paused,
            silent=float(seconds),
            live=seconds <= DEAD_AFTER * heartbeat_seconds,
            drawing=drawing.get(worker.id, 0),
            drawn=drawn.get(worker.id, 0),
        )
        for worker, seconds in rows
    ]
    return [one for one in views if one.live or not one.stopping]


def set_paused(session: Session, worker_id: UUID, *, paused: bool) -> bool:
    """Give a worker no more turns, or give it some again. False: it was so already, or the worker is gone."""
    changed = session.scalar(
        update(Worker)
        .where(Worker.id == worker_id, Worker.paused.is_not(paused))
        .values(paused=paused)
        .returning(Worker.id)
    )
    return changed is not None


@single
def is_paused(session: Session, worker_id: UUID) -> bool:
    """Whether an operator has paused this worker."""
    return session.scalar(select(Worker.paused).where(Worker.id == worker_id)) or False
