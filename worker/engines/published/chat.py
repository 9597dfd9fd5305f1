"""How a conversation is laid out for Qwen3-VL: token ids turn by turn, in the model's own chat format.

It knows the tokenizer and the places of pictures, and nothing of keys, values or weights. What people write is encoded so
that it can never become one of the format's own tokens.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_SPECIAL = re.compile(r"(?<=<)(?=\|)")


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture at its place in a chat, as the reader sees it."""

    label: str
    picture: Image.Image


class Chat:
    """The layout for one tokenizer. `cell` is the side, in pixels, of the square that makes one visual position."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, cell: int) -> None:
        self._tokenizer = tokenizer
        self._cell = cell
        names = ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>")
        self._start, self._end, self._open, self._close, self.pad = (
            int(tokenizer.convert_tokens_to_ids(name)) for name in names
        )

    def words(self, text: str) -> list[int]:
        """Plain text: `<|im_end|>` in it is six harmless characters and more, never the token."""
        return [
            int(one)
            for piece in _SPECIAL.split(text)
            if piece
            for one in self._tokenizer(piece, add_special_tokens=False).input_ids
        ]

    def picture(self, shown: Shown) -> list[int]:
        """A picture with its label before it."""
        count = (shown.picture.width // self._cell) * (shown.picture.height // self._cell)
        label = self.words(f"Picture {shown.label}: ")
        return [*label, self._open, *[self.pad] * count, self._close, *self.words("\n")]

    def system(self, text: str) -> list[int]:
        """What a conversation begins with."""
        return self._said("system", self.words(text))

    def message(self, text: str, pictures: Sequence[Shown]) -> list[int]:
        """A message with its pictures, up to where the answer begins."""
        seen = [one for shown in pictures for one in self.picture(shown)]
        return [*self._said("user", [*seen, *self.words(text)]), *self._begin("assistant")]

    def end(self, drawn: Shown | None) -> list[int]:
        """What follows an answer: its closing tokens, and the picture that came of it."""
        closing = [self._end, *self.words("\n")]
        return closing if drawn is None else [*closing, *self._said("user", self.picture(drawn))]

    def _begin(self, who: str) -> list[int]:
        return [self._start, *self.words(f"{who}\n")]

    def _said(self, who: str, ids: Sequence[int]) -> list[int]:
        return [*self._begin(who), *ids, self._end, *self.words("\n")]
