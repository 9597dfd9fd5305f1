"""Mentions, threads, replies and direct messages, over real sockets: what becomes a turn, and what people see."""

from __future__ import annotations

import discord as library
import pytest

from bot.buttons import mark_of
from bot.discord.client import LikenessClient
from bot.services import Services
from storage.settings import Settings
from storage.tables import Status
from tests.bot.discord.conftest import ME, Town, running
from tests.bot.helpers import png, until


def ids_of(message: dict[str, object]) -> list[str]:
    return [one["custom_id"] for row in message["components"] for one in row["components"]]  # type: ignore[attr-defined]


async def test_a_mention_in_a_channel_opens_a_thread_and_is_answered_there(town: Town) -> None:
    said = await town.discord.say(town.ada, town.general, f"{ME} Olivia, red curly hair, on the beach")
    thread = await town.thread(said)
    assert thread["name"] == "Olivia, red curly hair, on the beach"
    (placeholder,) = await town.told(thread)
    assert not placeholder["attachments"]
    turn_id = town.draw()
    (shown,) = await town.shown(thread)
    assert shown["id"] == placeholder["id"], "the picture comes in the placeholder's place"
    assert shown["content"] == "A portrait of Olivia."
    assert shown["attachments"][0]["description"] == "Olivia on the beach."
    assert mark_of(ids_of(shown)) == turn_id
    assert town.factory.turn(turn_id).text == "Olivia, red curly hair, on the beach"
    assert not town.discord.told_in(town.general)


async def test_a_mention_in_a_thread_is_the_next_turn_of_its_conversation(town: Town) -> None:
    said = await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    thread = await town.thread(said)
    first = town.draw()
    await town.shown(thread)
    await town.discord.say(town.ben, thread, f"at night, {ME}")
    await town.queued()
    second = town.draw()
    await town.shown(thread, 2)
    assert town.factory.turn(second).parent_id == first
    assert town.factory.turn(second).text == "at night,"


async def test_a_reply_to_an_older_picture_branches_from_it(town: Town) -> None:
    said = await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    thread = await town.thread(said)
    first = town.draw()
    (picture,) = await town.shown(thread)
    await town.discord.say(town.ada, thread, f"{ME} at night")
    await town.queued()
    town.draw()
    await town.shown(thread, 2)
    await town.discord.say(town.ada, thread, "laughing", reply_to=picture)
    await town.queued()
    third = town.draw()
    await town.shown(thread, 3)
    assert town.factory.turn(third).parent_id == first
    assert town.factory.turn(third).text == "laughing"


async def test_a_direct_message_needs_no_mention_and_is_a_workspace_of_its_person(town: Town) -> None:
    for person in (town.ada, town.ben):
        await town.discord.say(person, town.discord.direct(person), "draw Olivia")
    await town.queued(2)
    one, other = town.draw(), town.draw()
    assert town.factory.turn(one).workspace_id != town.factory.turn(other).workspace_id
    await town.shown(town.discord.direct(town.ada))
    await town.shown(town.discord.direct(town.ben))


async def test_what_people_say_to_each_other_is_none_of_its_business(town: Town) -> None:
    await town.discord.say(town.ada, town.general, "good morning")
    await town.discord.say(town.ada, town.general, f"hello <@{town.ben['id']}>")
    last = await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    await town.thread(last)
    assert town.factory.count(*Status) == 1


async def test_without_the_intent_what_mentions_nobody_has_no_words(town: Town, bot: LikenessClient) -> None:
    said = await town.discord.say(town.ada, town.general, "good morning", pictures=[("me.png", png())])
    channel = bot.get_channel(int(town.general["id"]))
    assert isinstance(channel, library.TextChannel)
    seen = await channel.fetch_message(int(said["id"]))
    assert (seen.content, seen.attachments) == ("", [])


async def test_a_message_that_arrives_twice_is_one_turn(town: Town) -> None:
    said = await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    await town.thread(said)
    await town.discord._tell_message("MESSAGE_CREATE", said)
    town.draw()
    await town.shown(await town.thread(said))
    assert town.factory.count(*Status) == 1


async def test_attachments_become_references(town: Town) -> None:
    said = await town.discord.say(town.ada, town.general, f"{ME} like this", pictures=[("me.png", png(size=128))])
    await town.thread(said)
    await town.queued()
    assert len(town.claim().line.attachment_keys) == 1


async def test_a_link_to_elsewhere_is_not_opened(town: Town) -> None:
    said = await town.discord.say(town.ada, town.general, f"{ME} like this", told=False)
    said["attachments"] = [
        {"id": "1", "filename": "me.png", "size": 3, "url": "http://169.254.1.1/me.png", "proxy_url": ""}
    ]
    await town.discord._tell_message("MESSAGE_CREATE", said)
    (answer,) = await town.told(await town.thread(said))
    await until(lambda: "upload the picture itself" in answer["content"])


