"""How the shapes of pictures are called."""

from __future__ import annotations

from storage.aspects import named


def test_sizes_are_called_by_the_nearest_usual_aspect_and_each_name_is_there_once() -> None:
    assert list(named(((1024, 1024), (1184, 880), (880, 1184), (1344, 768), (1360, 768)))) == [
        *("1:1", "4:3", "3:4", "16:9", "1360x768")
    ]
    assert named(((256, 64),)) == {"4:1": (256, 64)}, "and by none that is far from it"
