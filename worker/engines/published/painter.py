"""What a painter is to the engine of published models: a brief goes in, pictures come out.

It knows nothing of conversations, names or records: the reader settled who is meant, and chose the pictures to look at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from PIL import Image

from worker.engines.contract import Arrays

OnPaint = Callable[[int, int, Sequence[Image.Image]], None]
"""Called with the step (from 1), the steps, and now and then a small preview for each seed, else ().

A painter may call it as often as it likes, also in the middle of a step: what it raises ends the painting, and the next
call is not harmed by it. That is how a cancel arrives.
"""


@dataclass(frozen=True, slots=True)
class Reference:
    """A picture that the painter looks at, as it is stored and as the painter encoded it."""

    picture: Image.Image  # RGB, of any size
    arrays: Arrays = field(default_factory=dict, repr=False)  # what `encode` made of it


@dataclass(frozen=True, slots=True)
class Brief:
    """What to paint. The prompt calls the references by their place: image 1, image 2."""

    prompt: str
    size: tuple[int, int]  # (width, height) in pixels, one of the painter's `sizes`
    references: tuple[Reference, ...] = ()  # `max_references` at most


@dataclass(frozen=True, slots=True)
class Painted:
    """A picture, and what the painter wants to have of it when it is a reference one day: never encoded again."""

    picture: Image.Image  # RGB
    arrays: Arrays = field(default_factory=dict, repr=False)


class Painter(Protocol):
    """Paints. Not from two threads at once."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever arrays of `encode` would mean something else: of the weights and layout that encode, and no
        more. Steps, LoRA and quantization of what paints leave it as it is."""

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """(width, height) in pixels of the pictures that it paints, the default first, one for each aspect."""

    @property
    def max_references(self) -> int:
        """How many pictures it can look at for one of its own. 0: none."""

    @property
    def cannot(self) -> tuple[str, ...]:
        """Sentences for people: what it cannot do."""

    def encode(self, picture: Image.Image) -> Arrays:
        """A picture as `paint` wants it beside itself; empty where it wants the picture alone."""

    def paint(self, brief: Brief, *, seeds: Sequence[int], on_step: OnPaint, modest: bool = False) -> list[Painted]:
        """A picture for each seed, side by side where there is memory. An equal brief and seed give an equal picture on
        one machine, painted alone or beside others as equal as the library's batches are.

        `modest` is asked for after memory ran out: smaller, one after the other, decoded in tiles, whatever it has.
        Raises `torch.OutOfMemoryError` as torch does, `worker.engines.contract.Refused` for what it will not paint.
        """
