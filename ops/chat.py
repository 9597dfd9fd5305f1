"""`likeness chat`: talk to Likeness from a terminal. The terminal is an adapter like any other, the smallest there is.

Each message is the next turn of one new conversation; its picture goes into a folder. With `--json` standard output
carries one object a turn and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from bot import progress
from bot.replies import Pulled, Replies
from bot.services import Services
from bot.sweeper import Sweeper
from bot.turns import Answer, Turns
from ops.one_machine import OneMachine
from storage import conversations
from storage.tables import Status
from storage.turns import Receipt, Request

PLATFORM = "terminal"


class ScriptProblem(Exception):
    """A script cannot be read; the message names the line."""


class Line(BaseModel):
    """One line of a script: what to say, which turn to answer (from 1), and pictures to attach."""

    model_config = ConfigDict(extra="forbid")

    say: str
    reply_to: int | None = Field(None, ge=1)
    attach: list[Path] = []


@dataclass(slots=True)
class Said:
    """What came of one line."""

    turn: int
    status: str
    text: str
    picture: str | None
    alt_text: str
    seconds: float
    tokens_read: int
    tokens_reused: int
    characters: list[str]
    seed: int | None


def read_script(file: Path) -> list[Line]:
    """The lines of a script, one JSON object each; empty lines are passed over. Raises `ScriptProblem`."""
    try:
        content = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScriptProblem(f"{file} cannot be read: {error}") from error
    lines: list[Line] = []
    for number, text in enumerate(content.split("\n"), 1):
        if not text.strip():
            continue
        try:
            line = Line.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise ScriptProblem(f"{file}, line {number}: {place + ': ' if place else ''}{first['msg']}") from error
        if line.reply_to is not None and line.reply_to > len(lines):
            raise ScriptProblem(f"{file}, line {number}: there is no turn {line.reply_to} before it")
        missing = [str(path) for path in line.attach if not path.is_file()]
        if missing:
            raise ScriptProblem(f"{file}, line {number}: there is no file {missing[0]}")
        lines.append(line)
    return lines


class Chat:
    """One conversation from a terminal."""

    def __init__(self, services: Services, out: Path, console: Console) -> None:
        self._services = services
        self._console = console
        self._out = out
        self._turns = Turns(services, PLATFORM)
        self._replies = Replies(services, Pulled(PLATFORM))
        self._watcher = progress.Watcher(services)
        self._thread = str(uuid4())
        self._ids: list[UUID | None] = []

    async def __aenter__(self) -> Chat:
        self._running = asyncio.gather(self._replies.run(), Sweeper(self._services, self._turns).run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._running
        await self._watcher.close()

    async def say(self, line: Line) -> Said:
        """Send one message and wait for its reply."""
        number = len(self._ids) + 1
        started = time.perf_counter()
        receipt = await self._turns.receive(
            Request(
                platform=PLATFORM,
                workspace=PLATFORM,
                workspace_name="Terminal",
                channel="chat",
                thread=self._thread,
                source_id=str(uuid4()),
                author=_user(),
                text=line.say,
                attachments=tuple([await self._attach(path) for path in line.attach]),
                reply_to=self._target(line.reply_to),
            )
        )
        if isinstance(receipt, Answer):
            self._ids.append(None)
            seconds = time.perf_counter() - started
            return Said(number, Status.DONE, receipt.text, None, "", round(seconds, 3), 0, 0, [], None)
        self._ids.append(receipt.turn_id)
        await self._follow(receipt)
        views = await self._services.database.arun(
            conversations.turns_of, receipt.workspace_id, receipt.conversation_id
        )
        view = next(view for view in views if view.id == receipt.turn_id)
        picture = view.pictures[0] if view.pictures else None
        file = self._out / f"turn-{number:02}.png"
        if picture is not None:
            data = await asyncio.to_thread(self._services.blobs.get, picture.blob_key)
            await asyncio.to_thread(file.write_bytes, data)
        return Said(
            turn=number,
            status=view.status,
            text=view.reply,
            picture=str(file) if picture else None,
            alt_text=picture.alt_text if picture else "",
            seconds=round(time.perf_counter() - started, 3),
            tokens_read=view.tokens_read,
            tokens_reused=view.tokens_reused,
            characters=[one.name for one in picture.characters] if picture else [],
            seed=view.seed,
        )

    def _target(self, reply_to: int | None) -> UUID | None:
        if reply_to is None:
            return None
        target = self._ids[reply_to - 1]
        if target is None:
            raise ScriptProblem(f"Turn {reply_to} was a command; there is nothing to reply to.")
        return target

    async def _attach(self, path: Path) -> str:
        data = await asyncio.to_thread(path.read_bytes)
        workspace_id = await self._turns.workspace(PLATFORM, PLATFORM, "Terminal")
        return await self._turns.keep_upload(workspace_id, data)

    async def _follow(self, receipt: Receipt) -> None:
        """Show how a turn stands until it has ended."""
        with Progress(
            TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=self._console, transient=True
        ) as bar:
            task = bar.add_task("waiting", total=None)
            async for update in self._watcher.watch(receipt.turn_id):
                if update.progress is not None and update.progress.steps:
                    bar.update(
                        task,
                        description=update.progress.stage,
                        total=update.progress.steps,
                        completed=update.progress.step,
                    )
                elif update.place.status is not Status.RUNNING:
                    bar.update(task, description=_waiting(update))


def _waiting(update: progress.Update) -> str:
    if not update.place.workers:
        return "waiting for a worker to come up"
    if update.place.ahead:
        return f"{update.place.ahead} ahead in the queue"
    return "waiting"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a user without a name
        return "somebody"


async def chat(machine: OneMachine, lines: list[Line], *, out: Path, as_json: bool) -> bool:
    """Send each line as the next turn of one new conversation. Returns whether every turn is done."""
    await asyncio.to_thread(out.mkdir, parents=True, exist_ok=True)
    services = Services.open(machine.settings)
    stdout, stderr = Console(highlight=False), Console(stderr=True)
    everything_done = True
    try:
        async with Chat(services, out, stderr) as talk:
            for line in lines:
                if not as_json:
                    stdout.print(Text(f"> {line.say}", style="bold"))
                said = await talk.say(line)
                everything_done = everything_done and said.status == Status.DONE
                if as_json:
                    print(json.dumps(_fields(said), ensure_ascii=False), flush=True)  # noqa: T201  (the output)
                else:
                    stdout.print(Text(said.text))
                    if said.picture:
                        stdout.print(Text(f"  {said.picture} ({said.seconds:.1f} s)"))
    finally:
        await services.close()
    return everything_done


def _fields(said: Said) -> dict[str, Any]:
    return {name: getattr(said, name) for name in said.__slots__}
