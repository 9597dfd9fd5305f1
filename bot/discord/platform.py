"""How Discord shows replies: posts with a nonce, edits of the placeholder, and the search for what an earlier try left.

A thread that a mention is to open is made here, so that whoever delivers can make it: its id was known before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID

import discord

from bot.buttons import is_reply, mark_of
from bot.discord import render
from bot.discord.pace import Pace
from bot.discord.places import PLATFORM
from bot.discord.sentences import NO_FILES
from bot.progress import Update
from bot.replies import Found, MessageGone, MessageTooOld, ThreadGone
from bot.services import Services
from bot.waiting import NotShown, worth_showing
from storage import conversations, turns
from storage.deliveries import Due
from storage.sentences import told

DISCORD_EPOCH = 1_420_070_400_000  # milliseconds
UPLOAD_LIMIT = 10 * 2**20  # bytes of a file, where nothing else is known
SURELY_ALLOWED = 2 * 2**20  # where that was too much all the same
REQUEST_LIMIT = 24 * 2**20  # bytes of all files of a message, with room for the rest of it
TITLE = "Likeness"
HOSTS = frozenset({"cdn.discordapp.com", "media.discordapp.net"})

UNKNOWN_CHANNEL, UNKNOWN_MESSAGE, MISSING_ACCESS, MISSING_PERMISSIONS = 10003, 10008, 50001, 50013
ARCHIVED, LOCKED, TOO_OLD, HAS_THREAD = 50083, 160005, 30046, 160004
TOO_LARGE = 413  # an HTTP status
CANNOT_DM, WRONG_CHANNEL = 50007, 50024
NOBODY_SEES = frozenset({MISSING_ACCESS, MISSING_PERMISSIONS, LOCKED, CANNOT_DM, WRONG_CHANNEL})
EDITED_FREELY = timedelta(minutes=55)  # from an hour on Discord lets a message be edited rarely, and makes one wait


class DiscordPlatform:
    """Shows replies through one client, whichever shard its threads are on."""

    name = PLATFORM

    def __init__(self, client: discord.Client, services: Services) -> None:
        self._client = client
        self._services = services
        self.pace = Pace()

    async def post(self, due: Due) -> str:
        """A new message in the thread, which is made or taken out of the archive when need be."""
        channel = await self._thread(due.channel, due.thread, due.workspace)

        async def send(words: str, files: list[discord.File]) -> str:
            message = await channel.send(
                words,
                files=files,
                view=render.buttons(due),
                nonce=render.nonce("reply", due.turn_id),
                allowed_mentions=discord.AllowedMentions.none(),
            )
            return str(message.id)

        return await self._with_files(due, send)

    async def edit(self, due: Due, message_id: str) -> None:
        """The placeholder, or an earlier reply, as the reply. An archived thread is opened for it."""
        if discord.utils.utcnow() - discord.utils.snowflake_time(int(message_id)) > EDITED_FREELY:
            raise MessageTooOld(message_id)
        message = self._channel(due.thread, due.workspace).get_partial_message(int(message_id))

        async def change(words: str, files: list[discord.File]) -> str:
            await message.edit(
                content=words,
                attachments=files,
                view=render.buttons(due),
                allowed_mentions=discord.AllowedMentions.none(),
            )
            return message_id

        await self._opened(due.thread, lambda: self._with_files(due, change))

    async def _opened(self, thread: str, change: Callable[[], Awaitable[object]]) -> None:
        """Change something in a thread, which is taken out of the archive when need be."""
        try:
            await change()
        except discord.HTTPException as error:
            if error.code != ARCHIVED:
                raise
            await self._unarchive(thread)
            await change()

    async def _with_files(self, due: Due, show: Callable[[str, list[discord.File]], Awaitable[str]]) -> str:
        """Show a reply with its pictures; without them where that is not allowed any more. Raises what `bot.replies` knows."""
        words = render.reply(due)
        self.pace.spend(due.thread)
        for limit in (self._limit(due), SURELY_ALLOWED):
            try:
                return await show(words, await self._files(due, limit))
            except discord.HTTPException as error:
                if error.status == TOO_LARGE and due.pictures and limit > SURELY_ALLOWED:
                    continue
                if error.code != MISSING_PERMISSIONS or not due.pictures:
                    raise _gone(error) from error
                break
        try:
            return await show(render.words(f"{words}\n-# {told(NO_FILES, due.language)}"), [])
        except discord.HTTPException as error:
            raise _gone(error) from error

    async def find(self, due: Due) -> Found | None:
        """The latest of our messages in the thread, since the turn came to be, that carries the turn's mark."""
        since = discord.Object(_snowflake(due.turn_id))
        assert self._client.user is not None
        found = None
        try:
            async for message in self._channel(due.thread, due.workspace).history(after=since, limit=None):
                ids = buttons_of(message)
                if message.author.id == self._client.user.id and mark_of(ids) == due.turn_id:
                    found = Found(str(message.id), is_reply(ids))
        except discord.NotFound:  # a thread that was not made yet
            return None
        except discord.HTTPException as error:
            raise _gone(error) from error
        return found

    async def remove(self, due: Due, message_id: str) -> None:
        """A message of ours; nobody needs a right for that."""
        message = self._channel(due.thread, due.workspace).get_partial_message(int(message_id))
        try:
            await self._opened(due.thread, message.delete)
        except discord.HTTPException as error:
            raise _gone(error) from error

    async def discard(self, due: Due) -> None:
        """Files are in messages, and go with them."""

    async def post_placeholder(self, turn_id: UUID, workspace: str, channel: str, thread: str) -> str:
        """A message with the turn's mark that says where it stands in the queue."""
        place = await self._services.database.arun(
            turns.place, turn_id, heartbeat_seconds=self._services.settings.heartbeat_seconds
        )
        into = await self._thread(channel, thread, None)
        self.pace.spend(thread)
        try:
            message = await into.send(
                render.waiting(Update(place)),
                view=render.waiting_buttons(turn_id, place.language),
                nonce=render.nonce("placeholder", turn_id),
                silent=True,
            )
        except discord.HTTPException as error:
            raise _gone(error) from error
        return str(message.id)

    def leaves_room(self, workspace: str, channel: str, thread: str) -> bool:
        """Whether a preview in a thread still leaves room for replies."""
        return self.pace.leaves_room(thread)

    def worth_showing(self, update: Update, shown: Update | None) -> bool:
        """What the countdown does not tell by itself."""
        return worth_showing(update, shown)

    async def show_progress(
        self, turn_id: UUID, workspace: str, channel: str, thread: str, message_id: str, update: Update
    ) -> None:
        """The placeholder with the latest preview. Raises as `LivePlatform` says."""
        message = self._channel(thread, None).get_partial_message(int(message_id))
        files, language = [], update.place.language
        if update.progress is not None and update.progress.preview:
            files = [render.preview_file(update.progress.preview, language)]
        self.pace.spend(thread)
        try:
            buttons = render.waiting_buttons(turn_id, language)
            await message.edit(content=render.waiting(update), attachments=files, view=buttons)
        except discord.HTTPException as error:
            gone = _gone(error)
            raise (NotShown(str(error)) if gone is error else gone) from error

    def is_ours(self, link: str) -> bool:
        """Whether a link leads to Discord's own files."""
        address, local = urlsplit(link), self._services.settings.discord_url
        if local and (address.scheme, address.netloc) == urlsplit(local)[:2]:
            return True
        return address.scheme == "https" and address.hostname in HOSTS

    def _channel(self, thread: str, workspace: str | None) -> discord.PartialMessageable:
        guild_id = int(workspace) if workspace and workspace.isdigit() else None
        return self._client.get_partial_messageable(int(thread), guild_id=guild_id)

    async def _thread(self, channel: str, thread: str, workspace: str | None) -> discord.PartialMessageable:
        """The thread, made from its first message where it is not there yet. Raises `ThreadGone`."""
        if channel != thread and self._client.get_channel(int(thread)) is None:
            try:
                await self._client.fetch_channel(int(thread))
            except discord.NotFound:
                await self._open(channel, thread)
            except discord.HTTPException as error:
                raise _gone(error) from error
        return self._channel(thread, workspace)

    async def _open(self, channel: str, thread: str) -> None:
        """Open a thread from the message of its id."""
        try:
            await self._client.http.start_thread_with_message(
                int(channel), int(thread), name=await self._title(channel, thread), auto_archive_duration=1440
            )
        except discord.HTTPException as error:
            if error.code != HAS_THREAD:
                raise _gone(error, unknown=ThreadGone) from error

    async def _title(self, channel: str, thread: str) -> str:
        title = await self._services.database.arun(conversations.title, PLATFORM, channel, thread)
        return (title or TITLE)[:100]

    async def _unarchive(self, thread: str) -> None:
        try:
            await self._client.http.edit_channel(int(thread), archived=False)
        except discord.HTTPException as error:
            raise _gone(error) from error

    def _limit(self, due: Due) -> int:
        """Bytes that each picture of a reply may have."""
        guild = self._client.get_guild(int(due.workspace)) if due.workspace.isdigit() else None
        limit = UPLOAD_LIMIT if guild is None else guild.filesize_limit
        return min(limit, REQUEST_LIMIT // max(1, len(due.pictures)))

    async def _files(self, due: Due, limit: int) -> list[discord.File]:
        kept = [await asyncio.to_thread(self._services.blobs.get, one.blob_key) for one in due.pictures]
        return [
            await asyncio.to_thread(render.picture_file, one, data, number, limit, len(due.pictures), due.language)
            for number, (one, data) in enumerate(zip(due.pictures, kept, strict=True), 1)
        ]


def _gone(error: discord.HTTPException, unknown: type[Exception] = MessageGone) -> Exception:
    """The error in the words of `bot.replies`, or itself when another try may well succeed."""
    if error.code == UNKNOWN_MESSAGE:
        return unknown(str(error))
    if error.code == TOO_OLD:
        return MessageTooOld(str(error))
    if error.code == UNKNOWN_CHANNEL or error.code in NOBODY_SEES:
        return ThreadGone(str(error))
    return error


def _snowflake(turn_id: UUID) -> int:
    """A Discord id of just before a turn was received, whose own id begins with its time in milliseconds."""
    milliseconds = turn_id.int >> 80
    return max(0, milliseconds - 60_000 - DISCORD_EPOCH) << 22


def buttons_of(message: discord.Message) -> list[str | None]:
    """The ids of a message's buttons."""
    rows = [row.children for row in message.components if isinstance(row, discord.ActionRow)]
    return [getattr(item, "custom_id", None) for row in rows for item in row]
