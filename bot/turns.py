"""The door into Likeness: an adapter hands over a `Request`, and gets a receipt or, for a command, an answer.

It fetches and checks attachments, rings workers, and keeps the promise that what was received is never lost. It knows
nothing of any platform: how an attachment's link is opened is the adapter's `fetch`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from bot import sentences
from bot.commands import Command, parse
from bot.sentences import GONE, MINE
from bot.services import Services
from storage import admin, characters, deliveries, turns, votes
from storage.blobs import BlobMissing, key_for
from storage.intake import PictureRefused, check_picture
from storage.sentences import CANCELLED, NOT_FETCHED
from storage.tables import Audit, Conversation, Kind, Status, Turn, Workspace
from storage.turns import Known, Limits, Receipt, Request, StoredBlob

log = logging.getLogger(__name__)

FETCH_PATIENCE = timedelta(minutes=5)
UPLOAD_LINK = "blob:uploads/"  # an attachment that lies in our own blob store already, such as an upload to the studio

Fetch = Callable[[str], Awaitable[bytes]]


class AttachmentGone(Exception):
    """A link that will never open again, or that we must not open; the message is for the person."""


@dataclass(frozen=True, slots=True)
class Who:
    """Somebody, by the platform's own id, and whether they may end what others asked for."""

    author: str
    moderates: bool = False

    def may_end(self, session: Session, turn: Turn) -> bool:
        """Whether they may end a turn."""
        return Status(turn.status).final or self.owns(session, turn)

    def owns(self, session: Session, turn: Turn) -> bool:
        """Whether a turn is theirs to change."""
        return self.moderates or turns.asked_by(session, turn) == self.author


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command says, at once and without a turn."""

    text: str
    conversation_id: UUID | None = None


class Turns:
    """Receives requests and admits what they bring."""

    def __init__(self, services: Services, platform: str, fetch: Fetch | None = None) -> None:
        self._services = services
        self._platform = platform
        self._fetch = fetch
        self._settings = services.settings
        self._tasks: set[asyncio.Task[None]] = set()

    async def receive(self, request: Request) -> Receipt | Answer:
        """Take a request in. When this returns, the turn is committed and will end in exactly one visible reply."""
        command = parse(request.text) if request.kind is Kind.SAY and not request.attachments else None
        if command is Command.AGAIN:
            request = await self._services.database.arun(_again, request)
        elif command is not None:
            answer = await self._services.database.arun(_obey, command, request)
            await self._ring_for_children()
            return answer
        receipt = await self._services.database.arun(
            turns.receive,
            request,
            engine=self._settings.engine,
            limits=Limits(self._settings.text_limit, self._settings.attachments_limit),
        )
        if receipt.status is Status.RECEIVED:
            self._later(self.admit(receipt.turn_id))
        elif receipt.ring:
            await asyncio.to_thread(self._services.bell.ring, receipt.engine)
        return receipt

    async def workspace(self, platform: str, external_id: str, name: str = "") -> UUID:
        """The id of a workspace, which is made when it is met for the first time."""
        return await self._services.database.arun(turns.workspace, platform, external_id, name)

    async def cancel(self, workspace_id: UUID, turn_id: UUID) -> bool:
        """End a turn that has not ended. False: it had ended already."""
        ended = await self._services.database.arun(turns.cancel, workspace_id, turn_id)
        await self._ring_for_children()
        return ended

    async def undo(
        self,
        workspace_id: UUID,
        conversation_id: UUID,
        source_id: str,
        who: Who | None = None,
        only: UUID | None = None,
    ) -> str:
        """Take the conversation back by one turn, once for each source id, and return what to say.

        `who` may not undo what others are just waiting for; without it everything may be. With `only`, nothing but that turn.
        """
        said = await self._services.database.arun(_undo, workspace_id, conversation_id, source_id, who, only)
        await self._ring_for_children()
        return said

    async def known(self, platform: str, workspace: str, turn_id: UUID) -> Known | None:
        """A turn of a workspace by the platform's id of that; None when there is no such turn there."""
        return await self._services.database.arun(turns.known, platform, workspace, turn_id)

    async def shown_in(self, platform: str, workspace: str, message_id: str) -> UUID | None:
        """The turn whose reply is this message."""
        return await self._services.database.arun(deliveries.turn_of_message, platform, workspace, message_id)

    async def conversation(self, workspace_id: UUID, channel: str, thread: str) -> UUID:
        """The conversation of a thread, which is made when it is met for the first time."""
        return await self._services.database.arun(turns.conversation, workspace_id, channel, thread)

    async def vote(self, turn: Known, author: str, author_name: str, *, likes: bool) -> str | None:
        """Note whether somebody likes a picture. Returns why it is not noted, if it is not."""

        def cast(session: Session) -> bool:
            return votes.cast(session, turn.workspace_id, turn.turn_id, author, author_name, likes=likes)

        return await self._services.database.arun(_vote, turn, author, cast)

    async def pick(self, workspace_id: UUID, turn_id: UUID, position: int, who: Who) -> str:
        """Have one of a turn's variations be its picture, and return what to say."""
        return await self._services.database.arun(_pick, workspace_id, turn_id, position, who)

    async def delete(self, workspace_id: UUID, turn_id: UUID, source_id: str, who: Who) -> str:
        """Delete a turn with all that was drawn, and return what to say."""
        said = await self._services.database.arun(_delete, workspace_id, turn_id, source_id, who)
        await self._ring_for_children()
        return said

    async def prefer(self, turn: Known, author: str, author_name: str, position: int) -> str | None:
        """Note which of two compared pictures somebody likes better. Returns why it is not noted, if it is not."""

        def cast(session: Session) -> bool:
            return votes.prefer(session, turn.workspace_id, turn.turn_id, author, author_name, position)

        return await self._services.database.arun(_vote, turn, author, cast)

    async def _ring_for_children(self) -> None:
        """What waited for a turn that was just ended can be drawn now."""
        await asyncio.to_thread(self._services.bell.ring_until, self._settings.engine, 1)

    async def admit(self, turn_id: UUID) -> None:
        """Fetch, check and keep what a received turn brings, then queue it; or refuse it with a sentence.

        What may yet succeed (a host or a disk that is away) is left as it is: the sweeper calls again, for five minutes.
        """
        row = await self._services.database.arun(_received, turn_id)
        if row is None:
            return
        workspace_id, platform, engine, links, created_at = row
        if platform != self._platform and not all(link.startswith(UPLOAD_LINK) for link in links):
            return  # only a bot of that platform can open such links
        pictures: list[StoredBlob] = []
        remark = ""
        problem: str | None = None
        try:
            for link in links:
                kept = await asyncio.to_thread(keep_picture, self._services, workspace_id, await self._open(link))
                pictures.append(kept.blob)
                remark = kept.remark or remark
        except (PictureRefused, AttachmentGone) as error:
            problem = str(error)
        except Exception as error:  # whatever a platform's client raises, the turn must end in time
            log.warning("attachments of turn %s could not be kept yet: %r", turn_id, error)
            if datetime.now(UTC) - created_at < FETCH_PATIENCE:
                return
            problem = turns.failure(turn_id, NOT_FETCHED)
        ring = await self._services.database.arun(turns.admit, turn_id, pictures, problem=problem, remark=remark)
        if ring:
            await asyncio.to_thread(self._services.bell.ring, engine)

    async def keep_upload(self, workspace_id: UUID, data: bytes) -> str:
        """Keep bytes that came with a form, unchecked, and return the link that a request may carry as an attachment."""
        key = key_for(workspace_id, "uploads", data, ".bin")
        await asyncio.to_thread(self._services.blobs.put, key, data, content_type="application/octet-stream")
        return "blob:" + key

    async def settle(self) -> None:
        """Wait for the admissions that run in the background; for a process that is about to end."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _open(self, link: str) -> bytes:
        if link.startswith(UPLOAD_LINK):
            try:
                return await asyncio.to_thread(self._services.blobs.get, link.removeprefix("blob:"))
            except BlobMissing as error:
                raise AttachmentGone(sentences.ATTACHMENT_GONE) from error
        if self._fetch is None:
            raise AttachmentGone(sentences.NO_LINKS)
        return await self._fetch(link)

    def _later(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(_logged(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@dataclass(frozen=True, slots=True)
class KeptPicture:
    """A picture that came in and is kept, and what the person should be told of it."""

    blob: StoredBlob
    remark: str


def keep_picture(services: Services, workspace_id: UUID, data: bytes) -> KeptPicture:
    """Check a picture that came in, and keep it. Raises `PictureRefused` or `BlobsUnavailable`. Blocks."""
    intake = check_picture(data, max_bytes=services.settings.attachment_bytes)
    key = key_for(workspace_id, "references", intake.data, intake.suffix)
    services.blobs.put(key, intake.data, content_type=intake.content_type)
    return KeptPicture(
        StoredBlob(key, len(intake.data), intake.content_type), sentences.ANIMATED if intake.was_animated else ""
    )


async def _logged(work: Awaitable[None]) -> None:
    try:
        await work
    except Exception:  # a background task has no caller; the sweeper takes the turn up again
        log.exception("an admission failed and will be tried again")


def _received(session: Session, turn_id: UUID) -> tuple[UUID, str, str, list[str], datetime] | None:
    row = session.execute(
        select(Turn.workspace_id, Workspace.platform, Turn.engine, Turn.attachments, Turn.created_at)
        .join(Workspace, Workspace.id == Turn.workspace_id)
        .where(Turn.id == turn_id, Turn.status == Status.RECEIVED)
    ).one_or_none()
    return None if row is None else (row.workspace_id, row.platform, row.engine, list(row.attachments), row.created_at)


def _find(session: Session, request: Request) -> tuple[UUID, UUID, UUID | None] | None:
    row = session.execute(
        select(Workspace.id, Conversation.id.label("conversation_id"), Conversation.head_id)
        .join(Conversation, Conversation.workspace_id == Workspace.id)
        .where(
            Workspace.platform == request.platform,
            Workspace.external_id == request.workspace,
            Conversation.channel == request.channel,
            Conversation.thread == request.thread,
        )
    ).one_or_none()
    return None if row is None else (row.id, row.conversation_id, row.head_id)


def _again(session: Session, request: Request) -> Request:
    """The same turn as the one replied to, or as the head, with another seed."""
    target = request.reply_to
    if target is None:
        found = _find(session, request)
        target = turns.standing(session, *found[::2]) if found else None
    return replace(request, kind=Kind.AGAIN, reply_to=target)


def _obey(session: Session, command: Command, request: Request) -> Answer:
    """Carry a command out, once for each source id: a message that arrives twice is obeyed once."""
    if command is Command.HELP:
        return Answer(sentences.HELP)
    found = _find(session, request)
    if command is Command.CHARACTERS:
        workspace_id = found[0] if found else turns.workspace(session, request.platform, request.workspace)
        known = characters.listed(session, workspace_id, found[1] if found else None)
        names = ", ".join(dict.fromkeys(character.name for character in known))
        return Answer(sentences.CHARACTERS.given(names=names) if names else sentences.NOBODY)
    if found is None:
        return Answer(sentences.NOTHING_HERE.then(sentences.HELP))
    workspace_id, conversation_id, head_id = found
    who = Who(request.author, request.moderates)
    if command is Command.UNDO:
        said = _undo(session, workspace_id, conversation_id, request.source_id, who)
    else:
        said = _cancel(session, workspace_id, head_id, request.source_id, who)
    return Answer(said, conversation_id)


def _cancel(session: Session, workspace_id: UUID, head_id: UUID | None, source_id: str, who: Who) -> str:
    head = session.get(Turn, head_id) if head_id is not None else None
    if head is not None and not who.may_end(session, head):
        return MINE
    if not _first_time(session, workspace_id, source_id, Command.CANCEL):
        return sentences.OBEYED
    stopped = head is not None and turns.cancel(session, workspace_id, head.id)
    return CANCELLED if stopped else sentences.NOTHING_DRAWN


def _first_time(session: Session, workspace_id: UUID, source_id: str, action: str) -> bool:
    """Whether a command is met for the first time: what arrives twice, or is tried again, is obeyed once."""
    noted = session.scalar(
        insert(Audit)
        .values(id=uuid7(), workspace_id=workspace_id, source_id=source_id, action=action)
        .on_conflict_do_nothing()
        .returning(Audit.id)
    )
    return noted is not None


def _undo(
    session: Session,
    workspace_id: UUID,
    conversation_id: UUID,
    source_id: str,
    who: Who | None = None,
    only: UUID | None = None,
) -> str:
    if who is not None and (refused := admin.barred(session, workspace_id, who.author)) is not None:
        return refused
    if not _first_time(session, workspace_id, source_id, Command.UNDO):
        return sentences.OBEYED
    turn = turns.undoable(session, workspace_id, conversation_id)
    if turn is None:
        return sentences.NOTHING_TO_UNDO
    if only is not None and turn.id != only:
        return sentences.NOT_LATEST
    if who is not None and not who.may_end(session, turn):
        return MINE
    turns.undo(session, workspace_id, conversation_id)
    left = turns.undoable(session, workspace_id, conversation_id)
    return sentences.STARTING_AFRESH if left is None else sentences.ONE_BACK


def _vote(session: Session, turn: Known, author: str, cast: Callable[[Session], bool]) -> str | None:
    refused = admin.barred(session, turn.workspace_id, author)
    return refused or (None if cast(session) else GONE)


def _refused(session: Session, workspace_id: UUID, turn_id: UUID, who: Who) -> str | None:
    """Why somebody may not change a turn, as a sentence; None when they may."""
    if (barred := admin.barred(session, workspace_id, who.author)) is not None:
        return barred
    turn = session.scalar(select(Turn).where(Turn.workspace_id == workspace_id, Turn.id == turn_id))
    if turn is None:
        return GONE
    return None if who.owns(session, turn) else MINE


def _pick(session: Session, workspace_id: UUID, turn_id: UUID, position: int, who: Who) -> str:
    if (refused := _refused(session, workspace_id, turn_id, who)) is not None:
        return refused
    if not turns.pick(session, workspace_id, turn_id, position):
        return GONE
    deliveries.show_again(session, turn_id)
    return sentences.PICKED.given(number=position + 1)


def _delete(session: Session, workspace_id: UUID, turn_id: UUID, source_id: str, who: Who) -> str:
    if (refused := _refused(session, workspace_id, turn_id, who)) is not None:
        return refused
    gone = turns.delete_turn(session, workspace_id, turn_id)
    if gone:
        by = turns.person(session, workspace_id, who.author)
        what = {"turn": str(turn_id)}
        session.add(Audit(workspace_id=workspace_id, source_id=source_id, person_id=by, action="delete", details=what))
    deliveries.take_away(session, *(gone or [turn_id]))  # what was deleted before may still be shown
    return sentences.DELETED
