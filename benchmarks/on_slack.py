"""What is measured of the bot on Slack: the process that operators run, against the Slack of ops/local/slack.py.

The bot is a process of its own, reached over signed HTTP. The Slack, whoever writes on it and the clock are in the process of
the benchmark, as in `benchmarks.on_discord`. An event is timed from before it is signed and sent until its answer is read: what
that takes here is in the figure, and so is all for which this process was busy with something else. A reply is timed from
then until Slack has taken its picture in.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import PATIENCE_SECONDS, at_a_rate, beside_bare, comes, latencies, uncollected, until
from benchmarks.measures import Figures, bot
from benchmarks.system import System, percentile
from bot.services import run
from bot.slack.app import ALIVE
from bot.slack.manifest import EVENTS_PATH, manifest
from ops.local.slack import LocalSlack
from ops.local.slack_state import SIGNING_SECRET
from ops.local.slack_wire import Delivery, Payload
from ops.processes import Process
from ops.stack import free_port

MENTIONS_PER_S = 50  # each of them is two events
CHANNELS, THREADS, PEOPLE = 20, 400, 200
IN_A_CHANNEL = 20  # of so many mentions one begins a thread; the others are in threads


class WatchedSlack(LocalSlack):
    """A Slack that notes when a picture was shown in a thread, and takes any number of posts."""

    def __init__(self) -> None:
        super().__init__()
        self.use_manifest(manifest("", socket=True, one=True))
        self.limits.post_seconds = 0.0
        self.pictures: dict[str, asyncio.Future[float]] = {}

    def expect(self, thread: Payload) -> asyncio.Future[float]:
        """The time at which the next picture is shown in a thread."""
        self.pictures[thread["ts"]] = asyncio.get_running_loop().create_future()
        return self.pictures[thread["ts"]]

    def tell(self, team_id: str, event: Payload, *, shared: bool = False) -> Delivery | None:
        """As Slack does; of the app's own messages it is noted whether there is a picture."""
        message = event.get("message") or event
        shown = any(block["type"] == "image" for block in message.get("blocks") or [])
        if shown and (waiting := self.pictures.pop(message.get("thread_ts", ""), None)) is not None:
            waiting.set_result(time.perf_counter())
        return super().tell(team_id, event, shared=shared)


@dataclass
class Town:
    """A workspace with many threads and people in it, and the bot as a process."""

    slack: WatchedSlack
    me: str
    channels: list[Payload]
    threads: list[tuple[Payload, Payload]]  # each with its channel
    people: list[Payload]

    async def mention(self, number: int, words: str) -> Payload:
        """One of them mentions the bot, mostly in a thread."""
        person = self.people[number % PEOPLE]
        if number % IN_A_CHANNEL == 0:
            channel = self.channels[number // IN_A_CHANNEL % CHANNELS]
            return await self.slack.write(channel, person, f"<@{self.me}> {words}")
        channel, thread = self.threads[number % THREADS]
        return await self.slack.write(channel, person, f"<@{self.me}> {words}", thread=thread)


@asynccontextmanager
async def town(target: System) -> AsyncIterator[Town]:
    """A workspace and the bot in it, reached over HTTP."""
    slack = WatchedSlack()
    await slack.start()
    try:
        team = slack.team("Storytellers")
        people = [slack.person(f"Person {number}", team) for number in range(PEOPLE)]
        channels = [slack.channel(team, f"channel-{number}") for number in range(CHANNELS)]
        threads, heard = [], slack.subscribed
        slack.subscribed = frozenset()  # Slack would send all of it again after a minute, within the load
        for number in range(THREADS):
            channel = channels[number % CHANNELS]
            threads.append((channel, await slack.write(channel, people[number % PEOPLE], "a story")))
        slack.subscribed = heard
        port = free_port()
        sign = target.stack.data_dir / ALIVE
        sign.unlink(missing_ok=True)
        process = _spawn(target, slack, team["token"], port)
        try:
            await until(sign.exists, f"the bot is ready; {target.stack.end_of_log('slack')}")
            assert await slack.use_http(f"http://127.0.0.1:{port}{EVENTS_PATH}")
            yield Town(slack, team["bot"]["id"], channels, threads, people)
        finally:
            await asyncio.to_thread(process.stop, 3.0)
    finally:
        await slack.stop()


def _spawn(target: System, slack: LocalSlack, token: str, port: int) -> Process:
    variables = {
        "LIKENESS_DATABASE_URL": target.settings.database_url,
        "LIKENESS_ENGINE": target.settings.engine,
        "LIKENESS_SLACK_URL": slack.url,
        "LIKENESS_SLACK_PORT": str(port),
        "LIKENESS_SLACK_BOT_TOKEN": token,
        "LIKENESS_SLACK_SIGNING_SECRET": SIGNING_SECRET,
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    return target.stack.spawn("slack", [sys.executable, "-m", "ops.cli", "slack"], environment=variables)


def acknowledgements(target: System, seconds: int) -> Figures:
    """From an event to its acknowledgement, which comes after its turn's commit, while 100 arrive in a second."""

    async def measure() -> Figures:
        async with town(target) as here:

            async def mention(number: int) -> None:
                await here.mention(number, f"Olivia, turn {number}")

            with uncollected():
                late = await at_a_rate(MENTIONS_PER_S, seconds, mention)
                events = [one for one in here.slack.wire.deliveries if "bot_id" not in one.payload["event"]]
                await comes(lambda: all(one.finished.is_set() for one in events))
            taken = [one.acknowledged_at - one.sent_at for one in events if one.acknowledged]
            return {
                "slack_events": len(events),
                "slack_ack_ms_p50": statistics.median(taken) * 1e3,
                "slack_ack_ms_p99": percentile(taken, 0.99) * 1e3,
                "slack_events_lost": len(events) - len(taken),
                "slack_events_sent_again": sum(one.attempts > 1 for one in events),
                "slack_generator_late_ms_p99": percentile(late, 0.99) * 1e3,
            }

    return asyncio.run(measure())


def reply_latency(target: System, count: int) -> Figures:
    """A turn of `echo` on Slack, a mention to its picture in the thread, and in turn with it the same without Slack."""

    async def measure() -> tuple[list[float], list[float]]:
        async with town(target) as here, bot(target) as bare:

            async def on_slack(number: int) -> float:
                channel, thread = here.threads[number % THREADS]
                shown, sent = here.slack.expect(thread), len(here.slack.wire.deliveries)
                await here.slack.write(channel, here.people[0], f"<@{here.me}> turn {number}", thread=thread)
                async with asyncio.timeout(PATIENCE_SECONDS):
                    return await shown - here.slack.wire.deliveries[sent].sent_at

            return await beside_bare(bare, on_slack, threads=THREADS, count=count)

    with target.workers():
        return latencies("slack", *run(measure()))
