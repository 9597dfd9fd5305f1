"""`/settings`, what `/imagine` offers, and `/forgetme`: who sees and may what, and what comes of it."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, insert, select
from uuid_utils.compat import uuid7

from bot.characters import naming
from bot.discord.client import LikenessClient
from bot.services import Services
from ops.local.discord import Payload, Waiting, walk
from storage import admin, forgetting, turns
from storage.tables import Person, Status, Worker
from tests.bot.discord.conftest import ME, Town, running
from tests.bot.discord.test_characters import introduced, make, says, shown, words_of
from tests.bot.discord.test_interactions import first_picture
from tests.bot.helpers import until


def start_worker(town: Town, engine: str, *sizes: tuple[int, int], stopping: bool = False) -> None:
    """A worker gives a sign of life."""
    row = {"id": uuid7(), "engine": engine, "fingerprint": "f", "abilities": {"sizes": sizes}, "host": "h"}
    town.factory.database.run(lambda session: session.execute(insert(Worker).values(**row, stopping=stopping)))


async def used(town: Town, who: Payload, channel: Payload, command: str) -> Waiting:
    waiting = await town.discord.slash(who, channel, command)
    await until(lambda: waiting.message is not None and waiting.message["components"])
    assert waiting.ephemeral
    return waiting


def menus_of(waiting: Waiting) -> dict[str, list[str]]:
    """The options of menus, by the middle of their ids."""
    return {
        one["custom_id"].split(":")[1]: [option["value"] for option in one["options"]]
        for one in walk(shown(waiting)["components"])
        if one["type"] == 3
    }


async def test_anybody_sees_the_settings_and_only_who_manages_the_server_changes_them(town: Town) -> None:
    start_worker(town, "better")
    seen = await used(town, town.ben, town.general, "settings")
    assert "echo" in words_of(seen)
    assert [one for one in walk(shown(seen)["components"]) if "custom_id" in one] == []
    town.discord.managers.add((town.guild["id"], town.ada["id"]))
    waiting = await used(town, town.ada, town.general, "settings")
    refused = await town.discord.choose(town.ben, shown(waiting) | {}, "preferences-engine", ":better")
    await says(refused, "Only somebody who may manage this server")
    assert "**Engine of this server:** the usual one" in words_of(refused)


async def test_the_engine_of_a_server_draws_where_a_thread_has_none_of_its_own(
    town: Town, bot: LikenessClient, services: Services
) -> None:
    thread, _ = await first_picture(town)
    for engine in ("better", "quick"):
        start_worker(town, engine)
    start_worker(town, "gone", stopping=True)
    town.discord.managers.add((town.guild["id"], town.ada["id"]))
    waiting = await used(town, town.ada, thread, "settings")
    engines = [":", ":better", ":quick"]
    assert menus_of(waiting) == {"preferences-engine": engines, "preferences-here": engines}
    await bot.close()
    async with running(Services.open(services.settings)):
        await town.discord.choose(town.ada, shown(waiting), "preferences-engine", ":better")
        await says(waiting, "**Engine of this server:** better")
        await town.discord.say(town.ben, town.general, f"{ME} Max")
        await town.discord.say(town.ben, thread, f"{ME} at night")
        await town.queued(2)
        assert [town.factory.claim(engine="better") is not None for _ in range(3)] == [True, True, False]
        await town.discord.choose(town.ada, shown(waiting), "preferences-here", ":quick")
        await says(waiting, "**Engine of this thread:** quick")
        await town.discord.choose(town.ada, shown(waiting), "preferences-engine", ":")
        await says(waiting, "**Engine of this server:** the usual one")
        await town.discord.say(town.ben, town.general, f"{ME} Zoe")
        await town.queued()
        assert town.factory.claim(engine="echo") is not None


async def test_an_engine_that_left_meanwhile_is_not_chosen(town: Town) -> None:
    start_worker(town, "better")
    waiting = await used(town, town.ada, town.discord.direct(town.ada), "settings")
    town.factory.database.run(lambda session: session.execute(delete(Worker)))
    await town.discord.choose(town.ada, shown(waiting), "preferences-engine", ":better")
    await says(waiting, "No machine that runs better is there")
    assert "direct messages:** the usual one" in words_of(waiting)


async def test_what_the_bot_cannot_hear_is_not_offered(town: Town) -> None:
    town.discord.managers.add((town.guild["id"], town.ada["id"]))
    waiting = await used(town, town.ada, town.general, "settings")
    assert "counts only where it means me" in words_of(waiting)
    assert not any("every" in one.get("custom_id", "") for one in walk(shown(waiting)["components"]))


# -- imagine -----------------------------------------------------------------------------------------------------------


async def offered(town: Town, who: Payload, channel: Payload, option: str, written: str = "") -> list[str]:
    waiting = await town.discord.type_option(who, channel, "imagine", option, written)
    await until(lambda: waiting.choices is not None)
    return [one["name"] for one in waiting.choices or []]


async def test_names_are_offered_from_this_server_and_thread_alone(town: Town) -> None:
    thread = await introduced(town)
    await make(town, "Max")
    await make(town, "Maxine")
    assert await offered(town, town.ben, thread, "characters") == ["Max", "Maxine", "Olivia"]
    assert await offered(town, town.ben, thread, "characters", "olivia, ma") == ["olivia, Max", "olivia, Maxine"]
    assert await offered(town, town.ben, town.general, "characters") == ["Max", "Maxine"]
    other = await town.discord.channel(await town.discord.guild("Elsewhere"), "general")
    for place in (other, town.discord.direct(town.ada)):
        assert await offered(town, town.ada, place, "characters") == []


async def test_many_names_are_offered_as_far_as_discord_takes_them(town: Town) -> None:
    for number in range(30):
        await make(town, f"Person{number:02}")
    assert len(await offered(town, town.ada, town.general, "characters", "person")) == 25
    long = ", ".join(["a" * 40] * 2)
    assert await offered(town, town.ada, town.general, "characters", f"{long}, {'p' * 15}") == []


async def test_those_who_were_chosen_are_named_to_the_engine_once(town: Town) -> None:
    text = {"text": "max on a beach", "characters": "Max, Olivia"}
    await town.discord.slash(town.ada, town.general, "imagine", **text)
    await town.queued()
    assert town.claim().text == "Olivia, max on a beach"


@pytest.mark.parametrize(
    ("names", "text", "meant"),
    [
        ([], "at night", "at night"),
        (["Max"], "Maxine at night", "Max, Maxine at night"),
        (["Max", "Zoë", "O'Neil"], "at night", "Max, Zoë and O'Neil, at night"),
        (["Max"], "MAX!", "MAX!"),
    ],
)
def test_a_wish_names_everybody_once(names: list[str], text: str, meant: str) -> None:
    assert naming(text, names) == meant


async def test_the_aspects_of_what_draws_here_are_offered_and_one_that_is_chosen_reaches_it(town: Town) -> None:
    assert await offered(town, town.ada, town.general, "aspect") == []
    start_worker(town, "echo", (256, 256), (384, 256))
    assert await offered(town, town.ada, town.general, "aspect") == ["256 × 256 (square)", "384 × 256 (3:2)"]
    assert await offered(town, town.ada, town.general, "aspect", "3:") == ["384 × 256 (3:2)"]
    taken = await town.discord.slash(town.ada, town.general, "imagine", text="Max", aspect="384x256")
    await town.queued()
    assert town.claim().options == {turns.ASPECT: "3:2"}
    assert taken.message is not None
    thread = await town.thread(taken.message)
    for place in (town.general, thread):
        refused = await town.discord.slash(town.ada, place, "imagine", text="Max", aspect="16:9")
        await until(lambda: "can be 1:1 or 3:2." in (refused.message or {}).get("content", ""))  # noqa: B023  (at once)
    assert town.factory.count(*Status) == 1


async def test_where_all_pictures_have_one_size_it_is_offered_and_no_other_is_taken(town: Town) -> None:
    start_worker(town, "echo", (256, 256))
    assert await offered(town, town.ada, town.general, "aspect") == ["256 × 256 (square): all pictures here are"]
    await town.discord.slash(town.ada, town.general, "imagine", text="Max", aspect="1:1")
    await town.queued()
    refused = await town.discord.slash(town.ada, town.general, "imagine", text="Max", aspect="3:2")
    await until(lambda: "no other size" in (refused.message or {}).get("content", ""))
    assert town.factory.count(*Status) == 1


# -- forgetme ----------------------------------------------------------------------------------------------------------


async def test_forgetting_says_what_will_go_and_asks_once_more(
    town: Town, bot: LikenessClient, services: Services
) -> None:
    thread = await introduced(town)
    await town.discord.say(town.ada, thread, f"{ME} at night")
    await town.told(thread, 2)
    waiting = await used(town, town.ada, thread, "forgetme")
    said = words_of(waiting)
    assert "2 messages, 1 picture, 1 character, 0 photos, 0 votes" in said
    assert "are Discord's" in said
    assert "quota" not in said
    assert town.factory.count(Status.QUEUED) == 1, "nothing happened yet"
    await bot.close()
    async with running(Services.open(services.settings)):
        await town.discord.press(town.ada, shown(waiting), "forgetme-really")
        await says(waiting, "Done.")
        await until(lambda: town.discord.told_in(thread) == [])
        assert town.factory.texts() == ["", ""]
        again = await used(town, town.ada, thread, "forgetme")
        assert "I keep nothing of you here" in words_of(again)
        await town.discord.say(town.ben, thread, f"{ME} Ben's words")
        await town.queued()
        assert town.claim().line.characters == ()


async def test_forgetting_says_what_a_quota_needs(town: Town) -> None:
    thread = await introduced(town)
    here = town.factory.database.run(turns.workspace, "discord", town.guild["id"])
    town.factory.database.run(admin.set_quota, here, 5)
    assert "There is a quota here" in words_of(await used(town, town.ada, thread, "forgetme"))


async def test_in_direct_messages_everything_goes(town: Town) -> None:
    direct = town.discord.direct(town.ada)
    await town.discord.say(town.ada, direct, "draw Olivia")
    await town.queued()
    turn_id = town.draw()
    await until(lambda: town.factory.delivered(turn_id))
    waiting = await used(town, town.ada, direct, "forgetme")
    await town.discord.press(town.ada, shown(waiting), "forgetme-really")
    await says(waiting, "Done.")
    await until(lambda: not town.discord.told_in(direct))
    await until(lambda: town.factory.delivered(turn_id))
    town.factory.database.run(forgetting.finish)
    assert town.factory.texts() == []
    left = town.factory.database.run(lambda session: session.scalars(select(Person.external_id)).all())
    assert left == []
