"""Characters as people meet them on any platform: created from words and pictures, listed with faces, changed.

What can be expected to go wrong is raised as `CharacterProblem`, `PictureRefused` or `BlobsUnavailable`, each a sentence to
the person. It knows nothing of forms or modals.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from bot.services import Services
from bot.turns import keep_picture
from storage import characters, conversations, turns

RENAMED = "Renamed."
PROMOTED = "All conversations know this character now."
REMOVED = "Deleted. Pictures that were drawn stay."


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
    ) -> str:
        """Create a character of a conversation, or of the workspace, and return what to say.

        `consent` is whether everybody in the pictures agrees to `storage.characters.CONSENT`; who agreed is kept.
        """
        kept = []
        for one in pictures:
            data = one if isinstance(one, bytes) else await one
            kept.append(await asyncio.to_thread(keep_picture, self._services, workspace_id, data))

        def create(session: Session) -> None:
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
        return " ".join([f"{characters.clean_name(name)} can be drawn by name now.", *remarks])

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

    async def rename(self, workspace_id: UUID, character_id: UUID, name: str) -> str:
        """Give a character another name."""
        await self._services.database.arun(characters.rename, workspace_id, character_id, name)
        return RENAMED

    async def promote(self, workspace_id: UUID, character_id: UUID) -> str:
        """Let all conversations of the workspace use a character."""
        await self._services.database.arun(characters.promote, workspace_id, character_id)
        return PROMOTED

    async def remove(self, workspace_id: UUID, character_id: UUID) -> str:
        """Delete a character and let go of the pictures that show them."""
        await self._services.database.arun(characters.remove, workspace_id, character_id)
        return REMOVED
