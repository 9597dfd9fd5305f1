"""`make demo` as a newcomer meets it: one command, an address that answers, and nothing left when it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ops.processes import descendants, start_mark
from ops.stack import StackRecord, free_port, running_stack

START_SECONDS = 60.0


@contextmanager
def demo(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A demo with the engine echo, with what it says in the file `said`; killed at the end if it still runs."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("LIKENESS_")}
    variables |= {"LIKENESS_DATA_DIR": str(folder / "data"), "LIKENESS_STUDIO_PORT": str(free_port())}
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "ops.cli", "demo", "--engine", "echo", *arguments],
            cwd=folder,
            env=variables,
            stdout=said,
            stderr=said,
            text=True,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def said(folder: Path, words: str) -> str:
    """What the demo has said, once it has said `words`."""
    end = time.monotonic() + START_SECONDS
    while words not in (text := (folder / "said").read_text()):
        assert time.monotonic() < end, text
        time.sleep(0.05)
    return text


def family(folder: Path) -> tuple[StackRecord, dict[int, str]]:
    """The stack's record, and its processes with their start times."""
    record = running_stack(folder / "data")
    assert record is not None
    keeper = record.processes[0].pid
    return record, {pid: mark for pid in (keeper, *descendants(keeper)) if (mark := start_mark(pid))}


def survivors(members: dict[int, str], seconds: float) -> list[int]:
    end = time.monotonic() + seconds
    while (left := [pid for pid, mark in members.items() if start_mark(pid) == mark]) and time.monotonic() < end:
        time.sleep(0.05)
    return left


def status_of(url: str) -> int:
    """What a browser gets that keeps its cookies."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    try:
        with browser.open(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_the_printed_address_opens_the_studio_and_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        address = re.search(r"http://127\.0\.0\.1:\d+/\?token=\w+", said(tmp_path, "The worker is ready"))
        assert address
        assert status_of(address[0]) == 200
        assert status_of(address[0].replace("token=", "token=no")) in {401, 403}
        record, members = family(tmp_path)
        assert record.studio_url == address[0]
        assert {"postgres", "valkey", "studio", "worker"} <= set(record.names())
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert survivors(members, 0) == []
    with demo(tmp_path):  # the same address again, port and token: an open page goes on
        assert said(tmp_path, "Ctrl-C").count(address[0].rpartition("=")[2]) == 1


def test_kill_9_leaves_nothing(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        said(tmp_path, "The worker is ready")
        _, members = family(tmp_path)
        assert len(members) > 8
        process.kill()
        assert survivors(members, 5) == []


def test_the_death_of_make_ends_the_demo(tmp_path: Path) -> None:
    """`make demo` runs it as a child, and a terminal that is closed kills make alone."""
    start = [sys.executable, "-m", "ops.cli", "demo", "--engine", "echo", "--with-parent"]
    make = (
        f"import subprocess, sys; p = subprocess.Popen({start!r}, stdout=open('said', 'w'), stderr=subprocess.STDOUT); "
        "print(p.pid, flush=True); p.wait()"
    )
    variables = {**os.environ, "LIKENESS_DATA_DIR": str(tmp_path / "data"), "LIKENESS_STUDIO_PORT": str(free_port())}
    with subprocess.Popen(
        [sys.executable, "-c", make], cwd=tmp_path, env=variables, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        demo_pid = int(parent.stdout.readline())
        said(tmp_path, "Likeness is running")
        mark = start_mark(demo_pid)
        assert mark
        _, members = family(tmp_path)
        parent.kill()
        assert survivors({**members, demo_pid: mark}, 15) == []


def test_a_part_that_is_killed_is_started_again(tmp_path: Path) -> None:
    with demo(tmp_path):
        said(tmp_path, "The worker is ready")
        record, _ = family(tmp_path)
        worker = next(left.pid for left in record.processes if left.name == "worker")
        os.kill(worker, signal.SIGKILL)
        said(tmp_path, "The worker ended (status -9) and is started again.")


def test_a_chat_talks_to_a_demo_that_runs(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        said(tmp_path, "The worker is ready")
        chat = subprocess.run(
            [sys.executable, "-m", "ops.cli", "chat", "--engine", "echo", "--json", "--out", "pictures", "hello"],
            cwd=tmp_path,
            env={**os.environ, "LIKENESS_DATA_DIR": str(tmp_path / "data")},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert chat.returncode == 0, chat.stderr
        turn = json.loads(chat.stdout)
        assert turn["status"] == "done"
        assert (tmp_path / turn["picture"]).is_file()
        assert process.poll() is None
        assert running_stack(tmp_path / "data") is not None


def test_a_server_that_dies_ends_the_demo_with_a_sentence(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        said(tmp_path, "The worker is ready")
        record, members = family(tmp_path)
        os.kill(next(one.pid for one in record.processes if one.name == "valkey"), signal.SIGKILL)
        assert process.wait(START_SECONDS) != 0
        assert "valkey ended (status -9)" in said(tmp_path, "everything stops")
        assert not survivors(members, 10)


def test_an_engine_that_cannot_be_loaded_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("LIKENESS_DATA_DIR", str(tmp_path / "data"))
    chat = subprocess.run(
        [sys.executable, "-m", "ops.cli", "chat", "--engine", "preview", "--json", "draw Olivia"],
        cwd=tmp_path,
        env={**os.environ, "LIKENESS_PREVIEW_WEIGHTS": str(tmp_path / "empty")},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert chat.returncode != 0
    assert chat.stdout == ""
    assert "The preview engine has no usable weights" in chat.stderr
    assert "Traceback" not in chat.stderr.splitlines()[0]
