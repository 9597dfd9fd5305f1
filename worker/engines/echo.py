"""`echo`: writes the turn's id and seed into a picture, at once. For tests and benchmarks only, and never a default.

It reads nothing of the history but its length, so it can show that turns were drawn in order and on the right line. A
message may ask it to misbehave, which is how the tests of the queue delay, break or hang a drawing:
`sleep 2` pauses, `fail` raises, `refuse` ends as refused, `fill memory` is more than its memory holds, unless it draws with less,
and `fill all memory` even then.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from storage.aspects import named
from worker.engines.contract import (
    Abilities,
    ChatMessage,
    Drawing,
    NewCharacter,
    OnReply,
    OnStep,
    OutOfMemory,
    Reading,
    Record,
    Refused,
    Step,
    no_reply,
    one_by_one,
)

if TYPE_CHECKING:
    from worker.history import History

SIZES = ((256, 64), (256, 256))
_FONT = ImageFont.load_default_imagefont()  # of fixed bitmaps: at once

_SLEEP = re.compile(r"\bsleep (\d+(?:\.\d+)?)\b")
_NAME = re.compile(r"\bdraw ([A-Z][a-z]+)\b")


class EchoEngine:
    """The engine that draws what it was asked, in letters."""

    fingerprint = "echo-1"
    abilities = Abilities(
        sizes=SIZES,
        characters_per_picture=1,
        context_tokens=0,
        languages=("en",),
        cannot=("I only write down what I was asked; I do not draw.",),
    )

    def read(self, history: History, message: ChatMessage, *, on_reply: OnReply = no_reply) -> Reading:
        """A reply that says how many turns came before; `draw NAME` introduces or shows a character."""
        if "refuse" in message.text:
            raise Refused("I was asked to refuse, so I do.")
        if "fail" in message.text:
            raise RuntimeError("I was asked to fail")
        if "fill all memory" in message.text or ("fill memory" in message.text and not message.modest):
            raise OutOfMemory("I was asked to fill it")
        match = _NAME.search(message.text)
        reply = f"Turn {len(history.records) + 1}: {message.text}{' (with less memory)' if message.modest else ''}"
        on_reply(reply)
        known = {character.name: character.id for character in message.characters}
        name = match.group(1) if match else None
        return Reading(
            reply=reply,
            draws=True,
            alt_text=f"The words: {message.text}",
            characters=(known[name],) if name in known else (),
            introduces=(NewCharacter(name, message.text),) if name and name not in known else (),
            tokens_read=len(message.text.split()),
            plan=message,
        )

    def draw(self, reading: Reading, *, turn_id: UUID, seed: int, on_step: OnStep) -> Drawing:
        """A flat picture with the turn's id and the seed in it; its colour is the seed's."""
        message = reading.plan if isinstance(reading.plan, ChatMessage) else ChatMessage("")
        words, size = message.text, named(SIZES).get(message.aspect, SIZES[0])
        pause = _SLEEP.search(words)
        steps = max(1, round(float(pause.group(1)) / 0.05)) if pause else 1
        for step in range(steps):
            if pause:
                time.sleep(0.05)
            on_step(Step(step + 1, steps))
        colour = tuple(hashlib.sha256(str(seed).encode()).digest()[:3])
        picture = Image.new("RGB", size, colour)
        shown = words[:200].encode("latin-1", "replace").decode("latin-1")  # all that the font has
        ImageDraw.Draw(picture).text((8, 8), f"{turn_id}\nseed {seed}\n{shown}", fill="white", font=_FONT)
        return Drawing(
            picture=picture,
            alt_text=reading.alt_text,
            record=Record(
                turn_id=turn_id,
                fingerprint=self.fingerprint,
                text=words,
                reply=reading.reply,
                token_ids=np.zeros(0, np.int32),
                visual_tokens=np.zeros((0, 1), np.float32),
                characters=reading.characters,
            ),
        )

    def draw_several(self, reading: Reading, *, turn_id: UUID, seeds: Sequence[int], on_step: OnStep) -> list[Drawing]:
        """One after the other."""
        return one_by_one(self, reading, turn_id=turn_id, seeds=seeds, on_step=on_step)
