"""A conversation with an engine in one process, without a database: what a worker would hold of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid5

from PIL import Image

from worker.engines.contract import (
    Character,
    ChatMessage,
    Drawing,
    Engine,
    OnStep,
    Reading,
    Record,
    Refused,
    no_progress,
)
from worker.history import History
from worker.history.segments import SegmentStore
from worker.identity.guard import Guard, Kept
from worker.identity.meter import Face


@dataclass(frozen=True, slots=True)
class Round:
    """What came of one message, and after which round it was said (-1: after none). Without a record, it was refused."""

    record: Record | None
    after: int
    reply: str = ""
    picture: Image.Image | None = None
    tokens_read: int = 0
    tokens_reused: int = 0
    seconds: float = 0.0  # to read, to draw and to be looked at by the guard
    drawings: int = 0
    likeness: dict[UUID, float] = field(default_factory=dict)  # by character, as the guard sees it


@dataclass
class Talk:
    """Deterministic by seed: the same words give the same pictures. Each seed is a workspace of its own."""

    engine: Engine
    seed: int = 0
    segments: SegmentStore | None = None
    characters: list[Character] = field(default_factory=list)  # those introduced come by themselves
    rounds: list[Round] = field(default_factory=list)
    guard: Guard | None = None
    redraws: int = 1
    faces: dict[UUID, Face] = field(default_factory=dict)  # what characters look like, for the guard

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

    def records(self, after: int | None = None) -> tuple[Record, ...]:
        """What is remembered of the line: as in serving, nothing of what was refused."""
        return tuple(one.record for one in self.line(after) if one.record is not None)

    def read(self, text: str, pictures: Sequence[Image.Image] = (), *, after: int | None = None) -> Reading:
        """Have a message read, without a trace."""
        records = self.records(after)
        on_line = {record.turn_id for record in records}
        known = tuple(one for one in self.characters if one.turn_id is None or one.turn_id in on_line)
        drawn = {one.record.turn_id: one.picture for one in self.rounds if one.record is not None}
        return self.engine.read(
            History(records, UUID(int=self.seed), self.segments, picture=drawn.get),
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
        before = len(self.rounds) - 1 if after is None else after
        turn_id = uuid5(UUID(int=self.seed), f"round {len(self.rounds)}")
        try:
            reading = self.read(text, pictures, after=after)
            kept = self._draw(reading, turn_id, on_step)
        except Refused as error:
            self.rounds.append(Round(None, before, str(error), seconds=time.perf_counter() - began))
            return self.rounds[-1]
        drawing = kept.drawing
        seconds = time.perf_counter() - began
        for new in reading.introduces:
            self.characters.append(Character(uuid5(turn_id, new.name), new.name, 1, new.description, turn_id=turn_id))
        seen = {
            one if isinstance(one, UUID) else uuid5(turn_id, one): sighting
            for one, sighting in zip(_cast(reading), kept.seen, strict=False)
        }
        for one, sighting in seen.items():
            if self.guard is not None and drawing.picture is not None and sighting.box is not None:
                face = self.guard.face(drawing.picture, sighting.box)
                if face is not None:
                    self.faces.setdefault(one, face)
        said = Round(
            drawing.record,
            before,
            reading.reply,
            drawing.picture,
            reading.tokens_read,
            reading.tokens_reused,
            seconds,
            kept.drawings,
            {one: sighting.similarity for one, sighting in seen.items() if sighting.similarity is not None},
        )
        self.rounds.append(said)
        return said

    def _draw(self, reading: Reading, turn_id: UUID, on_step: OnStep) -> Kept[Drawing]:
        def drawing(number: int) -> Drawing:
            seed = self.seed * 10_000 + len(self.rounds) + number * 1_000
            return self.engine.draw(reading, turn_id=turn_id, seed=seed, on_step=on_step)

        if self.guard is None or not reading.draws:
            return Kept(drawing(0), (), 1)
        known = [self._face(self.guard, one) if isinstance(one, UUID) else None for one in _cast(reading)]
        return self.guard.best_of(map(drawing, range(1 + self.redraws)), known, ordered=bool(reading.cast))

    def _face(self, guard: Guard, character_id: UUID) -> Face | None:
        uploaded = next((one.references for one in self.characters if one.id == character_id), ())
        return guard.face(uploaded[0]) if uploaded else self.faces.get(character_id)


def _cast(reading: Reading) -> tuple[UUID | str, ...]:
    """Everybody in the picture: known ones by id, newcomers by name."""
    return reading.cast or (*reading.characters, *(new.name for new in reading.introduces))
