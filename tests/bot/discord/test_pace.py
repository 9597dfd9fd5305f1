"""Previews leave room for replies: in each channel, and over all."""

from __future__ import annotations

from bot.discord.pace import ALL, CHANNEL, Pace


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
