"""The engine of published models: one reader for all of them, and a painter.

It knows who is in scope of a message, which pictures its answer means, and which originals the painter looks at. The reader
knows tokens, the painter pictures; neither knows the other.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import torch
from PIL import Image

from storage.aspects import named
from storage.characters import CharacterProblem, clean_name
from worker.engines.contract import (
    Abilities,
    Arrays,
    Character,
    ChatMessage,
    Drawing,
    Encodings,
    NewCharacter,
    OnReply,
    OnStep,
    OutOfMemory,
    Reading,
    Record,
    Seen,
    Step,
    no_reply,
    side_by_side,
)
from worker.engines.published.answer import PEOPLE, Answer, Scope, clean, written
from worker.engines.published.painter import Brief, OnPaint, Painted, Painter, Reference
from worker.engines.published.reader import Read, Reader

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from worker.history import History

log = logging.getLogger(__name__)

ARRAY_BYTES_IN_MEMORY = 256 * 2**20
CONVERTED_IN_MEMORY = 100  # turns of other engines
TOLD = 30  # characters of whom a message reminds the reader
RECAPPED = 40  # pictures that left the context and are still told of

FULL = (
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "DefaultCPUAllocator: can't allocate memory",
)
"""What is said of a full memory, the machine's own too, by those whose errors torch passes on as of another kind."""

CUT = "Your message was too long for me, so I read only its beginning."
MODEST = "My memory did not suffice for a picture of the usual size, so this one was made with less."


@dataclass(frozen=True, slots=True)
class Original:
    """A picture that may be shown to the painter."""

    caption: str  # what it shows, for the prompt
    picture: Image.Image
    own: bool = False  # came with this very message, so that its arrays are kept with this turn
    encodings: Encodings | None = None  # where its arrays are kept, if it is a character's reference

    @property
    def digest(self) -> str:
        """Of its pixels: one picture is encoded once, wherever it comes from."""
        return _digest(self.picture)


@dataclass(frozen=True, slots=True)
class Plan:
    """What `draw` needs of a reading; opaque to the worker."""

    read: Read
    text: str
    reply: str
    label: str  # of the picture that is drawn
    characters: tuple[UUID, ...]
    versions: tuple[int, ...]
    brief: Brief | None  # without arrays; None where nothing is drawn
    originals: tuple[Original, ...]
    arrays: Mapping[str, NDArray[Any]] = field(repr=False)  # of the history's records; Any: floats or integers
    history: History = field(repr=False)
    modest: bool


