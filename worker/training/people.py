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
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

import dicebear
import numpy as np
import resvg_py
from PIL import Image, ImageFilter

if TYPE_CHECKING:
    from numpy.typing import NDArray

Colour = tuple[int, int, int]

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

GLASSES: dict[str, str] = {
    "glasses": "round glasses",
    "glasses3": "thick black glasses",
    "glasses4": "white glasses",
    "sunglasses": "sunglasses",
    "eyepatch": "an eyepatch",
}
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
    """How a person is in one picture."""

    expression: str
    clothes: str
    clothes_colour: Colour


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
    return person.beard is not None or person.head not in HAIRLESS | CLOTH


def split_of(person: Person) -> str:
    """ "train", "validation" or "test", by the hash of the identity: nobody is in two."""
    bucket = int(person.key[:8], 16) % 100
    return "test" if bucket < 8 else "validation" if bucket < 12 else "train"


def shade(rng: random.Random, colour: Colour, spread: int) -> Colour:
    """A colour near a named one."""
    red, green, blue = (max(0, min(255, channel + rng.randint(-spread, spread))) for channel in colour)
    return red, green, blue


def draw_person(person: Person, look: Look) -> Image.Image:
    """The person on transparent ground, (SPRITE, SPRITE) RGBA, cut off at the chest."""
    drawn = _render(
        head=person.head,
        expression=look.expression,
        skin=person.skin_colour,
        contrast=person.hair_colour,
        clothing=look.clothes_colour,
        glasses=person.glasses,
        beard=person.beard,
    )
    pixels = np.asarray(drawn).astype(np.float32)
    ink = np.clip((INK * 2 - pixels[..., :3].max(axis=2)) / INK, 0.0, 1.0) * (pixels[..., 3] / 255)
    mask = (_hair_mask(person.head, person.beard) * ink)[..., None]
    pixels[..., :3] = pixels[..., :3] * (1 - mask) + np.array(person.hair_colour, np.float32) * mask
    return Image.fromarray(pixels.round().astype(np.uint8), "RGBA")


@lru_cache(maxsize=1024)
def _hair_mask(head: str, beard: str | None) -> NDArray[np.float32]:
    """Where thick ink of the head or the beard is: (SPRITE, SPRITE), 0 to 1."""
    white = (255, 255, 255)
    ink = _ink(_render(head=head, expression="", skin=white, contrast=white, clothing=white, glasses=None, beard=beard))
    thick = ink.filter(ImageFilter.MinFilter(OUTLINE)).filter(ImageFilter.MaxFilter(OUTLINE - 4))
    return np.asarray(thick.filter(ImageFilter.GaussianBlur(0.7))).astype(np.float32) / np.float32(255)


def _ink(picture: Image.Image) -> Image.Image:
    pixels = np.asarray(picture)
    dark = (pixels[..., :3].max(axis=2) < INK) & (pixels[..., 3] > 128)
    return Image.fromarray((dark * 255).astype(np.uint8))


def _render(
    *,
    head: str,
    expression: str,
    skin: Colour,
    contrast: Colour,
    clothing: Colour,
    glasses: str | None,
    beard: str | None,
) -> Image.Image:
    options: dict[str, object] = {
        "seed": "likeness",
        "size": SPRITE,
        "headVariant": head,
        "skinColor": _hex(skin),
        "headContrastColor": _hex(contrast),
        "clothingColor": _hex(clothing),
        "expressionVariant": expression or "calm",
        "expressionProbability": 100 if expression else 0,
        "accessoriesProbability": 100 if glasses else 0,
        "facialHairProbability": 100 if beard else 0,
        "maskProbability": 0,
    }
    if glasses:
        options["accessoriesVariant"] = glasses
    if beard:
        options["facialHairVariant"] = beard
    drawing = dicebear.Avatar(_style(), options).to_string()
    png = bytes(resvg_py.svg_to_bytes(svg_string=drawing, width=SPRITE, height=SPRITE))
    return Image.open(io.BytesIO(png)).convert("RGBA")


@lru_cache(maxsize=1)
def _style() -> dicebear.Style:
    return dicebear.Style(json.loads(files("dicebear_styles").joinpath("open-peeps.json").read_text()))


def _hex(colour: Colour) -> str:
    return "{:02x}{:02x}{:02x}".format(*colour)
