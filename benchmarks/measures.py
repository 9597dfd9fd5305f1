"""What is measured. Each function has a system to itself and returns its figures by name."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.orm import Session

from benchmarks.system import System, commit_seconds, percentile, trip_seconds
from bot.replies import Found, Replies
from bot.services import Services, run
from bot.turns import Turns
from storage import turns
from storage.deliveries import Due
from storage.turns import Receipt, Request

Figures = dict[str, float | int | None]

PLATFORM = "bench"
FLUSH_SECONDS = 11.0  # after which also an idle backend of Postgres has reported what it committed


class Watch:
    """A platform that shows a reply by noting the time."""

    name = PLATFORM

    def __init__(self) -> None:
        self.shown: dict[UUID, float] = {}
        self._events: dict[UUID, asyncio.Event] = {}

    async def post(self, due: Due) -> str:
        """Note the time."""
        self.shown[due.turn_id] = time.perf_counter()
        self._event(due.turn_id).set()
        return str(due.turn_id)

    async def edit(self, due: Due, message_id: str) -> None:
        """As `post`."""
        await self.post(due)

    async def find(self, due: Due) -> Found | None:
        """Nothing is ever looked for."""
        return None

    async def remove(self, due: Due, message_id: str) -> None:
        """Nothing is ever taken away."""

    async def discard(self, due: Due) -> None:
        """Nothing was uploaded."""

    async def post_placeholder(self, turn_id: UUID, workspace: str, channel: str, thread: str) -> str:
        """Nobody asks for one."""
        return str(turn_id)

    def _event(self, turn_id: UUID) -> asyncio.Event:
        return self._events.setdefault(turn_id, asyncio.Event())

    async def wait(self, turn_id: UUID, seconds: float = 60) -> float:
        """When the reply was shown."""
        async with asyncio.timeout(seconds):
            await self._event(turn_id).wait()
        return self.shown[turn_id]


class Bot:
    """A bot process: receives and delivers."""

    def __init__(self, target: System) -> None:
        self.services = Services.open(target.settings)
        self.turns = Turns(self.services, PLATFORM)
        self.watch = Watch()

    async def say(self, words: str, thread: str = "thread", author: str = "person") -> Receipt:
        """Send one message."""
        receipt = await self.turns.receive(Request(PLATFORM, "bench", "channel", thread, uuid4().hex, author, words))
        assert isinstance(receipt, Receipt)
        return receipt


@contextlib.asynccontextmanager
async def bot(target: System) -> AsyncIterator[Bot]:
    """A running bot."""
    running = Bot(target)
    delivering = asyncio.create_task(Replies(running.services, running.watch).run())
    await asyncio.sleep(0.5)
    try:
        yield running
    finally:
        delivering.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await delivering
        await running.services.close()


def overhead(target: System, count: int) -> Figures:
    """One turn after another in threads of ten, message received to reply shown, against five commits and a bare trip."""
    commit, trip = commit_seconds(target), trip_seconds(target.stack)
    baseline = 5 * commit + trip

    async def measure() -> tuple[list[float], float]:
        async with bot(target) as running:
            for number in range(20):
                await running.watch.wait((await running.say(f"warm {number}")).turn_id)
            taken = []
            await asyncio.sleep(FLUSH_SECONDS)
            before, began = target.commits(), time.monotonic()
            for number in range(count):
                start = time.perf_counter()
                receipt = await running.say(f"turn {number}", f"thread {number // 10}")
                taken.append(await running.watch.wait(receipt.turn_id) - start)
            await asyncio.sleep(FLUSH_SECONDS)
            after, seconds = target.commits(), time.monotonic() - began
            await asyncio.sleep(seconds)
            idle = target.commits() - after  # heartbeats and polls, which come by the clock and not by the turn
            return taken, (after - before - idle) / count

    with target.workers(), target.without_housekeeping():
        taken, commits = run(measure())
    p50, p95 = statistics.median(taken), percentile(taken, 0.95)
    return {
        "commit_ms": commit * 1e3,
        "celery_trip_ms": trip * 1e3,
        "overhead_ms_p50": p50 * 1e3,
        "overhead_ms_p95": p95 * 1e3,
        "overhead_ratio_p50": p50 / baseline,
        "overhead_ratio_p95": p95 / baseline,
        "commits_per_turn": commits,
    }


_OUT_OF_ORDER = text(
    "SELECT count(*) FROM turns child JOIN turns parent ON parent.id = child.parent_id "
    "WHERE child.started_at < parent.finished_at"
)


def throughput(target: System, count: int) -> Figures:
    """Turns of 200 conversations and 50 persons by two workers, in order along each line."""

    async def measure() -> float:
        async with bot(target) as running:
            receipts: list[Receipt] = []
            start = time.perf_counter()

            async def send(part: int) -> None:
                for number in range(part, count, 4):
                    receipts.append(
                        await running.say(f"turn {number}", f"thread {number % 200}", f"person {number % 50}")
                    )

            await asyncio.gather(*(send(part) for part in range(4)))
            last = max([await running.watch.wait(receipt.turn_id, 300) for receipt in receipts])
            return count / (last - start)

    with target.workers(2):
        rate = run(measure())
    wrong = target.database.run(lambda session: session.scalar(_OUT_OF_ORDER))
    return {"turns_per_s": rate, "turns_out_of_order": wrong}


def flood(target: System, count: int) -> Figures:
    """What others wait at p95 while one person sends `count` messages at once, against what they wait without that."""

    async def others(running: Bot, seconds: float, kind: str) -> list[float]:
        waits: list[float] = []

        async def person(number: int) -> None:
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                start = time.perf_counter()
                receipt = await running.say(f"{kind} {number}", f"{kind} {number}", f"other {number}")
                waits.append(await running.watch.wait(receipt.turn_id) - start)
                await asyncio.sleep(1.0)

        await asyncio.gather(*(person(number) for number in range(10)))
        return waits

    async def measure() -> tuple[float, float]:
        async with bot(target) as running:
            await others(running, 3, "warm")
            calm = await others(running, 12, "calm")
            for number in range(count):
                await running.say(f"flood {number}", f"flood {number % 100}", "flooder")
            flooded = await others(running, 6, "flooded")
            return percentile(calm, 0.95), percentile(flooded, 0.95)

    with target.workers(2):
        calm, flooded = run(measure())
    return {"wait_ms_p95": calm * 1e3, "wait_ms_p95_flooded": flooded * 1e3, "flood_ratio": flooded / calm}


_FILL = (
    "INSERT INTO workspaces (id, platform, external_id) SELECT gen_random_uuid(), 'bench', g::text FROM generate_series(1, 20) g",
    """INSERT INTO persons (id, workspace_id, external_id)
       SELECT gen_random_uuid(), w.id, g::text FROM workspaces w CROSS JOIN generate_series(1, 50) g""",
    """INSERT INTO conversations (id, workspace_id, channel, thread)
       SELECT gen_random_uuid(), w.id, 'c', g::text FROM workspaces w CROSS JOIN generate_series(1, 500) g""",
)

_OLD = """
    INSERT INTO turns (id, workspace_id, conversation_id, person_id, source_id, kind, text, engine, seed, status,
                       ready_at, started_at, finished_at)
    SELECT gen_random_uuid(), p.workspace_id, c.id, p.id, 'old ' || g, 'say', 'a turn of long ago', 'echo', 1, 'done',
           now(), now(), now()
    FROM generate_series(1, :count) g
    JOIN (SELECT id, workspace_id, row_number() OVER (ORDER BY id) - 1 AS n FROM persons) p ON p.n = g % 1000
    JOIN LATERAL (SELECT id FROM conversations c WHERE c.workspace_id = p.workspace_id AND c.thread = (g % 500 + 1)::text) c
         ON true
