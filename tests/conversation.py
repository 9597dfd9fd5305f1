"""One conversation for all platforms: what people say, which process dies when, and what must stand there in the end.

A platform's test brings a `Scene`; it knows how somebody speaks there and what they see.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import AbstractContextManager
from typing import Protocol

from ops.processes import Process
from ops.stack import Stack
from storage.database import Database
from storage.settings import Settings
from storage.tables import Status
from tests.bot.helpers import until
from tests.factory import Factory
from tests.processes import running_worker

A_WHILE = 2.0  # seconds in which a second reply would show itself, if there were one


class Scene(Protocol):
    """A channel, somebody in it, and the bot as the process that operators run."""

    def bot(self) -> AbstractContextManager[Process]:
        """Such a process, killed at the end."""

    async def hears(self) -> None:
        """Wait until the bot can be spoken to."""

    async def begin(self, words: str) -> None:
        """Mention the bot in the channel, which begins the thread."""

    async def say(self, words: str) -> None:
        """Mention it in the thread."""

    def told(self) -> list[str]:
        """What each of the bot's messages in the thread says."""

    def pictures(self) -> int:
        """How many pictures stand there, previews aside."""


async def survives_the_death_of_bot_and_worker(
    scene: Scene, stack: Stack, settings: Settings, database: Database
) -> None:
    """Drawn, drawn again with both killed on the way, said while nobody listened, undone: each answered once."""
    factory = Factory(database)
    with running_worker(stack, settings, database) as worker:
        with scene.bot() as bot:
            await scene.hears()
            await scene.begin("Olivia on the beach")
            await until(lambda: scene.pictures() == 1, 60)
            await scene.say("at night")
            await until(lambda: factory.count(*Status) == 2)
            bot.signal(signal.SIGKILL, group=True)
            worker.signal(signal.SIGKILL, group=True)
        await scene.say("while nobody listened")
    with running_worker(stack, settings, database, "worker2"), scene.bot():
        await scene.hears()
        await until(lambda: factory.count(Status.DONE) == 3, 40)
        await until(lambda: scene.pictures() == 3, 60)
        await asyncio.sleep(A_WHILE)
        assert (len(scene.told()), scene.pictures()) == (3, 3)
        await scene.say("undo")
        await until(lambda: scene.told()[-1].startswith("Undone"), 20)
        assert len(scene.told()) == 4
