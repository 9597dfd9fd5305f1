"""The contract between the worker and every engine.

It knows what a worker hands to an engine and what it gets back. It knows nothing of any model, of the queue, or of where
blobs and tables are: an engine can be run from a test with a `History` in memory and a message, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from PIL import Image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from worker.history import History

Arrays = Mapping[str, "NDArray[Any]"]  # Any: latents are floats, codes are integers
"""What a painter keeps of a picture so that it encodes it once: its latents, its codes; without a batch axis."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What an engine can do. The bot learns it from the `workers` table, as JSON, and never imports the engine."""

    sizes: tuple[tuple[int, int], ...]  # (width, height) in pixels, the default first
    characters_per_picture: int
    context_tokens: int
    languages: tuple[str, ...]  # BCP 47 tags, such as "en"
    cannot: tuple[str, ...] = ()  # sentences for people: what it cannot do


@dataclass(frozen=True, slots=True)
class Encodings:
    """What painters made of one reference, kept beside it, so that it is encoded once and forgotten with it.

    Both take the painter's fingerprint. Neither raises: what is not kept, or damaged, is None and encoded again.
    """

    get: Callable[[str], Arrays | None]
    keep: Callable[[str, Arrays], None]


@dataclass(frozen=True, slots=True)
class Character:
    """A named person of the story who is in scope of a message, with the pictures that show what they look like."""

    id: UUID
    name: str
    version: int
    description: str = ""
    references: tuple[Image.Image, ...] = ()  # uploaded or promoted pictures, RGB
    turn_id: UUID | None = None  # the turn whose picture introduced the character, when it was drawn and not uploaded
    encodings: tuple[Encodings, ...] = ()  # one for each reference, where there is a place to keep them


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message to the engine. `references` are the pictures attached to this very message, RGB.

    `seed` settles what the message leaves open: drawn again with another seed, a person may smile who did not. `aspect` is
    what the person chose the picture to be, one that the engine's sizes have by name (`storage.aspects`); empty leaves it to
    the engine. `modest` is a message that memory ran out over: it is read and drawn again with as little as the engine can.
    """

    text: str
    references: tuple[Image.Image, ...] = ()
    characters: tuple[Character, ...] = ()
    seed: int = 0
    aspect: str = ""
    modest: bool = False


@dataclass(frozen=True, slots=True)
class NewCharacter:
    """A person whom the message introduced by name, and whom the picture will show for the first time."""

    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture of a turn as the reader saw it, for readers that look at pixels."""

    label: str  # what the reader calls it, in this turn and for ever; unique in a conversation
    png: bytes


@dataclass(frozen=True, slots=True)
class Record:
    """What a finished turn leaves for ever; the truth of the history. Arrays are NumPy, so that no reader needs torch."""

    turn_id: UUID
    fingerprint: str  # of the engine that wrote the arrays below; another engine encodes the picture anew
    text: str  # the message, as the person wrote it
    reply: str
    token_ids: NDArray[np.int32]  # (n,) every position of the turn in the MLLM's input, visual positions included
    visual_tokens: NDArray[
        np.float32
    ]  # (k, d) at the visual positions, in order: references, then the picture as regressed
    latents: NDArray[np.float32] | None = None  # the painter's latents of the picture, (c, h, w)
    characters: tuple[UUID, ...] = ()  # who is in the picture
    versions: tuple[int, ...] = ()  # their versions, in the same order
    seen: tuple[Seen, ...] = ()  # the turn's own pictures: those that came with the message, then the drawn one
    arrays: Mapping[str, NDArray[Any]] = field(
        default_factory=dict, repr=False
    )  # what the painter keeps of them, by names that the engine gives; Any: floats or integers

    @property
    def size(self) -> int:
        """Bytes of its arrays and pictures."""
        latents = 0 if self.latents is None else self.latents.nbytes
        kept = sum(array.nbytes for array in self.arrays.values()) + sum(len(one.png) for one in self.seen)
        return self.token_ids.nbytes + self.visual_tokens.nbytes + latents + kept


