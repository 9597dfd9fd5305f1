"""How Slack shows replies: files that are uploaded first, one post that names them, edits of the placeholder.

Slack drops no second post of the same message. So each carries metadata that name the turn, and whoever follows an attempt
that may have got through looks for them in the thread first. Files are uploaded without a channel, where nobody sees them,
and noted before the post that shows them.

In a channel the placeholder is a message with previews. In the messages tab it is a stream: the reply's words appear as soon
as they are written, and Slack shows by itself that the bot is at work.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.pace import Throttle
from bot.progress import Update
from bot.replies import Found, MessageGone, MessageTooOld, ThreadGone
from bot.sentences import NO_FILES, PREVIEW_ALT_TEXT
from bot.slack import render
from bot.slack.places import PLATFORM, Payload, Place, is_direct, message_id, ts_of
from bot.slack.sentences import ARCHIVED, NOT_HERE
from bot.slack.teams import NotInstalled
from bot.uploads import described, fitting, suffix_of
from bot.waiting import NotShown, worth_showing
from storage import deliveries, turns
from storage.deliveries import Due, DuePicture
from storage.sentences import Sentence, told

if TYPE_CHECKING:
    from bot.slack.app import SlackBot

log = logging.getLogger(__name__)

UPLOAD_LIMIT = 20 * 2**20  # bytes of a picture
SURELY_ALLOWED = 2**20  # where that was too much
ALT_TEXT = 1000  # characters of an upload's description; the block that shows it takes more
FRESH_PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0)  # seconds until an uploaded file can be shown
STREAMS = 20 / 60  # a second that Slack lets begin in one team
STREAMS_AT_ONCE = 10
KNOWN = 1000  # streams that one process remembers
PREVIEW = "preview:"  # how files of a delivery are noted that are not the reply's
PAGE = 200

Address = tuple[str, str]
"""A link for the bytes of a file, and the id that it will have."""

NOT_FRESH = frozenset({"invalid_blocks", "slack_file_not_found", "file_not_found"})
TOO_LARGE = frozenset({"file_upload_size_restricted", "file_too_large", "storage_limit_reached"})
NO_UPLOADS = frozenset({"file_uploads_disabled", "file_uploads_except_images_disabled", "missing_scope"})
OURS_NO_MORE = frozenset({"cant_update_message", "edit_window_closed"})
NOBODY_SEES = frozenset(
    {
        *("channel_not_found", "not_in_channel", "is_archived", "thread_not_found", "cannot_reply_to_message"),
        *("restricted_action", "restricted_action_read_only_channel", "restricted_action_thread_only_channel"),
        *("restricted_action_thread_locked", "user_disabled", "messages_tab_disabled"),
        *("account_inactive", "token_revoked", "invalid_auth", "not_authed", "team_access_not_granted"),
    }
)
"""Errors after which no other attempt is worth it."""
CLOSED = {"channel_not_found": NOT_HERE, "not_in_channel": NOT_HERE, "is_archived": ARCHIVED}
"""What is said, to whoever asked alone, where a channel was closed to the bot while they waited."""
TOLD_SECONDS = 3600


class SlackPlatform:
    """Shows replies through the clients of all teams."""

    name = PLATFORM

    def __init__(self, bot: SlackBot) -> None:
        self._bot = bot
        self._services = bot.services
        self._streams: dict[str, str] = {}  # by message: the words of the reply that are in it
        self._begun: dict[str, Throttle] = {}

    # -- replies -------------------------------------------------------------------------------------------------------

    async def post(self, due: Due) -> str:
        """A new message in the thread."""
        client = await self._client(due.workspace)

        async def send(blocks: list[Payload]) -> str:
            return await self._post(
                client,
                due.workspace,
                due.channel,
                due.thread,
                text=render.reply_text(due),
                blocks=blocks,
                metadata=render.metadata(due.turn_id, reply=True),
            )

        posted = message_id(due.channel, await self._with_pictures(client, due, send))
        await self._let_go(client, due.turn_id, _previews(due.files))
        return posted

    async def edit(self, due: Due, message_id: str) -> None:
        """The placeholder, or an earlier reply, as the reply."""
        client, ts = await self._client(due.workspace), ts_of(message_id)
        if is_direct(due.channel) and not due.shown:
            await self._end_stream(client, due, ts)

        async def change(blocks: list[Payload]) -> str:
            self._bot.pace.edit(due.workspace)
            await client.chat_update(
                channel=due.channel,
                ts=ts,
                text=render.reply_text(due),
                blocks=blocks,
                metadata=render.metadata(due.turn_id, reply=True),
            )
            return ts

        await self._with_pictures(client, due, change)
        await self._let_go(client, due.turn_id, _previews(due.files))

    async def find(self, due: Due) -> Found | None:
        """The latest of our messages in the thread, since the turn came to be, that carries the turn's mark."""
        client = await self._client(due.workspace)
        installed = await self._bot.teams.installed(due.workspace)
        found = None
        try:
            async for message in self._thread(client, due):
                ours = message.get("user") == installed.user or message.get("bot_id") == installed.bot
                mark = render.marked(message) if ours else None
                if mark is not None and mark[0] == due.turn_id:
                    found = Found(message_id(due.channel, message["ts"]), mark[1])
        except SlackApiError as error:
            if error.response["error"] == "thread_not_found":
                return None
            raise _gone(error) from error
        return found

    async def remove(self, due: Due, message_id: str) -> None:
        """A message of ours."""
        client = await self._client(due.workspace)
        try:
            await client.chat_delete(channel=due.channel, ts=ts_of(message_id))
        except SlackApiError as error:
            raise _gone(error) from error

    async def discard(self, due: Due) -> None:
        """The files that were uploaded for it, whether a message ever showed them or not."""
        await self._let_go(await self._client(due.workspace), due.turn_id, due.files)

    async def _with_pictures(
        self, client: AsyncWebClient, due: Due, show: Callable[[list[Payload]], Awaitable[str]]
    ) -> str:
        """Show a reply with its pictures; without them where that is not allowed any more. Raises what `bot.replies` knows."""
        try:
            pictures = await self._pictures(client, due)
        except SlackApiError as error:
            if error.response["error"] not in NO_UPLOADS | TOO_LARGE:
                raise _gone(error) from error
            return await self._known(due, show(render.reply(due, [], NO_FILES)))
        for pause in (*FRESH_PAUSES, None):
            try:
                return await self._known(due, show(render.reply(due, pictures)))
            except SlackApiError as error:
                if error.response["error"] not in NOT_FRESH or not pictures:
                    raise
                if pause is None:  # a file that was uploaded by an earlier attempt may be gone
                    for one in due.pictures:
                        await self._keep(due.turn_id, one.blob_key, None)
                    raise
                await asyncio.sleep(pause)
        raise AssertionError("the last pause is none")

    async def _known(self, due: Due, showing: Awaitable[str]) -> str:
        """What was shown. Raises what `bot.replies` knows, or Slack's error when another try may well succeed."""
        try:
            return await showing
        except SlackApiError as error:
            gone = _gone(error)
            if gone is error:
                raise
            if (sentence := CLOSED.get(error.response["error"])) is not None:
                await self._tell(due, sentence)
            raise gone from error

    async def _tell(self, due: Due, sentence: Sentence) -> None:
        """Tell whoever asked for a turn alone, once, that nobody can see its reply."""
        known = await self._bot.turns.known(PLATFORM, due.workspace, due.turn_id)
        if known is None or not await self._bot.once.first(f"closed:{due.turn_id}", TOLD_SECONDS):
            return
        try:
            await self._bot.tell(due.workspace, known.author, told(sentence, due.language))
        except (SlackApiError, aiohttp.ClientError, TimeoutError) as error:
            log.warning("nobody hears that turn %s cannot be shown: %s", due.turn_id, error)

    async def _pictures(self, client: AsyncWebClient, due: Due) -> list[Payload]:
        """The blocks of all pictures, uploaded side by side. Raises what one of them failed with, once all have ended."""
        count = len(due.pictures)
        numbered = [
            (n, one, described(one, n, count, render.ALT_TEXT, due.language)) for n, one in enumerate(due.pictures, 1)
        ]
        missing = {one.blob_key: (n, one, told) for n, one, told in numbered if one.blob_key not in due.files}

        async def upload(number: int, one: DuePicture, alt_text: str) -> None:
            file_id = await self._uploaded(client, due.turn_id, one, number, alt_text)
            due.files[one.blob_key] = file_id  # a post that follows an edit in vain shows the same file

        for failed in await asyncio.gather(*(upload(*each) for each in missing.values()), return_exceptions=True):
            if failed is not None:
                raise failed
        return [
            render.picture(due.files[one.blob_key], alt_text, str(n) if count > 1 else "")
            for n, one, alt_text in numbered
        ]

    async def _uploaded(
        self, client: AsyncWebClient, turn_id: UUID, picture: DuePicture, number: int, alt_text: str
    ) -> str:
        for limit in (UPLOAD_LIMIT, SURELY_ALLOWED):
            try:
                data, filename, address = await self._ready(client, picture, number, alt_text, limit)
                return await self._bring_noted(client, turn_id, address, data, filename, picture.blob_key)
            except SlackApiError as error:
                if error.response["error"] not in TOO_LARGE or limit == SURELY_ALLOWED:
                    raise
        raise AssertionError("the last limit raises")

    async def _ready(
        self, client: AsyncWebClient, picture: DuePicture, number: int, alt_text: str, limit: int
    ) -> tuple[bytes, str, Address]:
        """A picture in so many bytes at most, the name of its file, and where Slack wants it.

        One that is sent as it is needs only its length for an address, so that is asked for while it is read.
        """
        reading = asyncio.to_thread(self._read, picture, limit)
        if picture.size <= limit:
            name = f"likeness-{number}.{suffix_of(picture)}"
            address, (data, _) = await asyncio.gather(self._address(client, picture.size, name, alt_text), reading)
            return data, name, address
        data, suffix = await reading
        name = f"likeness-{number}.{suffix}"
        return data, name, await self._address(client, len(data), name, alt_text)

    def _read(self, picture: DuePicture, limit: int) -> tuple[bytes, str]:
        """A picture in so many bytes at most, and the suffix of its name. Blocks."""
        return fitting(picture, self._services.blobs.get(picture.blob_key), limit)

    async def _bring_noted(
        self, client: AsyncWebClient, turn_id: UUID, address: Address, data: bytes, filename: str, what: str = ""
    ) -> str:
        """Upload a file of a turn's reply, and note it while that goes on.

        `what` it shows; nothing for a preview. Returns its id.
        """
        link, file_id = address
        what = what or PREVIEW + file_id

        async def note() -> None:
            await asyncio.sleep(0)  # the bytes are sent first: a thread that begins to work holds this one up
            await self._keep(turn_id, what, file_id)

        noting = asyncio.create_task(note())
        try:
            await self._bring(client, link, file_id, data, filename)
        except Exception:  # whatever it was, nobody can show this file
            await noting
            await self._keep(turn_id, what, None)
            raise
        await noting
        return file_id

    async def upload(
        self, client: AsyncWebClient, data: bytes, filename: str, alt_text: str = "", where: Place | None = None
    ) -> str:
        """Upload a file, and return its id. Nobody sees it yet, unless it is for a place at once, described by its alt text."""
        link, file_id = await self._address(client, len(data), filename, alt_text)
        await self._bring(client, link, file_id, data, filename, where, alt_text)
        return file_id

    async def _address(self, client: AsyncWebClient, size: int, filename: str, alt_text: str) -> Address:
        """Where Slack wants a file of so many bytes, and the id that it will have."""
        about = {"alt_txt": alt_text[:ALT_TEXT]} if alt_text else {}
        told = await client.files_getUploadURLExternal(filename=filename, length=size, **about)
        link, file_id = str(told["upload_url"]), str(told["file_id"])
        if not self._bot.files.is_ours(link):
            raise aiohttp.ClientError("Slack told of an upload elsewhere")
        return link, file_id

    async def _bring(
        self,
        client: AsyncWebClient,
        link: str,
        file_id: str,
        data: bytes,
        filename: str,
        where: Place | None = None,
        words: str = "",
    ) -> None:
        """The bytes of a file, and that these are all; with words for a place where it is to be seen at once."""
        async with self._bot.session.post(link, data=data, allow_redirects=False) as answer:
            answer.raise_for_status()
        complete = partial(client.files_completeUploadExternal, files=[{"id": file_id, "title": filename}])
        if where is None:
            await complete()
            return
        share = partial(complete, channel_id=where.channel, thread_ts=where.thread or None, initial_comment=words)
        await self._bot.channels.as_member(where.workspace, where.channel, share)

    # -- while a turn waits --------------------------------------------------------------------------------------------

    async def post_placeholder(self, turn_id: UUID, workspace: str, channel: str, thread: str) -> str:
        """A message with the turn's mark that says where it stands in the queue; in the messages tab a stream."""
        place = await self._services.database.arun(
            turns.place, turn_id, heartbeat_seconds=self._services.settings.heartbeat_seconds
        )
        client, update = await self._client(workspace), Update(place)
        text, blocks = render.waiting_text(update), render.waiting(turn_id, update)
        if is_direct(channel):
            await self._set_status(client, channel, thread, text)
            ts = await self._begin_stream(client, workspace, channel, thread, blocks)
            if ts is not None:
                return message_id(channel, ts)
        metadata = render.metadata(turn_id, reply=False)
        try:
            ts = await self._post(client, workspace, channel, thread, text=text, blocks=blocks, metadata=metadata)
        except SlackApiError as error:
            raise _gone(error) from error
        return message_id(channel, ts)

    def leaves_room(self, workspace: str, channel: str, thread: str) -> bool:
        """Whether a preview still leaves room for replies."""
        return self._bot.pace.leaves_room(workspace)

    def worth_showing(self, update: Update, shown: Update | None) -> bool:
        """A preview, a place in the queue that changed, or words of the reply."""
        written = update.progress.text if update.progress is not None else ""
        before = shown.progress.text if shown is not None and shown.progress is not None else ""
        return (bool(written) and written != before) or worth_showing(update, shown)

    async def show_progress(
        self, turn_id: UUID, workspace: str, channel: str, thread: str, message_id: str, update: Update
    ) -> None:
        """The placeholder with the latest preview, or the stream with the reply's words. Raises as `LivePlatform` says."""
        client, ts = await self._client(workspace), ts_of(message_id)
        preview: str | None = None
        earlier: Mapping[str, str] = {}
        try:
            if message_id in self._streams:
                await self._set_status(client, channel, thread, render.waiting_text(update))
                await self._append(client, channel, message_id, update)
                return
            preview, earlier = await self._preview(client, turn_id, update)
            self._bot.pace.edit(workspace)
            await client.chat_update(
                channel=channel,
                ts=ts,
                text=render.waiting_text(update),
                blocks=render.waiting(turn_id, update, preview),
                metadata=render.metadata(turn_id, reply=False),
            )
            await self._let_go(client, turn_id, earlier)
        except SlackApiError as error:
            gone = _gone(error)
            if gone is error:
                raise NotShown(str(error)) from error
            await self._let_go(client, turn_id, {**earlier, **({PREVIEW + preview: preview} if preview else {})})
            raise gone from error

    async def _preview(
        self, client: AsyncWebClient, turn_id: UUID, update: Update
    ) -> tuple[str | None, Mapping[str, str]]:
        """The file of a preview, if there is one, and those that it stands in for."""
        if update.progress is None or not update.progress.preview:
            return None, {}
        data, filename = update.progress.preview, "preview.jpg"
        address = await self._address(client, len(data), filename, told(PREVIEW_ALT_TEXT, update.place.language))
        file_id = await self._bring_noted(client, turn_id, address, data, filename)
        # Once more: the reply may have come meanwhile, and have let go of what was not there yet.
        noted = await self._keep(turn_id, PREVIEW + file_id, file_id)
        return file_id, {what: one for what, one in _previews(noted).items() if one != file_id}

    async def _begin_stream(
        self, client: AsyncWebClient, workspace: str, channel: str, thread: str, blocks: Sequence[Payload]
    ) -> str | None:
        """Begin a stream, whose buttons carry the turn's mark from the first moment; None where Slack has none for us."""
        begun = self._begun.setdefault(workspace, Throttle(STREAMS, burst=STREAMS_AT_ONCE))
        if begun.waiting() >= STREAMS_AT_ONCE:
            return None
        begun.delay()
        await self._bot.pace.post(workspace, channel)
        try:
            told = await client.chat_startStream(
                channel=channel, thread_ts=thread, chunks=[{"type": "blocks", "blocks": list(blocks)}]
            )
        except SlackApiError as error:
            gone = _gone(error)
            if gone is not error:
                raise gone from error
            log.info("no stream in team %s: %s", workspace, error)
            return None
        while len(self._streams) >= KNOWN:  # others have ended them
            del self._streams[next(iter(self._streams))]
        self._streams[message_id(channel, told["ts"])] = ""
        return str(told["ts"])

    async def _append(self, client: AsyncWebClient, channel: str, message_id: str, update: Update) -> None:
        """What was written since. A stream takes nothing back: an answer that was begun anew is shown when it is whole."""
        written, before = update.progress.text if update.progress is not None else "", self._streams[message_id]
        if written.startswith(before) and written != before:
            self._streams[message_id] = written
            await client.chat_appendStream(
                channel=channel, ts=ts_of(message_id), markdown_text=render.words(written.removeprefix(before))
            )

    async def _end_stream(self, client: AsyncWebClient, due: Due, ts: str) -> None:
        """End it, whoever has begun it; a message that is none stays as it is."""
        self._streams.pop(message_id(due.channel, ts), None)
        try:
            await client.chat_stopStream(channel=due.channel, ts=ts, metadata=render.metadata(due.turn_id, reply=False))
        except SlackApiError as error:
            if error.response["error"] != "message_not_in_streaming_state":
                raise _gone(error) from error
        await self._set_status(client, due.channel, due.thread, "")

    async def _set_status(self, client: AsyncWebClient, channel: str, thread: str, status: str) -> None:
        """Below the messages tab: what the bot is at. Only shown, so that nothing hangs on it."""
        with contextlib.suppress(SlackApiError):
            await client.assistant_threads_setStatus(channel_id=channel, thread_ts=thread, status=status)

    # -- sentences and files -------------------------------------------------------------------------------------------

    async def say(self, place: Place, source_id: str, text: str, blocks: Sequence[Payload]) -> None:
        """A sentence in a thread; where the bot may not write, to the person alone."""
        client = await self._client(place.workspace)
        await self._post(
            client,
            place.workspace,
            place.channel,
            place.thread,
            text=text,
            blocks=list(blocks) or [render.section(text)],
            metadata=render.answers(source_id),
        )

    async def share(self, place: Place, data: bytes, filename: str, words: str) -> None:
        """A file in a thread, with some words."""
        client = await self._client(place.workspace)
        await self.upload(client, data, filename, words, place)

    # -- the rest ------------------------------------------------------------------------------------------------------

    async def _client(self, team: str) -> AsyncWebClient:
        try:
            return await self._bot.client(team)
        except NotInstalled as error:
            raise ThreadGone(str(error)) from error

    async def _post(
        self,
        client: AsyncWebClient,
        team: str,
        channel: str,
        thread: str,
        *,
        text: str,
        blocks: list[Payload],
        metadata: Payload,
    ) -> str:
        """Post when it is this channel's turn, and return the timestamp. Raises `ThreadGone`, or Slack's error.

        What answers a message that was deleted meanwhile, Slack mostly puts beside the thread that is gone: it is taken back.
        """
        await self._bot.pace.post(team, channel)
        posted = await self._bot.channels.as_member(
            team,
            channel,
            lambda: client.chat_postMessage(
                channel=channel,
                thread_ts=thread or None,
                text=text,
                blocks=blocks,
                metadata=metadata,
                unfurl_links=False,
                unfurl_media=False,
            ),
        )
        if thread and posted["message"].get("thread_ts") != thread:
            await client.chat_delete(channel=channel, ts=posted["ts"])
            raise ThreadGone("the message that it answers was deleted")
        return str(posted["ts"])

    async def _thread(self, client: AsyncWebClient, due: Due) -> AsyncIterator[Payload]:
        """All messages of a thread since a minute before the turn was received, oldest first."""
        born = datetime.fromtimestamp((due.turn_id.int >> 80) / 1000, UTC)
        oldest, cursor = f"{born.timestamp() - 60:.6f}", ""
        while True:
            page = partial(
                client.conversations_replies,
                oldest=oldest,
                limit=PAGE,
                cursor=cursor or None,
                include_all_metadata=True,
            )
            told = await self._bot.channels.as_member(
                due.workspace, due.channel, partial(page, channel=due.channel, ts=due.thread)
            )
            for message in told["messages"]:
                yield message
            cursor = (told.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return

    async def _keep(self, turn_id: UUID, what: str, file_id: str | None) -> Mapping[str, str]:
        return await self._services.database.arun(deliveries.keep_file, turn_id, what, file_id)

    async def _let_go(self, client: AsyncWebClient, turn_id: UUID, files: Mapping[str, str]) -> None:
        """Delete files that nobody is to see any more. One that cannot be deleted stays noted."""
        for what, file_id in files.items():
            try:
                await client.files_delete(file=file_id)
            except SlackApiError as error:
                if error.response["error"] not in ("file_not_found", "file_deleted"):
                    log.warning("file %s of turn %s stays: %s", file_id, turn_id, error)
                    continue
            await self._keep(turn_id, what, None)


def _previews(files: Mapping[str, str]) -> Mapping[str, str]:
    return {what: file_id for what, file_id in files.items() if what.startswith(PREVIEW)}


def _gone(error: SlackApiError) -> Exception:
    """The error in the words of `bot.replies`, or itself when another try may well succeed."""
    what = error.response["error"]
    if what == "message_not_found":
        return MessageGone(what)
    if what in OURS_NO_MORE:
        return MessageTooOld(what)
    if what in NOBODY_SEES:
        return ThreadGone(what)
    return error
