"""The studio as a platform of replies. Pages are rendered from the tables, so a reply is shown when it is there."""

from __future__ import annotations

from uuid import UUID

from storage.deliveries import Due

PLATFORM = "web"


class WebPlatform:
    """Every call is idempotent: the page that shows a turn shows it once however often it is told to."""

    name = PLATFORM

    async def post(self, due: Due) -> str:
        """The page reads the turn itself; its address is the message's id."""
        return f"{PLATFORM}:{due.turn_id}"

    async def edit(self, due: Due, message_id: str) -> None:
        """Nothing to change: the page is rendered anew."""

    async def find(self, due: Due) -> str | None:
        """A turn that can be read is shown."""
        return f"{PLATFORM}:{due.turn_id}"

    async def post_placeholder(self, turn_id: UUID, channel: str, thread: str) -> str:
        """The page shows a waiting turn by itself."""
        return f"{PLATFORM}:{turn_id}"
