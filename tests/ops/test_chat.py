"""`likeness chat`: one conversation from a terminal, a line of JSON a turn, pictures in a folder."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ops import one_machine
from ops.chat import Line, ScriptProblem, chat, read_script
from ops.one_machine import NoWorker, OneMachine, wait_for_worker
from ops.stack import Stack
from storage.database import Database
from storage.settings import Settings
from tests.processes import running_worker


@pytest.fixture
def machine(stack: Stack, settings: Settings, database: Database) -> Iterator[OneMachine]:
    with running_worker(stack, settings, database):
        yield OneMachine(settings, None)


def objects(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


async def test_each_message_is_the_next_turn_of_one_conversation(
    machine: OneMachine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [Line(say="draw Olivia"), Line(say="draw Olivia again"), Line(say="from the first", reply_to=1)]
    assert await chat(machine, lines, out=tmp_path / "out", as_json=True)
    said = objects(capsys.readouterr().out)
    assert [one["turn"] for one in said] == [1, 2, 3]
    assert [one["text"] for one in said] == [
        "Turn 1: draw Olivia",
        "Turn 2: draw Olivia again",
        "Turn 2: from the first",
    ]
    assert said[1]["characters"] == ["Olivia"]
    for one in said:
        assert one["status"] == "done"
        assert one["alt_text"].startswith("The words")
        assert one["seconds"] > 0
        assert {"tokens_read", "tokens_reused"} <= set(one)
        with Image.open(one["picture"]) as picture:
            assert picture.size == (256, 64)


async def test_a_turn_that_is_not_done_makes_the_whole_fail(
    machine: OneMachine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not await chat(machine, [Line(say="please fail"), Line(say="go on")], out=tmp_path, as_json=True)
    failed, after = objects(capsys.readouterr().out)
    assert (failed["status"], failed["picture"]) == ("failed", None)
    assert after["text"] == "Turn 1: go on"


async def test_brackets_in_a_message_are_words(
    machine: OneMachine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "a [red dress] on [/x] beach :smile:"
    assert await chat(machine, [Line(say=said)], out=tmp_path, as_json=False)
    assert capsys.readouterr().out.startswith(f"> {said}\nTurn 1: {said}\n")


def test_a_worker_that_never_comes_up_is_said(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_machine, "START_SECONDS", 0.2)
    with pytest.raises(NoWorker, match="No worker of the engine echo came up"):
        wait_for_worker(OneMachine(settings, None))


async def test_two_terminals_at_once_each_get_their_own_pictures(machine: OneMachine, tmp_path: Path) -> None:
    lines = [Line(say=f"turn {number}") for number in range(4)]
    both = [chat(machine, lines, out=tmp_path / name, as_json=True) for name in ("one", "two")]
    async with asyncio.timeout(60):
        assert await asyncio.gather(*both) == [True, True]
    for name in ("one", "two"):
        assert len(list((tmp_path / name).glob("*.png"))) == len(lines)


async def test_commands_work_in_a_terminal_too(
    machine: OneMachine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await chat(
        machine, [Line(say="one"), Line(say="two"), Line(say="undo"), Line(say="three")], out=tmp_path, as_json=True
    )
    texts = [one["text"] for one in objects(capsys.readouterr().out)]
    assert "Undone" in texts[2]
    assert texts[3] == "Turn 2: three"


async def test_a_picture_is_attached(machine: OneMachine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo, junk = tmp_path / "photo.png", tmp_path / "junk.png"
    Image.new("RGB", (80, 80), "teal").save(photo)
    junk.write_text("not a picture")
    await chat(machine, [Line(say="a", attach=[photo]), Line(say="b", attach=[junk])], out=tmp_path, as_json=True)
    assert [one["status"] for one in objects(capsys.readouterr().out)] == ["done", "refused"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"say": "a"}\n{"say": "b", "reply_to": 2}', "line 2: there is no turn 2 before it"),
        ('{"say": "a"}\n{"said": "b"}', "line 2"),
        ("hello", "line 1"),
        ('{"say": "a", "attach": ["nowhere.png"]}', "line 1: there is no file nowhere.png"),
    ],
)
def test_a_script_that_is_wrong_is_refused_before_anything_is_said(tmp_path: Path, text: str, problem: str) -> None:
    script = tmp_path / "script.jsonl"
    script.write_text(text)
    with pytest.raises(ScriptProblem, match=problem):
        read_script(script)


def test_a_script_may_have_empty_lines(tmp_path: Path) -> None:
    script = tmp_path / "script.jsonl"
    script.write_text('{"say": "a"}\n\n{"say": "b", "reply_to": 1}\n')
    assert [line.say for line in read_script(script)] == ["a", "b"]