class PublishedEngine:
    """A reader and a painter of published models. Not for two turns at once in one process."""

    def __init__(self, reader: Reader, painter: Painter) -> None:
        self.reader = reader
        self.painter = painter
        self._aspects = named(painter.sizes)
        self._arrays: OrderedDict[str, Arrays] = OrderedDict()  # of pictures that no record here may keep
        self._converted: OrderedDict[UUID, Record] = OrderedDict()
        self.fingerprint = reader.fingerprint  # what segments mean does not depend on who paints
        self.abilities = Abilities(
            sizes=painter.sizes,
            characters_per_picture=PEOPLE,
            context_tokens=reader.context,
            languages=("en", "zh"),
            cannot=painter.cannot,
        )

    # -- reading -------------------------------------------------------------------------------------------------------

    def read(self, history: History, message: ChatMessage, *, on_reply: OnReply = no_reply) -> Reading:
        """Read the message after the history. Deterministic for equal history and message."""
        own: list[Record] = []
        for record in history.records:
            own.append(self._own(history, record, own))
        records = self.reader.kept(own, modest=message.modest)
        label = str(_next_number(own))
        seen = [self.reader.look(f"{label}{_letter(n)}", one) for n, one in enumerate(message.references)]
        characters = {name: one for one in reversed(message.characters) if (name := clean(one.name))}
        pictures = tuple(one.label for record in own for one in record.seen) + tuple(one.label for one in seen)
        with memory_watched():
            read = self.reader.read(
                history,
                self._with_recap(own, records),
                _told(message, characters, records),
                seen,
                Scope(tuple(characters), pictures, (message.aspect,) if message.aspect else tuple(self._aspects)),
                seed=message.seed,
                on_reply=on_reply,
            )
        answer = read.answer
        shown = tuple(characters[name] for name in answer.characters)
        new = _newcomers(answer, message)
        known = {one.name.casefold(): one for one in message.characters}
        shown += tuple(
            one for name, _ in answer.introduces if (one := known.get(name.casefold())) is not None and one not in shown
        )
        originals, left = self._originals(history, message, own, answer, shown, label)
        notes = [answer.reply]  # first, since it was told already
        notes += [CUT] if read.cut else []
        notes += [_left_out(left, self.painter.max_references)] if left else []
        notes += [MODEST] if message.modest and answer.draws else []
        reply = " ".join(filter(None, notes))
        return Reading(
            reply=reply,
            draws=answer.draws,
            alt_text=answer.alt_text,
            characters=tuple(one.id for one in shown),
            introduces=new,
            pictures=_turns(answer.pictures, own),
            tokens_read=read.tokens_read,
            tokens_reused=read.tokens_reused,
            plan=Plan(
                read=read,
                text=message.text,
                reply=reply,
                label=label,
                characters=tuple(one.id for one in shown),
                versions=tuple(one.version for one in shown),
                brief=Brief(_prompt(answer, originals), self._aspects[answer.aspect]) if answer.draws else None,
                originals=tuple(originals),
                arrays={name: array for record in own for name, array in record.arrays.items()},
                history=history,
                modest=message.modest,
            ),
        )

    def _own(self, history: History, record: Record, before: Sequence[Record]) -> Record:
        """A record as this engine would have written it, with the picture that the turn has now.

        What another engine drew is laid out anew from its words and pictures. Of several variations another one may have been
        picked since; then the turn is remembered by that one.
        """
        if record.fingerprint != self.fingerprint:
            return self._convert(history, record, before)
        if record.turn_id not in history.several or history.picture is None or not _drew(record):
            return record
        picture = history.picture(record.turn_id)
        if picture is None:
            return record
        now = self.reader.look(record.seen[-1].label, picture)
        if now == record.seen[-1]:
            return record
        seen = (*record.seen[:-1], now)
        if _size(now) == _size(record.seen[-1]):
            return replace(record, seen=seen)
        # Of two engines that drew it, the other one's was picked, of another size: its positions are others.
        return replace(record, token_ids=self._ids(record, seen, drawn=True), seen=seen)

    def _ids(self, record: Record, seen: Sequence[Seen], *, drawn: bool) -> NDArray[np.int32]:
        """Positions of a turn as it is laid out anew from its words and pictures."""
        answer = written(record.reply, draws=drawn, aspect=next(iter(self._aspects)))
        return np.array(self.reader.ids_of(_framed(record.text), seen, answer, drawn=drawn), np.int32)

    def _convert(self, history: History, record: Record, before: Sequence[Record]) -> Record:
        known = self._converted.get(record.turn_id)
        if known is not None and record.turn_id not in history.several:
            return known
        picture = history.picture(record.turn_id) if history.picture is not None else None
        came = history.attached(record.turn_id) if history.attached is not None else ()
        log.info("turn %s was drawn by another engine; its words and pictures are laid out anew", record.turn_id)
        label = str(_next_number(before))
        seen = [self.reader.look(f"{label}{_letter(number)}", one) for number, one in enumerate(came)]
        if picture is not None:
            seen.append(self.reader.look(label, picture))
        made = replace(
            record,
            fingerprint=self.fingerprint,
            token_ids=self._ids(record, seen, drawn=picture is not None),
            visual_tokens=_NOTHING,
            latents=None,
            seen=tuple(seen),
            arrays={},
        )
        self._converted[record.turn_id] = made
        while len(self._converted) > CONVERTED_IN_MEMORY:
            self._converted.popitem(last=False)
        return made

    def _with_recap(self, own: Sequence[Record], kept: Sequence[Record]) -> Sequence[Record]:
        """The records that fit, after a reminder of the pictures that left; it changes only when something leaves."""
        gone = [record for record in own[: len(own) - len(kept)] if record.seen][-RECAPPED:]
        if not gone:
            return kept
        lines = [f"{', '.join(one.label for one in record.seen)}: {_line(record.text, 120)}" for record in gone]
        ids = self.reader.recap("Earlier pictures, which are no longer shown here:\n" + "\n".join(lines))
        recap = Record(UUID(int=0), self.fingerprint, "", "", np.array(ids, np.int32), _NOTHING)
        return (recap, *kept)

    # -- what the painter looks at -------------------------------------------------------------------------------------

    def _originals(
        self,
        history: History,
        message: ChatMessage,
        own: Sequence[Record],
        answer: Answer,
        shown: Sequence[Character],
        label: str,
    ) -> tuple[list[Original], list[str]]:
        """The pictures for the painter, as many as it takes, and the captions of those that are left out.

        First what each character looks like, then the pictures that were meant, then what came with the message: always
        originals, so that no fault of one picture goes on into the next.
        """
        if not answer.draws:
            return [], []
        attached = {f"{label}{_letter(number)}": one for number, one in enumerate(message.references)}
        wanted: list[Original] = []
        for character in shown:
            picture = self._likeness(history, own, character, message.characters)
            if picture is not None:
                beside = character.encodings[0] if character.references and character.encodings else None
                wanted.append(Original(character.name, picture, encodings=beside))
        for name in dict.fromkeys((*answer.pictures, *attached)):
            picture = attached.get(name) or self._recalled(history, own, name)
            if picture is not None:
                wanted.append(Original(f"picture {name}", picture, name in attached))
        by_digest: dict[str, Original] = {}
        for one in wanted:
            twin = by_digest.get(one.digest)
            by_digest[one.digest] = (
                one
                if twin is None
                else replace(
                    twin,
                    caption=_joined(twin.caption, one.caption),
                    own=twin.own or one.own,
                    encodings=twin.encodings or one.encodings,
                )
            )
        chosen = list(by_digest.values())
        limit = self.painter.max_references
        return chosen[:limit], [one.caption for one in chosen[limit:]]

    def _likeness(
        self, history: History, own: Sequence[Record], character: Character, in_scope: Sequence[Character]
    ) -> Image.Image | None:
        """What a character looks like: an uploaded or promoted picture, else the one that introduced them.

        Somebody who alone was introduced with a single picture at hand is shown by that.
        """
        if character.references:
            return character.references[0]
        if character.turn_id is None:
            return None
        record = next((one for one in own if one.turn_id == character.turn_id), None)
        if record is not None and history.attached is not None:
            came = len(record.seen) - _drew(record)
            alone = sum(one.turn_id == character.turn_id for one in in_scope) == 1
            if came == 1 and alone and (pictures := history.attached(character.turn_id)):
                return pictures[0]
        return history.picture(character.turn_id) if history.picture is not None else None

    def _recalled(self, history: History, own: Sequence[Record], label: str) -> Image.Image | None:
        """The stored picture of a label; None when it is gone."""
        for record in own:
            for number, one in enumerate(record.seen):
                if one.label != label:
                    continue
                if label.isdecimal():
                    return history.picture(record.turn_id) if history.picture is not None else None
                pictures = history.attached(record.turn_id) if history.attached is not None else ()
                return pictures[number] if number < len(pictures) else None
        return None

    def _encoded(self, plan: Plan, original: Original) -> Arrays:
        """A picture as the painter encodes it: from the records, from memory, from beside the reference, else now."""
        prefix = f"{self.painter.fingerprint}/{original.digest}/"
        found: Arrays = {
            name.removeprefix(prefix): array for name, array in plan.arrays.items() if name.startswith(prefix)
        }
        if found:
            return found
        key = f"{plan.history.workspace_salt}/{prefix}"  # nothing is shared between workspaces
        if key not in self._arrays:
            self._arrays[key] = self._beside(original)
            while sum(map(_bytes, self._arrays.values())) > ARRAY_BYTES_IN_MEMORY and len(self._arrays) > 1:
                self._arrays.popitem(last=False)
        self._arrays.move_to_end(key)
        return self._arrays[key]

    def _beside(self, original: Original) -> Arrays:
        """What is kept of a reference; a picture of which nothing is kept is encoded now."""
        if original.encodings is None:
            return self.painter.encode(original.picture)
        found = original.encodings.get(self.painter.fingerprint)
        if found is None:
            found = self.painter.encode(original.picture)
            if found:  # at once, since this process may not live to the end of the turn
                original.encodings.keep(self.painter.fingerprint, found)
        return found

    # -- drawing -------------------------------------------------------------------------------------------------------

    def draw(self, reading: Reading, *, turn_id: UUID, seed: int, on_step: OnStep) -> Drawing:
        """Draw what was read. Equal reading and seed give an equal picture on one machine."""
        return self.draw_several(reading, turn_id=turn_id, seeds=[seed], on_step=on_step)[0]

    def draw_several(self, reading: Reading, *, turn_id: UUID, seeds: Sequence[int], on_step: OnStep) -> list[Drawing]:
        """A picture for each seed, as the painter batches them. The first one's record keeps what the painter made of all."""
        plan = reading.plan
        if not isinstance(plan, Plan):
            raise TypeError("this reading is another engine's")
        painted: list[Painted] = []
        arrays: dict[str, NDArray[Any]] = {}  # Any: floats or integers
        with memory_watched():
            if plan.brief is not None:
                self.reader.rest()
                encoded = [(one, self._encoded(plan, one)) for one in plan.originals]
                brief = replace(plan.brief, references=tuple(Reference(one.picture, made) for one, made in encoded))
                painted = self.painter.paint(
                    brief, seeds=seeds, on_step=_stepper(on_step, len(seeds)), modest=plan.modest
                )
                for digest, made in [
                    *((one.digest, made) for one, made in encoded if one.own),
                    *((_digest(one.picture), one.arrays) for one in painted),
                ]:
                    arrays |= {f"{self.painter.fingerprint}/{digest}/{name}": array for name, array in made.items()}
            drawn = self.reader.look(plan.label, painted[0].picture) if painted else None
            ids, seen, made_segment = self.reader.finish(plan.read, drawn)
        record = Record(
            turn_id=turn_id,
            fingerprint=self.fingerprint,
            text=plan.text,
            reply=plan.reply,
            token_ids=ids,
            visual_tokens=_NOTHING,
            characters=plan.characters,
            versions=plan.versions,
            seen=seen,
            arrays=arrays,
        )
        segment = None
        if plan.history.segments is not None:
            segment = plan.history.segments.stored(self.reader.segment(plan.read, record, made_segment))
        first = Drawing(painted[0].picture if painted else None, reading.alt_text, record, segment)
        return [first, *(replace(first, picture=one.picture, segment=None) for one in painted[1:])]


