"""Commands and buttons in process, on simcord: what each says in each state, who may press what, and how errors look.

What goes over the wire (deadlines, restarts, limits, files) is in the tests beside this one. Replies are handed to the
adapter here one by one, so that nothing runs beside the events.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID, uuid4

import discord
import pytest
import simcord
from simcord.actors import MemberActor

from bot.discord.client import LikenessClient
from bot.sentences import MINE, NOTHING_YET
from bot.services import Services, end
from storage import deliveries
from storage.database import Database, DatabaseUnavailable
from storage.tables import Status
from storage.turns import Receipt, Request
from tests.bot.helpers import finish_with_picture
from tests.factory import Factory

pytestmark = pytest.mark.simcord(shard_count=1, settle_timeout=15)

COMMANDS = {"imagine", "newcharacter", "undo", "characters", "history", "export", "settings", "forgetme", "help"}
BUTTONS = {
    Status.QUEUED: ["Cancel"],
    Status.DONE: ["Again", "Variations", "Larger", "Undo", "up", "down", "Delete"],
    Status.REFUSED: ["Undo"],
    Status.FAILED: ["Try again"],
    Status.CANCELLED: ["Try again"],
}


class QuietClient(LikenessClient):
    """The client without what runs beside the events."""

    async def setup_hook(self) -> None:
        await super().setup_hook()
        await end(self._background)
        await self.tree.sync()

    def _follow(self, receipt: Receipt, request: Request) -> None:
        """Nobody looks at how a turn waits."""


@dataclass
class World:
    """A server with a channel in it, two people, and a moderator."""

    env: simcord.Env
    client: LikenessClient
    factory: Factory
    guild: simcord.GuildHandle
    general: simcord.ChannelHandle
    ada: MemberActor
    ben: MemberActor
    mod: MemberActor

    @property
    def thread(self) -> simcord.ChannelHandle:
        """The thread that was opened."""
        (thread,) = self.general.threads
        return thread

    async def asked(self, words: str = "Olivia") -> discord.Message:
        """Ada has asked for a picture in a thread, which waits. Returns its placeholder."""
        asked = await self.ada.slash(self.general, "imagine", text=words)
        assert asked.response is not None
        (turn_id,) = self.waiting()
        channel, thread = str(self.general.id), str(asked.response.id)
        message_id = await self.client.replies.post_placeholder(turn_id, str(self.guild.id), channel, thread)
        await self.env.settle()
        assert str(self.last().id) == message_id
        return self.last()

    async def ended(self, status: Status = Status.DONE) -> discord.Message:
        """The next turn has ended, with a picture where it is done, and its reply is shown. Returns the reply."""
        claim = self.factory.claim()
        assert claim is not None
        if status is Status.DONE:
            finish_with_picture(self.client.services, self.factory, claim, "Here she is.", "Olivia.")
        else:
            self.factory.finish(claim, "It cannot be drawn.", status)
        await self.deliver()
        return self.last()

    async def deliver(self) -> None:
        """Show what is due."""
        for due in self.factory.database.run(deliveries.lease, "discord", uuid4(), seconds=30):
            assert due.message_id is not None
            await self.client.platform.edit(due, due.message_id)
        await self.env.settle()

    async def picture(self) -> discord.Message:
        """A picture in a thread that Ada asked for."""
        await self.asked()
        return await self.ended()

    def last(self) -> discord.Message:
        """The last message of the thread."""
        message = self.thread.last_message
        assert message is not None
        return message

    def waiting(self) -> list[UUID]:
        """Turns that wait."""
        return self.factory.ids(Status.QUEUED)

    def cut_off(self) -> None:
        """The database is away from now on."""
        database = self.client.services.database
        database.engine.dispose()
        for made in ("engine", "_autocommit"):
            database.__dict__.pop(made, None)
        database.url, database.patience = "postgresql+psycopg://127.0.0.1:1/nowhere", 0.1


@pytest.fixture
def simcord_bot(services: Services) -> LikenessClient:
    """What simcord runs."""
    return QuietClient(services)


@pytest.fixture
async def world(simcord_env: simcord.Env, database: Database) -> World:
    """The server, and the bot in it."""
    guild = simcord_env.create_guild("Storytellers")
    moderators = guild.create_role("Moderators", permissions=discord.Permissions(manage_messages=True))
    ada, ben = (guild.add_member(simcord_env.create_user(name)) for name in ("ada", "ben"))
    mod = guild.add_member(simcord_env.create_user("mod"), roles=[moderators])
    general = guild.create_text_channel("general")
    await simcord_env.settle()
    assert isinstance(simcord_env.bot, LikenessClient)
    return World(simcord_env, simcord_env.bot, Factory(database), guild, general, ada, ben, mod)


def said(result: simcord.InteractionResult) -> str:
    """What somebody was told in the end, alone."""
    assert result.ephemeral
    told = [*([result.response] if result.response is not None else []), *result.followups]
    assert len(told) == 1, told
    return told[0].content


def labels(message: discord.Message) -> list[str]:
    """What the buttons of a message say, or do where they say nothing."""
    rows = [row.children for row in message.components if isinstance(row, discord.ActionRow)]
    buttons = [one for row in rows for one in row if isinstance(one, discord.Button)]
    return [one.label or str(one.custom_id).split(":")[1] for one in buttons]


def custom_id(message: discord.Message, what: str) -> str:
    """The id of a button."""
    rows = [row.children for row in message.components if isinstance(row, discord.ActionRow)]
    ids = [str(one.custom_id) for row in rows for one in row if isinstance(one, discord.Button)]
    return next(one for one in ids if one.split(":")[1] == what)


async def test_people_are_offered_the_commands_for_people(world: World) -> None:
    assert set(world.ada.available_commands(world.general)) == COMMANDS


async def test_help_says_how_to_begin(world: World) -> None:
    assert "reading on a beach" in said(await world.ada.slash(world.general, "help"))


async def test_imagine_in_a_thread_leaves_nothing_behind_but_the_turn(world: World) -> None:
    await world.picture()
    asked = await world.ben.slash(world.thread, "imagine", text="at night", seed=3)
    assert asked.deferred
    assert asked.response is None
    (turn_id,) = world.waiting()
    assert (world.factory.turn(turn_id).text, world.factory.turn(turn_id).seed) == ("at night", 3)


async def test_imagine_of_a_command_is_that_command(world: World) -> None:
    asked = await world.ada.slash(world.general, "imagine", text="characters")
    assert asked.response is not None
    assert asked.response.content == "Nobody has a name yet."
    assert not world.waiting()


async def test_imagine_in_direct_messages_needs_no_thread(world: World) -> None:
    asked = await world.ada.user.slash("imagine", text="Olivia")
    assert asked.response is None
    (turn_id,) = world.waiting()
    assert world.factory.turn(turn_id).text == "Olivia"


async def test_imagine_where_nothing_can_be_drawn_says_where_it_can(world: World) -> None:
    voice = world.guild.create_voice_channel("voice")
    await world.env.settle()
    assert "text channel, a thread or a direct message" in said(await world.ada.slash(voice, "imagine", text="Olivia"))


async def test_several_missing_permissions_are_named_together(world: World) -> None:
    denied = discord.PermissionOverwrite(attach_files=False, create_public_threads=False)
    quiet = world.guild.create_text_channel("quiet", overwrites={world.guild.default_role: denied})
    await world.env.settle()
    words = said(await world.ada.slash(quiet, "imagine", text="Olivia"))
    assert "“Create Public Threads”, “Attach Files”" in words
    assert "give them to me" in words
    assert not world.waiting()


async def test_the_form_asks_for_what_a_character_needs(world: World) -> None:
    form = await world.ada.slash(world.general, "newcharacter", name="Olivia")
    assert form.modal is not None
    fields = {one["component"]["custom_id"]: one["component"] for one in form.modal["components"]}
    assert list(fields) == ["name", "description", "photos", "consent"]
    assert fields["name"]["value"] == "Olivia"
    assert fields["photos"]["max_values"] == 10
    assert not fields["photos"]["required"]


async def test_undo_where_nothing_was_drawn_says_how_to_begin(world: World) -> None:
    assert "There is nothing here yet" in said(await world.ada.slash(world.general, "undo"))


async def test_undo_goes_back_until_there_is_nothing_left(world: World) -> None:
    await world.picture()
    assert said(await world.ben.slash(world.thread, "undo")) == "Undone. We start afresh."
    assert said(await world.ben.slash(world.thread, "undo")) == "There is nothing to undo."


async def test_only_whoever_asked_or_a_moderator_may_undo_what_waits(world: World) -> None:
    await world.asked()
    assert said(await world.ben.slash(world.thread, "undo")) == MINE
    assert len(world.waiting()) == 1
    assert "Undone" in said(await world.mod.slash(world.thread, "undo"))
    assert not world.waiting()


@pytest.mark.parametrize("command", ["history", "export"])
async def test_where_nothing_was_drawn_there_is_nothing_to_take_away(world: World, command: str) -> None:
    await world.asked()
    assert said(await world.ada.slash(world.thread, command)) == NOTHING_YET


@pytest.mark.parametrize("status", [one for one in BUTTONS if one is not Status.QUEUED])
async def test_a_reply_has_the_buttons_that_can_do_something(world: World, status: Status) -> None:
    assert labels(await world.asked()) == BUTTONS[Status.QUEUED]
    assert labels(await world.ended(status)) == BUTTONS[status]


async def test_what_has_ended_cannot_be_cancelled(world: World) -> None:
    placeholder = await world.asked()
    claim = world.factory.claim()
    assert claim is not None
    world.factory.finish(claim)
    assert said(await world.ada.click(placeholder, label="Cancel")) == "It has ended already."


async def test_a_moderator_may_cancel_and_others_may_not(world: World) -> None:
    placeholder = await world.asked()
    assert said(await world.ben.click(placeholder, label="Cancel")) == MINE
    pressed = await world.mod.click(placeholder, label="Cancel")
    assert pressed.response is None
    assert world.factory.ids(Status.CANCELLED)


async def test_what_failed_can_be_tried_again_by_anybody(world: World) -> None:
    await world.asked("Olivia on the beach")
    reply = await world.ended(Status.FAILED)
    await world.ben.click(reply, label="Try again")
    (turn_id,) = world.waiting()
    assert world.factory.turn(turn_id).text == "Olivia on the beach"


async def test_undo_of_a_picture_that_is_not_the_latest_says_what_to_do(world: World) -> None:
    first = await world.picture()
    await world.ben.slash(world.thread, "imagine", text="at night")
    assert "Reply to it to go on from there" in said(await world.ada.click(first, label="Undo"))


async def test_a_vote_can_be_changed_and_says_what_was_noted(world: World) -> None:
    reply = await world.picture()
    assert "you like it" in said(await world.ben.click(reply, custom_id=custom_id(reply, "up")))
    assert "do not like it" in said(await world.ben.click(reply, custom_id=custom_id(reply, "down")))
    assert world.factory.votes() == [-1]


async def test_again_is_refused_where_the_bot_may_not_attach_files_any_more(world: World) -> None:
    reply = await world.picture()
    channel = world.client.get_channel(world.general.id)
    assert isinstance(channel, discord.TextChannel)
    await channel.set_permissions(channel.guild.default_role, attach_files=False)
    await world.env.settle()
    assert "“Attach Files”" in said(await world.ben.click(reply, label="Again"))
    assert not world.waiting()


async def test_nothing_new_is_begun_in_a_locked_thread(world: World) -> None:
    reply = await world.picture()
    thread = world.client.get_channel(world.thread.id)
    assert isinstance(thread, discord.Thread)
    assert isinstance(thread.parent, discord.TextChannel)
    await thread.edit(locked=True)
    await thread.parent.set_permissions(thread.guild.default_role, manage_threads=False)
    await world.env.settle()
    assert "locked" in said(await world.mod.click(reply, label="Again"))
    assert not world.waiting()


@pytest.mark.parametrize("command", sorted(COMMANDS - {"help", "imagine", "newcharacter"}))
async def test_without_a_database_a_command_answers_with_one_sentence_and_a_reference(
    world: World, command: str
) -> None:
    world.cut_off()
    _is_apology(said(await world.ada.slash(world.general, command)))


async def test_without_a_database_nobody_is_left_waiting_for_what_they_imagine(world: World) -> None:
    world.cut_off()
    asked = await world.ada.slash(world.general, "imagine", text="Olivia")
    assert asked.response is not None
    _is_apology(asked.response.content)
    assert [type(error.__cause__) for error in world.env.errors] == [DatabaseUnavailable]


@pytest.mark.parametrize("what", ["again", "undo", "up", "down"])
async def test_without_a_database_a_button_answers_with_one_sentence_and_a_reference(world: World, what: str) -> None:
    reply = await world.picture()
    world.cut_off()
    _is_apology(said(await world.ada.click(reply, custom_id=custom_id(reply, what))))


async def test_without_a_database_a_form_answers_with_one_sentence_and_a_reference(world: World) -> None:
    form = await world.ada.slash(world.general, "newcharacter")
    world.cut_off()
    _is_apology(said(await world.ada.submit_modal(form, {"name": "Olivia"})))


def _is_apology(words: str) -> None:
    assert re.fullmatch(
        r"I cannot take this in just now\. Please try again in a moment\. \(Reference [0-9a-f]{8}\.\)", words
    )
