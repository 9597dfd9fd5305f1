"""How fast this process writes on Slack: a message a second in a channel, and some fifty edits a minute in a team.

Replies wait for their turn; previews are left out when edits come near what Slack allows. Where other processes write too,
Slack says by itself how long to wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from bot.pace import Throttle

POSTS = 1.0  # a second in one channel
EDITS = 50 / 60  # a second in one team
AT_ONCE = 3  # posts in a channel that was silent
PREVIEWS = 10  # edits of the last minute, after which none is left for a preview


class Pace:
    """The messages of one process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._posts: dict[tuple[str, str], Throttle] = {}
        self._edits: dict[str, Throttle] = {}

    async def post(self, team: str, channel: str) -> None:
        """Wait until another message may be posted in a channel."""
        for one in [one for one, throttle in self._posts.items() if not throttle.waiting()]:
            del self._posts[one]
        await self._posts.setdefault((team, channel), Throttle(POSTS, self._clock, AT_ONCE)).turn()

    def edit(self, team: str) -> None:
        """Note an edit that is made now."""
        self._edits.setdefault(team, Throttle(EDITS, self._clock)).delay()

    def leaves_room(self, team: str) -> bool:
        """Whether an edit that could be left out still leaves room for others."""
        return team not in self._edits or self._edits[team].waiting() < PREVIEWS
