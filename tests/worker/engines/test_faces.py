"""Faces: what is read off visual tokens and references, and which patches are told of it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.worker.engines.conftest import TINY
from worker.engines.preview.dit import DiT, DiTConfig, sample
from worker.engines.preview.faces import FaceMap, FaceReader, Faces, FacesConfig
from worker.engines.preview.painter import Painter
from worker.engines.preview.references import ALONE, LEFT, RIGHT, Reference
from worker.engines.preview.tokenizer import TOKENS, WIDTH
from worker.identity.compositions import COMPOSITIONS, boxes
from worker.identity.drawn import OF_PEOPLE
from worker.training.views import LABELS

CONFIG = FacesConfig(values=(2, 3), stays=(1,), reader=8, map=8)  # say, expression and head


class Literal(FaceReader):
    """Reads what stands in the first token: logits of the person on the left, of the one on the right, and the composition."""

    def forward(self, visual: Tensor) -> tuple[Tensor, Tensor]:
        return visual[:, 0, :10].unflatten(1, (2, 5)), visual[:, 0, 10:16]


def tokens(
    left: tuple[int, int], right: tuple[int, int] = (0, 0), *, sure: float = 5.0, composition: int = 0
) -> Tensor:
    """Visual tokens (1, K, WIDTH) that show two people's values of both attributes."""
    found = torch.zeros(1, TOKENS, WIDTH)
    for side, (expression, head) in enumerate((left, right)):
        found[0, 0, 5 * side + expression] = found[0, 0, 5 * side + 2 + head] = sure
    found[0, 0, 10 + composition] = 1.0
    return found


def values(faces: Faces, side: int) -> tuple[int, ...]:
    return tuple(int(one.argmax()) for one in faces.people[0, side].split([2, 3]))


def test_what_the_tokens_say_is_read_for_both() -> None:
    faces = Literal(CONFIG).read(tokens((1, 2), (0, 1), composition=3))
    assert (values(faces, 0), values(faces, 1)) == ((1, 2), (0, 1))
    assert faces.compositions.tolist() == [3]
    assert faces.people.sum() == 4


@pytest.mark.parametrize(("stood", "reference"), [(ALONE, tokens((0, 1), (0, 2))), (RIGHT, tokens((0, 2), (0, 1)))])
def test_a_surer_reference_says_what_stays_and_nothing_else(stood: int, reference: Tensor) -> None:
    picture = tokens((1, 0), (1, 2), sure=2.0)
    for stands, side in ((LEFT, 0), (RIGHT, 1)):
        faces = Literal(CONFIG).read(picture, 1.5 * reference[None], torch.tensor([[stands]]), torch.tensor([[stood]]))
        assert values(faces, side) == (1, 1)
        assert values(faces, 1 - side) == values(Literal(CONFIG).read(picture), 1 - side)


def test_a_doubtful_reference_changes_nobody() -> None:
    faces = Literal(CONFIG).read(
        tokens((1, 0)), tokens((0, 1), sure=1.0)[None], torch.tensor([[ALONE]]), torch.tensor([[ALONE]])
    )
    assert values(faces, 0) == (1, 0)


def test_only_those_are_told_of_somebody_who_stand_where_they_are() -> None:
    torch.manual_seed(0)
    told = FaceMap(CONFIG, width=4, side=8)
    torch.nn.init.normal_(told.out.weight)
    people = torch.eye(5)[torch.tensor([[0, 1]])].repeat(len(COMPOSITIONS), 1, 1)
    changed = people.clone()
    changed[:, 1] = torch.eye(5)[3]
    compositions = torch.arange(len(COMPOSITIONS))
    differs = (told(people, compositions) != told(changed, compositions)).any(dim=-1)
    for number, (framing, count) in enumerate(COMPOSITIONS):
        found = torch.nonzero(differs[number]).flatten().tolist()
        if count == 1:
            assert found == []
            continue
        left, top, width = boxes(framing, 2)[1]
        for patch in range(64):
            y, x = divmod(patch, 8)
            touches = left < 32 * (x + 1) and left + width > 32 * x and top < 32 * (y + 1) and top + width > 32 * y
            assert (patch in found) == touches, (framing, patch)


def test_who_is_read_changes_what_is_painted() -> None:
    torch.manual_seed(0)
    dit = DiT(DiTConfig(width=32, blocks=1, heads=2), CONFIG).eval()
    for layer in (dit.out, dit.faces.out):
        torch.nn.init.normal_(layer.weight, std=0.1)
    visual = torch.randn(1, TOKENS, WIDTH)

    def painted(faces: Faces | None) -> Tensor:
        return sample(dit, visual, faces=faces, steps=1, generator=torch.Generator().manual_seed(0))

    one, other = (Literal(CONFIG).read(tokens(who)) for who in ((1, 2), (1, 1)))
    assert torch.equal(painted(one), painted(one))
    assert not torch.allclose(painted(one), painted(other))
    assert not torch.allclose(painted(one), painted(None))


def test_the_painter_reads_faces_with_the_references_and_tells_them() -> None:
    parts, dit = TINY.build(), DiT(DiTConfig(width=32, blocks=1, heads=2), CONFIG)
    told: list[Faces | None] = []

    def note(_: object, __: tuple[Any, ...], given: dict[str, Any]) -> None:  # Any: whatever a module is given
        told.append(given["faces"])

    dit.register_forward_pre_hook(note, with_kwargs=True)
    visual = tokens((1, 0), (0, 0), sure=2.0, composition=1)[0].numpy()
    seen = Reference(tokens((0, 1), (0, 2), sure=9.0)[0].numpy(), stands=LEFT, stood=RIGHT)
    ways: list[tuple[FaceReader | None, list[Reference]]] = [
        (Literal(CONFIG), [seen]),
        (Literal(CONFIG), []),
        (None, [seen]),
    ]
    for faces, references in ways:
        painter = Painter(parts["autoencoder"], parts["tokenizer"], faces, dit, steps=1)  # type: ignore[arg-type]  # ModuleDict forgets the types
        painter.paint(visual, references, seed=1, on_preview=lambda *_: None)
    with_reference, without, unread = told
    assert with_reference is not None
    assert without is not None
    assert (values(with_reference, 0), values(without, 0), unread) == ((1, 2), (1, 0), None)
    assert with_reference.compositions.tolist() == [1]


def test_the_numbers_are_those_of_the_attributes_that_training_names() -> None:
    config = FacesConfig()
    assert config.values == tuple(len(LABELS[name]) for name in OF_PEOPLE)
    assert [OF_PEOPLE[one] for one in config.stays] == ["head", "hair", "skin", "beard"]
