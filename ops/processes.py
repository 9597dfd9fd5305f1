"""Child processes that never outlive the process that asked for them, however it dies.

A `Processes` starts one small **keeper** (this file, run as a program) and has it start everything else. The keeper reads
from a pipe: when its owner exits or is killed, the pipe closes and the keeper ends all it started, grandchildren included,
because on Linux it is their subreaper. Should the keeper itself be killed, its children get a parent-death signal. It knows
nothing of what it runs.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

# The keeper is started with `python -I -S`: this file may import the standard library only.

KEEPER_GRACE = 2.0
"""Seconds that children have to end by themselves once the owner is gone."""

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LINUX = sys.platform == "linux"


class KeeperGone(RuntimeError):
    """The keeper was killed; what it started is dead or dying."""


@dataclass(frozen=True)
class Process:
    """A running child: its name, process id (also its session and group id) and the signal that asks it to end."""

    name: str
    pid: int
    stop_signal: int
    _ask: Callable[[dict[str, Any]], dict[str, Any]]  # Any: JSON

    def poll(self) -> int | None:
        """Exit status, negative for the signal that ended it; None while it runs. Raises `KeeperGone`."""
        status: int | None = self._ask({"do": "poll", "pid": self.pid})["status"]
        return status

    def wait(self, seconds: float) -> int | None:
        """Wait for the end, `seconds` at most. Returns as `poll`."""
        end = time.monotonic() + seconds
        while (status := self.poll()) is None and time.monotonic() < end:
            time.sleep(0.02)
        return status

    def signal(self, number: int, *, group: bool = False) -> None:
        """Send a signal to the process, or to its whole group. Nothing happens when it has ended."""
        self._ask({"do": "signal", "pid": self.pid, "signal": number, "group": group})

    def stop(self, grace: float = 5.0) -> int | None:
        """Ask it to end, kill what is left of its group after `grace` seconds, and return its exit status."""
        self.signal(self.stop_signal)
        self.wait(grace)
        self.signal(signal.SIGKILL, group=True)
        return self.wait(grace)


class Processes:
    """The children of one owner, in the order in which they were started. Usable from any thread; ended by `close` or exit."""

    def __init__(self, log: Path, *, hold: int | None = None) -> None:
        """Start the keeper. It writes to the file `log`, and keeps the descriptor `hold`, a lock, until its last child ended."""
        self._lock = threading.Lock()
        self.running: list[Process] = []
        with log.open("ab") as log_file:
            self._keeper = subprocess.Popen(
                [sys.executable, "-I", "-S", __file__, *([] if hold is None else [str(hold)])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log_file,
                pass_fds=() if hold is None else (hold,),
                start_new_session=True,
            )

    @property
    def keeper_pid(self) -> int:
        """Process id of the keeper."""
        return self._keeper.pid

    def spawn(
        self,
        name: str,
        argv: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        stop_signal: int = signal.SIGTERM,
        death_signal: int = signal.SIGKILL,
    ) -> Process:
        """Start `argv` in a session of its own, with `environment` over the owner's and its output appended to `log`.

        `stop_signal` asks it to end; `death_signal` is what it gets if the keeper is killed. A program that cannot be
        executed ends at once with status 127 and says so in the log. Raises `KeeperGone`.
        """
        answer = self._ask(
            {
                "do": "spawn",
                "argv": list(argv),
                "env": dict(environment or {}),
                "log": str(log),
                "stop": int(stop_signal),
                "death": int(death_signal),
            }
        )
        process = Process(name, answer["pid"], stop_signal, self._ask)
        self.running.append(process)
        return process

    def close(self, grace: float = 5.0) -> None:
        """End every child, the last first, each within `grace` seconds; then the keeper ends all that may be left of them."""
        try:
            for process in reversed(self.running):
                process.stop(grace)
        except KeeperGone:
            pass
        finally:
            self.running.clear()
            for stream in (self._keeper.stdin, self._keeper.stdout):
                if stream:
                    with suppress(OSError):  # its other end may be dead
                        stream.close()
            try:
                self._keeper.wait(KEEPER_GRACE + 5)
            except subprocess.TimeoutExpired:
                self._keeper.kill()
                self._keeper.wait()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:  # Any: JSON
        if self._keeper.stdin is None or self._keeper.stdout is None:
            raise KeeperGone
        with self._lock:
            try:
                self._keeper.stdin.write(json.dumps(request).encode() + b"\n")
                self._keeper.stdin.flush()
                line = self._keeper.stdout.readline()
            except (OSError, ValueError) as error:  # a broken pipe, or closed by `close`
                raise KeeperGone("The process that keeps the stack together was killed.") from error
        if not line:
            raise KeeperGone("The process that keeps the stack together was killed.")
        answer: dict[str, Any] = json.loads(line)
        return answer


def end_with_parent(number: int = signal.SIGTERM) -> None:
    """Make this process get signal `number` when the process that started it dies (Linux; elsewhere nothing happens).

    The kernel watches the *thread* that forked, so the parent must have forked from a thread that lives as long as it does.
    """
    if _LINUX:
        parent = os.getppid()
        _prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:
            os.kill(os.getpid(), number)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


# From here on: the keeper, which is what runs when this file is a program.


class _OwnerGone(Exception):
    """The owner closed the pipe, died, or this process was asked to end."""


class _Keeper:
    def __init__(self) -> None:
        self.owner = os.getppid()
        self.stop_signals: dict[int, int] = {}
        self.exited: dict[int, int] = {}

    def run(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._leave)
        signal.signal(signal.SIGCHLD, lambda *_: self._reap())
        # The pipe alone is not proof enough: a process forked by the owner may hold a copy of its write end.
        signal.signal(signal.SIGALRM, self._check_owner)
        signal.setitimer(signal.ITIMER_REAL, 0.5, 0.5)
        try:
            for line in iter(sys.stdin.buffer.readline, b""):
                answer = self._do(json.loads(line))
                sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
                sys.stdout.buffer.flush()
        except (_OwnerGone, OSError):
            pass
        finally:
            self._end_all()

    def _do(self, request: dict[str, Any]) -> dict[str, Any]:  # Any: JSON
        if request["do"] == "spawn":
            return {"pid": self._spawn(request)}
        pid = request["pid"]
        if request["do"] == "signal":
            if request["group"]:
                self._signal_group(pid, request["signal"])
            elif pid not in self.exited:  # its id cannot belong to another process before it was waited for
                try_kill(pid, request["signal"])
        return {"status": self.exited.get(pid)}

    def _signal_group(self, pid: int, number: int) -> None:
        if _LINUX:  # among our own only: once the leader is gone its id may mean a stranger's group
            for other in descendants(os.getpid()):
                stat = _stat(other)
                if stat and int(stat[3]) == pid:
                    try_kill(other, number)
        else:
            try_kill(-pid, number)

    def _spawn(self, request: dict[str, Any]) -> int:  # Any: JSON
        keeper = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})  # a child that ends at once must find its books open
        pid = os.fork()
        if pid == 0:
            try:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
                self._become(request, keeper)
            except BaseException as error:  # a fork must never return into the keeper's loop
                os.write(2, f"{request['argv'][0]}: {error}\n".encode())
            finally:
                os._exit(127)
        self.stop_signals[pid] = request["stop"]
        self.exited.pop(pid, None)  # an earlier child had the same id
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        return pid

    @staticmethod
    def _become(request: dict[str, Any], keeper: int) -> NoReturn:  # Any: JSON
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGALRM, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.setsid()
        if _LINUX:
            _prctl(_PR_SET_PDEATHSIG, request["death"])
            if os.getppid() != keeper:
                os._exit(127)
        # Inherited, not read: which settings there are is known to storage/settings.py alone.
        os.execvpe(request["argv"][0], request["argv"], {**os.environ, **request["env"]})  # noqa: S606  no shell wanted

    def _leave(self, number: int, frame: FrameType | None) -> None:
        raise _OwnerGone

    def _check_owner(self, number: int, frame: FrameType | None) -> None:
        if os.getppid() != self.owner:
            raise _OwnerGone

    def _reap(self) -> bool:
        """Take in the dead. Returns whether any child is left, which for a subreaper means any descendant."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid in self.stop_signals:  # others are orphans that came to us
                self.exited[pid] = os.waitstatus_to_exitcode(status)

    def _end_all(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(ignored, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for pid, number in self.stop_signals.items():
            if pid not in self.exited:
                try_kill(pid, number)
        end = time.monotonic() + KEEPER_GRACE
        while self._reap():
            if time.monotonic() > end:
                for pid in descendants(os.getpid()) if _LINUX else self.stop_signals:
                    try_kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        if not _LINUX:  # no subreaper there: what outlived its parent is known by its group only
            for pid in self.stop_signals:
                try_kill(-pid, signal.SIGKILL)


def descendants(ancestor: int) -> list[int]:
    """Process ids of all children, grandchildren, … of a process (Linux; elsewhere an empty list)."""
    children: dict[int, list[int]] = {}
    for pid in _all_pids():
        stat = _stat(pid)
        if stat:
            children.setdefault(int(stat[1]), []).append(pid)
    found, ahead = [], [ancestor]
    while ahead:
        below = children.get(ahead.pop(), [])
        found += below
        ahead += below
    return found


def start_mark(pid: int) -> str | None:
    """When a process started, in a form that tells it from an earlier or later one with the same id; None when there is none."""
    if _LINUX:
        stat = _stat(pid)
        return (
            None
            if not stat or stat[0] == "Z"
            else f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}/{stat[19]}"
        )
    return _ps("lstart", pid) or None


def command_line(pid: int) -> str:
    """The words a process was started with, or an empty text when there is none."""
    if _LINUX:
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            return ""
    return _ps("command", pid)


def with_variable(name: str, value: str) -> list[int]:
    """This user's processes that were started with the variable `name` = `value` (Linux; elsewhere an empty list)."""
    found = []
    wanted = f"{name}={value}".encode()
    for pid in _all_pids():
        try:
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if wanted in variables:
            found.append(pid)
    return found


def _ps(column: str, pid: int) -> str:
    return subprocess.run(
        ["ps", "-o", f"{column}=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()


def _all_pids() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the third (state, parent, group, session, …) on; the 22nd is the start time."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def try_kill(pid: int, number: int) -> None:
    """Send a signal to a process that may have ended, or may be none of ours."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


if __name__ == "__main__":
    for held in sys.argv[1:]:
        os.set_inheritable(int(held), False)
    if _LINUX:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _Keeper().run()
