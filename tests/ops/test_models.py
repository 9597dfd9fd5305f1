"""`likeness models`, against a small hub over sockets: what comes, what is refused, and what an operator is told."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from rich.console import Console

from ops import models as fetching
from ops.models import FetchProblem, fetch
from storage.settings import Settings
from tests.processes import until
from tests.stand_ins.hub import TOKEN, Hub, Kept
from worker.engines.models import MANIFEST, ModelMissing, chosen, located, lora_file

READER, PAINTER, LORA = "some/reader", "some/painter", "some/lora"
LARGE = bytes(range(256)) * 1_000
HUGE = bytes(range(256)) * 2**16  # of which the hub's client writes 10 MiB at a time


@pytest.fixture
def hub() -> Iterator[Hub]:
    """With a reader, a painter of two components beside its single file, and a LoRA in two sizes."""
    served = Hub(
        {
            READER: Kept({"config.json": b"{}", "tokenizer.json": b"{ }", "model.safetensors": LARGE, "code.py": b"1"}),
            PAINTER: Kept(
                {
                    "model_index.json": b"{}",
                    "everything.safetensors": b"once more",
                    "vae/config.json": b"{}",
                    "vae/model.safetensors": b"small",
                    "vae/model.bin": pickle.dumps("old"),
                }
            ),
            LORA: Kept({"a-4steps.safetensors": b"four", "a-8steps.safetensors": b"eight"}),
        }
    )
    served.start()
    yield served
    served.stop()


class Fetched(NamedTuple):
    """What is held afterwards, and what was said."""

    settings: Settings
    says: str

    def folder(self, part: str) -> Path:
        return located(next(one for one in chosen("qwen-edit", self.settings) if one.part == part), self.settings)


def fetched(hub: Hub, folder: Path, **given: Any) -> Fetched:
    named = {"reader": READER, "painter": PAINTER, "lora": "none", **given}
    held = Settings(_env_file=None, models_dir=folder, **named)
    told = io.StringIO()
    fetch("qwen-edit", held, Console(file=told, width=200), endpoint=hub.url)
    return Fetched(held, told.getvalue())


def files(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()} - {MANIFEST}


def test_what_loading_needs_comes_at_one_commit_with_its_licence(hub: Hub, tmp_path: Path) -> None:
    got = fetched(hub, tmp_path, lora=LORA, lora_file="a-4steps.safetensors")
    assert files(got.folder("reader")) == {"config.json", "tokenizer.json", "model.safetensors"}, "and no code"
    assert files(got.folder("painter")) == {"model_index.json", "vae/config.json", "vae/model.safetensors"}
    assert files(got.folder("lora")) == {"a-4steps.safetensors"}
    assert (got.folder("reader") / "model.safetensors").read_bytes() == LARGE
    assert got.folder("reader").name == hub.models[READER].commit
    assert got.says.index("licence on the hub: apache-2.0") < got.says.index("whole, in")


def test_a_model_stays_at_its_commit_when_the_hub_moves_on(hub: Hub, tmp_path: Path) -> None:
    first = fetched(hub, tmp_path).folder("reader")
    hub.models[READER].commit = "f00d" + 36 * "0"
    asked = len(hub.asked)
    assert fetched(hub, tmp_path).folder("reader") == first
    assert len(hub.asked) == asked, "all of it was there"
    assert fetched(hub, tmp_path, reader=f"{READER}@f00d{36 * '0'}").folder("reader") != first


def test_a_fetch_that_was_killed_goes_on_in_the_middle_of_a_file(hub: Hub, tmp_path: Path) -> None:
    hub.models[READER].files["model.safetensors"] = HUGE
    hub.stalls_after = len(HUGE) - 1
    given = {"LIKENESS_READER": READER, "LIKENESS_PAINTER": PAINTER, "HF_ENDPOINT": hub.url}
    command = [sys.executable, "-m", "ops.cli", "models", "fetch", "--engine", "klein", "--into", str(tmp_path)]
    with subprocess.Popen(command, env=os.environ | given, stdout=subprocess.DEVNULL) as fetcher:
        until(lambda: any(part.stat().st_size > 10**7 for part in tmp_path.glob("*/*/.parts/*")), seconds=30)
        fetcher.send_signal(signal.SIGKILL)
    hub.stalls_after = None
    half = Settings(_env_file=None, models_dir=tmp_path, reader=READER)
    with pytest.raises(ModelMissing):
        located(chosen("klein", half)[0], half)
    got = fetched(hub, tmp_path)
    name, begin = [one for one in hub.asked if one[0] == "model.safetensors"][-1]
    assert begin > 10**7, "not from its beginning"
    assert (got.folder("reader") / name).read_bytes() == HUGE


def test_a_flipped_byte_is_noticed_and_the_file_comes_again(hub: Hub, tmp_path: Path) -> None:
    hub.flips = 1
    got = fetched(hub, tmp_path)
    assert (got.folder("reader") / "config.json").read_bytes() == b"{}"

    hub.flips = 100
    with pytest.raises(FetchProblem, match="another hash"):
        fetched(hub, tmp_path / "other")
    with pytest.raises(ModelMissing):
        Fetched(got.settings.model_copy(update={"models_dir": tmp_path / "other"}), "").folder("reader")


def test_what_was_damaged_on_the_disk_is_mended(hub: Hub, tmp_path: Path) -> None:
    file = fetched(hub, tmp_path).folder("reader") / "model.safetensors"
    file.write_bytes(LARGE[:-1] + b"x")
    assert "model.safetensors is damaged" in fetched(hub, tmp_path).says
    assert file.read_bytes() == LARGE


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"pytorch_model.bin": b"\x80\x04."}, "only as a pickle, pytorch_model.bin"),
        ({"model.safetensors": b"1", "text_encoder/model.ckpt": b"2"}, "only as a pickle, text_encoder/model.ckpt"),
        ({"config.json": b"{}"}, "no safetensors"),
        ({"model.safetensors": b"1", "../../evil.json": b"{}"}, "outside of its folder"),
    ],
)
def test_what_must_not_come_is_refused(hub: Hub, tmp_path: Path, content: dict[str, bytes], says: str) -> None:
    hub.models[READER].files = content
    with pytest.raises(FetchProblem, match=says):
        fetched(hub, tmp_path)
    assert hub.asked == []


def test_whoever_must_choose_is_told_from_what(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(FetchProblem, match=r"LIKENESS_LORA_FILE .* a-4steps\.safetensors, a-8steps\.safetensors"):
        fetched(hub, tmp_path, lora=LORA)


def test_another_file_of_a_lora_is_fetched_when_it_is_named(hub: Hub, tmp_path: Path) -> None:
    fetched(hub, tmp_path, lora=LORA, lora_file="a-4steps.safetensors")
    got = fetched(hub, tmp_path, lora=LORA, lora_file="*-8steps*")
    one = chosen("qwen-edit", got.settings)[-1]
    assert lora_file(one, got.folder("lora"), got.settings).read_bytes() == b"eight"
    with pytest.raises(ModelMissing, match="LIKENESS_LORA_FILE"):
        lora_file(one, got.folder("lora"), got.settings.model_copy(update={"lora_file": "b.safetensors"}))


def test_a_manifest_of_the_hub_is_not_taken_for_ours(hub: Hub, tmp_path: Path) -> None:
    hub.models[READER].files[MANIFEST] = b'{"files": {}}'
    hub.models[READER].files["model.safetensors"] = HUGE
    hub.flips = 100
    with pytest.raises(FetchProblem, match="another hash"):
        fetched(hub, tmp_path)
    assert not list(tmp_path.rglob(MANIFEST))


def test_a_gated_model_needs_consent_and_a_token(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.models[READER].gated = True
    with pytest.raises(FetchProblem, match=r"asks for your consent .* HF_TOKEN"):
        fetched(hub, tmp_path)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert fetched(hub, tmp_path).folder("reader").exists()


def test_what_the_hub_has_not_is_named(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(FetchProblem, match="no model some/body"):
        fetched(hub, tmp_path, reader="some/body")
    with pytest.raises(FetchProblem, match="some/reader has no commit beef"):
        fetched(hub, tmp_path, reader=f"{READER}@beef")


def test_without_a_network_what_is_here_is_enough_and_what_is_not_is_said(hub: Hub, tmp_path: Path) -> None:
    here = fetched(hub, tmp_path)
    hub.stop()
    assert fetched(hub, tmp_path).folder("reader") == here.folder("reader")
    with pytest.raises(FetchProblem, match="cannot be reached"):
        fetched(hub, tmp_path / "other")


def test_a_disk_that_is_too_small_is_said_before(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = shutil.disk_usage(tmp_path)._replace(free=10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: small)
    with pytest.raises(FetchProblem, match=r"needs 1\.1 GB .* 1\.0 GB are free"):
        fetched(hub, tmp_path)
    assert hub.asked == []


def test_the_list_says_what_is_here_and_what_may_not_earn_money(hub: Hub, tmp_path: Path) -> None:
    held = fetched(hub, tmp_path).settings
    told = io.StringIO()
    fetching.show(held, Console(file=told, width=250))
    lines = told.getvalue().splitlines()
    assert any(READER in line and "yes, c0ffee" in line for line in lines)
    assert any("FLUX.2-dev" in line and "no commercial use" in line for line in lines)
    assert json.loads((located(chosen("klein", held)[0], held) / MANIFEST).read_text())["licence"] == "apache-2.0"
