"""What is measured of the bot on Discord: the process that operators run, against the Discord of ops/local/discord.py.

The bot is a process of its own. The Discord, whoever writes on it and the clock are in the process of the benchmark, so that
what they cost is not taken for the bot's; how late the load was is a figure too.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from benchmarks.load import PATIENCE_SECONDS, at_a_rate, beside_bare, comes, latencies, until
from benchmarks.measures import Figures, bot
from benchmarks.system import System, percentile
from bot.buttons import custom_id
from bot.discord.client import ALIVE
from bot.services import run
from ops.local.discord import BOT_ID, EVERYTHING, TOKEN, LocalDiscord, Payload, role
from ops.processes import Process

ME = f"<@{BOT_ID}>"
MENTIONS_PER_S, INTERACTIONS_PER_S = 200, 50
CHANNELS, THREADS, PEOPLE = 20, 400, 200
IN_A_CHANNEL = 20  # of so many mentions one is in a channel and opens a thread; the others are in threads
SETTLED_SECONDS = 3.0


class WatchedDiscord(LocalDiscord):
    """A Discord that notes when a picture was shown in a channel."""

    def __init__(self) -> None:
        super().__init__()
        self.pictures: dict[str, asyncio.Future[float]] = {}

    def expect(self, channel: Payload) -> asyncio.Future[float]:
        """The time at which the next picture is shown in a channel."""
        self.pictures[channel["id"]] = asyncio.get_running_loop().create_future()
        return self.pictures[channel["id"]]

    def _change(self, message: Payload, body: Payload, files: list[Payload]) -> None:
        super()._change(message, body, files)
        self._note(message)

    def _append(self, message: Payload) -> None:
        super()._append(message)
        self._note(message)

    def _note(self, message: Payload) -> None:
        if message["attachments"] and (waiting := self.pictures.pop(message["channel_id"], None)) is not None:
            waiting.set_result(time.perf_counter())


@dataclass
class Town:
    """A server with many threads and people in it, and the bot as a process."""

    discord: WatchedDiscord
    process: Process
    ready_seconds: float
    channels: list[Payload] = field(default_factory=list)
    starters: list[Payload] = field(default_factory=list)
    threads: list[Payload] = field(default_factory=list)
    people: list[Payload] = field(default_factory=list)

    def memory(self) -> float:
        """Resident memory of the bot, in MB."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(one.split()[1]) / 1024 for one in lines if one.startswith("VmRSS"))


@asynccontextmanager
async def town(target: System, fill: Callable[[WatchedDiscord], Awaitable[None]] | None = None) -> AsyncIterator[Town]:
    """A server and the bot in it, ready; `fill` adds what else there is before the bot starts."""
    discord = WatchedDiscord()
    await discord.start()
    try:
        guild = await discord.guild("Storytellers")
        channels = [await discord.channel(guild, f"channel-{number}") for number in range(CHANNELS)]
        people = [discord.person(f"Person {number}") for number in range(PEOPLE)]
        starters = [
            await discord.say(people[number % PEOPLE], channels[number % CHANNELS], "a story", told=False)
            for number in range(THREADS)
        ]
        threads = [await discord.thread(one, f"story {number}") for number, one in enumerate(starters)]
        if fill is not None:
            await fill(discord)
        sign = target.stack.data_dir / ALIVE
        sign.unlink(missing_ok=True)
        started = time.time()
        process = _spawn(target, discord)
        try:
            await until(sign.exists, f"the bot is ready; {target.stack.end_of_log('discord')}")
            yield Town(discord, process, sign.stat().st_mtime - started, channels, starters, threads, people)
        finally:
            await asyncio.to_thread(process.stop, 3.0)
    finally:
        await discord.stop()


