"""The training stages: one after the other they give weights that draw, and a killed one goes on where it was."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from tests.worker.engines.conftest import TINY
from worker.engines.contract import ChatMessage
from worker.engines.preview import PreviewEngine
from worker.engines.preview.mllm import MLLM, Special
from worker.engines.preview.spelling import LEARNED
from worker.evaluation.suite import judges
from worker.history import History
from worker.training.dialogues import Teller
from worker.training.packing import collate, pack
from worker.training.run import STAGES, begin_from, draw_curve, export, train
from worker.training.scenes import PLACES, draw_shot
from worker.training.stages import Grounds, text_tokenizer
from worker.training.stories import story
from worker.training.trainer import Trainer
from worker.training.views import FAMILY

TRAINER = """
import sys, torch
from pathlib import Path
from torch import nn
from worker.training import trainer
trainer.CHECKPOINT_SECONDS = 0.1
modules = nn.ModuleDict({"line": nn.Linear(4, 1)})
def loss():
    x = torch.randn(8, 4)
    return ((modules["line"](x) - x.sum(1, keepdim=True)) ** 2).mean(), {}
trainer.Trainer(Path(sys.argv[1]), "line", modules, loss, 10.0, 1e-2).run()
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every stage, a step or two each."""
    folder = tmp_path_factory.mktemp("training")
    threads = torch.get_num_threads()
    train(folder, minutes=0.0005, stories=3, people=FAMILY)
    torch.set_num_threads(threads)
    return folder


def test_a_stage_that_was_killed_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", TRAINER, str(tmp_path)])
    checkpoint, deadline = tmp_path / "line.pt", time.monotonic() + 60
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    saved = torch.load(checkpoint, weights_only=True)
    line = nn.Linear(4, 1)
    later = Trainer(tmp_path, "line", nn.ModuleDict({"line": line}), lambda: (line.weight.sum(), {}), 10.0, 1e-2)
    assert later.steps == saved["steps"] > 0
    assert later.seconds == saved["seconds"] > 0
    assert torch.equal(line.weight, saved["modules"]["line.weight"])


def test_all_stages_leave_weights_that_load_and_answer(trained: Path) -> None:
    engine = PreviewEngine.from_pretrained(trained / "weights", steps=2)
    reading = engine.read(History((), uuid4()), ChatMessage("draw Olivia"))
    assert reading.reply is not None
    learned = set(json.loads((trained / "weights" / LEARNED).read_text(encoding="utf-8")))
    assert {"portrait", "grinning", "café"} <= learned
    assert not learned & {"olivia", "strand", "asdf"}, "no names, no other languages, no nonsense"
    sizes = sum(
        file.stat().st_size for kind in ("weights", "identity") for file in (trained / kind).glob("*.safetensors")
    )
    assert sizes < 40e6


def test_the_weights_have_the_encoder_of_its_stage_and_the_decoder_of_the_later_one(
    trained: Path, tmp_path: Path
) -> None:
    begin_from(trained / "weights", tmp_path)
    file = tmp_path / "autoencoder.pt"
    other = torch.load(file, weights_only=True)
    torch.save(other | {"average": {name: value + 1 for name, value in other["average"].items()}}, file)
    export(tmp_path, tmp_path / "weights")
    before, after = (load_file(folder / "weights" / "autoencoder.safetensors") for folder in (trained, tmp_path))
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"encoder", "normalise"}


def test_the_models_of_identity_load_and_look(trained: Path) -> None:
    looks = judges(trained / "identity")
    shot = story(1).shot(0)
    seen = looks.reader.read(draw_shot(shot))
    assert seen.place in PLACES
    found = looks.meter.embed(draw_shot(shot), shot.framing, len(shot.people))
    assert np.linalg.norm(found, axis=1) == pytest.approx(1.0, abs=1e-5)
    guard = load_file(trained / "identity" / "guard.safetensors")
    assert not torch.equal(guard["encoder.out.weight"], looks.meter.encoder.out.weight)


def test_every_stage_leaves_a_curve_and_a_record(trained: Path) -> None:
    for stage in STAGES:
        record = json.loads((trained / f"{stage}.json").read_text())
        assert record["steps"] > 0
        assert {"seed", "data_version", "code_version", "minutes"} <= set(record)


def test_a_curve_of_other_figures_is_put_aside(tmp_path: Path) -> None:
    (tmp_path / "line.csv").write_text("step,minutes,loss\n1,0.1,2.0\n")
    line = nn.Linear(4, 1)
    trainer = Trainer(tmp_path, "line", nn.ModuleDict({"line": line}), lambda: (line.weight.sum(), {}), 10.0, 1e-2)
    trainer._note({"loss": 1.0, "words": 0.5})
    trainer._note({"loss": 0.9, "words": 0.4})
    draw_curve(tmp_path / "line.csv")
    assert (tmp_path / "line.before.csv").read_text().startswith("step,minutes,loss\n")
    assert (tmp_path / "line.csv").read_text().count("words") == 1
    assert (tmp_path / "line.png").exists()


def test_a_stage_that_had_its_minutes_is_passed_over(trained: Path) -> None:
    before = json.loads((trained / "multi_round.json").read_text())["steps"]
    train(trained, "multi_round", minutes=0.0005, stories=3, people=FAMILY)
    assert json.loads((trained / "multi_round.json").read_text())["steps"] == before


def test_another_machine_goes_on_from_exported_weights(trained: Path, tmp_path: Path) -> None:
    begin_from(trained / "weights", tmp_path)
    exported = load_file(trained / "weights" / "mllm.safetensors")
    begun = torch.load(tmp_path / "multi_round.pt", weights_only=True)
    assert begun["steps"] == 0
    for name, value in exported.items():
        assert torch.equal(begun["modules"][f"mllm.{name}"], value.float())
    begin_from(trained / "weights", tmp_path)
    export(tmp_path, tmp_path / "weights")
    (record,) = [
        one for one in json.loads((tmp_path / "weights" / "training.json").read_text()) if one["stage"] == "multi_round"
    ]
    assert [one["stage"] for one in record["continued_from"]] == ["multi_round"]
    assert (
        load_file(tmp_path / "weights" / "dit.safetensors").keys()
        == load_file(trained / "weights" / "dit.safetensors").keys()
    )
    train(tmp_path, "multi_round", minutes=0.0005, stories=3)
    assert torch.load(tmp_path / "multi_round.pt", weights_only=True)["steps"] > 0


def test_strange_pictures_are_of_the_same_place_and_composition() -> None:
    def ground(number: int, turn: int) -> tuple[object, ...]:
        scene = story(number).turns[turn].scene
        return scene.place, scene.night, scene.framing, len(scene.cast)

    pictures = [(number, turn) for number in range(60) for turn in range(12)]
    stories, turns = Grounds(np.arange(60)).strange(np.random.default_rng(0), pictures)
    found = list(zip(stories.tolist(), turns.tolist(), strict=True))
    assert [ground(*one) for one in found] == [ground(*one) for one in pictures]
    assert 0.3 < np.mean([one != other for one, other in zip(found, pictures, strict=True)]) < 0.6


def test_what_the_reserved_positions_hold_is_seen_by_nothing_else(trained: Path) -> None:
    text = text_tokenizer(trained)
    sequence = pack(Teller(story(1), 1).tell(), text)
    batch = collate([sequence])
    torch.manual_seed(0)
    mllm = MLLM(replace(TINY.mllm, vocabulary=text.get_vocab_size())).eval()
    embedded = mllm.embed(batch.ids, torch.randn(int((batch.ids == Special.VISUAL).sum()), 64))
    reserved = batch.queries | batch.references
    assert batch.references.any()
    other = torch.where(reserved[..., None], embedded + 1.0, embedded)
    with torch.no_grad():
        one, two = (mllm(given, batch.positions, batch.mask) for given in (embedded, other))
    assert torch.allclose(one[~reserved], two[~reserved], atol=1e-5)
    assert not torch.allclose(one[batch.queries], two[batch.queries], atol=1e-2)