"""

# Skewed: of 1,000 persons the first has a tenth of all that waits, and half of them have a fifth.
_QUEUED = """
    INSERT INTO turns (id, workspace_id, conversation_id, person_id, source_id, kind, text, engine, seed, status, ready_at)
    SELECT gen_random_uuid(), p.workspace_id, c.id, p.id, 'queued ' || g, 'say', 'a turn that waits', 'echo', 1, 'queued', now()
    FROM generate_series(1, 10000) g
    JOIN (SELECT id, workspace_id, row_number() OVER (ORDER BY id) - 1 AS n FROM persons) p
         ON p.n = floor(999 * power(g / 10000.0, 3))::int
    JOIN LATERAL (SELECT id FROM conversations c WHERE c.workspace_id = p.workspace_id AND c.thread = (g % 500 + 1)::text) c
         ON true
"""

_COUNTS = """
    UPDATE persons p SET ready_turns = (SELECT count(*) FROM turns t WHERE t.person_id = p.id AND t.status = 'queued')
"""


def fill(session: Session, *, old: int, queued: bool = True) -> None:
    """Tables with `old` finished turns of 1,000 persons in 20 workspaces, and 10,000 that wait."""
    if not session.scalar(text("SELECT count(*) FROM workspaces")):
        for statement in _FILL:
            session.execute(text(statement))
    session.execute(text(_OLD.replace("'old '", f"'old {uuid4().hex} '")), {"count": old})
    if queued:
        session.execute(text(_QUEUED))
        session.execute(text(_COUNTS))


def claim_growth(target: System, large: int) -> Figures:
    """Claiming from 10,000 queued turns: in a table of 1,000,000 turns against one of 10,000."""

    def claims(count: int) -> float:
        taken = []
        for _ in range(count):
            start = time.perf_counter()
            claimed = target.database.run(
                turns.claim, engine="echo", worker_id=uuid4(), lease_seconds=60, turn_seconds=300
            )
            taken.append(time.perf_counter() - start)
            assert claimed is not None
        return statistics.median(taken)

    def vacuum() -> None:
        with target.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))

    target.database.run(fill, old=10_000)
    vacuum()
    claims(20)
    small_seconds = claims(200)
    target.database.run(fill, old=large - 20_000, queued=False)
    vacuum()
    claims(20)
    large_seconds = claims(200)
    return {
        "claim_ms_small": small_seconds * 1e3,
        "claim_ms_large": large_seconds * 1e3,
        "claim_growth": large_seconds / small_seconds,
    }


def preview(target: System, count: int) -> Figures:
    """A picture of the preview engine, message received to reply shown, turn after turn of one conversation."""
    messages = (
        "Olivia, red curly hair and round glasses, on the beach",
        "a close-up at night",
        "now laughing",
        "in the city",
    )

    async def measure() -> list[float]:
        async with bot(target) as running:
            taken = []
            for number in range(count + 2):
                start = time.perf_counter()
                receipt = await running.say(messages[number % len(messages)])
                taken.append(await running.watch.wait(receipt.turn_id, 120) - start)
            return taken[2:]

    with target.workers():
        taken = run(measure())
    return {"preview_seconds_p50": statistics.median(taken), "preview_seconds_p95": percentile(taken, 0.95)}


_IDLE_BOT = """
import asyncio, resource, sys
from bot.replies import Found, Pulled, Replies
from bot.services import Services, run
from bot.sweeper import Sweeper
from bot.turns import Turns
from storage.settings import settings

async def main():
    services = Services.open(settings())
    tasks = [Replies(services, Pulled("web")).run(), Sweeper(services, Turns(services, "web")).run()]
    await asyncio.wait([asyncio.ensure_future(task) for task in tasks], timeout=3)
    assert "torch" not in sys.modules
    for line in open("/proc/self/status"):
        if line.startswith("VmRSS"):
            print(int(line.split()[1]) / 1024)

run(main())
"""


def bot_memory(target: System) -> Figures:
    """Resident memory of a bot process that delivers and sweeps, in MB."""
    environment = target.stack.environment | {
        "LIKENESS_DATABASE_URL": target.settings.database_url,
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "PATH": "/usr/bin:/bin",
    }
    run = subprocess.run([sys.executable, "-c", _IDLE_BOT], env=environment, capture_output=True, text=True, check=True)
    return {"bot_rss_mb": float(run.stdout.split()[-1])}
