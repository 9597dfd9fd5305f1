"""S3 servers from wheels for tests: one that behaves like S3 and keeps its objects, one that verifies signatures.

It knows how to start, kill and restart them on 127.0.0.1, and that they die with this process. Neither does both:
ministack honours conditions, expiry and parts, and accepts any secret; rclone verifies every signature, and knows no
conditions.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_BIN = Path(sys.executable).parent
_PR_SET_PDEATHSIG = 1


@dataclass
class S3Server:
    """A running server and the way to reach it."""

    url: str
    access_key: str
    secret_key: str
    bucket: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        """Start it, and return when it accepts connections."""
        assert self.process is None
        port = int(self.url.rpartition(":")[2])
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env=self.environment,
                cwd=self.log.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent(),  # noqa: PLW1509  # one system call, which takes no lock
            )
        until = time.monotonic() + 20
        while not _listens(port):
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the S3 server did not start:\n{self.log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)

    def kill(self) -> None:
        """kill -9, as a power cut to the process."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def restart(self) -> None:
        """Kill it if it runs, and start it on the same port and folder."""
        self.kill()
        self.start()


@contextmanager
def s3_server(folder: Path, bucket: str = "likeness-test") -> Iterator[S3Server]:
    """ministack on `folder`, with an empty `bucket` in it."""
    port = _free_port()
    folder.mkdir(parents=True, exist_ok=True)
    server = S3Server(
        url=f"http://127.0.0.1:{port}",
        access_key="test",
        secret_key="test",
        bucket=bucket,
        command=[str(_BIN / "ministack")],
        environment={
            **_environment(folder),
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "SERVICES": "s3",
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(folder / "objects"),
        },
        log=folder / "log",
    )
    try:
        server.start()
        s3_client(server).create_bucket(Bucket=bucket)
        yield server
    finally:
        server.kill()


@contextmanager
def signed_s3_server(folder: Path, bucket: str = "likeness-test") -> Iterator[S3Server]:
    """rclone on `folder`, with an empty `bucket` in it. It answers only to its own key and secret."""
    port = _free_port()
    (folder / "objects" / bucket).mkdir(parents=True, exist_ok=True)
    address = f"127.0.0.1:{port}"
    pair = ("likeness-key", "likeness-secret")
    command = [str(_BIN / "rclone"), "serve", "s3", "--addr", address, "--auth-key", ",".join(pair)]
    server = S3Server(
        url=f"http://{address}",
        access_key=pair[0],
        secret_key=pair[1],
        bucket=bucket,
        command=[*command, "--config", os.devnull, str(folder / "objects")],
        environment=_environment(folder),
        log=folder / "log",
    )
    try:
        server.start()
        yield server
    finally:
        server.kill()


def s3_client(server: S3Server):  # type: ignore[no-untyped-def]  # boto3 makes its clients at run time
    """A bare boto3 client of `server`, to look at it from outside."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        config=Config(s3={"addressing_style": "path"}, signature_version="s3v4"),
    )


def _environment(folder: Path) -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "HOME": str(folder), "TMPDIR": str(folder)}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _die_with_parent() -> Callable[[], None] | None:
    """A test run that is killed leaves no server behind, on Linux."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
