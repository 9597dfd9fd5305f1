"""Processes die at their worst moments; every received turn still ends with exactly one visible reply.

Real Postgres, Valkey, Celery workers and a bot process, and a platform over sockets that has no idempotency of its own.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from uuid import UUID

import psycopg
import pytest
import redis

from ops.processes import Process
from ops.stack import Stack
from storage import turns
from storage.database import Database
from storage.settings import Settings
from storage.tables import Status
from storage.tickets import bell
from storage.turns import Receipt
from tests.factory import Factory
from tests.processes import drawing_child, environment, running_worker, until
from tests.stand_ins.forum import NAME, Forum
from worker.drawing import OUT_OF_MEMORY


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Short leases, so that what a death leaves is found soon."""
    return settings.model_copy(update={"delivery_seconds": 1.5, "lease_seconds": 1.5})


@pytest.fixture
def forum() -> Iterator[Forum]:
    server = Forum()
    server.start()
    yield server
    server.stop()


class System:
    """What a test starts and kills."""

    def __init__(self, stack: Stack, settings: Settings, database: Database, forum: Forum) -> None:
        self.stack, self.settings, self.database, self.forum = stack, settings, database, forum
        self.factory = Factory(database)

    @contextmanager
    def bot(self, *arguments: str, die: str = "") -> Iterator[Process]:
        process = self.stack.spawn(
            "bot",
            [sys.executable, "-m", "tests.stand_ins.forum", self.forum.url, *arguments],
            environment={**environment(self.settings), "PYTHONPATH": os.getcwd(), "FORUM_DIE": die},
        )
        try:
            yield process
        finally:
            process.signal(signal.SIGKILL, group=True)
            process.wait(5)

    def worker(self, name: str = "worker") -> AbstractContextManager[Process]:
        return running_worker(self.stack, self.settings, self.database, name)

    def say(self, words: str, thread: str = "story") -> Receipt:
        receipt = self.factory.receive(words, platform=NAME, thread=thread)
        if receipt.ring:
            bell(self.settings.broker_url).ring("echo")
        return receipt

    def until_running(self, turn_id: UUID) -> None:
        until(lambda: self.factory.status(turn_id) is Status.RUNNING, 20, "the turn runs")

    def until_shown(self, receipt: Receipt, seconds: float = 20) -> str:
        """Wait for the one reply, then look a while longer for a second one. Returns its text."""

        def shown() -> bool:
            return any(message["text"] != "In the queue …" for message in self.forum.finals(receipt.turn_id))

        until(shown, seconds, "the reply is shown")
        time.sleep(2.5)  # longer than a lease, a delivery lease and a sweep
        finals = self.forum.finals(receipt.turn_id)
        assert len(finals) == 1, finals
        return str(finals[0]["text"])


@pytest.fixture
def system(stack: Stack, settings: Settings, database: Database, forum: Forum) -> System:
    return System(stack, settings, database, forum)


def test_kill_9_of_the_drawing_process_in_the_middle_of_a_turn(system: System) -> None:
    """claim → kill -9 of the child → its parent starts another → sweep takes back → drawn and shown once."""
    with system.bot(), system.worker() as worker:
        receipt = system.say("sleep 1")
        system.until_running(receipt.turn_id)
        os.kill(drawing_child(worker), signal.SIGKILL)
        assert system.until_shown(receipt) == "Turn 1: sleep 1"
        assert system.factory.turn(receipt.turn_id).strikes == 1


def test_a_process_without_memory_is_replaced_and_the_turn_drawn_once_more_with_less(system: System) -> None:
    with system.bot(), system.worker() as worker:
        full = drawing_child(worker)
        receipt = system.say("fill memory")
        assert system.until_shown(receipt) == "Turn 1: fill memory (with less memory)"
        assert system.factory.turn(receipt.turn_id).strikes == 0
        assert drawing_child(worker) != full
        assert f"exitcode {OUT_OF_MEMORY}" in system.stack._log("worker").read_text()


def test_kill_9_of_the_whole_worker_in_the_middle_of_a_turn(system: System) -> None:
    with system.bot():
        with system.worker("first") as worker:
            receipt = system.say("sleep 1")
            system.until_running(receipt.turn_id)
            worker.signal(signal.SIGKILL, group=True)
        with system.worker("second"):
            assert system.until_shown(receipt) == "Turn 1: sleep 1"


