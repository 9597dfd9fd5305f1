"""`likeness demo`: the stack, a worker and the studio on one machine, watched until Ctrl-C.

It starts, announces, restarts what dies, and stops. What the parts do is theirs.
"""

from __future__ import annotations

import http.client
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from urllib.parse import urlencode

from rich.console import Console
from rich.text import Text

from ops.one_machine import check_machine, pointed_at, prepare, stop_on_signals, worker_argv
from ops.processes import Process
from ops.stack import Stack, StackError, free_port
from storage import turns
from storage.database import Database, DatabaseUnavailable
from storage.settings import Settings

LOOK_SECONDS = 0.3
ANSWER_SECONDS = 60.0
DEATHS = 4  # within DEATHS_SECONDS: a part that dies so often does not run at all
DEATHS_SECONDS = 120.0


@dataclass
class Part:
    """A process that is kept running: its command line, its variables, and when it died lately."""

    name: str
    argv: list[str]
    environment: dict[str, str]
    process: Process | None = None
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=DEATHS))

    def keep_running(self, stack: Stack, console: Console) -> None:
        """Start it where it does not run. Raises `StackError` when it dies again and again."""
        if self.process is not None:
            status = self.process.poll()
            if status is None:
                return
            self.deaths.append(time.monotonic())
            if len(self.deaths) == DEATHS and self.deaths[-1] - self.deaths[0] < DEATHS_SECONDS:
                raise StackError(f"The {self.name} does not run. {stack.end_of_log(self.name)}")
            console.print(f"The {self.name} ended (status {status}) and is started again.")
        self.process = stack.spawn(self.name, self.argv, environment=self.environment)


def run(settings: Settings) -> None:
    """Run everything until Ctrl-C or SIGTERM, then stop it. Raises `StackError` when a part does not run, or `NoWorker`."""
    console = Console(highlight=False, soft_wrap=True)
    check_machine(settings)
    with stop_on_signals():
        try:
            with console.status("Starting Postgres and Valkey…"):
                stack = Stack.start(settings.data_dir, postgres_bin=settings.postgres_bin)
            with stack:
                prepare(stack)
                _serve(stack, pointed_at(settings, stack.environment), console)
        except KeyboardInterrupt:
            console.print("Stopped.")


def _serve(stack: Stack, settings: Settings, console: Console) -> None:
    host, port = settings.studio_host, _port(settings)
    token = settings.studio_token.get_secret_value() if settings.studio_token else stack.secret("studio")
    engine = {"LIKENESS_ENGINE": settings.engine}
    page = {"LIKENESS_STUDIO_HOST": host, "LIKENESS_STUDIO_PORT": str(port), "LIKENESS_STUDIO_TOKEN": token}
    studio = Part("studio", [sys.executable, "-m", "ops.cli", "studio"], engine | page)
    worker = Part("worker", worker_argv(settings), engine)
    address = studio_address(host, port, token)

    with console.status("Starting the studio…"):
        end = time.monotonic() + ANSWER_SECONDS
        while not _answers(host, port):
            studio.keep_running(stack, console)
            worker.keep_running(stack, console)
            if time.monotonic() > end:
                raise StackError(f"The studio does not answer. {stack.end_of_log('studio')}")
            time.sleep(0.05)
    stack.announce(address)
    console.print(Text.assemble("\n  Likeness is running.\n\n  ", (address, "bold"), "\n"))
    console.print(f"  Everything is kept in {stack.data_dir}. Ctrl-C stops it.\n", markup=False)

    _wait_for_worker(stack, settings, [studio, worker], console)
    while True:
        stack.check()
        for part in (studio, worker):
            part.keep_running(stack, console)
        time.sleep(LOOK_SECONDS)


def _wait_for_worker(stack: Stack, settings: Settings, parts: list[Part], console: Console) -> None:
    started = time.monotonic()
    database = Database(settings.database_url, pool_size=1)
    try:
        with console.status(f"The worker is loading the engine {settings.engine}…"):
            while not database.run(turns.live_workers, settings.heartbeat_seconds).get(settings.engine):
                stack.check()
                for part in parts:
                    part.keep_running(stack, console)
                time.sleep(LOOK_SECONDS)
        console.print(f"  The worker is ready ({time.monotonic() - started:.1f} s).")
    except DatabaseUnavailable:
        raise StackError(f"Postgres went away. {stack.end_of_log('postgres')}") from None
    finally:
        database.close()


def studio_address(host: str, port: int, token: str) -> str:
    """The address that opens the studio."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/?{urlencode({'token': token})}"


def _port(settings: Settings) -> int:
    """The studio's port, or a free one where another program has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.studio_host, settings.studio_port))
        except OSError:
            return free_port()
        port: int = probe.getsockname()[1]
        return port


def _answers(host: str, port: int) -> bool:
    """Whether an HTTP server answers, whatever it says."""
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True
