"""Workers as they are listed, and what a paused one is given."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import func
from sqlalchemy.orm import Session

from storage import turns, workers
from storage.tables import Turn, Worker
from storage.workers import WorkerView
from tests.factory import Factory


def worker(factory: Factory, *, silent: float = 0, engine: str = "echo", **fields: object) -> UUID:
    """A worker that gave its last sign of life so many seconds ago."""
    worker_id = uuid4()

    def add(session: Session) -> None:
        row = Worker(id=worker_id, engine=engine, fingerprint="echo-1", abilities={}, host="machine:1", **fields)
        row.heartbeat_at = func.now() - timedelta(seconds=silent)
        session.add(row)

    factory.database.run(add)
    return worker_id


def pause(factory: Factory, worker_id: UUID, *, paused: bool = True) -> bool:
    return factory.database.run(workers.set_paused, worker_id, paused=paused)


def claim(factory: Factory, worker_id: UUID) -> turns.Claim | None:
    return factory.database.run(turns.claim, engine="echo", worker_id=worker_id, lease_seconds=10, turn_seconds=60)


def listed(factory: Factory, workspace_id: UUID | None = None) -> dict[UUID, WorkerView]:
    found = factory.database.run(workers.listed, heartbeat_seconds=5, workspace_id=workspace_id)
    return {one.id: one for one in found}


def test_a_paused_worker_claims_nothing_until_it_is_resumed(factory: Factory) -> None:
    factory.receive()
    resting, other = worker(factory), worker(factory)
    assert pause(factory, resting)
    assert not pause(factory, resting), "it was so already"
    assert claim(factory, resting) is None
    assert factory.database.run(workers.is_paused, resting)
    assert factory.database.run(turns.runnable, "echo"), "the turn is there for others"
    assert claim(factory, other)
    factory.receive(thread="second")
    assert pause(factory, resting, paused=False)
    assert claim(factory, resting)


def test_a_worker_that_is_paused_while_it_draws_finishes(factory: Factory) -> None:
    factory.receive()
    drawing = worker(factory)
    claimed = claim(factory, drawing)
    assert claimed is not None
    pause(factory, drawing)
    assert factory.database.run(turns.renew, claimed.turn_id, claimed.fencing, lease_seconds=10)
    assert factory.finish(claimed).valid


def test_paused_workers_are_not_counted_as_live(factory: Factory) -> None:
    resting, _ = worker(factory), worker(factory)
    pause(factory, resting)
    assert factory.database.run(turns.live_workers, 5) == {"echo": 1}
    waiting = factory.receive()
    assert factory.database.run(turns.place, waiting.turn_id, heartbeat_seconds=5).workers == 1


def test_a_worker_that_is_gone_cannot_be_paused(factory: Factory) -> None:
    assert not pause(factory, uuid4())
    assert not factory.database.run(workers.is_paused, uuid4())


def test_what_workers_draw_and_drew_lately_is_counted(factory: Factory) -> None:
    busy, idle = worker(factory), worker(factory, paused=True)
    for _ in range(2):
        here = factory.receive()
        claimed = claim(factory, busy)
        assert claimed is not None
        factory.finish(claimed)
    first, *_ = factory.database.run(lambda session: list(session.query(Turn.id).order_by(Turn.id)))
    factory.database.run(
        lambda session: session.query(Turn).filter_by(id=first[0]).update({"finished_at": func.now() - workers.LATELY})
    )
    there = factory.receive(workspace="other")
    assert claim(factory, busy)
    found = listed(factory)
    assert [(found[one].drawing, found[one].drawn, found[one].paused) for one in (busy, idle)] == [
        (1, 1, False),
        (0, 0, True),
    ]
    (other, ours) = (listed(factory, where)[busy] for where in (there.workspace_id, here.workspace_id))
    assert (other.drawing, other.drawn) == (1, 0)
    assert (ours.drawing, ours.drawn) == (0, 1)


def test_a_worker_that_is_lost_is_listed_and_one_that_ended_is_not(factory: Factory) -> None:
    lost, ended = worker(factory, silent=60), worker(factory, silent=60, stopping=True)
    stopping = worker(factory, stopping=True)
    found = listed(factory)
    assert ended not in found
    assert not found[lost].live
    assert 59 < found[lost].silent < 70
    assert found[stopping].live