_NOTHING = np.zeros((0, 1), np.float32)


@contextlib.contextmanager
def memory_watched() -> Iterator[None]:
    """Raises `OutOfMemory` for each of the ways in which torch and what is below it say so."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, torch.OutOfMemoryError | MemoryError) or any(words in str(error) for words in FULL):
            raise OutOfMemory(str(error)) from error
        raise


def _stepper(on_step: OnStep, count: int) -> OnPaint:
    def on_paint(step: int, steps: int, previews: Sequence[Image.Image]) -> None:
        preview = None if not previews else previews[0] if count == 1 else side_by_side(previews)
        on_step(Step(step, steps, preview))

    return on_paint


def _told(message: ChatMessage, characters: Mapping[str, Character], records: Sequence[Record]) -> str:
    """The message with a reminder of who can be drawn by name: first whom it names, with their looks."""
    named = [name for name in characters if _mentions(message.text, name)]
    lately = {one for record in records[-1:] for one in record.characters}
    others = sorted(
        (name for name in characters if name not in named), key=lambda name: characters[name].id not in lately
    )
    lines = [
        f"{_line(name, 80)} ({_line(looks, 300)})" if (looks := characters[name].description) else _line(name, 80)
        for name in named
    ]
    lines += [_line(name, 80) for name in others[: max(TOLD - len(named), 0)]]
    return _framed(message.text, "; ".join(lines), message.aspect)


def _framed(text: str, people: str = "", aspect: str = "") -> str:
    wanted = f"Aspect: {aspect}\n" if aspect else ""
    return f"Known people: {people or 'nobody'}\n{wanted}Message:\n{text}"


def _mentions(text: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE) is not None


def _newcomers(answer: Answer, message: ChatMessage) -> tuple[NewCharacter, ...]:
    """People whom the answer introduces, if the message itself names them: no picture and no history can add anybody."""
    new: dict[str, NewCharacter] = {}
    taken = {one.name.casefold() for one in message.characters}
    for name, looks in answer.introduces:
        with contextlib.suppress(CharacterProblem):
            proper = clean_name(name)
            if proper.casefold() not in taken and _mentions(message.text, proper):
                new.setdefault(proper.casefold(), NewCharacter(proper, looks))
    return tuple(new.values())


def _prompt(answer: Answer, originals: Sequence[Original]) -> str:
    """What the painter is told: which reference shows what, since it knows no names, and then what to paint."""
    shown = "".join(f"Image {number} shows {one.caption}. " for number, one in enumerate(originals, 1))
    return shown + answer.prompt


def _left_out(captions: Sequence[str], limit: int) -> str:
    what = ", ".join(captions[:-1]) + " and " * (len(captions) > 1) + captions[-1]
    if not limit:
        return f"I paint from words alone, so I did not look at {what}."
    return f"I can look at {limit} {'picture' if limit == 1 else 'pictures'} at once, so I left out {what}."


def _joined(one: str, other: str) -> str:
    return one if one == other else f"{one} and {other}"


def _turns(labels: Sequence[str], own: Sequence[Record]) -> tuple[UUID, ...]:
    by_label = {one.label: record.turn_id for record in own for one in record.seen}
    return tuple(dict.fromkeys(by_label[label] for label in labels if label in by_label))


def _next_number(records: Sequence[Record]) -> int:
    """The number of a new turn's pictures: a deleted turn's is not taken again while later pictures are there."""
    numbers = (int(re.sub(r"\D", "", one.label)) for record in records for one in record.seen)
    return max(numbers, default=0) + 1


def _letter(number: int) -> str:
    return chr(ord("a") + number) if number < 26 else f"{_letter(number // 26 - 1)}{_letter(number % 26)}"


def _drew(record: Record) -> bool:
    return bool(record.seen) and record.seen[-1].label.isdecimal()


def _size(seen: Seen) -> tuple[int, int]:
    with Image.open(io.BytesIO(seen.png)) as picture:
        return picture.size


def _line(text: str, limit: int) -> str:
    """Text as one line of so many characters, without what nobody sees."""
    line = " ".join(clean(text).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def _digest(picture: Image.Image) -> str:
    size = f"{picture.width} {picture.height} ".encode()
    return hashlib.sha256(size + picture.convert("RGB").tobytes()).hexdigest()[:24]


def _bytes(arrays: Arrays) -> int:
    return sum(array.nbytes for array in arrays.values())
