"""The Discord client: listens, hands requests to `bot.turns`, and says so when a turn was accepted.

Whatever goes wrong in a handler ends in `_failed`: one plain sentence with a reference for the person, the rest in the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

import aiohttp
import discord
import yarl
from discord import app_commands

from bot.albums import Albums
from bot.characters import Characters
from bot.discord import NoToken, render
from bot.discord.missed import missed, missed_in
from bot.discord.places import PLATFORM, allowed_to, language_in, language_of, place_of, problem
from bot.discord.platform import DiscordPlatform
from bot.discord.sentences import IN_CHANNEL, NOT_HERE
from bot.discord.tree import Tree
from bot.failures import failed
from bot.forgetme import Forgetting
from bot.listening import Listening
from bot.pace import Throttle
from bot.preferences import Choices
from bot.replies import Replies
from bot.sentences import ATTACHMENT_GONE, ELSEWHERE, TOO_LARGE
from bot.services import Services, end
from bot.sweeper import Sweeper
from bot.turns import Answer, AttachmentGone, Turns
from bot.waiting import Waiting
from storage.database import DatabaseUnavailable
from storage.sentences import told
from storage.turns import Receipt, Request

if TYPE_CHECKING:
    from bot.discord.places import Channel

log = logging.getLogger(__name__)

MESSAGES = frozenset({discord.MessageType.default, discord.MessageType.reply})
OTHERS = re.compile(r"\s*(<@|@everyone|@here)")  # how a message begins that is meant for others, if not for the bot
FETCH_SECONDS = 30.0
GUILDS_SECONDS = 0.5  # between two servers that are told of at the start; what comes later is caught up by itself
CATCH_UP_PAUSES = (0, 2, 5, 15, 60, 300)
ALIVE = "discord-alive"  # a file in the data folder

NO_INTENT = (
    "Discord does not let the bot read all messages: switch on “Message Content Intent” under Bot in the developer portal, "
    "or set LIKENESS_DISCORD_CONTENT to false."
)

Interaction = discord.Interaction["LikenessClient"]


def intents(*, content: bool) -> discord.Intents:
    """What the client hears of: guilds and messages. The words of messages that do not mention the bot only with `content`."""
    chosen = discord.Intents.none()
    chosen.guilds = chosen.guild_messages = chosen.dm_messages = True
    chosen.message_content = content
    return chosen


class LikenessClient(discord.AutoShardedClient):
    """One process of the bot. Any number may run side by side, with all shards each or some of them."""

    def __init__(self, services: Services) -> None:
        shards: dict[str, Any] = {}
        if services.settings.shards is not None:
            numbers, count = services.settings.shards
            shards = {"shard_ids": list(numbers), "shard_count": count}
        super().__init__(
            **shards,
            intents=intents(content=services.settings.discord_content),
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            guild_ready_timeout=GUILDS_SECONDS,
            max_messages=None,
            allowed_mentions=discord.AllowedMentions.none(),
        )
        self.services = services
        self.turns = Turns(services, PLATFORM, self.fetch)
        self.characters = Characters(services)
        self.albums = Albums(services)
        self.choices = Choices(services)
        self.forgetting = Forgetting(services)
        self.listening = Listening(services, PLATFORM)
        self.tree = Tree(
            self,
            allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
            allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=False),
        )
        self.tree.on_error = self._command_failed  # type: ignore[method-assign]  # how discord.py has it set
        self.platform = DiscordPlatform(self, services)
        self.replies = Replies(services, self.platform)
        self.waiting = Waiting(services, self.replies, self.platform)
        self._keep_to(Throttle(services.settings.discord_rate))
        self._background: list[asyncio.Task[None]] = []
        self._starting: set[int] = set()  # shards whose servers are just being told

    async def setup_hook(self) -> None:
        """Before the gateway is opened: commands, buttons, and what runs beside the events."""
        from bot.discord.buttons import TurnButton
        from bot.discord.commands import Catalogue, add_commands
        from bot.discord.menus import add_menus

        await self.tree.set_translator(Catalogue())
        add_commands(self.tree)
        add_menus(self.tree)
        self.add_dynamic_items(TurnButton)
        self._background = [
            asyncio.create_task(self.replies.run()),
            asyncio.create_task(Sweeper(self.services, self.turns).run()),
            asyncio.create_task(self._announce()),
            asyncio.create_task(self._live()),
        ]

    def _keep_to(self, throttle: Throttle) -> None:
        """Have all requests wait for their turn, but answers to interactions, which Discord does not count."""
        request = self.http.request

        async def paced(route: discord.http.Route, **given: Any) -> Any:  # Any: as discord.py has it
            if not route.path.startswith(("/interactions/", "/webhooks/")):
                await throttle.turn()
            return await request(route, **given)

        self.http.request = paced  # type: ignore[method-assign]  # discord.py has no other place for it

    async def close(self) -> None:
        """End everything; what was received stays, and is delivered by the next process."""
        await end(self._background)
        await self.waiting.close()
        await self.turns.settle()
        await super().close()
        await self.services.close()

    async def _live(self) -> None:
        """Touch a file while the gateway is there: what a health check looks at."""
        sign = self.services.settings.data_dir / ALIVE
        await self.wait_until_ready()
        while True:
            if self.is_ready() and not self.is_closed() and sign.parent.is_dir():
                await asyncio.to_thread(sign.touch)
            await asyncio.sleep(10)

    async def _announce(self) -> None:
        """Tell Discord the commands, which it keeps; a failure costs nothing but news."""
        try:
            await self.tree.sync()
        except discord.HTTPException as error:
            log.warning("the commands could not be announced: %s", error)

    async def on_shard_connect(self, shard_id: int) -> None:
        """A fresh start of a session: its servers are told next."""
        self._starting.add(shard_id)

    async def on_shard_ready(self, shard_id: int) -> None:
        """All of them were told, or none came for a while."""
        self._starting.discard(shard_id)

    async def on_ready(self) -> None:
        """After a fresh start: take what was said while nobody listened."""
        await self._catch_up(lambda: missed(self, self.services))

    async def on_guild_available(self, guild: discord.Guild) -> None:
        """A server that Discord could not serve for a while, or that came late: the same for it alone."""
        if guild.shard_id not in self._starting:
            await self._catch_up(lambda: missed_in(self, guild))

    async def _catch_up(self, look: Callable[[], AsyncIterator[discord.Message]]) -> None:
        for pause in CATCH_UP_PAUSES:
            await asyncio.sleep(pause)
            try:
                async for message in look():
                    await self.on_message(message)
            except (DatabaseUnavailable, discord.HTTPException) as error:
                log.warning("what was missed cannot be looked for yet: %s", error)
            else:
                return

    # -- messages ------------------------------------------------------------------------------------------------------

    async def on_message(self, message: discord.Message) -> None:
        """A mention, a reply to the bot, or a direct message is a turn; where people wish so, all that is said to it."""
        if message.author.bot or message.type not in MESSAGES:
            return
        try:
            if not await self._is_meant(message):
                return
            await self._take(message)
        except Exception as error:  # one handler for all that can go wrong, and nobody is left without an answer
            sentence = failed(error, f"message {message.id}")
            with contextlib.suppress(discord.HTTPException):
                await self._say(message, sentence)

    async def _is_meant(self, message: discord.Message) -> bool:
        assert self.user is not None
        if message.guild is None or any(one.id == self.user.id for one in message.mentions):
            return True
        if not self.intents.message_content or not (message.content or message.attachments):
            return False
        replied = message.reference.resolved if message.reference is not None else None
        if OTHERS.match(message.content) or (
            isinstance(replied, discord.Message) and replied.author.id != self.user.id
        ):
            return False  # said to somebody else
        channel: Channel = message.channel
        if not isinstance(channel, discord.PartialMessageable) and not self._owns(channel):
            return False
        if not await self.listening.to_every_message(str(message.guild.id)):
            return False
        return self._owns(
            await self._fetched(channel.id) if isinstance(channel, discord.PartialMessageable) else channel
        )

    def _owns(self, channel: Channel) -> bool:
        """Whether it is a thread that this bot has made."""
        return isinstance(channel, discord.Thread) and self.user is not None and channel.owner_id == self.user.id

    async def _take(self, message: discord.Message) -> None:
        channel: Channel = message.channel
        if isinstance(channel, discord.PartialMessageable):  # a thread that was not seen since the start
            channel = await self._fetched(channel.id)
        allowed = None if message.guild is None else allowed_to(message.guild.me, channel)
        if (sentence := problem(channel, allowed)) is not None:
            await self._say(message, sentence)
            return
        place = place_of(channel, message.guild, message.author, message.id)
        replied = message.reference.message_id if message.reference is not None else None
        request = place.request(
            f"message:{message.id}",
            message.author,
            self._text_of(message),
            language=language_in(message.guild),
            attachments=tuple(one.url for one in message.attachments),
            reply_to=await self.turns.shown_in(PLATFORM, place.workspace, str(replied)) if replied else None,
            moderates=isinstance(message.author, discord.Member)
            and channel.permissions_for(message.author).manage_messages,
        )
        answer = await self.receive(request)
        if answer is not None:
            await self._say(message, answer.text)

    async def receive(self, request: Request) -> Answer | None:
        """Take a request in, and follow the turn that comes of it. Returns what to say at once, for a command."""
        taken = await self.turns.receive(request)
        if isinstance(taken, Answer):
            return taken
        self._follow(taken, request)
        return None

    def _follow(self, receipt: Receipt, request: Request) -> None:
        if not receipt.duplicate and not receipt.status.final:
            self.waiting.follow(receipt.turn_id, request.workspace, request.channel, request.thread)

    async def _fetched(self, channel_id: int) -> Channel:
        found = await self.fetch_channel(channel_id)
        assert isinstance(found, discord.Thread | discord.TextChannel | discord.VoiceChannel | discord.StageChannel)
        return found

    async def _say(self, message: discord.Message, sentence: str) -> None:
        """Say something at once: there if that is possible, else to the person; once, however many processes say it."""
        nonce, language = f"answer{message.id}", language_in(message.guild)
        try:
            words = render.words(told(sentence, language))
            await message.channel.send(words, reference=message, mention_author=False, nonce=nonce)
        except discord.Forbidden:
            with contextlib.suppress(discord.HTTPException):
                channel = getattr(message.channel, "mention", "Discord")
                await message.author.send(told(IN_CHANNEL.given(channel=channel, what=sentence), language))

    def _text_of(self, message: discord.Message) -> str:
        """The words without the mention of the bot, and with names in place of the mentions of others."""
        assert self.user is not None
        text = re.sub(rf"<@!?{self.user.id}>", " ", message.content)
        for one in message.mentions:
            text = re.sub(rf"<@!?{one.id}>", lambda _, one=one: one.display_name, text)  # type: ignore[misc]
        return " ".join(text.split(" ")).strip()

    async def fetch(self, link: str) -> bytes:
        """An attachment, from Discord's own hosts only, no longer than a picture may be; the token stays here."""
        if not self.platform.is_ours(link):
            raise AttachmentGone(ELSEWHERE.given(platform="Discord"))
        most = self.services.settings.attachment_bytes
        timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(link, allow_redirects=False) as answer,
        ):
            if answer.status in (403, 404):
                raise AttachmentGone(ATTACHMENT_GONE)
            answer.raise_for_status()
            data = bytearray()
            async for part in answer.content.iter_chunked(2**16):
                data += part
                if len(data) > most:
                    raise AttachmentGone(TOO_LARGE.given(most=round(most / 1e6)))
            return bytes(data)

    # -- interactions --------------------------------------------------------------------------------------------------

    async def answer(
        self, interaction: Interaction, work: Callable[[], Awaitable[str | tuple[str, discord.File] | None]]
    ) -> None:
        """Defer at once, since Discord waits for three seconds only; then do the work and say or show what comes of it."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        try:
            said = await work()
        except Exception as error:  # as in on_message
            said = failed(error, f"interaction {interaction.id}")
        if said is None:
            await interaction.delete_original_response()
            return
        sentence, *files = (said,) if isinstance(said, str) else said
        words = render.words(told(sentence, language_of(interaction)))
        await interaction.edit_original_response(content=words, attachments=files)

    async def show(
        self, interaction: Interaction, work: Callable[[], Awaitable[tuple[discord.ui.LayoutView, list[discord.File]]]]
    ) -> None:
        """Defer as in `answer`, and show a menu: for its person alone, in place of the one that was pressed."""
        if interaction.channel is None:
            await interaction.response.send_message(told(NOT_HERE, language_of(interaction)), ephemeral=True)
            return
        pressed = interaction.message is not None
        await interaction.response.defer(ephemeral=True, thinking=not pressed)
        try:
            view, files = await work()
            view.stop()  # as in `render.buttons`
            await interaction.edit_original_response(view=view, attachments=files)
        except Exception as error:  # as in on_message
            sentence = told(failed(error, f"interaction {interaction.id}"), language_of(interaction))
            if pressed:
                await interaction.followup.send(sentence, ephemeral=True)
            else:
                await interaction.edit_original_response(content=sentence)

    async def scope(self, interaction: Interaction) -> tuple[UUID, UUID | None]:
        """The workspace that an interaction comes from, and the conversation, in a thread or a direct message."""
        channel = interaction.channel
        assert channel is not None
        place = place_of(channel, interaction.guild, interaction.user, channel.id)
        workspace_id = await self.turns.workspace(PLATFORM, place.workspace, place.workspace_name)
        if interaction.guild_id is not None and not isinstance(channel, discord.Thread):
            return workspace_id, None
        return workspace_id, await self.turns.conversation(workspace_id, place.channel, place.thread)

    async def ask(self, interaction: Interaction, form: discord.ui.Modal) -> None:
        """Open a form. The client need not keep it: what is sent is read in `on_interaction`."""
        form.stop()
        await interaction.response.send_modal(form)

    async def on_interaction(self, interaction: Interaction) -> None:
        """A form that was sent, or something in a menu; commands and buttons of turns have handlers of their own."""
        from bot.discord import characters, forgetme, menus, preferences
        from bot.discord.newcharacter import FORM, submitted

        data: Any = interaction.data or {}  # Any: of the many kinds of data only these have ids
        custom_id = str(data.get("custom_id", ""))
        if interaction.type is discord.InteractionType.modal_submit:
            if custom_id == FORM:
                await submitted(interaction)
            await menus.submitted(interaction, custom_id)
        for menu in (characters, preferences, forgetme):
            if (match := menu.ID.fullmatch(custom_id)) is not None:
                await menu.used(interaction, match)

    async def _command_failed(self, interaction: discord.Interaction[Any], error: app_commands.AppCommandError) -> None:
        """What a command raised before it could answer by itself. Where it was deferred, that message says so."""
        raised = getattr(error, "original", error)
        sentence = told(failed(raised, f"interaction {interaction.id}"), language_of(interaction))
        with contextlib.suppress(discord.HTTPException):
            if interaction.response.is_done():
                await interaction.edit_original_response(content=sentence)
            else:
                await interaction.response.send_message(sentence, ephemeral=True)


def point_at(url: str) -> None:
    """Have the clients of this process talk to the Discord at an address of this machine instead of the real one."""
    discord.http.Route.BASE = f"{url}/api/v10"
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(url).with_scheme("ws") / "gateway"
    discord.asset.Asset.BASE = f"{url}/cdn"


async def run(services: Services) -> None:
    """Run the bot until it is cancelled. Raises `NoToken`."""
    settings = services.settings
    if settings.discord_url:
        point_at(settings.discord_url)
    if settings.discord_token is None:
        raise NoToken("LIKENESS_DISCORD_TOKEN is not set. docs/discord.md says how to get a token.")
    me = asyncio.current_task()
    if me is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)
    async with LikenessClient(services) as client:
        try:
            await client.start(settings.discord_token.get_secret_value())
        except asyncio.CancelledError:
            log.info("stopping")
        except discord.LoginFailure as error:
            raise NoToken("Discord does not know the token in LIKENESS_DISCORD_TOKEN.") from error
        except discord.PrivilegedIntentsRequired as error:
            raise NoToken(NO_INTENT) from error