async def test_commands_that_are_written_are_answered_without_a_picture(town: Town) -> None:
    said = await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    thread = await town.thread(said)
    town.draw()
    await town.shown(thread)
    await town.discord.say(town.ada, thread, f"{ME} undo")
    answers = await town.told(thread, 2)
    assert "afresh" in answers[-1]["content"]


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("attach_files", "Attach Files"),
        ("send_messages_in_threads", "Send Messages in Threads"),
        ("create_public_threads", "Create Public Threads"),
    ],
)
async def test_a_missing_permission_is_named_before_anything_is_accepted(town: Town, missing: str, words: str) -> None:
    await town.discord.allow(town.general, library.Permissions.all() & ~library.Permissions(**{missing: True}))
    await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    (answer,) = await town.told(town.general)
    assert words in answer["content"]
    assert town.factory.count(*Status) == 0


async def test_where_it_may_not_even_speak_it_tells_the_person(town: Town) -> None:
    await town.discord.allow(town.general, library.Permissions(view_channel=True, read_message_history=True))
    await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    (answer,) = await town.told(town.discord.direct(town.ada))
    assert "Attach Files" in answer["content"]
    assert town.factory.count(*Status) == 0


async def test_a_locked_thread_is_not_drawn_for(town: Town) -> None:
    said = await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    thread = await town.thread(said)
    town.draw()
    await town.shown(thread)
    allowed = library.Permissions.all() & ~library.Permissions(manage_threads=True, administrator=True)
    await town.discord.allow(town.general, allowed)
    await town.discord.change_thread(thread, locked=True)
    await town.discord.say(town.ada, thread, f"{ME} at night")
    (answer,) = await town.told(town.discord.direct(town.ada))
    assert "locked" in answer["content"]
    assert town.factory.count(Status.QUEUED) == 0


async def test_an_archived_thread_is_opened_for_the_reply(town: Town) -> None:
    said = await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    thread = await town.thread(said)
    await town.told(thread)
    await town.discord.change_thread(thread, archived=True)
    town.draw()
    (shown,) = await town.shown(thread)
    assert shown["content"] == "A portrait of Olivia."
    assert not thread["thread_metadata"]["archived"]


async def test_a_placeholder_too_old_to_be_edited_is_followed_by_a_new_message(town: Town) -> None:
    real = town.discord.clock
    town.discord.clock = lambda: real() - 4000
    said = await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    thread = await town.thread(said)
    (placeholder,) = await town.told(thread)
    town.discord.clock = real
    town.draw()
    (shown,) = await town.shown(thread)
    assert shown["id"] != placeholder["id"]
    await until(lambda: town.discord.told_in(thread) == [shown])


async def test_a_channel_that_is_deleted_meanwhile_costs_only_its_own_reply(town: Town) -> None:
    said = await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    thread = await town.thread(said)
    await town.told(thread)
    await town.discord.delete_channel(thread)
    town.draw()
    other = await town.discord.say(town.ada, town.general, f"{ME} Max")
    await town.thread(other)
    await town.queued()
    town.draw()
    await town.shown(await town.thread(other))


async def test_a_dropped_connection_is_resumed_and_loses_and_doubles_nothing(town: Town) -> None:
    (session,) = town.discord.sessions.values()
    before = await town.discord.say(town.ada, town.general, f"{ME} Max")
    await town.thread(before)
    await town.discord.drop()
    said = await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    await town.thread(said)
    await town.queued(2)
    assert town.factory.texts() == ["Max", "Olivia"]
    assert list(town.discord.sessions) == [session.id], "it went on, and did not begin anew"


async def test_what_was_said_in_a_session_that_was_lost_is_caught_up(town: Town) -> None:
    (lost,) = town.discord.sessions
    await town.discord.drop(resumable=False)
    said = await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    assert not town.discord.sessions, "nobody was told of it"
    await town.thread(said)
    assert lost not in town.discord.sessions
    assert town.factory.texts() == ["Olivia"]


async def test_two_processes_make_one_turn_and_one_reply(town: Town, services: Services) -> None:
    async with running(services) as _:
        said = await town.discord.say(town.ada, town.general, f"{ME} Olivia")
        thread = await town.thread(said)
        await town.told(thread)
        town.draw()
        await town.shown(thread)
        assert town.factory.count(*Status) == 1
        assert len(town.discord.told_in(thread)) == 1


async def test_many_replies_at_once_keep_to_the_limits(town: Town, bot: LikenessClient) -> None:
    said = await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    thread = await town.thread(said)
    town.draw()
    await town.shown(thread)
    for number in range(6):
        await town.discord.say(town.ada, thread, f"{ME} picture {number}")
    await town.queued(1)
    for _ in range(6):
        town.draw()
    await until(lambda: len([one for one in town.discord.told_in(thread) if one["attachments"]]) == 7, 25)
    assert len(town.discord.told_in(thread)) == 7
    assert town.discord.limited, "Discord asked to wait, and was obeyed"


