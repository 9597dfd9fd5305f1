"""Pictures of stories, rendered once into one file on disk, by processes that can be killed and go on.

`pictures.bin` holds SIZE × SIZE × 3 bytes a picture, turn after turn, story after story; `done.bin` one byte a story.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from worker.training.scenes import SIZE, draw_shot
from worker.training.stories import TURNS, story

if TYPE_CHECKING:
    from numpy.typing import NDArray

VERSION = "4"  # of the art and the stories: pictures of another version are rendered anew


class PictureCache:
    """The rendered pictures of `stories` stories of one split. Open it in as many processes as you like."""

    def __init__(self, folder: Path, stories: int, split: str = "train") -> None:
        self.split = split
        self.stories = self.count = stories
        home = folder / f"pictures-{VERSION}-{split}-{stories}"
        home.mkdir(parents=True, exist_ok=True)
        self._pictures = open_file(home / "pictures.bin", np.uint8, (stories, TURNS, SIZE, SIZE, 3))
        self._done = open_file(home / "done.bin", np.uint8, (stories,))

    def render(self, part: int = 0, parts: int = 1) -> Iterator[int]:
        """Render what is missing of every `parts`-th story; yields the number of each story that is done."""
        for number in range(part, self.stories, parts):
            if not self._done[number]:
                told = story(number, self.split)
                for turn in range(TURNS):
                    self._pictures[number, turn] = np.asarray(draw_shot(told.shot(turn)))
                self._done[number] = 1
                yield number

    def ready(self) -> NDArray[np.int64]:
        """The numbers of the stories whose pictures are there."""
        return np.flatnonzero(self._done)

    def pictures(self, stories: NDArray[np.int64], turns: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Pictures, (n, SIZE, SIZE, 3)."""
        return np.asarray(self._pictures[stories, turns])


def open_file(file: Path, kind: type[Any], shape: tuple[int, ...]) -> np.memmap[Any, Any]:
    """An array that lies in a file, which is made with zeros when it is not there."""
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    with file.open("ab") as handle:
        if handle.tell() != size:
            os.ftruncate(handle.fileno(), size)
    return np.memmap(file, kind, "r+", shape=shape)


def main() -> None:
    """Render a part: FOLDER STORIES PART PARTS."""
    import sys

    folder, stories, part, parts = Path(sys.argv[1]), *map(int, sys.argv[2:5])
    for _ in PictureCache(folder, stories).render(part, parts):
        pass


if __name__ == "__main__":
    main()
