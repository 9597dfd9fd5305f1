"""App Home: the characters, the person's conversations, what holds here and how much is left today; for admins how it stands.

It is published when somebody opens it and after each change that they make, whole each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from slack_sdk.errors import SlackApiError
from sqlalchemy.orm import Session

from bot.characters import Page
from bot.slack import characters, conversations, faces, menu, preferences
from bot.slack.blocks import (
    Json,
    actions,
    button,
    context,
    divider,
    header,
    home,
    mrkdwn,
    pictures_of,
    plain,
    section,
    without_pictures,
)
from bot.slack.rooms import NOT_READY, Visit
from storage import admin
from storage.admin import Rules, turns_of
from storage.conversations import TakenPart
from storage.preferences import Preferences, workspace_settings

SIZE = 6  # characters that are shown
RECENT = 5  # conversations
FRESH = 1.5  # seconds until Slack has read a picture, as a rule


@dataclass(frozen=True, slots=True)
class Today:
    """What a person may use: turns of today that count, and how many they have; 0 is without an end."""

    used: int
    quota: int

    def in_words(self) -> str:
        """As a sentence."""
        if not self.quota:
            return f"You used {turns_of(self.used)} today; there is no quota here."
        return f"You used {self.used:,} of {turns_of(self.quota)} today. Days begin at midnight UTC."


async def publish(visit: Visit) -> None:
    """Show somebody their Home as it is now: without pictures that Slack has not read yet."""
    shown = await _view(visit)
    try:
        await visit.client.views_publish(user_id=visit.person.id, view=shown)
    except SlackApiError as error:
        if not pictures_of(shown) or error.response["error"] not in NOT_READY:
            raise
        await visit.client.views_publish(user_id=visit.person.id, view=without_pictures(shown))
        await faces.forget_gone(visit, shown)
        await _view(visit)  # uploads those anew
        await asyncio.sleep(FRESH)
        await visit.client.views_publish(user_id=visit.person.id, view=await _view(visit))


async def _view(visit: Visit) -> Json:
    workspace_id = await visit.workspace()
    people = await visit.bot.characters.page(workspace_id, None, visit.who, 0, size=SIZE)
    known = await conversations.recent(visit, RECENT)
    held, _ = await visit.bot.choices.read(workspace_id, None)
    standing: list[str] = []
    if visit.may_see_admin():
        service, by = visit.administration, visit.admin
        if visit.person.moderates:
            standing = [await service.status(by), await service.votes(by)]
        standing.append(await service.workers(by))
    return view(
        people,
        await faces.of(visit, [one.picture for one in people.people]),
        known,
        await conversations.links(visit, known),
        held,
        await visit.bot.services.database.arun(_today, workspace_id, visit.person.id),
        standing,
    )


def _today(session: Session, workspace_id: UUID, author: str) -> Today:
    rules = Rules.of(workspace_settings(session, workspace_id))
    return Today(admin.used_today(session, workspace_id, author), rules.quota)


# -- what it looks like ------------------------------------------------------------------------------------------------


def view(
    people: Page,
    pictures: Sequence[str | None],
    recent: Sequence[TakenPart],
    links: Sequence[str],
    held: Preferences,
    today: Today,
    standing: Sequence[str] = (),
) -> Json:
    """All of it. `standing` is what an admin is told, each part in words."""
    blocks = [header("Characters")]
    blocks += [characters.about(known, file_id) for known, file_id in zip(people.people, pictures, strict=True)]
    if not people.people:
        blocks.append(section(plain(characters.NOBODY)))
    row = [button("New character", menu.opens("newcharacter"))]
    if people.people:
        row = [characters.choose(people), *row, button("All characters", menu.opens("characters"))]
    blocks += [actions(*row), divider(), header("Your conversations")]
    blocks += [conversations.entry(one, link) for one, link in zip(recent, links, strict=True)]
    if not recent:
        blocks.append(section(plain(conversations.NONE_YET)))
    row = [button("Draw", menu.opens("draw"))]
    if recent:
        row.append(button("More", menu.opens("conversations")))
    blocks += [actions(*row), divider(), header("What holds here")]
    blocks.append(section(mrkdwn(preferences.lines(held, in_thread=False)), button("Settings", menu.opens("settings"))))
    blocks.append(context(plain(today.in_words())))
    if standing:
        blocks += [divider(), header("For admins")]
        blocks += [section(plain(part)) for part in standing]
        blocks.append(actions(button("Manage", menu.opens("admin"))))
    blocks += [divider(), actions(button("Help", menu.opens("help")), button("Forget me", menu.opens("forgetme")))]
    return home(blocks)
