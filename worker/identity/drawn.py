"""Models for illustrated people: an embedding that tells them apart, and a reader of what a picture shows.

Both look at squares of a picture (`worker.identity.compositions`), since drawn people stand where their framing puts them.
Residual convolutions after He et al. (2015), depthwise where the maps are small; the embedding is trained with the loss of
ArcFace (Deng et al., 2019).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from worker.identity.compositions import ART, COMPOSITIONS, boxes, person_of, square_of
from worker.identity.meter import Face

SIDE = 96  # pixels of a crop's side
EMBEDDING = 128

WIDTHS = (24, 48, 80, 112, 144)  # of the maps at strides 2 to 32
SLIM = (12, 16, 24, 32, 48)  # the same of a model that has to tell compositions apart, and nothing finer


class Block(nn.Module):
    """Two convolutions beside the identity; `depthwise` ones take a tenth of the weights."""

    def __init__(self, width: int, *, depthwise: bool) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            *_convolution(width, width, depthwise=depthwise),
            nn.SiLU(),
            *_convolution(width, width, depthwise=depthwise),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """(b, width, h, w) to the same."""
        return nn.functional.silu(maps + self.inner(maps))


def _convolution(before: int, width: int, *, depthwise: bool = False, stride: int = 1) -> tuple[nn.Module, ...]:
    if not depthwise:
        return nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
    return (
        nn.Conv2d(before, before, 3, stride, 1, groups=before, bias=False),
        nn.Conv2d(before, width, 1, bias=False),
        nn.BatchNorm2d(width),
    )


WEIGHTS = Path(__file__).parent / "weights"


class CropEncoder(nn.Module):
    """A crop of SIDE × SIDE pixels to `out` numbers."""

    def __init__(self, out: int, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for depth, width in enumerate(widths):
            layers += [*_convolution(before, width, depthwise=depth == 4, stride=2), nn.SiLU()]
            layers += [Block(width, depthwise=depth > 1)]
            before = width
        self.maps = nn.Sequential(*layers)
        self.out = nn.Linear(before * (SIDE // 32) ** 2, out)

    def forward(self, crops: Tensor) -> Tensor:
        """(b, 3, SIDE, SIDE) in -1 to 1 to (b, out)."""
        numbers: Tensor = self.out(self.maps(crops).flatten(1))
        return numbers


def _loaded(file: Path) -> dict[str, Tensor]:
    return {name: value.float() for name, value in load_file(file).items()}


def to_crops(pictures: Sequence[Image.Image] | NDArray[np.uint8]) -> Tensor:
    """Pictures of SIDE × SIDE pixels to (n, 3, SIDE, SIDE) in -1 to 1."""
    pixels = np.stack([np.asarray(picture) for picture in pictures])
    return (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1).contiguous(
        memory_format=torch.channels_last
    )


class DrawnEmbedding(nn.Module):
    """A person's square to a direction: people are told apart by the cosine between two."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = CropEncoder(EMBEDDING)

    @classmethod
    def from_pretrained(cls, file: Path) -> DrawnEmbedding:
        """Load a safetensors file. Raises `FileNotFoundError`."""
        embedding = cls()
        embedding.load_state_dict(_loaded(file))
        return embedding.eval()

    def forward(self, crops: Tensor) -> Tensor:
        """(b, 3, SIDE, SIDE) to (b, EMBEDDING), of length 1."""
        return nn.functional.normalize(self.encoder(crops), dim=1)

    @torch.inference_mode()
    def embed(self, picture: Image.Image, framing: str, people: int) -> NDArray[np.float32]:
        """(people, EMBEDDING): everybody in a picture of a known framing, from left to right."""
        crops = to_crops([person_of(picture, box, SIDE) for box in boxes(framing, people)])
        found: NDArray[np.float32] = self(crops).numpy()
        return found


