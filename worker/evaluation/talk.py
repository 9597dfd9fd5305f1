"""A conversation with an engine in one process, without a database: what a worker would hold of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid5

from PIL import Image

from worker.engines.contract import Character, ChatMessage, Engine, OnStep, Reading, Record, no_progress
from worker.history import History
from worker.history.segments import SegmentStore


@dataclass(frozen=True, slots=True)
class Round:
    """What came of one message, and after which round it was said (-1: after none)."""

    record: Record
    after: int
    reply: str = ""
    picture: Image.Image | None = None
    tokens_read: int = 0
    tokens_reused: int = 0
    seconds: float = 0.0  # to read and to draw


@dataclass
class Talk:
    """Deterministic by seed: the same words give the same pictures. Each seed is a workspace of its own."""

    engine: Engine
    seed: int = 0
    segments: SegmentStore | None = None
    characters: list[Character] = field(default_factory=list)  # those introduced come by themselves
    rounds: list[Round] = field(default_factory=list)

    @classmethod
    def after(
        cls,
        records: Iterable[Record],
        engine: Engine,
        seed: int = 0,
        segments: SegmentStore | None = None,
        characters: Sequence[Character] = (),
    ) -> Talk:
        """A conversation that was had before, to go on with."""
        rounds = [Round(record, number - 1) for number, record in enumerate(records)]
        return cls(engine, seed, segments, list(characters), rounds)

    def line(self, after: int | None = None) -> list[Round]:
        """The rounds from the first to `after`; to the last without it."""
        rounds: list[Round] = []
        number = len(self.rounds) - 1 if after is None else after
        while number >= 0:
            rounds.append(self.rounds[number])
            number = self.rounds[number].after
        return rounds[::-1]

    def read(self, text: str, pictures: Sequence[Image.Image] = (), *, after: int | None = None) -> Reading:
        """Have a message read, without a trace."""
        records = tuple(one.record for one in self.line(after))
        on_line = {record.turn_id for record in records}
        known = tuple(one for one in self.characters if one.turn_id is None or one.turn_id in on_line)
        return self.engine.read(
            History(records, UUID(int=self.seed), self.segments),
            ChatMessage(text, tuple(pictures), known, seed=self.seed + len(self.rounds)),
        )

    def say(
        self,
        text: str,
        pictures: Sequence[Image.Image] = (),
        *,
        after: int | None = None,
        on_step: OnStep = no_progress,
    ) -> Round:
        """Have a message read and drawn, as the next round after round `after`, or after the last."""
        began = time.perf_counter()
        reading = self.read(text, pictures, after=after)
        turn_id = uuid5(UUID(int=self.seed), f"round {len(self.rounds)}")
        drawing = self.engine.draw(
            reading, turn_id=turn_id, seed=self.seed * 10_000 + len(self.rounds), on_step=on_step
        )
        seconds = time.perf_counter() - began
        for new in reading.introduces:
            self.characters.append(Character(uuid5(turn_id, new.name), new.name, 1, new.description, turn_id=turn_id))
        said = Round(
            drawing.record,
            len(self.rounds) - 1 if after is None else after,
            reading.reply,
            drawing.picture,
            reading.tokens_read,
            reading.tokens_reused,
            seconds,
        )
        self.rounds.append(said)
        return said