async def test_what_was_said_while_nobody_listened_is_taken_after_a_fresh_start(
    town: Town, bot: LikenessClient, services: Services
) -> None:
    said = await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    thread = await town.thread(said)
    town.draw()
    await town.shown(thread)
    await town.discord.say(town.ada, town.discord.direct(town.ada), "draw Max")
    await town.queued()
    town.draw()
    await bot.close()
    await town.discord.drop(resumable=False)
    missed = [
        await town.discord.say(town.ben, place, f"{ME} {words}")
        for place, words in (
            (town.general, "Max"),
            (thread, "at night"),
            (town.discord.direct(town.ada), "in the snow"),
        )
    ]
    async with running(Services.open(services.settings)):
        await town.thread(missed[0])
        await until(lambda: town.factory.count(*Status) == 5)
    texts = town.factory.texts()
    assert [words for words in texts if words in ("Max", "at night", "in the snow")] == [
        "Max",
        "at night",
        "in the snow",
    ]


async def test_a_name_with_a_backslash_is_a_name(town: Town) -> None:
    odd = town.discord.person(r"Ada \1 \o/")
    said = await town.discord.say(town.ada, town.general, f"{ME} draw <@{odd['id']}>")
    await town.thread(said)
    assert town.factory.texts() == [r"draw Ada \1 \o/"]


async def test_nobody_ends_what_another_asked_for_by_writing(town: Town) -> None:
    said = await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    thread = await town.thread(said)
    await town.told(thread)
    for words in ("cancel", "undo"):
        await town.discord.say(town.ben, thread, f"{ME} {words}")
    answers = await town.told(thread, 3)
    assert all("Only whoever asked" in one["content"] for one in answers[1:])
    assert town.factory.count(Status.QUEUED) == 1
    await town.discord.say(town.ada, thread, f"{ME} cancel")
    await until(lambda: town.factory.count(Status.CANCELLED) == 1)


async def test_a_reply_that_was_posted_but_not_noted_is_found_again_after_an_hour(town: Town) -> None:
    """The nonce has expired by then, and the message is too old to be edited."""
    said = await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    thread = await town.thread(said)
    await town.told(thread)
    turn_id = town.draw()
    await town.shown(thread)
    await until(lambda: town.factory.delivered(turn_id))
    real = town.discord.clock
    town.discord.clock = lambda: real() + 4000
    town.factory.forget_delivery(turn_id)
    await until(lambda: town.factory.delivered(turn_id))
    assert len(town.discord.told_in(thread)) == 1


async def test_without_the_right_to_attach_files_the_words_come_all_the_same(town: Town) -> None:
    said = await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    thread = await town.thread(said)
    (placeholder,) = await town.told(thread)
    await town.discord.allow(town.general, library.Permissions.all() & ~library.Permissions(attach_files=True))
    town.draw()
    await until(lambda: "attach files" in placeholder["content"])
    assert placeholder["content"].startswith("A portrait of Olivia.")


async def test_in_a_channel_where_only_threads_may_be_written_in_it_draws(town: Town) -> None:
    everything = library.Permissions.all() & ~library.Permissions(administrator=True)
    await town.discord.allow(town.general, everything & ~library.Permissions(send_messages=True))
    said = await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    thread = await town.thread(said)
    town.draw()
    await town.shown(thread)


async def test_a_picture_beyond_the_limit_is_not_read_to_its_end(town: Town, settings: Settings) -> None:
    large = ("large.png", b"0" * (settings.attachment_bytes + 2**17))
    said = await town.discord.say(town.ada, town.general, f"{ME} like this", pictures=[large])
    (answer,) = await town.told(await town.thread(said))
    await until(lambda: "smaller" in answer["content"])


async def test_what_was_answered_is_not_answered_again_after_a_restart(
    town: Town, bot: LikenessClient, services: Services
) -> None:
    await town.discord.say(town.ada, town.general, f"{ME} help")
    await town.told(town.general)
    await bot.close()
    await town.discord.drop(resumable=False)
    async with running(Services.open(services.settings)):
        said = await town.discord.say(town.ada, town.general, f"{ME} Olivia")
        await town.thread(said)
    assert len(town.discord.told_in(town.general)) == 1


async def test_what_was_said_in_a_server_that_discord_could_not_serve_for_a_while_is_taken(town: Town) -> None:
    await town.discord.outage(town.guild)
    said = await town.discord.say(town.ada, town.general, f"{ME} Olivia", told=False)
    await town.discord.recover(town.guild)
    await town.thread(said)
    assert town.factory.texts() == ["Olivia"]
