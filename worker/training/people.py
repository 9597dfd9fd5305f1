"""Illustrated people: who they are, and how they look on transparent ground.

The art is Open Peeps by Pablo Stanley (CC0), through dicebear and resvg. Its hair is ink in most styles; here thick ink of a
head or a beard is filled with the person's own hair colour and keeps an ink outline, so that hair has a continuous colour in
every style. It knows people and expressions, and nothing of places or words.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

import dicebear
import numpy as np
import resvg_py
from PIL import Image, ImageFilter

from worker.engines.preview.shades import UNIT, Colour, Shades

if TYPE_CHECKING:
    from numpy.typing import NDArray


SPRITE = 320  # pixels of a drawn person's square
OUTLINE = 9  # pixels: thinner ink than this is a line and stays ink
INK = 60  # brightness below which a pixel is ink

HEADS: dict[str, str] = {  # open-peeps' name: our words for it, unique
    "afro": "a round afro",
    "bangs": "swept hair",
    "bangs2": "a bob with a fringe",
    "bantuKnots": "bantu knots",
    "bun": "a high bun",
    "bun2": "a curly bun",
    "buns": "space buns",
    "cornrows": "long braids",
    "cornrows2": "a braided ponytail",
    "dreads1": "long dreads",
    "dreads2": "short dreads",
    "flatTop": "a flat top",
    "flatTopLong": "a high flat top",
    "grayBun": "a side bun",
    "grayMedium": "a low bun",
    "grayShort": "a side parting",
    "hatBeanie": "a beanie",
    "hatHip": "a wide hat",
    "hijab": "a hijab",
    "long": "long wavy hair",
    "longAfro": "a huge afro",
    "longBangs": "long hair with a fringe",
    "longCurly": "long curly hair",
    "medium1": "a short bob",
    "medium2": "flipped hair",
    "medium3": "shoulder-length hair",
    "mediumBangs": "a wavy bob",
    "mediumBangs2": "a curly ponytail",
    "mediumBangs3": "layered hair",
    "mediumStraight": "long straight hair",
    "mohawk": "a mohawk",
    "mohawk2": "a spiky mohawk",
    "noHair1": "a bald head",
    "noHair2": "hardly any hair",
    "noHair3": "a bald crown",
    "pomp": "a pompadour",
    "shaved1": "an undercut",
    "shaved2": "a fade",
    "shaved3": "messy spikes",
    "short1": "a buzz cut",
    "short2": "short neat hair",
    "short3": "short curls",
    "short4": "a quiff",
    "short5": "tousled short hair",
    "turban": "a turban",
    "twists": "short twists",
    "twists2": "a curly top",
}
HAIRLESS = frozenset({"noHair1", "noHair2"})
HEADWEAR = frozenset({"hatHip", "hijab"})  # the "hair colour" is the colour of what is worn
CLOTH = frozenset({"turban", "hatBeanie"})  # drawn in the colour of the clothes
COLOURLESS = HAIRLESS | CLOTH  # heads that show no colour of hair: only a beard does

GLASSES: dict[str, str] = {
    "glasses": "round glasses",
    "glasses3": "thick black glasses",
    "glasses4": "white glasses",
    "sunglasses": "sunglasses",
    "eyepatch": "an eyepatch",
}
OWN = "own"  # instead of a name of GLASSES: those that somebody usually wears, if any
BEARDS: dict[str, str] = {
    "chin": "a chin beard",
    "full": "a short beard",
    "full2": "a full beard",
    "full3": "a long beard",
    "goatee1": "a goatee",
    "goatee2": "a round goatee",
    "moustache2": "a walrus moustache",
    "moustache3": "a curled moustache",
    "moustache6": "a moustache",
}
EXPRESSIONS: dict[str, str] = {
    "smile": "smiling",
    "smileBig": "grinning",
    "smileLOL": "laughing",
    "calm": "calm",
    "serious": "serious",
    "rage": "furious",
    "veryAngry": "angry",
    "solemn": "sad",
    "tired": "tired",
    "awe": "amazed",
    "fear": "scared",
    "cheeky": "cheeky",
    "suspicious": "suspicious",
    "concerned": "worried",
    "eyesClosed": "sleepy",
    "explaining": "talking",
    "lovingGrin1": "in love",
    "cute": "winking",
}
SKINS: dict[str, Colour] = {
    "pale": (255, 226, 198),
    "fair": (250, 208, 164),
    "tan": (226, 168, 116),
    "olive": (204, 148, 92),
    "brown": (166, 104, 62),
    "dark brown": (120, 74, 50),
    "very dark": (84, 54, 42),
}
HAIR_COLOURS: dict[str, Colour] = {
    "black": (30, 26, 28),
    "dark brown": (74, 48, 36),
    "brown": (118, 74, 44),
    "light brown": (162, 112, 66),
    "blond": (226, 190, 104),
    "red": (190, 62, 28),
    "ginger": (226, 122, 44),
    "grey": (150, 150, 154),
    "white": (236, 232, 226),
    "pink": (238, 120, 172),
    "blue": (64, 110, 210),
    "green": (70, 160, 96),
    "purple": (136, 82, 186),
}
CLOTHES: dict[str, Colour] = {
    "red": (214, 58, 54),
    "orange": (240, 140, 48),
    "yellow": (246, 208, 70),
    "green": (76, 166, 88),
    "turquoise": (72, 186, 186),
    "blue": (70, 116, 214),
    "purple": (140, 92, 196),
    "pink": (238, 138, 182),
    "white": (244, 244, 240),
    "grey": (140, 144, 150),
    "black": (46, 46, 52),
    "brown": (130, 88, 58),
}


@dataclass(frozen=True, slots=True)
class Person:
    """What makes somebody the same person in every picture. Colours are names and, near them, the person's own shade."""

    head: str
    hair: str
    hair_colour: Colour
    skin: str
    skin_colour: Colour
    glasses: str | None
    beard: str | None

    @property
    def key(self) -> str:
        """A digest of the identity; the split goes by it."""
        return hashlib.sha256(repr(self).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Look:
    """How a person is in one picture. `glasses` are their own, others, or None for taken off."""

    expression: str
    clothes: str
    clothes_colour: Colour
    glasses: str | None = OWN


def some_person(rng: random.Random) -> Person:
    """A person by chance."""
    head = rng.choice(list(HEADS))
    hair = rng.choice(list(HAIR_COLOURS))
    skin = rng.choice(list(SKINS))
    beard = rng.choice(list(BEARDS)) if head not in HEADWEAR and rng.random() < 0.3 else None
    glasses = rng.choice(list(GLASSES)) if rng.random() < 0.4 else None
    return Person(head, hair, shade(rng, HAIR_COLOURS[hair], 10), skin, shade(rng, SKINS[skin], 7), glasses, beard)


def one_apart(rng: random.Random, person: Person) -> Person:
    """Somebody who differs from `person` in one visible attribute: head, hair colour, skin, glasses or beard."""
    while True:
        what = rng.choice(("head", "hair", "skin", "glasses", "beard"))
        other = some_person(rng)
        if what == "head" and other.head != person.head and not (person.beard and other.head in HEADWEAR):
            return replace(person, head=other.head)
        if what == "hair" and other.hair != person.hair and shows_hair(person):
            return replace(person, hair=other.hair, hair_colour=other.hair_colour)
        if what == "skin" and other.skin != person.skin:
            return replace(person, skin=other.skin, skin_colour=other.skin_colour)
        if what == "glasses" and other.glasses != person.glasses:
            return replace(person, glasses=other.glasses)
        if what == "beard" and other.beard != person.beard and person.head not in HEADWEAR:
            return replace(person, beard=other.beard)


def shows_hair(person: Person) -> bool:
    """Whether the colour of hair can be seen at all."""
    return person.beard is not None or person.head not in COLOURLESS


def split_of(person: Person) -> str:
    """ "train", "validation" or "test", by the hash of the identity: nobody is in two."""
    bucket = int(person.key[:8], 16) % 100
    return "test" if bucket < 8 else "validation" if bucket < 12 else "train"


def shade(rng: random.Random, colour: Colour, spread: int) -> Colour:
    """A colour near a named one."""
    red, green, blue = (max(0, min(255, channel + rng.randint(-spread, spread))) for channel in colour)
    return red, green, blue


def shades(person: Person) -> Shades:
    """How far somebody's colours lie from those whose names are said of them; of hair that cannot be seen, not at all."""
    hair = zip(person.hair_colour, HAIR_COLOURS[person.hair], strict=True) if shows_hair(person) else [(0, 0)] * 3
    skin = zip(person.skin_colour, SKINS[person.skin], strict=True)
    return tuple((own - named) / UNIT for own, named in (*hair, *skin))


def as_named(person: Person) -> Person:
    """Somebody in the very colours whose names are said of them: all that words can tell."""
    return replace(person, hair_colour=HAIR_COLOURS[person.hair], skin_colour=SKINS[person.skin])


def worn(person: Person, look: Look) -> str | None:
    """The glasses that are to be seen."""
    return person.glasses if look.glasses == OWN else look.glasses


def draw_person(person: Person, look: Look) -> Image.Image:
    """The person on transparent ground, (SPRITE, SPRITE) RGBA, cut off at the chest."""
    colours = np.array([person.skin_colour, person.hair_colour, look.clothes_colour], np.float32)
    layers = [_layer("head", person.head), _layer("expression", look.expression)]
    layers += [_layer("facialHair", person.beard)] if person.beard else []
    glasses = worn(person, look)
    layers += [_layer("accessories", glasses)] if glasses else []
    pixels = np.zeros((SPRITE, SPRITE, 4), np.float32)
    for layer in layers:
        layer.cover(pixels, colours)
    alpha = pixels[..., 3:]
    pixels[..., :3] /= np.maximum(alpha, 1 / 255)
    box, mask = _hair_mask(person.head, person.beard)
    if mask.size:
        hair = pixels[box]
        brightest = np.maximum(np.maximum(hair[..., 0], hair[..., 1]), hair[..., 2])
        part = (mask * np.clip((INK * 2 - brightest) / INK, 0.0, 1.0) * hair[..., 3])[..., None]
        hair[..., :3] += part * (colours[1] - hair[..., :3])
    pixels[..., 3] *= 255
    return Image.fromarray((pixels + 0.5).astype(np.uint8), "RGBA")


Box = tuple[slice, slice]
"""Rows and columns of a sprite."""


@dataclass(frozen=True, slots=True)
class _Layer:
    """A part of the art within its box, premultiplied by its alpha: `shades` plus colours of the person in their shares."""

    box: Box
    alpha: NDArray[np.float32]  # (h, w, 1), 0 to 1
    shades: NDArray[np.float32]  # (h, w, 3), 0 to 255: ink, teeth, lenses
    shares: NDArray[np.float32]  # (h, w, 3) of skin, hair and clothes

    def cover(self, pixels: NDArray[np.float32], colours: NDArray[np.float32]) -> None:
        """Lay it over premultiplied `pixels` (SPRITE, SPRITE, 4), in colours (3, 3) of skin, hair and clothes."""
        under = pixels[self.box]
        under *= 1 - self.alpha
        under[..., :3] += self.shades + self.shares @ colours
        under[..., 3:] += self.alpha


@lru_cache(maxsize=256)
def _layer(part: str, variant: str) -> _Layer:
    """A part of the art by open-peeps' names; the body belongs to the head.

    Pixels are linear in the colours of skin, hair and clothes: red, green and blue in their places give the shares.
    """
    plain, coloured = (
        np.asarray(_render(part, variant, *colours)).astype(np.float32)
        for colours in (((0, 0, 0),) * 3, ((255, 0, 0), (0, 255, 0), (0, 0, 255)))
    )
    alpha = plain[..., 3:] / np.float32(255)
    box = _box_of(alpha[..., 0])
    shades = (plain[..., :3] * alpha)[box]
    share = alpha / np.float32(255)
    shares = ((coloured[..., :3] - plain[..., :3]) * share)[box]
    return _Layer(box, alpha[box], shades, shares)


def _box_of(mask: NDArray[np.float32]) -> Box:
    """The smallest box around what is not zero."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return slice(0, 0), slice(0, 0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


@lru_cache(maxsize=1024)
def _hair_mask(head: str, beard: str | None) -> tuple[Box, NDArray[np.float32]]:
    """Where ink is hair: its box, and 0 to 1 within. Thick ink of head and beard is, where a colour is shown."""
    white = np.full((3, 3), 255, np.float32)
    pixels = np.zeros((SPRITE, SPRITE, 4), np.float32)
    hairy = [] if beard is None and head in COLOURLESS else [_layer("head", head)]
    for layer in (*hairy, *([_layer("facialHair", beard)] if beard else [])):
        layer.cover(pixels, white)
    dark = (pixels[..., :3].max(axis=2) < INK * pixels[..., 3]) & (pixels[..., 3] > 0.5)
    ink = Image.fromarray((dark * 255).astype(np.uint8))
    thick = ink.filter(ImageFilter.MinFilter(OUTLINE)).filter(ImageFilter.MaxFilter(OUTLINE - 4))
    mask = np.asarray(thick.filter(ImageFilter.GaussianBlur(0.7))).astype(np.float32) / np.float32(255)
    box = _box_of(mask)
    return box, mask[box]


def _render(part: str, variant: str, skin: Colour, contrast: Colour, clothing: Colour) -> Image.Image:
    """One part of the art alone, (SPRITE, SPRITE) RGBA."""
    chances = {f"{one}Probability": 100 * (one == part) for one in ("expression", "accessories", "facialHair", "mask")}
    options: dict[str, object] = {
        "seed": "likeness",
        "size": SPRITE,
        "skinColor": _hex(skin),
        "headContrastColor": _hex(contrast),
        "clothingColor": _hex(clothing),
        f"{part}Variant": variant,
        **chances,
    }
    drawing = dicebear.Avatar(_style(), options).to_string()
    if part != "head":  # which is always drawn: leave nothing but the use of the part
        before, opening, uses = drawing.partition("<g clip-path")
        opening += uses[: uses.index(">") + 1]
        used = re.search(rf'<use [^>]*href="#{part}-[^>]*/>', uses)
        drawing = before + opening + (used.group() if used else "") + "</g></svg>"
    png = bytes(resvg_py.svg_to_bytes(svg_string=drawing, width=SPRITE, height=SPRITE))
    return Image.open(io.BytesIO(png)).convert("RGBA")


@lru_cache(maxsize=1)
def _style() -> dicebear.Style:
    return dicebear.Style(json.loads(files("dicebear_styles").joinpath("open-peeps.json").read_text()))


def _hex(colour: Colour) -> str:
    return "{:02x}{:02x}{:02x}".format(*colour)
