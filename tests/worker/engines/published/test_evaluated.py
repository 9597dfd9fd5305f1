"""An engine of published models is told the dialogues of the evaluation: a reader of random weights, a server that paints."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PIL import Image

from storage.settings import Settings
from tests.stand_ins.painting import Painting
from tests.worker.engines.published.conftest import Script, answer
from worker.engines.painters.remote import RemotePainter
from worker.engines.published.engine import PublishedEngine
from worker.engines.published.reader import Reader
from worker.evaluation import photographs
from worker.identity.guard import Guard
from worker.identity.meter import Face


@pytest.fixture
def server() -> Iterator[Painting]:
    painting = Painting()
    painting.start()
    yield painting
    painting.stop()


class Nobody:
    """A meter that finds nobody, as one of faces does in flat colours."""

    def faces(self, picture: Image.Image) -> tuple[Face, ...]:
        return ()


def test_pictures_without_faces_are_counted_and_not_drawn_again(
    reader: Reader, script: Script, server: Painting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        photographs, "SCRIPT", ("open", "change", "join")
    )  # each round is read by the model, for a second
    script(answer("Here.", prompt="Somebody on a beach."))
    painter = RemotePainter(Settings(_env_file=None, remote_url=server.url))
    painter.sizes = ((64, 64),)
    engine = PublishedEngine(reader, painter)
    looked = photographs.dialogues(engine, Nobody(), photographs.seeds(1), guard=Guard(Nobody(), 0.9))
    drawn = [picture for picture, _ in looked.observed.pictures[0] if picture is not None]
    assert len(drawn) == len(server.asked) == len(looked.observed.drawings)
    assert looked.faces_found
    assert not any(looked.faces_found)
    assert looked.observed.right_person == {}, "nobody is known, so nobody is compared"
