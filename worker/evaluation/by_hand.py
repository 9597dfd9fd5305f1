"""Messages written by hand, outside any grammar, and what their pictures ought to show.

`by_hand.jsonl` has one object a line: `say`, the messages of a conversation, and what the last picture has to show:
`place`, `night`, `framing`, and `people` from left to right, each with what was said of them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from worker.engines.contract import Engine
from worker.evaluation.measures import Judges
from worker.evaluation.talk import Talk
from worker.history.segments import SegmentStore
from worker.identity.drawn import Seen

FILE = Path(__file__).with_name("by_hand.jsonl")


def written() -> list[dict[str, Any]]:
    """All that was written by hand."""
    return [json.loads(line) for line in FILE.read_text().splitlines() if line.strip()]


def asked_and_shown(engine: Engine, judges: Judges, count: int | None = None) -> dict[str, list[bool]]:
    """By attribute, whether what was asked for is to be seen; of the first `count` conversations."""
    shown: dict[str, list[bool]] = {}
    for number, one in enumerate(written()[:count]):
        talk = Talk(engine, seed=40_000 + number, segments=SegmentStore(memory_bytes=2**26))
        for message in one["say"]:
            picture = talk.say(message).picture
        seen = judges.reader.read(picture) if picture is not None else None
        for name, right in compared(one, seen).items():
            shown.setdefault(name, []).extend(right)
    return shown


def compared(asked: dict[str, Any], seen: Seen | None) -> dict[str, list[bool]]:
    """By attribute, whether it is as asked for. A value that is a list allows each of its words."""
    right: dict[str, list[bool]] = {}
    for name in ("place", "night", "framing"):
        if name in asked:
            right[name] = [seen is not None and _fits(getattr(seen, name), asked[name])]
    people = asked.get("people", [])
    if people:
        right["count"] = [seen is not None and len(seen.people) == len(people)]
    for position, person in enumerate(people):
        read = seen.people[position] if seen is not None and len(seen.people) == len(people) else None
        for name, value in person.items():
            right.setdefault(name, []).append(read is not None and _fits(getattr(read, name), value))
    return right


def _fits(read: object, wanted: object) -> bool:
    return read in wanted if isinstance(wanted, list) else read == wanted
