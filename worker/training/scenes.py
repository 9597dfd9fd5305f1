"""Pictures: one or two people at a place, by day or night, in a framing. The places are drawn here, as simple SVG.

A `Shot` says everything that is in a picture but the small accidents (where a cloud is), which its own seed decides; equal
shots give equal pictures. It knows nothing of words.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import resvg_py
from PIL import Image

from worker.identity.compositions import boxes
from worker.training.people import SPRITE, Look, Person, draw_person

SIZE = 256  # pixels of a picture's side
SHIFT = 4  # pixels at most by which people stand off their squares


@dataclass(frozen=True, slots=True)
class Shot:
    """What a picture shows. `people` stand from left to right."""

    people: tuple[tuple[Person, Look], ...]
    place: str
    night: bool
    framing: str
    seed: int


def draw_shot(shot: Shot) -> Image.Image:
    """The picture, (SIZE, SIZE) RGB."""
    picture = background(shot.place, night=shot.night, variant=shot.seed % 8).copy()
    spots = boxes(shot.framing, len(shot.people))
    for (person, look), (left, top, side), shift in zip(shot.people, spots, shifts(shot), strict=True):
        sprite = draw_person(person, look).resize(
            (side, side), Image.Resampling.BOX if side < SPRITE else Image.Resampling.BICUBIC
        )
        picture.paste(sprite, (left + shift, top), sprite)
    return picture


def shifts(shot: Shot) -> list[int]:
    """Pixels to the right by which each person stands off their square."""
    jitter = random.Random(shot.seed)
    return [jitter.randint(-SHIFT, SHIFT) for _ in shot.people]


@lru_cache(maxsize=512)
def background(place: str, *, night: bool, variant: int) -> Image.Image:
    """A place without people, (SIZE, SIZE) RGB; the same place looks a little different in each variant."""
    rng = random.Random(f"{place} {night} {variant}")
    body = PLACES[place](rng, night)
    drawing = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 256 256">{body}</svg>'
    png = bytes(resvg_py.svg_to_bytes(svg_string=drawing, width=SIZE, height=SIZE))
    return Image.open(io.BytesIO(png)).convert("RGB")


# -- shapes -----------------------------------------------------------------------------------------------------------


def _rect(x: float, y: float, width: float, height: float, fill: str, radius: float = 0) -> str:
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="{radius}" fill="{fill}"/>'


def _disc(x: float, y: float, radius: float, fill: str) -> str:
    return f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{fill}"/>'


def _shape(points: str, fill: str) -> str:
    return f'<path d="{points}" fill="{fill}"/>'


def _sky(night: bool, day_colour: str = "#a8dcf5") -> str:
    return _rect(0, 0, 256, 256, "#1d2450" if night else day_colour)


def _lights(rng: random.Random, night: bool, lowest: int = 110) -> str:
    """Moon and stars, or sun and a cloud."""
    x = rng.choice((34, 60, 200, 222))
    if night:
        stars = "".join(_disc(rng.randint(4, 252), rng.randint(4, lowest), 1.6, "#f6f1c8") for _ in range(22))
        return stars + _disc(x, 36, 17, "#f4ecc2") + _disc(x + 8, 31, 15, "#1d2450")
    cloud_x, cloud_y = 256 - x, rng.randint(26, 50)
    cloud = _rect(cloud_x - 26, cloud_y, 52, 14, "#ffffff", 7) + _rect(
        cloud_x - 14, cloud_y - 10, 28, 20, "#ffffff", 10
    )
    return _disc(x, 36, 18, "#ffd75e") + cloud


def _beach(rng: random.Random, night: bool) -> str:
    sea, sand = ("#27478a", "#8d8168") if night else ("#3fa7d6", "#f3dfa2")
    palm = rng.choice((26, 230))
    leaves = "".join(
        f'<ellipse cx="{palm + dx}" cy="{92 + dy}" rx="26" ry="7" fill="{"#1f5b45" if night else "#3f9d5a"}" '
        f'transform="rotate({angle} {palm + dx} {92 + dy})"/>'
        for dx, dy, angle in ((-18, 4, -20), (18, 4, 20), (-12, -8, 30), (12, -8, -30))
    )
    trunk = _rect(palm - 4, 92, 8, 84, "#5b4128" if night else "#a6763f", 4)
    return (
        _sky(night) + _lights(rng, night) + _rect(0, 128, 256, 60, sea) + _rect(0, 176, 256, 80, sand) + trunk + leaves
    )


def _forest(rng: random.Random, night: bool) -> str:
    far, near, ground = ("#17412f", "#0f2f22", "#14301f") if night else ("#7cc08a", "#3f8f57", "#5aa353")
    parts = [_sky(night, "#cdeedd"), _lights(rng, night)]
    for step, (colour, base) in enumerate(((far, 168), (near, 200))):
        for x in range(-10 + step * 18, 270, 44):
            tall = rng.randint(88, 128)
            parts.append(_shape(f"M{x} {base} l26 -{tall} l26 {tall} z", colour))
    return "".join(parts) + _rect(0, 192, 256, 64, ground)


def _street(rng: random.Random, night: bool) -> str:
    parts = [_sky(night), _lights(rng, night, 60)]
    walls = ("#3a3f66", "#454a78", "#2f3459") if night else ("#e7a977", "#c98b8b", "#8fb0c9")
    x = -8
    while x < 256:
        width, top = rng.choice((52, 64, 72)), rng.randint(40, 92)
        parts.append(_rect(x, top, width - 4, 180, rng.choice(walls)))
        for window_x in range(x + 8, x + width - 16, 18):
            for window_y in range(top + 10, 186, 26):
                lit = "#ffd976" if night and rng.random() < 0.6 else "#23284a" if night else "#eaf6fb"
                parts.append(_rect(window_x, window_y, 10, 14, lit))
        x += width
    return "".join(parts) + _rect(0, 206, 256, 50, "#2a2c3c" if night else "#8a8d96")


def _room(wall: str, floor: str) -> str:
    return _rect(0, 0, 256, 200, wall) + _rect(0, 200, 256, 56, floor)


def _window(x: float, night: bool) -> str:
    sky = "#1d2450" if night else "#a8dcf5"
    light = _disc(x + 40, 54, 7, "#f4ecc2") if night else _disc(x + 42, 54, 9, "#ffd75e")
    return (
        _rect(x - 5, 29, 70, 82, "#f5efe4", 3)
        + _rect(x, 34, 60, 72, sky)
        + light
        + _rect(x + 28, 34, 4, 72, "#f5efe4")
        + _rect(x, 68, 60, 4, "#f5efe4")
    )


def _cafe(rng: random.Random, night: bool) -> str:
    wall, floor = ("#5b3a36", "#38241f") if night else ("#d98f6a", "#8a5a3c")
    lamps = "".join(
        _rect(x - 1, 0, 2, 26, "#2b2326") + _shape(f"M{x - 14} 40 l14 -16 l14 16 z", "#f3c14b") for x in (64, 128, 192)
    )
    cup = rng.choice((28, 206))
    table = _rect(cup - 30, 186, 70, 8, "#3d2a22") + _rect(cup - 8, 168, 24, 18, "#ffffff", 5)
    return _room(wall, floor) + _window(rng.choice((16, 180)), night) + lamps + table


def _library(rng: random.Random, night: bool) -> str:
    wall, wood = ("#3b2c2a", "#241a19") if night else ("#b98a5c", "#7c5433")
    books = ("#b8433f", "#3f6fb8", "#4d9a5b", "#e0b54a", "#7d4fa3", "#d9d2c4")
    parts = [_rect(0, 0, 256, 256, wall)]
    for shelf in range(4):
        top, x = 12 + shelf * 58, 4
        parts.append(_rect(0, top + 44, 256, 8, wood))
        while x < 250:
            width, tall = rng.choice((8, 11, 14)), rng.randint(28, 42)
            parts.append(_rect(x, top + 44 - tall, width - 2, tall, rng.choice(books)))
            x += width
    shadow = '<rect width="256" height="256" fill="#0d0d24" opacity="0.5"/>' if night else ""
    return "".join(parts) + shadow


def _mountains(rng: random.Random, night: bool) -> str:
    far, near, snow, grass = (
        ("#343c66", "#272d50", "#aab2d6", "#1e3a33") if night else ("#8fa3bf", "#6c819f", "#ffffff", "#77b66a")
    )
    parts = [_sky(night), _lights(rng, night, 80)]
    for x, top, wide, colour in ((-30, 82, 150, far), (150, 70, 150, far), (54, 50, 170, near)):
        middle = x + wide / 2 + rng.randint(-8, 8)
        parts.append(_shape(f"M{x} 204 L{middle} {top} L{x + wide} 204 z", colour))
        parts.append(
            _shape(
                f"M{middle - 20} {top + 36} L{middle} {top} L{middle + 20} {top + 36} l-10 -6 l-10 8 l-10 -8 z", snow
            )
        )
    return "".join(parts) + _rect(0, 198, 256, 58, grass)


def _snow(rng: random.Random, night: bool) -> str:
    ground, tree = ("#8f9cc4", "#2b4a52") if night else ("#ffffff", "#5f9a86")
    parts = [_sky(night, "#c9dcec"), _rect(0, 164, 256, 92, ground)]
    for x in rng.sample((10, 44, 188, 222), 3):
        parts.append(_shape(f"M{x} 176 l22 -66 l22 66 z", tree) + _shape(f"M{x + 11} 143 l11 -33 l11 33 z", "#f2f7fb"))
    parts += [_disc(rng.randint(2, 254), rng.randint(2, 250), rng.choice((2, 2.6, 3.2)), "#ffffff") for _ in range(46)]
    return "".join(parts)


def _bedroom(rng: random.Random, night: bool) -> str:
    wall, floor = ("#3c3a66", "#2a2748") if night else ("#c6b4e3", "#9a7f6a")
    side = rng.choice((0, 1))
    bed_x = 0 if side else 156
    bed = _rect(bed_x, 150, 100, 70, "#6a4f92" if night else "#f08fa0", 8) + _rect(bed_x + 8, 138, 44, 26, "#f4f0ff", 8)
    frame = _rect(118, 30, 44, 34, "#f3e6c8") + _rect(122, 34, 36, 26, "#7fb7c9")
    return _room(wall, floor) + _window(172 if side else 20, night) + frame + bed


def _kitchen(rng: random.Random, night: bool) -> str:
    wall, floor, cupboard = ("#2f4a4d", "#27383a", "#3f6265") if night else ("#e9f2d8", "#c9b79a", "#7fc0a8")
    parts = [_room(wall, floor)]
    for y in range(112, 160, 16):
        for x in range(0, 256, 32):
            parts.append(_rect(x + 1, y + 1, 30, 14, "#46686b" if night else "#ffffff"))
    parts += [_rect(x, 8, 58, 54, cupboard, 4) + _disc(x + 48, 52, 3, "#f3c14b") for x in (4, 194)]
    parts.append(_rect(0, 166, 256, 90, cupboard) + _rect(0, 160, 256, 10, "#cfd6d8" if not night else "#6f7f83"))
    pot = rng.choice((22, 204))
    parts.append(_rect(pot, 136, 34, 24, "#d9534f", 4) + _rect(pot - 6, 142, 46, 5, "#8f2f2c", 2))
    return "".join(parts) + _window(98, night)


def _park(rng: random.Random, night: bool) -> str:
    grass, leaf, trunk = ("#1f4a34", "#2c6a48", "#3b2a20") if night else ("#86cc6c", "#4fae5c", "#8a5f3c")
    parts = [_sky(night), _lights(rng, night), _rect(0, 160, 256, 96, grass)]
    for x in rng.sample((24, 60, 196, 232), 2):
        parts.append(
            _rect(x - 6, 112, 12, 62, trunk)
            + _disc(x, 96, 32, leaf)
            + _disc(x - 18, 108, 20, leaf)
            + _disc(x + 18, 108, 20, leaf)
        )
    flowers = ("#f26d7d", "#ffd75e", "#ffffff", "#b78ae0")
    parts += [_disc(rng.randint(4, 252), rng.randint(186, 250), 3.4, rng.choice(flowers)) for _ in range(22)]
    return "".join(parts)


def _space(rng: random.Random, night: bool) -> str:
    sky = "#0b0b24" if night else "#3a2a78"
    stars = "".join(
        _disc(rng.randint(2, 254), rng.randint(2, 254), rng.choice((1.2, 1.8, 2.4)), "#ffffff") for _ in range(60)
    )
    x = rng.choice((46, 206))
    planet = (
        _disc(x, 64, 30, "#e58a5b")
        + f'<ellipse cx="{x}" cy="64" rx="48" ry="9" fill="none" stroke="#f3d9a4" stroke-width="5"/>'
    )
    return (
        _rect(0, 0, 256, 256, sky)
        + stars
        + planet
        + _disc(256 - x, 150, 14, "#6fc3d8")
        + _disc(256 - x, 40, 8, "#d8d2e8")
    )


def _stage(rng: random.Random, night: bool) -> str:
    curtain, fold, back = ("#5a1626", "#430f1c", "#1a1020") if night else ("#c23b4e", "#a02c3d", "#e8b66a")
    folds = "".join(_rect(x, 0, 14, 210, fold) for x in (12, 40, 202, 230))
    beam = rng.choice((84, 172))
    light = (
        f'<path d="M{beam} 0 L{beam - 70} 212 L{beam + 70} 212 z" fill="#fff3b8" opacity="{0.5 if night else 0.35}"/>'
    )
    return (
        _rect(0, 0, 256, 256, back)
        + _rect(0, 0, 62, 214, curtain)
        + _rect(194, 0, 62, 214, curtain)
        + folds
        + light
        + _rect(0, 206, 256, 50, "#5a3d2a" if night else "#a8754a")
    )


PLACES: dict[str, Callable[[random.Random, bool], str]] = {
    "beach": _beach,
    "forest": _forest,
    "street": _street,
    "café": _cafe,
    "library": _library,
    "mountains": _mountains,
    "snow": _snow,
    "bedroom": _bedroom,
    "kitchen": _kitchen,
    "park": _park,
    "space": _space,
    "stage": _stage,
}