def test_a_worker_stopped_past_its_lease_and_continued_changes_nothing(system: System) -> None:
    """claim by one → SIGSTOP → lease ends → drawn by the other → SIGCONT: the first finds its token too old."""
    with system.bot(), system.worker("stopped") as stopped:
        receipt = system.say("sleep 1")
        system.until_running(receipt.turn_id)
        child = drawing_child(stopped)
        os.kill(child, signal.SIGSTOP)
        with system.worker("other"):
            until(lambda: system.factory.status(receipt.turn_id) is Status.DONE, 20, "the other one draws it")
            finished = system.factory.turn(receipt.turn_id)
            os.kill(child, signal.SIGCONT)
            system.until_shown(receipt)
            after = system.factory.turn(receipt.turn_id)
            assert (after.finished_at, after.fencing) == (finished.finished_at, finished.fencing)
            following = system.say("and the next one")
            assert system.until_shown(following) == "Turn 2: and the next one"


def test_a_worker_that_is_told_to_stop_ends_its_turn_first(system: System) -> None:
    with system.bot(), system.worker("leaving") as worker:
        receipt = system.say("sleep 1")
        system.until_running(receipt.turn_id)
        worker.signal(signal.SIGTERM)
        until(lambda: worker.poll() is not None, 20, "the worker ends")
        assert system.factory.status(receipt.turn_id) is Status.DONE
        system.until_shown(receipt)


def test_a_worker_that_is_given_no_time_to_stop_costs_its_turn_no_strike(system: System) -> None:
    """SIGTERM → SIGKILL a moment later, as a stack or a cluster does → another worker draws it."""
    with system.bot():
        with system.worker("leaving") as worker:
            receipt = system.say("sleep 3")
            system.until_running(receipt.turn_id)
            worker.signal(signal.SIGTERM)
            time.sleep(0.5)
            worker.signal(signal.SIGKILL, group=True)
        with system.worker("second"):
            system.until_shown(receipt)
        assert system.factory.turn(receipt.turn_id).strikes == 0


def test_a_broker_that_forgets_everything(system: System) -> None:
    """received and rung → FLUSHALL → no ticket is left → the sweeper rings."""
    receipt = system.say("draw Olivia")
    redis.Redis.from_url(system.settings.broker_url).flushall()
    with system.bot(), system.worker():
        assert system.until_shown(receipt) == "Turn 1: draw Olivia"


def test_a_database_that_crashes_while_a_turn_is_drawn(system: System) -> None:
    """A backend is killed -9, so Postgres ends every connection and recovers from its log."""
    with system.bot(), system.worker():
        receipt = system.say("sleep 1")
        system.until_running(receipt.turn_id)
        address = system.settings.database_url.replace("postgresql+psycopg://", "postgresql://")
        with psycopg.connect(address) as connection:
            os.kill(connection.info.backend_pid, signal.SIGKILL)
        assert system.until_shown(receipt, 40) == "Turn 1: sleep 1"


def test_undo_while_the_child_runs(system: System) -> None:
    """first done → second runs → undo: the second is cancelled and says so, the next one follows the first."""
    with system.bot(), system.worker():
        first = system.say("one")
        system.until_shown(first)
        second = system.say("sleep 30")
        system.until_running(second.turn_id)
        undone = system.database.run(turns.undo, second.workspace_id, second.conversation_id)
        assert undone == second.turn_id
        third = system.say("three")
        assert system.until_shown(second) == "Cancelled."
        assert system.until_shown(third) == "Turn 2: three"


@pytest.mark.parametrize("moment", ["after-post", "after-edit"])
def test_kill_9_of_the_bot_between_a_post_and_its_record(system: System, moment: str) -> None:
    with system.worker():
        receipt = system.say("draw Olivia")
        placeholder = [str(receipt.turn_id), "story"] if moment == "after-edit" else []
        if placeholder:
            system.database.run(turns.cancel, receipt.workspace_id, receipt.turn_id)
            receipt = system.say("sleep 1.5")
            placeholder = [str(receipt.turn_id), "story"]
        with system.bot(*placeholder, die=moment) as bot:
            until(lambda: bot.poll() is not None, 20, "the bot kills itself")
        assert len(system.forum.finals(receipt.turn_id)) == 1
        with system.bot():
            system.until_shown(receipt)


def test_kill_9_of_the_bot_between_the_placeholder_and_its_record(system: System) -> None:
    receipt = system.say("draw Olivia")
    with system.bot(str(receipt.turn_id), "story", die="after-placeholder") as bot:
        until(lambda: bot.poll() is not None, 20, "the bot kills itself")
    assert [message["text"] for message in system.forum.finals(receipt.turn_id)] == ["In the queue …"]
    with system.bot(), system.worker():
        assert system.until_shown(receipt) == "Turn 1: draw Olivia"


def test_two_bots_show_each_reply_once(system: System) -> None:
    with system.bot(), system.bot(), system.worker():
        receipts = [system.say(f"number {number}", thread=str(number)) for number in range(10)]
        for receipt in receipts:
            until(lambda receipt=receipt: bool(system.forum.finals(receipt.turn_id)), 20)  # type: ignore[misc]
        time.sleep(2.5)
        assert [len(system.forum.finals(receipt.turn_id)) for receipt in receipts] == [1] * 10
