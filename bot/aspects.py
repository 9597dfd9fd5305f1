"""Aspects in words: what pictures can be where somebody asks for one, and what is meant by what they chose.

It knows nothing of menus, nor of what draws: only which sizes there are.
"""

from __future__ import annotations

from collections.abc import Mapping

Aspects = Mapping[str, tuple[int, int]]
"""(width, height) in pixels by the name of the aspect, the default first."""


class NoSuchAspect(Exception):
    """Why a picture cannot be as somebody wants it, as a sentence to them."""


def in_words(name: str, aspects: Aspects) -> str:
    """An aspect as people see it: 1152 × 864 (4:3)."""
    width, height = aspects[name]
    shape = "square" if width == height else name
    return f"{width} × {height} ({shape})" if ":" in name else f"{width} × {height}"


def meant(chosen: str, aspects: Aspects) -> str:
    """The name of the aspect that somebody chose by its name or by pixels; raises `NoSuchAspect`."""
    if not aspects:
        raise NoSuchAspect(
            "No machine that draws is there just now, so I cannot tell its sizes. Please leave the aspect out."
        )
    plain = "".join(chosen.split()).replace("×", "x").lower()
    for name, (width, height) in aspects.items():
        if plain in (name, f"{width}x{height}"):
            return name
    if len(aspects) == 1:
        only = in_words(next(iter(aspects)), aspects)
        raise NoSuchAspect(f"Pictures here are {only}, and no other size can be chosen. Please leave the aspect out.")
    *most, last = aspects
    raise NoSuchAspect(
        f"Pictures here can be {', '.join(most)} or {last}. Please choose one of these, or leave the aspect out."
    )
