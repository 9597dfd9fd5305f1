"""Makes turns for tests, through the same door that everybody uses."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID, uuid4

import psycopg
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from storage import turns
from storage.database import Database
from storage.deliveries import Due
from storage.tables import Audit, Delivery, Person, Status, Turn, Vote
from storage.turns import Claim, Finished, Limits, Outcome, Receipt, Request

LIMITS = Limits(text=4000, attachments=10)
REQUEST = Request(
    platform="test",
    workspace="guild",
    channel="general",
    thread="story",
    source_id="",
    author="ada",
    text="draw Olivia",
)


class Factory:
    """One line a step: `receive`, `claim`, `finish`, each a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._sources = itertools.count(1)

    def request(self, text: str = "draw Olivia", **fields: object) -> Request:
        """A request with a source id of its own."""
        return replace(REQUEST, **{"source_id": f"message-{next(self._sources)}", "text": text, **fields})  # type: ignore[arg-type]

    def receive(self, text: str = "draw Olivia", *, engine: str = "echo", **fields: object) -> Receipt:
        """Receive a request."""
        return self.database.run(turns.receive, self.request(text, **fields), engine=engine, limits=LIMITS)

    def claim(self, *, engine: str = "echo", lease: float = 10, deadline: float = 60, **more: object) -> Claim | None:
        """Claim the next turn as some worker."""
        return self.database.run(
            turns.claim,
            engine=engine,
            worker_id=uuid4(),
            lease_seconds=lease,
            turn_seconds=deadline,
            **more,  # type: ignore[arg-type]
        )

    def finish(self, claim: Claim, reply: str = "Here it is.", status: Status = Status.DONE) -> Finished:
        """Finish a claimed turn."""
        return self.database.run(turns.finish, claim.turn_id, claim.fencing, Outcome(status, reply))

    def turn(self, turn_id: UUID) -> Turn:
        """The row as it is now."""

        def get(session: Session) -> Turn:
            return session.execute(select(Turn).where(Turn.id == turn_id)).scalar_one()

        return self.database.run(get)

    def delivered(self, turn_id: UUID) -> bool:
        """Whether the reply of a turn is noted as shown."""

        def asked(session: Session) -> bool:
            return session.scalar(select(Delivery.delivered_at).where(Delivery.turn_id == turn_id)) is not None

        return self.database.run(asked)

    def forget_delivery(self, turn_id: UUID) -> None:
        """Leave a delivery as a process does that dies after it posted and before it noted so."""
        unnoted = {"delivered_at": None, "message_id": None, "attempts": 1, "due_at": func.now()}
        self.database.run(
            lambda session: session.execute(update(Delivery).where(Delivery.turn_id == turn_id).values(**unnoted))
        )

    def due(self, turn_id: UUID) -> Due:
        """A reply as it is handed to a platform."""
        turn = self.turn(turn_id)
        return Due(
            turn_id=turn_id,
            conversation_id=turn.conversation_id,
            workspace_id=turn.workspace_id,
            workspace="guild",
            channel="general",
            thread="story",
            source_id=turn.source_id,
            status=Status(turn.status),
            text=turn.reply,
            pictures=(),
            message_id=None,
            attempts=0,
        )

    @contextmanager
    def holding_turns(self) -> Iterator[None]:
        """Nobody can write turns meanwhile, as with a database that is slow."""
        with self.database.engine.begin() as connection:
            connection.execute(text("LOCK TABLE turns IN EXCLUSIVE MODE"))
            yield

    @contextmanager
    def away(self) -> Iterator[None]:
        """The database takes no connections meanwhile, and has ended those that were there."""
        server, _, name = self.database.url.replace("postgresql+psycopg://", "postgresql://").rpartition("/")
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
            try:
                yield
            finally:
                connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')

    @contextmanager
    def without_votes(self) -> Iterator[None]:
        """A table is missing meanwhile: an error that nobody foresaw."""
        for old, new in (("votes", "hidden"), ("hidden", "votes")):
            self.database.run(lambda session: session.execute(text(f"ALTER TABLE {old} RENAME TO {new}")))  # noqa: B023
            if old == "votes":
                yield

    def texts(self) -> list[str]:
        """What the turns ask for, oldest first."""
        return self.database.run(lambda session: list(session.scalars(select(Turn.text).order_by(Turn.id))))

    def ids(self, *statuses: Status) -> list[UUID]:
        """The turns in these states, oldest first."""
        query = select(Turn.id).where(Turn.status.in_(statuses)).order_by(Turn.id)
        return self.database.run(lambda session: list(session.scalars(query)))

    def agreed(self) -> list[str]:
        """Who agreed that faces are taken from pictures that they uploaded, by name."""

        def names(session: Session) -> list[str]:
            who = select(Person.name).join(Audit, Audit.person_id == Person.id).where(Audit.action == "consent")
            return list(session.scalars(who))

        return self.database.run(names)

    def votes(self) -> list[int]:
        """All votes."""
        return self.database.run(lambda session: list(session.scalars(select(Vote.value))))

    def count(self, *statuses: Status) -> int:
        """How many turns are in one of these states."""

        def counted(session: Session) -> int:
            return session.scalar(select(func.count()).select_from(Turn).where(Turn.status.in_(statuses))) or 0

        return self.database.run(counted)

    def status(self, turn_id: UUID) -> Status:
        """The state of a turn."""
        return Status(self.turn(turn_id).status)