class CompositionReader(nn.Module):
    """Reads framing and count off a whole picture: where people stand in it. Or that it is none of this art."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = CropEncoder(len(COMPOSITIONS) + 1, SLIM)

    @classmethod
    def from_pretrained(cls, weights: Path = WEIGHTS) -> CompositionReader:
        """Load `compositions.safetensors`. Raises `FileNotFoundError`."""
        reader = cls()
        reader.load_state_dict(_loaded(weights / "compositions.safetensors"))
        return reader.eval()

    def forward(self, wholes: Tensor) -> Tensor:
        """(b, 3, SIDE, SIDE), whole pictures, to logits over `COMPOSITIONS`, and last for another kind of picture."""
        logits: Tensor = self.encoder(wholes)
        return logits

    @torch.inference_mode()
    def read(self, picture: Image.Image) -> tuple[str, int] | None:
        """Framing and count of people; None for a photo, or anything else that is none of this art."""
        left, top, side = square_of(*picture.size)
        square = picture.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Image.Resampling.BOX)
        found = int(self(to_crops([square])).argmax())
        return None if found == len(COMPOSITIONS) else COMPOSITIONS[found]


class DrawnMeter:
    """The meter of illustrated people: reads where they stand, and embeds each."""

    def __init__(self, compositions: CompositionReader, embedding: DrawnEmbedding) -> None:
        self._compositions = compositions.eval()
        self.embedding = embedding.eval()

    @classmethod
    def from_pretrained(cls, weights: Path = WEIGHTS) -> DrawnMeter:
        """Load the guard's `compositions.safetensors` and `guard.safetensors`. Raises `FileNotFoundError`."""
        return cls(
            CompositionReader.from_pretrained(weights), DrawnEmbedding.from_pretrained(weights / "guard.safetensors")
        )

    def faces(self, picture: Image.Image) -> tuple[Face, ...]:
        """Everybody in an RGB picture of this art, from left to right; nobody in another one."""
        composition = self._compositions.read(picture)
        if composition is None:
            return ()
        first, second, whole = square_of(*picture.size)
        art = picture.crop((first, second, first + whole, second + whole)).resize((ART, ART), Image.Resampling.LANCZOS)
        scale = whole / ART
        faces = []
        for (left, top, side), embedding in zip(
            boxes(*composition), self.embedding.embed(art, *composition), strict=True
        ):
            x, y, width = (round(scale * number) for number in (left, top, side))
            faces.append(Face((first + x, second + y, first + x + width, second + y + width), embedding))
        return tuple(faces)


def guard_threshold(weights: Path = WEIGHTS) -> float:
    """Below which similarity of `DrawnMeter` is drawn again, as it was chosen on pictures of the validation split."""
    return float(json.loads((weights / "threshold.json").read_text())["threshold"])


@dataclass(frozen=True, slots=True)
class SeenPerson:
    """What is read off one person, in the words of the reader's labels."""

    expression: str
    clothes: str
    head: str
    hair: str
    skin: str
    glasses: str
    beard: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What is read off a picture; `people` stand from left to right."""

    place: str
    night: bool
    framing: str
    people: tuple[SeenPerson, ...]


Labels = dict[str, tuple[str, ...]]
"""The words of each attribute, in the order of the reader's outputs."""

OF_SCENES = ("place", "night", "composition")
OF_PEOPLE = ("expression", "clothes", "head", "hair", "skin", "glasses", "beard")


class AttributeReader(nn.Module):
    """Reads place, time, framing and count off a whole picture, and the rest off each person's square."""

    def __init__(self, labels: Labels) -> None:
        super().__init__()
        self.labels = labels
        self.scene = CropEncoder(sum(len(labels[name]) for name in OF_SCENES))
        self.person = CropEncoder(sum(len(labels[name]) for name in OF_PEOPLE))

    @classmethod
    def from_pretrained(cls, weights: Path) -> AttributeReader:
        """Load `reader.safetensors` and its `labels.json`. Raises `FileNotFoundError`."""
        labels = {name: tuple(words) for name, words in json.loads((weights / "labels.json").read_text()).items()}
        reader = cls(labels)
        reader.load_state_dict(_loaded(weights / "reader.safetensors"))
        return reader.eval()

    def scenes(self, crops: Tensor) -> dict[str, Tensor]:
        """(b, 3, SIDE, SIDE), whole pictures, to logits by attribute."""
        return self._split(self.scene(crops), OF_SCENES)

    def people(self, crops: Tensor) -> dict[str, Tensor]:
        """(b, 3, SIDE, SIDE), squares of people, to logits by attribute."""
        return self._split(self.person(crops), OF_PEOPLE)

    def _split(self, logits: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
        return dict(zip(names, torch.split(logits, [len(self.labels[name]) for name in names], dim=1), strict=True))

    @torch.inference_mode()
    def read(self, picture: Image.Image) -> Seen:
        """What the picture shows."""
        whole = picture.resize((SIDE, SIDE), Image.Resampling.BOX)
        place, night, composition = (
            self.labels[name][int(logits.argmax())] for name, logits in self.scenes(to_crops([whole])).items()
        )
        framing, _, count = composition.rpartition(" ")
        found = self.people(to_crops([person_of(picture, box, SIDE) for box in boxes(framing, int(count))]))
        people = tuple(
            SeenPerson(**{name: self.labels[name][int(logits[who].argmax())] for name, logits in found.items()})
            for who in range(int(count))
        )
        return Seen(place, night == "night", framing, people)
