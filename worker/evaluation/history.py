"""What remembering gives and costs: recall after many turns, the time of a late turn, histories restored elsewhere."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

import numpy as np

from worker.engines.contract import Character, Engine
from worker.engines.preview.engine import PreviewEngine
from worker.evaluation.figures import most_memory
from worker.evaluation.measures import TEST, Judges, gallery
from worker.evaluation.talk import Talk
from worker.history import record_from_bytes, record_to_bytes
from worker.history.segments import SegmentStore
from worker.training.dialogues import PLACE_WORDS, Teller
from worker.training.people import CLOTHES, EXPRESSIONS, Person, as_named
from worker.training.stories import scripted

LATE = 50  # turns


@dataclass
class Late:
    """Of conversations of `LATE` turns: whether somebody shown in turn 1 only is right in the last; what turns cost."""

    recalled: list[bool] = field(default_factory=list)
    recalled_told: list[bool] = field(default_factory=list)  # the same, of who is as words told of them
    read_seconds: dict[int, list[float]] = field(default_factory=dict)  # by turn, from 1
    read_anew_seconds: dict[int, list[float]] = field(
        default_factory=dict
    )  # the same without segments, of the first one
    tokens_read: dict[int, list[int]] = field(default_factory=dict)


def late_turns(engine: Engine, hasty: Engine, recalled: Callable[[Person, int, Talk], bool], count: int) -> Late:
    """Somebody comes once, another person has the next turns, and in turn `LATE` the first is called by name.

    `hasty` is the same engine with fewer steps: it draws the turns whose pictures nobody judges. `recalled` says of the
    first person, the number of the conversation, and the conversation itself whether its last picture shows them.
    """
    late = Late()
    for number in range(count):
        rng = random.Random(f"late {number}")
        story = scripted(20_000 + number, TEST, ("open", "switch"))
        teller = Teller(story, number, TEST, thorough=True)
        told = [said for said in teller.tell() if said.turn is not None and said.attached_from is None]
        talk = Talk(hasty, seed=20_000 + number, segments=SegmentStore(memory_bytes=2**28))
        name, other = (teller.names[who] for who in (0, 1))
        messages = [said.message for said in told]
        while len(messages) < LATE - 1:
            place, expression, colour = (rng.choice(list(words)) for words in (PLACE_WORDS, EXPRESSIONS, CLOTHES))
            messages.append(
                rng.choice(
                    (
                        f"{other} {PLACE_WORDS[place][0]}",
                        f"now {other} {EXPRESSIONS[expression]}",
                        f"{other} in {colour}",
                    )
                )
            )
        for turn, message in enumerate(messages, 1):
            start = time.perf_counter()
            talk.read(message)
            late.read_seconds.setdefault(turn, []).append(time.perf_counter() - start)
            if number == 0:
                anew = replace(talk, segments=None)
                start = time.perf_counter()
                anew.read(message)
                late.read_anew_seconds.setdefault(turn, []).append(time.perf_counter() - start)
            late.tokens_read.setdefault(turn, []).append(talk.say(message).tokens_read)
        talk.engine = engine
        place = rng.choice(list(PLACE_WORDS))
        message = f"a portrait of {name} {PLACE_WORDS[place][0]}"
        start = time.perf_counter()
        talk.read(message)
        late.read_seconds.setdefault(LATE, []).append(time.perf_counter() - start)
        late.tokens_read.setdefault(LATE, []).append(talk.say(message).tokens_read)
        late.recalled.append(recalled(story.people[0], number, talk))
        late.recalled_told.append(recalled(as_named(story.people[0]), number, talk))
    return late


def drawn_again(judges: Judges, person: Person, number: int, talk: Talk) -> bool:
    """Whether the last picture shows a drawn person alone, and no other of their gallery."""
    picture = talk.rounds[-1].picture
    seen = judges.reader.read(picture) if picture is not None else None
    if picture is None or seen is None or len(seen.people) != 1:
        return False
    (found,) = judges.meter.embed(picture, seen.framing, 1)
    return int((gallery(judges, person, number) @ found).argmax()) == 0


@dataclass
class Restored:
    """The largest difference between a history restored in another process and one recomputed here."""

    visual: list[float] = field(default_factory=list)  # of the next picture's visual tokens
    pixels: list[float] = field(default_factory=list)  # of the picture, of 255
    reused: list[int] = field(default_factory=list)  # positions that the other process had not to read
    resident: list[float] = field(default_factory=list)  # most memory that the other process had, in MB


def restored(weights: Path | None, count: int) -> Restored:
    """Conversations whose segments lie on disk, gone on with in another process, against reading all anew."""
    found = Restored()
    engine = PreviewEngine.from_pretrained(weights)
    for number in range(count):
        told = Teller(
            scripted(30_000 + number, TEST, ("open", "change", "join", "change")), number, TEST, thorough=True
        )
        *before, last = (said.message for said in told.tell() if said.attached_from is None)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            store = SegmentStore(memory_bytes=0, disk_folder=folder / "segments", disk_bytes=2**30)
            talk = Talk(engine, seed=30_000 + number, segments=store)
            for message in before:
                talk.say(message)
            _write(folder, talk, last, weights)
            subprocess.run([sys.executable, "-m", "worker.evaluation.history", name], check=True)
            other = np.load(folder / "went-on.npz")
        talk.segments = None
        here = talk.say(last)
        assert here.record is not None, "the preview engine refuses nothing"
        visual, pixels = _went_on(here.record.visual_tokens, here.picture)
        found.visual.append(float(np.abs(other["visual"] - visual).max(initial=0.0)))
        found.pixels.append(float(np.abs(other["pixels"] - pixels).max(initial=0.0)))
        found.reused.append(int(other["reused"]))
        found.resident.append(float(other["resident"]))
    return found


def _write(folder: Path, talk: Talk, message: str, weights: Path | None) -> None:
    for number, record in enumerate(talk.records()):
        (folder / f"record-{number:03}.safetensors").write_bytes(record_to_bytes(record))
    known = [[str(one.id), one.name, one.version, one.description, str(one.turn_id)] for one in talk.characters]
    told = {"message": message, "seed": talk.seed, "known": known, "weights": str(weights) if weights else None}
    (folder / "talk.json").write_text(json.dumps(told))


def _go_on(folder: Path) -> None:
    """In another process: say the next message after what the folder holds."""
    told = json.loads((folder / "talk.json").read_text())
    engine = PreviewEngine.from_pretrained(Path(told["weights"]) if told["weights"] else None)
    store = SegmentStore(memory_bytes=2**28, disk_folder=folder / "segments", disk_bytes=2**30)
    records = [record_from_bytes(file.read_bytes()) for file in sorted(folder.glob("record-*.safetensors"))]
    characters = [
        Character(UUID(one), name, version, description, turn_id=UUID(turn_id))
        for one, name, version, description, turn_id in told["known"]
    ]
    talk = Talk.after(records, engine, told["seed"], store, characters)
    said = talk.say(told["message"])
    assert said.record is not None, "as in `restored`"
    visual, pixels = _went_on(said.record.visual_tokens, said.picture)
    reused, resident = said.tokens_reused, most_memory()
    np.savez(folder / "went-on.npz", visual=visual, pixels=pixels, reused=reused, resident=resident)


def _went_on(visual: object, picture: object) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(visual, np.float32), np.asarray(picture if picture is not None else [], np.float32)


if __name__ == "__main__":
    _go_on(Path(sys.argv[1]))
