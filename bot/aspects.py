"""Aspects in words: what pictures can be where somebody asks for one, and what is meant by what they chose.

It knows nothing of menus, nor of what draws: only which sizes there are.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot import sentences
from storage.sentences import Sentence

Aspects = Mapping[str, tuple[int, int]]
"""(width, height) in pixels by the name of the aspect, the default first."""


class NoSuchAspect(Exception):
    """Why a picture cannot be as somebody wants it, as a sentence to them."""


def in_words(name: str, aspects: Aspects) -> Sentence:
    """An aspect as people see it: 1152 × 864 (4:3)."""
    width, height = aspects[name]
    size = f"{width} × {height}"
    if ":" not in name:
        return sentences.SIZE.given(size=size)
    return sentences.SIZE_AND_SHAPE.given(size=size, shape=sentences.SQUARE if width == height else name)


def meant(chosen: str, aspects: Aspects) -> str:
    """The name of the aspect that somebody chose by its name or by pixels; raises `NoSuchAspect`."""
    if not aspects:
        raise NoSuchAspect(sentences.NO_SIZES)
    plain = "".join(chosen.split()).replace("×", "x").lower()
    for name, (width, height) in aspects.items():
        if plain in (name, f"{width}x{height}"):
            return name
    if len(aspects) == 1:
        only = in_words(next(iter(aspects)), aspects)
        raise NoSuchAspect(sentences.ONE_SIZE.given(only=only))
    *most, last = aspects
    raise NoSuchAspect(sentences.SIZES.given(most=", ".join(most), last=last))