def _spawn(target: System, discord: LocalDiscord) -> Process:
    variables = {
        "LIKENESS_DATABASE_URL": target.settings.database_url,
        "LIKENESS_ENGINE": target.settings.engine,
        "LIKENESS_DISCORD_URL": discord.url,
        "LIKENESS_DISCORD_TOKEN": TOKEN,
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    return target.stack.spawn("discord", [sys.executable, "-m", "ops.cli", "discord"], environment=variables)


_COMMITTED = text(
    "SELECT source_id, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float FROM turns WHERE source_id LIKE 'message:%'"
)


def _committed(session: Session) -> dict[str, float]:
    """When each turn was committed, by the id of its message. Nothing changes a turn that waits without a worker."""
    return {source.removeprefix("message:"): when for source, when in session.execute(_COMMITTED)}


def _count(session: Session) -> int:
    return session.scalar(text("SELECT count(*) FROM turns")) or 0


def mentions(target: System, seconds: int) -> Figures:
    """From a mention's event to its turn's commit, without a worker, while 200 of them arrive in a second."""

    async def measure() -> Figures:
        async with town(target) as here:
            sent: dict[str, float] = {}

            async def mention(number: int) -> None:
                place = here.threads[number % THREADS]
                if number % IN_A_CHANNEL == 0:
                    place = here.channels[number // IN_A_CHANNEL % CHANNELS]
                now = time.time()
                said = await here.discord.say(here.people[number % PEOPLE], place, f"{ME} Olivia, turn {number}")
                sent[said["id"]] = now

            late = await at_a_rate(MENTIONS_PER_S, seconds, mention)
            await comes(lambda: target.database.run(_count) >= len(sent))
            committed = target.database.run(_committed)
            taken = [committed[message] - when for message, when in sent.items() if message in committed]
            return {
                "mention_ms_p50": statistics.median(taken) * 1e3,
                "mention_ms_p99": percentile(taken, 0.99) * 1e3,
                "mentions_lost": len(sent) - len(taken),
                "mention_generator_late_ms_p99": percentile(late, 0.99) * 1e3,
            }

    return asyncio.run(measure())


def interactions(target: System, seconds: int) -> Figures:
    """From an interaction's event to its callback, while 50 arrive in a second: commands that draw, commands and buttons."""

    async def measure() -> Figures:
        async with town(target) as here:
            await here.discord.say(here.people[0], here.threads[0], f"{ME} Olivia")
            await until(lambda: target.database.run(_turn_id), "the first turn is committed")
            turn_id = target.database.run(_turn_id)
            assert turn_id is not None
            await until(lambda: here.discord.commands, "the commands are announced")
            here.discord.interactions.clear()

            async def interact(number: int) -> None:
                person, place = here.people[number % PEOPLE], here.threads[number % THREADS]
                match number % 3:
                    case 0:
                        await here.discord.slash(person, place, "imagine", text=f"Olivia, turn {number}")
                    case 1:
                        await here.discord.slash(person, place, "characters")
                    case _:
                        button = {"custom_id": custom_id("up", turn_id)}
                        row = {"type": 1, "components": [{"type": 2, "style": 2, **button}]}
                        await here.discord.press(person, {**here.starters[0], "components": [row]}, "up")

            late = await at_a_rate(INTERACTIONS_PER_S, seconds, interact)
            every = list(here.discord.interactions.values())
            await comes(lambda: all(one.answered for one in every))
            taken = [one.answered_at - one.created for one in every if one.answered_at is not None]
            return {
                "interaction_ms_p50": statistics.median(taken) * 1e3,
                "interaction_ms_p99": percentile(taken, 0.99) * 1e3,
                "interactions_lost": len(every) - len(taken),
                "interaction_generator_late_ms_p99": percentile(late, 0.99) * 1e3,
            }

    return asyncio.run(measure())


def _turn_id(session: Session) -> UUID | None:
    found: UUID | None = session.scalar(text("SELECT id FROM turns ORDER BY id LIMIT 1"))
    return found


def reply_latency(target: System, count: int) -> Figures:
    """A turn of `echo` on Discord, a mention to its picture in the thread, and in turn with it the same without Discord."""

    async def measure() -> tuple[list[float], list[float]]:
        async with town(target) as here, bot(target) as bare:

            async def on_discord(number: int) -> float:
                thread = here.threads[number % THREADS]
                shown = here.discord.expect(thread)
                start = time.perf_counter()
                await here.discord.say(here.people[0], thread, f"{ME} turn {number}")
                async with asyncio.timeout(PATIENCE_SECONDS):
                    return await shown - start

            return await beside_bare(bare, on_discord, threads=THREADS, count=count)

    with target.workers():
        return latencies("discord", *run(measure()))


def many_guilds(target: System, guilds: int) -> Figures:
    """Memory of the bot in many servers, after a mention in each of a hundred, and how long it takes to be ready there."""

    async def measure() -> Figures:
        channels: list[Payload] = []

        async def fill(discord: WatchedDiscord) -> None:
            for number in range(guilds - 1):
                guild = await discord.guild(f"Server {number}")
                guild["roles"] += [role(discord.new_id(), f"role {one}", EVERYTHING) for one in range(10)]
                channels.extend([await discord.channel(guild, f"channel-{one}") for one in range(20)])

        async with town(target, fill) as here:
            await asyncio.sleep(SETTLED_SECONDS)
            for channel in channels[::200]:
                await here.discord.say(here.people[0], channel, f"{ME} Olivia")
            await until(lambda: target.database.run(_count) >= len(channels[::200]), "all turns are committed")
            await asyncio.sleep(SETTLED_SECONDS)
            return {"discord_rss_mb": here.memory(), "discord_ready_s": here.ready_seconds}

    return asyncio.run(measure())
