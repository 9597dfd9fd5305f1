"""`/likeness` over real sockets: for who may manage the server, about that server alone."""

from __future__ import annotations

from uuid import UUID, uuid4

import discord as library
import pytest
from sqlalchemy import func, select

from bot.admin import NOT_ADMIN, NOT_OPERATOR
from bot.discord.admin import NOT_A_SERVER, WHAT, WHICH
from bot.discord.client import LikenessClient
from bot.services import Services
from ops.local.discord import LocalDiscord, Payload, Waiting
from storage import turns
from storage.sentences import BLOCKED
from storage.settings import Settings
from storage.tables import Audit, Status, Worker
from tests.bot.discord.conftest import ME, Town, running
from tests.bot.discord.test_interactions import first_picture, said_to
from tests.bot.helpers import until

OPERATOR = 4242


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings that name an operator."""
    return settings.model_copy(update={"operators": f"discord:{OPERATOR}"})


@pytest.fixture
async def boss(town: Town) -> Payload:
    """Somebody who may manage the server."""
    boss = town.discord.person("Boss")
    town.discord.managers.add((town.guild["id"], boss["id"]))
    return boss


@pytest.fixture
async def elsewhere(discord: LocalDiscord, bot: LikenessClient, boss: Payload) -> Payload:
    """A channel of another server, which the same person manages."""
    guild = await discord.guild("Elsewhere")
    channel = await discord.channel(guild, "general")
    discord.managers.add((guild["id"], boss["id"]))
    await until(lambda: bot.get_channel(int(channel["id"])) is not None)
    return channel


async def obeyed(town: Town, who: Payload, command: str, channel: Payload | None = None, **options: object) -> str:
    """What somebody is told who uses `/likeness`, and nobody else."""
    waiting = await town.discord.slash(who, channel or town.general, f"likeness {command}", **options)  # type: ignore[arg-type]
    said = await said_to(waiting)
    assert waiting.ephemeral
    return said


def worker(town: Town) -> UUID:
    """A worker that just gave a sign of life."""
    worker_id = uuid4()
    row = Worker(id=worker_id, engine="echo", fingerprint="echo-1", abilities={}, host="machine-7:1")
    town.factory.database.run(lambda session: session.add(row))
    return worker_id


async def offered(waiting: Waiting) -> list[str]:
    await until(lambda: waiting.choices is not None)
    return [one["value"] for one in waiting.choices or []]


async def test_discord_is_told_who_may_use_it_and_where(town: Town) -> None:
    await until(lambda: town.discord.commands)
    group = next(one for one in town.discord.commands if one["name"] == "likeness")
    assert group["default_member_permissions"] == library.Permissions(manage_guild=True).value
    assert group["contexts"] == [0], "servers, and no direct messages"
    names = ["status", "pause", "resume", "quota", "block", "unblock", "workers", "votes"]
    assert [one["name"] for one in group["options"]] == names
    assert group["options"][3]["name_localizations"]["de"] == "kontingent"


@pytest.mark.parametrize("command", ["status", "pause", "resume", "votes", "workers"])
async def test_who_may_not_manage_the_server_is_refused(town: Town, command: str) -> None:
    assert await obeyed(town, town.ada, command) == NOT_ADMIN
    await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    await town.queued()


async def test_direct_messages_have_no_admins(town: Town, boss: Payload) -> None:
    assert await obeyed(town, boss, "pause", town.discord.direct(boss)) == NOT_A_SERVER


async def test_a_blocked_persons_mention_gets_one_sentence(town: Town, boss: Payload) -> None:
    _, picture = await first_picture(town)
    assert "Ben is blocked" in await obeyed(town, boss, "block", user=town.ben)
    assert await said_to(await town.discord.press(town.ben, picture, "up")) == BLOCKED
    said = await town.discord.say(town.ben, town.general, f"{ME} Olivia")
    thread = await town.thread(said)
    (reply,) = await town.told(thread)
    assert reply["content"] == BLOCKED
    assert town.factory.count(Status.QUEUED) == 0
    await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    await town.queued()
    assert "not blocked any more" in await obeyed(town, boss, "unblock", user=town.ben)
    await town.discord.say(town.ben, town.general, f"{ME} Olivia")
    await town.queued(2)
    assert [one["content"] for one in town.discord.told_in(thread)] == [BLOCKED]


async def test_a_quota_holds_for_commands_and_mentions(town: Town, boss: Payload) -> None:
    assert "1 turn a day" in await obeyed(town, boss, "quota", turns=1)
    await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    await town.queued()
    waiting = await town.discord.slash(town.ada, town.general, "imagine", text="Olivia once more")
    await until(lambda: waiting.message is not None and waiting.message["content"])
    assert waiting.message is not None
    (reply,) = await town.told(await town.thread(waiting.message))
    assert "1 turn here is used up" in reply["content"]


async def test_a_command_that_two_processes_hear_is_obeyed_once(
    town: Town, boss: Payload, services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(Services.open(services.settings)):
        assert "2 turns a day" in await obeyed(town, boss, "quota", turns=2)
        await until(lambda: "already been acknowledged" in caplog.text)
    noted = select(func.count()).select_from(Audit).where(Audit.action == "quota")
    assert town.factory.database.run(lambda session: session.scalar(noted)) == 1


async def test_an_admin_pauses_their_own_server_alone(town: Town, boss: Payload, elsewhere: Payload) -> None:
    assert "Paused" in await obeyed(town, boss, "pause", elsewhere)
    await first_picture(town)
    assert "1 finished today" in await obeyed(town, boss, "status")
    there = await obeyed(town, boss, "status", elsewhere)
    assert "Paused" in there
    assert "0 finished today" in there
    assert "Ada" not in there
    refused = await town.discord.say(town.ada, elsewhere, f"{ME} Olivia")
    (reply,) = await town.told(await town.thread(refused))
    assert "paused" in reply["content"]
    assert "Resumed" in await obeyed(town, boss, "resume", elsewhere)


async def test_a_manager_of_one_server_is_nobody_in_another(town: Town, elsewhere: Payload) -> None:
    manager = town.discord.person("Manager")
    town.discord.managers.add((town.guild["id"], manager["id"]))
    assert "I draw here" in await obeyed(town, manager, "status")
    assert await obeyed(town, manager, "status", elsewhere) == NOT_ADMIN


async def test_an_operator_pauses_a_worker_from_those_that_are_offered(town: Town, boss: Payload) -> None:
    worker_id, operator = worker(town), town.discord.person("Operator", user_id=OPERATOR)
    typing = ("likeness workers", "worker", worker_id.hex[-8:])
    assert await offered(await town.discord.type_option(operator, town.general, *typing)) == [str(worker_id)]
    assert "on machine-7" in await obeyed(town, operator, "workers")
    said = await obeyed(town, operator, "workers", action="pause", worker=str(worker_id))
    assert "is paused" in said
    assert town.factory.database.run(turns.live_workers, 5) == {}
    assert "paused" in await obeyed(town, boss, "workers")
    assert "again" in await obeyed(town, operator, "workers", action="resume", worker=worker_id.hex[-8:])
    assert await obeyed(town, operator, "workers", action="pause") == WHICH
    assert await obeyed(town, operator, "workers", worker=str(worker_id)) == WHAT


async def test_an_admin_who_is_no_operator_pauses_no_worker(town: Town, boss: Payload) -> None:
    worker_id = worker(town)
    assert await offered(await town.discord.type_option(boss, town.general, "likeness workers", "worker", "")) == []
    said = await obeyed(town, boss, "workers")
    assert worker_id.hex[-8:] in said
    assert "machine-7" not in said
    assert await obeyed(town, boss, "workers", action="pause", worker=str(worker_id)) == NOT_OPERATOR
    assert town.factory.database.run(turns.live_workers, 5) == {"echo": 1}


async def test_votes_are_counted(town: Town, boss: Payload) -> None:
    _, shown = await first_picture(town)
    await said_to(await town.discord.press(town.ben, shown, "up"))
    assert "1 up, 0 down" in await obeyed(town, boss, "votes")


async def test_a_share_of_the_turns_is_drawn_by_two_and_the_votes_say_which_was_better(
    town: Town, boss: Payload
) -> None:
    assert "100 %" in await obeyed(town, boss, "votes", share=100)
    said = await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    thread = await town.thread(said)
    claim = town.claim()
    assert claim.options == {"compare": True}
    town.finish(claim, configurations=("whole", "plain"))
    (two,) = await town.shown(thread)
    await said_to(await town.discord.press(town.ben, two, "better1"))
    told = await obeyed(town, boss, "votes")
    assert "0 up, 0 down" in told, "a comparison is no thumb"
    assert "plain was better than whole in 0 of 1 votes: 0%" in told
    assert "Nothing is drawn by two" in await obeyed(town, boss, "votes", share=0)
    await town.discord.say(town.ada, thread, f"{ME} at night")
    await town.queued()
    assert town.claim().options == {}
