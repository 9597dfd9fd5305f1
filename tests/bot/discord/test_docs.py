"""What docs/discord.md tells operators is what the code asks for."""

from __future__ import annotations

from pathlib import Path

from bot.discord.client import intents
from bot.discord.places import INVITED_WITH


def test_the_link_asks_for_just_the_permissions_that_are_needed() -> None:
    assert f"permissions={INVITED_WITH.value}`" in Path("docs/discord.md").read_text()


def test_no_privileged_intent_is_asked_for() -> None:
    asked = intents(content=False)
    assert not any((asked.message_content, asked.members, asked.presences))
