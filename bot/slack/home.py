"""App Home: the characters, the person's conversations, what holds here and how much is left today; for admins how it stands.

It is published when somebody opens it and after each change that they make, whole each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.characters import Page
from bot.slack import characters, conversations, menu, preferences
from bot.slack.blocks import Json, actions, button, context, divider, header, home, mrkdwn, plain, section
from storage.admin import turns_of
from storage.conversations import TakenPart
from storage.preferences import Preferences

SIZE = 6  # characters that are shown
RECENT = 5  # conversations


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
        row = [characters.choose(people), *row, button(f"All {people.count:,}", menu.opens("characters"))]
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
