"""What an operator of one machine may rely on: it starts, keeps what it was given, and leaves nothing running."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from ops import stack as stack_module
from ops.processes import KeeperGone, command_line, descendants, start_mark
from ops.stack import Stack, StackError, StackRecord, StackRunning, running_stack

ROOT = Path(__file__).parents[2]

OWNER = """
import sys, time
from pathlib import Path
from ops.stack import Stack

stack = Stack.start(Path(sys.argv[1]))
# A child that ignores SIGTERM, with children that left its process group and its session.
stack.spawn("stubborn", ["sh", "-c", "trap '' TERM; setsid sleep 300 & sleep 300 & wait"])
print("up", flush=True)
time.sleep(300)
"""


def connect(stack_or_url: Stack | str) -> psycopg.Connection[tuple[object, ...]]:
    url = stack_or_url if isinstance(stack_or_url, str) else stack_or_url.database_url
    return psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True)


def family(record: StackRecord) -> dict[int, str]:
    """The keeper of a stack and all its descendants, with their start times."""
    keeper = next(left.pid for left in record.processes if left.name == "keeper")
    return {pid: mark for pid in (keeper, *descendants(keeper)) if (mark := start_mark(pid))}


def survivors(members: dict[int, str], seconds: float = 5.0) -> list[str]:
    """Command lines of those that still run after so long."""
    end = time.monotonic() + seconds
    while (left := [pid for pid, mark in members.items() if start_mark(pid) == mark]) and time.monotonic() < end:
        time.sleep(0.05)
    return [command_line(pid) for pid in left]


def started(folder: Path) -> StackRecord:
    """The record of a stack that another process runs, once all of `OWNER`'s children are there."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        record = running_stack(folder)
        if record and sum(command_line(pid) == "sleep 300" for pid in family(record)) == 2:
            return record
        time.sleep(0.02)
    raise AssertionError("the stack did not start")


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that runs a stack in `tmp_path`."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_what_is_written_is_there_after_a_restart(tmp_path: Path) -> None:
    with Stack.start(tmp_path) as stack:
        with connect(stack) as database:
            database.execute("CREATE TABLE names (name text)")
            database.execute("INSERT INTO names VALUES ('Olivia')")
        redis.Redis.from_url(stack.broker_url).rpush("queue", "ticket")
        members = family(stack.record)
        assert len(members) > 6
    assert survivors(members, 0) == []
    assert running_stack(tmp_path) is None

    with Stack.start(tmp_path) as stack:
        with connect(stack) as database:
            assert database.execute("SELECT name FROM names").fetchall() == [("Olivia",)]
            assert database.execute("SHOW fsync").fetchone() == ("on",)
        assert redis.Redis.from_url(stack.broker_url).lrange("queue", 0, -1) == [b"ticket"]


def test_another_user_of_the_machine_gets_nothing(stack: Stack) -> None:
    """Both servers want a password, and nobody but the owner can read it."""
    password = stack.record.database_url.split(":")[2].partition("@")[0]
    with pytest.raises(psycopg.OperationalError, match="password"):
        connect(stack.database_url.replace(password, "wrong"))
    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url("redis://" + stack.broker_url.rpartition("@")[2]).ping()

    for holder in ("stack.json", "secrets/postgres", "secrets/valkey", "valkey/valkey.conf"):
        assert (stack.data_dir / holder).stat().st_mode & 0o077 == 0, holder
    for left in stack.record.processes:
        assert password not in command_line(left.pid)


def test_a_second_stack_in_the_same_folder_is_refused_by_name(tmp_path: Path, owner: subprocess.Popen[str]) -> None:
    with pytest.raises(StackRunning, match=f"already runs in {tmp_path} .process {owner.pid}.") as refusal:
        Stack.start(tmp_path)
    assert "LIKENESS_DATA_DIR" in str(refusal.value)
    record = started(tmp_path)
    assert set(record.names()) == {"keeper", "postgres", "valkey", "stubborn"}
    with connect(record.database_url) as database:  # and is not harmed by the attempt
        assert database.execute("SELECT 1").fetchone() == (1,)


def test_nothing_is_left_when_the_owner_is_killed(tmp_path: Path, owner: subprocess.Popen[str]) -> None:
    members = family(started(tmp_path))
    owner.kill()
    assert survivors(members) == []
    with Stack.start(tmp_path) as stack, connect(stack) as database:
        assert database.execute("SELECT 1").fetchone() == (1,)


def test_a_start_right_after_the_owner_was_killed_waits_for_the_rest_to_end(
    tmp_path: Path, owner: subprocess.Popen[str]
) -> None:
    members = family(started(tmp_path))
    owner.kill()
    owner.wait()
    with Stack.start(tmp_path) as stack, connect(stack) as database:
        assert survivors(members, 0) == []
        assert database.execute("SELECT 1").fetchone() == (1,)


