"""How fast the bot makes requests of Discord, and that previews leave room for replies."""

from __future__ import annotations

import pytest
from discord.http import Route

from bot.discord.client import LikenessClient
from bot.discord.pace import ALL, CHANNEL, Pace
from bot.pace import BURST, Throttle
from bot.services import Services


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_channel_keeps_room_for_replies_and_has_it_again_after_a_while() -> None:
    clock = Clock()
    pace = Pace(clock)
    for _ in range(CHANNEL[0]):
        assert pace.leaves_room("story")
        pace.spend("story")
    assert not pace.leaves_room("story")
    assert pace.leaves_room("another")
    clock.now = CHANNEL[1]
    assert pace.leaves_room("story")


def test_over_all_half_of_what_discord_allows_is_kept_for_replies() -> None:
    clock = Clock()
    pace = Pace(clock)
    for number in range(ALL[0]):
        assert pace.leaves_room(str(number))
        pace.spend(str(number))
    assert not pace.leaves_room("another")
    clock.now = ALL[1]
    assert pace.leaves_room("another")


def test_no_second_sees_more_requests_than_the_rate_and_a_burst() -> None:
    now = 100.0
    throttle = Throttle(45, lambda: now)
    went = [now + throttle.delay() for _ in range(300)]
    assert went == sorted(went)
    assert went[BURST - 1] == pytest.approx(now), "a few may go at once"
    assert max(sum(1 for one in went if start <= one < start + 1) for start in went) <= 50
    assert went[-1] == pytest.approx(now + (300 - BURST) / 45)


async def test_all_requests_keep_to_the_rate_but_answers_to_interactions(services: Services) -> None:
    client = LikenessClient(services)
    made: list[str] = []

    class Slow(Throttle):
        async def turn(self) -> None:
            made.append("waited")

    async def request(route: Route, **_: object) -> None:
        made.append(route.path)

    client.http.request = request  # type: ignore[method-assign]
    client._keep_to(Slow(1))
    for path in ("/channels/{channel_id}/messages", "/interactions/{id}/{token}/callback"):
        await client.http.request(Route("POST", path, channel_id=1, id=1, token="t"))
    assert made == ["waited", "/channels/{channel_id}/messages", "/interactions/{id}/{token}/callback"]