@dataclass(slots=True)
class Reading:
    """What the MLLM made of a message: a reply, and what the painter needs to draw it."""

    reply: str
    draws: bool  # False for a question that is answered without a picture
    alt_text: str = ""
    characters: tuple[UUID, ...] = ()  # of those in scope, the ones whom the picture shows
    introduces: tuple[NewCharacter, ...] = ()  # people named for the first time, in the order of the picture
    cast: tuple[
        UUID | str, ...
    ] = ()  # all of them from left to right, newcomers by name; empty where that is not known
    pictures: tuple[UUID, ...] = ()  # turns whose pictures the message means ("the beach picture")
    tokens_read: int = 0  # positions that the MLLM computed for this turn
    tokens_reused: int = 0  # positions that came from segments
    plan: object = field(default=None, repr=False)  # what this engine's painter needs; opaque to the worker


@dataclass(slots=True)
class Drawing:
    """A picture, what it shows in words, and the record to keep."""

    picture: Image.Image | None  # RGB; None when the reading draws nothing
    alt_text: str
    record: Record
    segment: bytes | None = None  # of this turn, for the blob store; None when the engine keeps none


@dataclass(frozen=True, slots=True)
class Step:
    """Progress of one drawing: `step` of `steps`, and now and then a small preview."""

    step: int
    steps: int
    preview: Image.Image | None = None


class Refused(Exception):
    """What an engine raises when it will not draw this; the message is one plain sentence to the person."""


class EngineProblem(Exception):
    """An engine cannot be had or cannot go on, and whoever runs it has to do something; the message is one plain sentence."""


class OutOfMemory(Exception):
    """Memory did not suffice. The turn is drawn again by a fresh process, with a message that is `modest`."""


OnReply = Callable[[str], None]
"""Called while an engine reads, with the reply as far as it is written. What it raises ends the reading."""

OnStep = Callable[[Step], None]
"""Called between steps of the painter. What it raises ends the drawing: that is how a cancel reaches an engine."""


class Engine(Protocol):
    """A reader and a painter: reads a conversation and draws its next picture. Both may raise `Refused` and `OutOfMemory`."""

    @property
    def fingerprint(self) -> str:
        """A digest of weights, configuration, dtype and cache layout: changes whenever a segment would mean something else."""

    @property
    def abilities(self) -> Abilities: ...

    def read(self, history: History, message: ChatMessage, *, on_reply: OnReply = ...) -> Reading:
        """Read the message after the history. Deterministic for equal history and message."""

    def draw(self, reading: Reading, *, turn_id: UUID, seed: int, on_step: OnStep) -> Drawing:
        """Draw what was read. Equal reading and seed give an equal picture on one machine."""

    def draw_several(self, reading: Reading, *, turn_id: UUID, seeds: Sequence[int], on_step: OnStep) -> list[Drawing]:
        """A picture for each seed of a reading that draws, side by side where the engine can; the history keeps the first.

        Previews show all of them, as `side_by_side` puts them.
        """


def no_progress(_: Step) -> None:
    """An `OnStep` for callers that show nothing."""


def no_reply(_: str) -> None:
    """An `OnReply` for callers that show nothing."""


def side_by_side(pictures: Sequence[Image.Image | None]) -> Image.Image:
    """Pictures of one size as one, two in a row; None is left empty. At least one is there."""
    width, height = next(one.size for one in pictures if one is not None)
    grid = Image.new("RGB", (2 * width, -(-len(pictures) // 2) * height), "#2b2d31")
    for number, one in enumerate(pictures):
        if one is not None:
            grid.paste(one, (number % 2 * width, number // 2 * height))
    return grid


def one_by_one(
    engine: Engine, reading: Reading, *, turn_id: UUID, seeds: Sequence[int], on_step: OnStep
) -> list[Drawing]:
    """`Engine.draw_several` for an engine that draws one at a time, with the progress of all as one."""
    previews: list[Image.Image | None] = [None] * len(seeds)

    def step_of(number: int) -> OnStep:
        def on_one(step: Step) -> None:
            shown = None
            if step.preview is not None:
                previews[number] = step.preview
                shown = side_by_side(previews)
            on_step(Step(number * step.steps + step.step, len(seeds) * step.steps, shown))

        return on_one

    return [
        engine.draw(reading, turn_id=turn_id, seed=seed, on_step=step_of(number)) for number, seed in enumerate(seeds)
    ]
