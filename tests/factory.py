"""Makes turns for tests, through the same door that everybody uses."""

from __future__ import annotations

import itertools
from dataclasses import replace
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage import turns
from storage.database import Database
from storage.tables import Status, Turn
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

    def status(self, turn_id: UUID) -> Status:
        """The state of a turn."""
        return Status(self.turn(turn_id).status)
