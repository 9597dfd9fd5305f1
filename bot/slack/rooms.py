"""What all windows have in common: who uses one and where, what people can mend, and how a window is filled.

It knows nothing of what any of them shows.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import UUID

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.admin import Admin, Administration
from bot.characters import Author
from bot.slack.blocks import Here, Json, pictures_of, without_pictures
from bot.slack.places import PLATFORM, Person, Place
from bot.turns import Who

if TYPE_CHECKING:
    from bot.slack.app import SlackBot

log = logging.getLogger(__name__)

NOT_READY = ("invalid_blocks", "invalid_arguments")  # what Slack says of pictures that it has not read yet
FRESH = (0.3, 0.6, 1.2, 2.4)  # seconds between tries to show pictures that Slack has just got


class Unfit(Exception):
    """What people can mend themselves, as a sentence to them, and the field that it is about.

    `again` is a button that leads back to the form where it cannot be kept open.
    """

    def __init__(self, field: str, said: str, again: Json | None = None) -> None:
        super().__init__(said)
        self.field, self.again = field, again


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody who uses a window, or opens one. `carried` is what the window carried."""

    bot: SlackBot
    client: AsyncWebClient
    team: str
    team_name: str
    person: Person
    here: Here
    source_id: str
    carried: Json

    @property
    def who(self) -> Who:
        """Whoever it is, for asking what they may."""
        return Who(self.person.id, self.person.moderates)

    @property
    def author(self) -> Author:
        """Whoever it is, with their name."""
        return Author(self.person.id, self.person.name)

    @property
    def place(self) -> Place:
        """Where it is, in the words of the tables."""
        return Place(self.team, self.team_name, self.here.channel, self.here.thread)

    @property
    def admin(self) -> Admin:
        """Whoever it is, with what Slack lets them do."""
        return Admin(PLATFORM, self.team, self.author, self.source_id, self.person.moderates, self.team_name)

    @property
    def administration(self) -> Administration:
        """What admins do."""
        return Administration(self.bot.services)

    def may_see_admin(self) -> bool:
        """Whether there is anything for them in the room of admins."""
        return self.person.moderates or self.bot.services.settings.is_operator(PLATFORM, self.person.id)

    async def workspace(self) -> UUID:
        """The workspace."""
        return await self.bot.turns.workspace(PLATFORM, self.team, self.team_name)

    async def scope(self) -> tuple[UUID, UUID | None]:
        """The workspace, and in a thread the conversation."""
        workspace_id = await self.workspace()
        if not (self.here.channel and self.here.thread):
            return workspace_id, None
        return workspace_id, await self.bot.turns.conversation(workspace_id, self.here.channel, self.here.thread)

    def elsewhere(self, here: Here) -> Visit:
        """The same person, looking at another place."""
        return replace(self, here=here)


async def fill(client: AsyncWebClient, view_id: str, view: Json) -> bool:
    """Have a window show a view: without its pictures at first, where Slack has not read them yet.

    Returns whether Slack would show them at last.
    """
    seen = ""
    for pause in (*FRESH, None):
        try:
            await client.views_update(view_id=view_id, view=view, **({"hash": seen} if seen else {}))
        except SlackApiError as error:
            if seen and error.response["error"] == "hash_conflict":
                return True  # meanwhile it shows something else
            if error.response["error"] not in NOT_READY or not pictures_of(view):
                raise
            if pause is None:
                log.warning("pictures of a window cannot be shown: %s", error)
                return False
            if not seen:
                bare = await client.views_update(view_id=view_id, view=without_pictures(view))
                seen = str(bare["view"]["hash"])
            await asyncio.sleep(pause)
        else:
            return True
    raise AssertionError("the last pause is none")