def test_a_start_ends_what_is_left_when_owner_and_keeper_are_killed(
    tmp_path: Path, owner: subprocess.Popen[str]
) -> None:
    record = started(tmp_path)
    members = family(record)
    os.kill(record.processes[0].pid, signal.SIGKILL)
    owner.kill()
    owner.wait()
    assert "sleep 300" in survivors(members, 0.5)  # the children of children, which nothing has told
    with Stack.start(tmp_path):
        assert survivors(members, 0) == []


@pytest.mark.parametrize("moment", [0.0, 0.05, 0.1, 0.2, 0.4])
def test_an_owner_killed_while_it_starts_leaves_nothing(tmp_path: Path, moment: float) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.DEVNULL, cwd=ROOT, start_new_session=True
    )
    end = time.monotonic() + 20
    while not (tmp_path / "stack.json").exists() and time.monotonic() < end:
        time.sleep(0.002)
    record = running_stack(tmp_path)
    assert record is not None
    time.sleep(moment)
    members = family(record)
    process.kill()
    process.wait()
    assert survivors(members) == []
    with Stack.start(tmp_path) as stack, connect(stack) as database:
        assert database.execute("SELECT 1").fetchone() == (1,)


def test_a_process_id_that_now_belongs_to_a_stranger_is_let_alone(tmp_path: Path) -> None:
    with Stack.start(tmp_path):
        record = (tmp_path / "stack.json").read_text()
    with subprocess.Popen(["sleep", "60"]) as stranger:
        content = json.loads(record)
        for process in content["processes"]:
            process["pid"] = stranger.pid
        (tmp_path / "stack.json").write_text(json.dumps(content))
        (tmp_path / "postgres" / "postmaster.pid").write_text(f"{stranger.pid}\n{tmp_path / 'postgres'}\n")
        with Stack.start(tmp_path):
            assert stranger.poll() is None
        stranger.kill()


def test_a_killed_keeper_is_noticed(tmp_path: Path) -> None:
    with Stack.start(tmp_path) as stack:
        process = stack.spawn("sleeper", ["sleep", "300"])
        members = family(stack.record)
        os.kill(stack.record.processes[0].pid, signal.SIGKILL)
        with pytest.raises(KeeperGone):
            process.wait(5)
        assert survivors(members) == []


def test_a_process_of_the_stack_finds_the_stack_and_logs_into_its_folder(tmp_path: Path) -> None:
    show = (
        "from storage.settings import settings as s; print(s().database_url, s().broker_url, s().blobs, s().data_dir)"
    )
    with Stack.start(tmp_path) as stack:
        process = stack.spawn("shown", [sys.executable, "-c", show], environment={"PYTHONPATH": str(ROOT)})
        assert process.wait(20) == 0
        expected = f"{stack.database_url} {stack.broker_url} {stack.blobs_url} {tmp_path}\n"
        assert (tmp_path / "logs" / "shown.log").read_text() == expected
        assert stack.spawn("typo", ["no-such-program"]).wait(5) == 127
        assert "no-such-program: " in (tmp_path / "logs" / "typo.log").read_text()


def test_stopping_takes_grandchildren_along(tmp_path: Path) -> None:
    with Stack.start(tmp_path) as stack:
        process = stack.spawn("family", ["sh", "-c", "sleep 301 & sleep 301"])
        time.sleep(0.2)
        members = {pid: start_mark(pid) or "" for pid in (process.pid, *descendants(process.pid))}
        assert len(members) == 3
        assert process.stop(2) == -signal.SIGTERM
        assert survivors(members, 0.5) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        StackError, match=r"Cannot write to the folder .*/file/data \(Not a directory\). Set LIKENESS_DATA_DIR"
    ):
        Stack.start(tmp_path / "file" / "data")


def test_a_folder_without_postgres_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"no program initdb in .*LIKENESS_POSTGRES_BIN"):
        Stack.start(tmp_path, postgres_bin=tmp_path)


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with Stack.start(tmp_path):
        pass
    (tmp_path / "postgres" / "PG_VERSION").write_text("12\n")
    with pytest.raises(StackError, match=r"(?s)postgres did not start.*initialized by PostgreSQL version 12"):
        Stack.start(tmp_path)
    assert running_stack(tmp_path) is None


def test_without_user_namespaces_root_runs_postgres_as_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in most containers. The folder was made in a user namespace before: it has to change hands."""
    with Stack.start(tmp_path):
        pass
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "unshare" else which(name))
    stack_module._not_root.cache_clear()
    try:
        with Stack.start(tmp_path) as stack, connect(stack) as database:
            assert database.execute("SELECT 1").fetchone() == (1,)
            assert (tmp_path / "postgres").stat().st_uid == (os.geteuid() or 65534)
    finally:
        monkeypatch.undo()
        stack_module._not_root.cache_clear()
    with Stack.start(tmp_path) as stack, connect(stack) as database:  # and back again
        assert database.execute("SELECT 1").fetchone() == (1,)
