"""What goes wrong on Slack between a request and its reply, over real sockets: one visible reply all the same, or a sentence."""

from __future__ import annotations

import io
import os
import threading
from uuid import UUID

import pytest
from PIL import Image
from slack_sdk.web.async_client import AsyncWebClient

from bot import replies
from bot.slack import render
from bot.slack.app import SlackBot
from bot.slack.missed import BACK_SECONDS
from bot.slack.once import _key
from bot.slack.places import message_source
from ops.local.slack_wire import Payload
from storage import deliveries, turns
from storage.blobs import key_for
from storage.tables import Status
from tests.bot.helpers import png, until
from tests.bot.slack.conftest import Town, pictures_of, words_of


@pytest.fixture
def again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is tried again soon."""
    monkeypatch.setattr(deliveries, "RETRY_SECONDS", (0,))
    monkeypatch.setattr(replies, "POLL_SECONDS", 0.1)


async def given_up(town: Town, turn_id: UUID) -> None:
    """Wait until nobody tries any more to show a reply."""
    await until(lambda: town.factory.delivered(turn_id))


async def waiting_turn(town: Town) -> tuple[Payload, Payload]:
    """A message, and the placeholder of its turn."""
    said = await town.say("Olivia")
    (placeholder,) = await town.answered(said)
    await town.queued()
    return said, placeholder


async def told_alone(town: Town, count: int = 1) -> str:
    """The latest that the bot told Ada in her messages, when that is so much; and no more."""
    direct = town.slack.direct(town.ada)
    await until(lambda: len(town.slack.told_in(direct)) >= count)
    assert len(town.slack.told_in(direct)) == count
    return str(town.slack.told_in(direct)[-1]["text"])


async def test_a_file_is_uploaded_nowhere_and_noted_before_the_one_post_that_shows_it(town: Town) -> None:
    town.slack.limits.processing_seconds = 0.4
    said = await town.say("Olivia")
    await town.queued()
    turn_id = town.draw()
    (shown,) = await town.shown(said)
    await until(lambda: town.factory.delivered(turn_id))
    (completed,) = town.slack.called("files.completeUploadExternal")
    assert "channel_id" not in completed
    (asked,) = town.slack.called("files.getUploadURLExternal")
    assert asked["alt_txt"] == "Olivia on the beach."
    assert int(asked["length"]) == len(png())
    assert town.picture(shown) == png()
    assert render.marked(shown) == (turn_id, True)
    tried = len(town.slack.called("chat.update")) + len(town.slack.called("chat.postMessage"))
    assert tried > 2, "it was too fresh at first"


async def test_slack_is_asked_where_a_picture_goes_while_it_is_read(
    town: Town, bot: SlackBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, get = threading.Event(), bot.services.blobs.get
    address = bot.platform._address

    async def heard(client: AsyncWebClient, size: int, filename: str, alt_text: str) -> tuple[str, str]:
        asked.set()
        return await address(client, size, filename, alt_text)

    def read(key: str) -> bytes:
        assert asked.wait(2), "it was read first"
        return get(key)

    monkeypatch.setattr(bot.platform, "_address", heard)
    monkeypatch.setattr(bot.services.blobs, "get", read)
    await town.first_picture()


async def test_a_reply_that_was_posted_but_not_noted_is_found_and_not_posted_again(town: Town) -> None:
    said, shown = await town.first_picture()
    (turn_id,) = town.factory.ids(Status.DONE)
    await until(lambda: town.factory.delivered(turn_id))
    posts = len(town.slack.called("chat.postMessage"))
    town.factory.forget_delivery(turn_id)
    await until(lambda: town.factory.delivered(turn_id))
    assert town.told(said) == [shown]
    assert len(town.slack.called("chat.postMessage")) == posts


@pytest.mark.usefixtures("again_soon")
async def test_a_file_that_was_uploaded_but_not_shown_is_used_by_the_next_attempt(town: Town) -> None:
    said, _ = await waiting_turn(town)
    town.slack.refuse("chat.update", "internal_error")
    town.draw()
    await town.shown(said)
    assert len(town.slack.called("files.getUploadURLExternal")) == 1


@pytest.mark.usefixtures("again_soon")
async def test_a_file_that_was_noted_by_a_process_that_died_before_it_was_there_is_uploaded_anew(
    town: Town, bot: SlackBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.slack.platform.FRESH_PAUSES", (0.05,))
    said, _ = await waiting_turn(town)
    claim = town.claim()
    client = await bot.client(town.team["id"])
    told = await client.files_getUploadURLExternal(filename="likeness-1.png", length=1)
    key = key_for(claim.workspace_id, "pictures", png(), ".png")
    town.factory.database.run(deliveries.keep_file, claim.turn_id, key, told["file_id"])
    town.finish(claim)
    (shown,) = await town.shown(said)
    assert town.picture(shown) == png()
    assert pictures_of(shown)[0]["slack_file"]["id"] != told["file_id"]


@pytest.mark.usefixtures("again_soon")
async def test_of_several_pictures_those_that_are_there_wait_for_the_one_that_failed(town: Town) -> None:
    said, _ = await waiting_turn(town)
    town.slack.refuse("files.completeUploadExternal", "internal_error")
    town.finish(town.claim(), configurations=("",) * 4)
    (shown,) = await town.shown(said)
    assert len(pictures_of(shown)) == 4
    assert len(town.slack.called("files.getUploadURLExternal")) == 5
    assert len(town.slack.called("chat.update")) == 1, "no file was shown that is not there"


async def test_pictures_that_are_the_same_are_one_file(town: Town) -> None:
    said, _ = await waiting_turn(town)
    town.finish(town.claim(), configurations=("", ""), data=png())
    (shown,) = await town.shown(said)
    assert len(pictures_of(shown)) == 2
    assert len(town.slack.called("files.getUploadURLExternal")) == 1


async def test_a_file_of_a_turn_that_is_deleted_before_any_message_shows_it_goes(town: Town) -> None:
    said, placeholder = await waiting_turn(town)
    await town.slack.delete(placeholder)
    town.slack.refuse("chat.postMessage", "internal_error", times=9)
    turn_id = town.draw()
    await until(lambda: town.slack.called("files.completeUploadExternal"))
    workspace_id = town.factory.turn(turn_id).workspace_id
    town.factory.database.run(turns.delete_turn, workspace_id, turn_id)
    town.factory.database.run(deliveries.take_away, turn_id)
    await given_up(town, turn_id)
    assert not town.slack.files
    assert not town.told(said)


async def test_a_deleted_placeholder_is_followed_by_a_new_message(town: Town) -> None:
    said, placeholder = await waiting_turn(town)
    await town.slack.delete(placeholder)
    town.draw()
    (shown,) = await town.shown(said)
    assert shown["ts"] != placeholder["ts"]


async def test_the_reply_to_a_message_that_was_deleted_is_not_put_beside_it(town: Town, bot: SlackBot) -> None:
    said = await town.say("Olivia")
    await town.queued()
    for one in town.told(said):
        await town.slack.delete(one)
    await town.slack.delete(said)
    await given_up(town, town.draw())
    assert not town.slack.told_in(town.general)


async def test_a_thread_keeps_its_replies_and_goes_on_when_its_first_message_is_deleted(town: Town) -> None:
    said, placeholder = await waiting_turn(town)
    await town.slack.delete(said)
    town.draw()
    (shown,) = await town.shown(said)
    assert shown["ts"] == placeholder["ts"]
    await town.say("at night", said)
    await town.queued()
    town.draw()
    await town.shown(said, 2)


async def test_a_channel_that_is_archived_meanwhile_costs_only_its_own_reply(town: Town) -> None:
    said, placeholder = await waiting_turn(town)
    town.slack.archive(town.general)
    await given_up(town, town.draw())
    assert not pictures_of(placeholder)
    assert "is archived" in await told_alone(town)
    other = town.slack.channel(town.team, "stories")
    said = await town.slack.write(other, town.ada, f"{town.me} Max")
    await town.queued()
    town.draw()
    await town.shown(said)


async def test_a_public_channel_that_the_bot_was_removed_from_is_joined_again(town: Town) -> None:
    town.slack.scopes = tuple(one for one in town.slack.scopes if one != "chat:write.public")
    town.slack.grants[town.team["token"]].scopes = town.slack.scopes
    said = await town.say("Olivia")
    await town.queued()
    for one in town.told(said):
        await town.slack.delete(one)
    town.slack.kick(town.general)
    town.draw()
    await town.shown(said)
    assert town.team["bot"]["id"] in town.general["members"]


async def test_whatever_is_asked_for_right_after_the_bot_was_removed_makes_it_join_again(town: Town) -> None:
    said, _ = await town.first_picture()
    await town.say("history", said)
    town.slack.kick(town.general)  # before anybody has heard of it
    await until(lambda: [one for one in town.told(said) if one.get("files")])
    await town.say("help", said)
    await town.sentences(said)
    town.slack.kick(town.general)
    await town.slack.slash("/imagine", "Max", town.ada, town.general)
    await town.queued()
    assert town.team["bot"]["id"] in town.general["members"]


async def test_a_private_channel_that_the_bot_was_removed_from_is_given_up_and_told_of(town: Town) -> None:
    secret = town.slack.channel(town.team, "secret", private=True)
    said = await town.slack.write(secret, town.ada, f"{town.me} Olivia")
    await town.queued()
    await town.answered(said)
    town.slack.kick(secret)
    await given_up(town, town.draw())
    assert "/invite" in await told_alone(town)


async def test_where_it_is_not_and_cannot_go_it_tells_the_person(town: Town) -> None:
    secret = town.slack.channel(town.team, "secret", private=True)
    for count, (close, words) in enumerate([(town.slack.kick, "/invite"), (town.slack.archive, "is archived")], 1):
        town.slack.invite(secret)
        await town.slack.write(secret, town.ada, f"{town.me} Olivia")
        close(secret)  # before anybody has heard of it
        await town.slack.wire.settled()
        assert words in await told_alone(town, count)
    assert town.factory.count(*Status) == 0


async def test_in_a_private_channel_it_draws_as_everywhere(town: Town) -> None:
    secret = town.slack.channel(town.team, "secret", private=True)
    said = await town.slack.write(secret, town.ada, f"{town.me} Olivia")
    await town.queued()
    town.draw()
    await town.shown(said)


async def test_slack_is_waited_for_when_it_says_so(town: Town) -> None:
    said, placeholder = await waiting_turn(town)
    town.slack.limit("chat.update", times=2)
    town.draw()
    (shown,) = await town.shown(said)
    assert shown["ts"] == placeholder["ts"]
    assert town.slack.limited == 2


async def test_many_replies_in_a_channel_keep_to_a_message_a_second(town: Town) -> None:
    town.slack.limits.post_burst = 4
    said = await town.say("Olivia")
    for number in range(5):
        await town.say(f"picture {number}", said)
    await town.queued(6)
    for _ in range(6):
        town.draw()
    await until(lambda: len([one for one in town.told(said) if pictures_of(one)]) == 6, 12)
    assert len(town.told(said)) == 6
    assert not town.slack.limited


async def test_a_picture_that_slack_finds_too_large_is_made_smaller(town: Town) -> None:
    said, _ = await waiting_turn(town)
    town.slack.limits.upload_bytes = 3 * 2**20
    noise = io.BytesIO()
    Image.frombytes("RGB", (1200, 1200), os.urandom(3 * 1200 * 1200)).save(noise, "PNG", compress_level=0)
    town.finish(town.claim(), alt_text="Olivia in the snow.", data=noise.getvalue())
    (shown,) = await town.shown(said)
    assert len(town.picture(shown)) <= 2**20
    assert pictures_of(shown)[0]["alt_text"] == "Olivia in the snow."


async def test_a_long_description_is_shown_whole_though_an_upload_takes_less_of_it(town: Town) -> None:
    said, _ = await waiting_turn(town)
    alt_text = "Olivia in the snow. " * 90
    town.finish(town.claim(), alt_text=alt_text)
    (shown,) = await town.shown(said)
    assert pictures_of(shown)[0]["alt_text"] == alt_text
    (asked,) = town.slack.called("files.getUploadURLExternal")
    assert alt_text.startswith(asked["alt_txt"])


async def test_without_the_right_to_upload_the_words_come_all_the_same(town: Town) -> None:
    _, placeholder = await waiting_turn(town)
    town.slack.grants[town.team["token"]].scopes = tuple(one for one in town.slack.scopes if one != "files:write")
    town.draw()
    await until(lambda: "may not upload" in words_of(placeholder))
    assert words_of(placeholder).startswith("A portrait of Olivia.")


async def test_a_team_that_removes_the_bot_meanwhile_is_given_up(town: Town) -> None:
    _, placeholder = await waiting_turn(town)
    town.slack.uninstall(town.team)
    turn_id = town.draw()
    await until(lambda: turn_id not in town.factory.ids(*Status) or town.factory.delivered(turn_id))
    assert not pictures_of(placeholder)


async def test_what_was_said_while_nobody_listened_is_taken_after_a_start(
    town: Town, bot: SlackBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.slack.missed.BETWEEN_SECONDS", 0.0)
    said, _ = await town.first_picture()
    direct = town.slack.direct(town.ada)
    await town.slack.write(direct, town.ada, "draw Max")
    await town.queued()
    town.draw()
    await town.say("help", said)
    await town.sentences(said)
    asked = await town.say("history", said)
    await until(lambda: [one for one in town.told(said) if one.get("files")])
    await town.slack.wire.settled()
    heard, town.slack.subscribed = town.slack.subscribed, frozenset()
    await town.say("at night", said, by=town.ben)
    await town.say("Eve")
    await town.slack.write(direct, town.ada, "in the snow")
    await town.slack.write(town.general, town.ben, "how nice", thread=said)
    town.slack.subscribed = heard
    await bot.catch_up()
    assert sorted(town.factory.texts()) == ["Eve", "Olivia", "at night", "draw Max", "in the snow"]
    assert len(await town.sentences(said)) == 1, "what was answered is not answered again"
    assert len([one for one in town.told(said) if one.get("files")]) == 1
    command = f"command:{town.team['id']}:{message_source(asked['channel'], asked['ts'])}"
    assert await bot.services.broker.ttl(_key(command)) > BACK_SECONDS, "as long as anybody looks back"
