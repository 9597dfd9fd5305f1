"""How many messages this process posted on Discord just now.

Discord allows fifty requests a second for all that a bot does, answers to interactions aside, and five posts and edits in
five seconds for a channel. Everything keeps to the first (`bot.pace`); of the second, previews leave room for replies. It
knows nothing of what the requests are.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

CHANNEL = (3, 5.0)  # requests in so many seconds, after which a channel has none left for a preview
ALL = (25, 1.0)


class Pace:
    """The requests of one process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._all: deque[float] = deque()
        self._channels: dict[str, deque[float]] = {}

    def spend(self, channel: str) -> None:
        """Note a request that is made now."""
        for one in [one for one, spent in self._channels.items() if not self._lately(spent, CHANNEL[1])]:
            del self._channels[one]
        now = self._clock()
        self._lately(self._all, ALL[1])
        self._all.append(now)
        self._channels.setdefault(channel, deque()).append(now)

    def leaves_room(self, channel: str) -> bool:
        """Whether a request that could be left out still leaves room for others."""
        here = self._lately(self._channels.get(channel, deque()), CHANNEL[1])
        return here < CHANNEL[0] and self._lately(self._all, ALL[1]) < ALL[0]

    def _lately(self, spent: deque[float], seconds: float) -> int:
        """How many were made in the last seconds; the others are forgotten."""
        now = self._clock()
        while spent and spent[0] <= now - seconds:
            spent.popleft()
        return len(spent)
