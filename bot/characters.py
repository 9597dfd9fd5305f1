"""Characters as people meet them on any platform: created from words and pictures, listed with faces, changed.

What can be expected to go wrong is raised as `CharacterProblem`, `PictureRefused` or `BlobsUnavailable`, each a sentence to
the person. It knows nothing of forms or modals.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from sqlalchemy.orm import Session

from bot.sentences import CREATED, KNOWN, NOT_YOURS, PHOTOGRAPHED, PROMOTED, REMOVED, RENAMED, UNAGREED
from bot.services import Services
from bot.turns import Who, keep_picture
from storage import admin, characters, conversations, turns
from storage.characters import CharacterProblem
from storage.conversations import InScope
from storage.sentences import Sentence
from storage.tables import Character


@dataclass(frozen=True, slots=True)
class Author:
    """Who does something, by the platform's own id."""

    id: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class CharacterView:
    """A character as it is shown; `picture` is the blob of the picture that shows them best, if there is one."""

    id: UUID
    name: str
    description: str
    everywhere: bool
    picture: str | None
    changeable: bool = True  # by whoever looks


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the characters, by name. Pages are numbered from 0."""

    people: tuple[CharacterView, ...]
    number: int
    pages: int
    count: int


class Characters:
    """Of one process's services."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(
        self,
        workspace_id: UUID,
        conversation_id: UUID | None,
        *,
        name: str,
        description: str,
        pictures: Sequence[bytes | Awaitable[bytes]] = (),
        author: Author | None = None,
        consent: bool = False,
    ) -> Sentence:
        """Create a character of a conversation, or of the workspace, and return what to say.

        `consent` is whether everybody in the pictures agrees to `storage.characters.CONSENT`; who agreed is kept.
        """
        kept = []
        for one in pictures:
            data = one if isinstance(one, bytes) else await one
            kept.append(await asyncio.to_thread(keep_picture, self._services, workspace_id, data))

        def create(session: Session) -> None:
            _admit(session, workspace_id, author)
            by = None if author is None else turns.person(session, workspace_id, author.id, author.name)
            characters.create(
                session,
                workspace_id,
                conversation_id,
                name=name,
                description=description,
                created_by=by,
                references=[picture.blob for picture in kept],
                consent=characters.CONSENT if kept and consent else "",
            )

        await self._services.database.arun(create)
        remarks = {picture.remark for picture in kept if picture.remark}
        return CREATED.given(name=characters.clean_name(name)).then(*remarks)

    async def shown(
        self, workspace_id: UUID, conversation_id: UUID | None, line: Sequence[UUID] = ()
    ) -> list[CharacterView]:
        """Everybody whom the workspace knows, and with a conversation those who can be drawn on a line of its turns."""

        def look(session: Session) -> list[CharacterView]:
            if conversation_id is None:
                known = {one.id: (one.name, one.description) for one in characters.listed(session, workspace_id)}
            else:
                scope = conversations.in_scope(session, workspace_id, conversation_id, line)
                known = {one.id: (one.name, one.description) for one in scope}
            faces = characters.faces(session, workspace_id, list(known))
            return [
                CharacterView(one, name, description, faces[one].everywhere, faces[one].blob_key)
                for one, (name, description) in known.items()
            ]

        return await self._services.database.arun(look)

    async def page(self, workspace_id: UUID, conversation_id: UUID | None, who: Who, number: int, *, size: int) -> Page:
        """A page of those who can be drawn by name here; the last one where there are not so many."""

        def look(session: Session) -> Page:
            here: list[Character | InScope]
            if conversation_id is None:
                here = [*characters.listed(session, workspace_id)]
            else:
                here = [*conversations.at_head(session, workspace_id, conversation_id)]
            pages = max(1, -(-len(here) // size))
            nth = min(max(0, number), pages - 1)
            here.sort(key=lambda one: (one.name.casefold(), one.id))
            return Page(_views(session, workspace_id, here[nth * size :][:size], who), nth, pages, len(here))

        return await self._services.database.arun(look)

    async def one(self, workspace_id: UUID, character_id: UUID, who: Who) -> CharacterView | None:
        """A character of the workspace; None when they were deleted."""

        def look(session: Session) -> CharacterView | None:
            known = characters.one(session, workspace_id, character_id)
            return None if known is None else _views(session, workspace_id, [known], who)[0]

        return await self._services.database.arun(look)

    async def names(self, platform: str, workspace: str, channel: str, thread: str) -> list[str]:
        """Names of those who can be drawn in a thread, by the platform's own ids; without one those of the workspace."""

        def look(session: Session) -> list[str]:
            found = conversations.find(session, platform, workspace, channel, thread)
            if found is None:
                return []
            workspace_id, conversation_id = found
            if conversation_id is None:
                return [one.name for one in characters.listed(session, workspace_id)]
            here = conversations.at_head(session, workspace_id, conversation_id)
            return sorted((one.name for one in here), key=str.casefold)

        return await self._services.database.arun(look)

    async def add_photos(
        self,
        workspace_id: UUID,
        character_id: UUID,
        pictures: Sequence[bytes | Awaitable[bytes]],
        who: Who,
        author: Author,
        *,
        consent: bool,
    ) -> str:
        """Add pictures that show a character, and return what to say. `consent` is as in `create`."""
        kept = []
        for one in pictures:
            data = one if isinstance(one, bytes) else await one
            kept.append(await asyncio.to_thread(keep_picture, self._services, workspace_id, data))

        def add(session: Session) -> Sentence:
            _admit(session, workspace_id, author)
            _check(session, workspace_id, character_id, who)
            known = characters.one(session, workspace_id, character_id)
            agreed = known is not None and known.consent is not None
            if not characters.add_references(
                session,
                workspace_id,
                character_id,
                [picture.blob for picture in kept],
                agreed_by=turns.person(session, workspace_id, author.id, author.name),
                consent=characters.CONSENT if consent else "",
            ):
                return KNOWN
            lost = known is not None and known.consent is None and (agreed or consent)
            remarks = {picture.remark for picture in kept if picture.remark}
            return PHOTOGRAPHED.then(*([UNAGREED] if lost else []), *remarks)

        return await self._services.database.arun(add)

    async def rename(self, workspace_id: UUID, character_id: UUID, name: str, who: Who | None = None) -> str:
        """Give a character another name. In this and what follows, without `who` anybody may."""
        await self._change(workspace_id, character_id, who, partial(characters.rename, name=name))
        return RENAMED

    async def promote(self, workspace_id: UUID, character_id: UUID, who: Who | None = None) -> str:
        """Let all conversations of the workspace use a character."""
        await self._change(workspace_id, character_id, who, characters.promote)
        return PROMOTED

    async def remove(self, workspace_id: UUID, character_id: UUID, who: Who | None = None) -> str:
        """Delete a character and let go of the pictures that show them."""
        await self._change(workspace_id, character_id, who, characters.remove)
        return REMOVED

    async def _change(
        self, workspace_id: UUID, character_id: UUID, who: Who | None, change: Callable[[Session, UUID, UUID], None]
    ) -> None:
        def work(session: Session) -> None:
            _check(session, workspace_id, character_id, who)
            change(session, workspace_id, character_id)

        await self._services.database.arun(work)


def naming(text: str, names: Sequence[str]) -> str:
    """A wish that names those who were chosen beside it, as whoever reads it wants them named: once each."""
    unnamed = [one for one in names if re.search(rf"(?<!\w){re.escape(one)}(?!\w)", text, re.IGNORECASE) is None]
    if not unnamed:
        return text
    *first, last = unnamed
    return f"{', '.join(first)} and {last}, {text}" if first else f"{last}, {text}"


def _views(
    session: Session,
    workspace_id: UUID,
    known: Sequence[Character | InScope],
    who: Who,
) -> tuple[CharacterView, ...]:
    faces = characters.faces(session, workspace_id, [one.id for one in known])
    return tuple(
        CharacterView(
            one.id,
            one.name,
            one.description,
            faces[one.id].everywhere,
            faces[one.id].blob_key,
            who.moderates or faces[one.id].author == who.author,
        )
        for one in known
    )


def _check(session: Session, workspace_id: UUID, character_id: UUID, who: Who | None) -> None:
    """Raise `CharacterProblem` where somebody may not change a character: one that is gone belongs to nobody."""
    if who is None or who.moderates:
        return
    face = characters.faces(session, workspace_id, [character_id]).get(character_id)
    if face is not None and face.author != who.author:
        raise CharacterProblem(NOT_YOURS)


def _admit(session: Session, workspace_id: UUID, author: Author | None) -> None:
    """Raise `CharacterProblem` for somebody who is blocked here."""
    refused = None if author is None else admin.barred(session, workspace_id, author.id)
    if refused is not None:
        raise CharacterProblem(refused)
