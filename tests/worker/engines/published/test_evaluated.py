"""An engine of published models is told the dialogues of the evaluation: a reader of random weights, a server that paints."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image
from starlette.responses import Response

from ops import cli
from storage.settings import Settings, settings
from tests.stand_ins.painting import Painting
from tests.worker.engines.published.conftest import Script, answer
from worker.engines.painters.remote import RemotePainter
from worker.engines.published.engine import PublishedEngine
from worker.engines.published.reader import Reader
from worker.evaluation import photographs
from worker.evaluation.talk import Talk
from worker.identity import photos
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


Evaluate = Callable[..., str]


@pytest.fixture
def evaluate(
    tiny_reader: Path,
    server: Painting,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Evaluate]:
    """`likeness evaluate` in this process, of `remote` with a meter that finds nobody; what it says as it ends."""
    monkeypatch.setattr(photos, "PhotoMeter", lambda _: Nobody())
    named = {"reader": str(tiny_reader), "device": "cpu", "dtype": "float32", "remote_url": server.url}
    named |= {"engine": "remote", "data_dir": str(tmp_path), "guard": "false"}
    named["worker_threads"] = str(torch.get_num_threads())  # which it sets for the whole process
    for name, value in named.items():
        monkeypatch.setenv(f"LIKENESS_{name.upper()}", value)

    def run(*more: str) -> str:
        settings.cache_clear()
        monkeypatch.setattr("sys.argv", ["likeness", "evaluate", "--faces", str(tmp_path), *more])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 1
        *_, last = capsys.readouterr().err.strip().splitlines()
        return last

    yield run
    settings.cache_clear()


def test_a_server_that_does_not_paint_ends_an_evaluation_with_a_sentence(
    evaluate: Evaluate, reader: Reader, script: Script, server: Painting, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(answer("Here.", prompt="Somebody on a beach."))
    monkeypatch.setattr(Reader, "from_pretrained", lambda *_, **__: reader)
    server.answers.append(Response("who are you?", 401))
    assert re.match("likeness: The server at .* answered 401: who are you", evaluate())


def test_what_is_refused_is_a_round_without_a_picture_and_the_dialogue_goes_on(
    reader: Reader, script: Script, server: Painting
) -> None:
    script(answer("Here.", prompt="Somebody on a beach."))
    painter = RemotePainter(Settings(_env_file=None, remote_url=server.url))
    painter.sizes = ((64, 64),)
    talk = Talk(PublishedEngine(reader, painter))
    server.answers.append(Response("not this", 422))
    refused, drawn, last = (talk.say(words) for words in ("Olivia at sea", "Olivia on a beach", "at night"))
    assert (refused.record, refused.picture) == (None, None)
    assert "not this" in refused.reply
    assert drawn.picture is not None
    assert [one.after for one in (refused, drawn, last)] == [-1, 0, 1]
    assert talk.records() == (drawn.record, last.record)


def test_weights_that_are_not_there_end_an_evaluation_with_a_sentence(evaluate: Evaluate, tmp_path: Path) -> None:
    said = evaluate("--engine", "preview", "--weights", str(tmp_path))
    assert said.startswith(f"likeness: The preview engine has no usable weights in {tmp_path}")


def test_a_model_that_cannot_be_loaded_ends_an_evaluation_with_a_sentence(
    evaluate: Evaluate, tiny_reader: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = tmp_path / "cut"
    shutil.copytree(tiny_reader, cut)
    (weights,) = cut.glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:-100])
    monkeypatch.setenv("LIKENESS_READER", str(cut))
    said = evaluate()
    assert said.startswith(f"likeness: The reader in {cut} cannot be loaded (SafetensorError: ")
    assert "likeness models fetch" in said

    def full(*_: object, **__: object) -> Reader:
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr(Reader, "from_pretrained", full)
    assert evaluate().startswith("likeness: The memory does not suffice for this engine.")
