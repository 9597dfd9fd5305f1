"""The preview engine: a small reader and a small painter of our own, which draw illustrated people on a CPU in seconds.

It knows who is in scope of a message, whom the MLLM means by the names in its replies, and which reference shows them to the
painter. The reader knows tokens, the painter pictures. Weights come from one folder, by default the package's own.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from uuid import UUID

import numpy as np
from PIL import Image
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import nn

from worker.engines.contract import (
    Abilities,
    Character,
    ChatMessage,
    Drawing,
    EngineProblem,
    NewCharacter,
    OnReply,
    OnStep,
    Reading,
    Record,
    Step,
    no_reply,
    one_by_one,
)
from worker.engines.preview import meanings, replies
from worker.engines.preview.autoencoder import Autoencoder, AutoencoderConfig
from worker.engines.preview.dit import DiT, DiTConfig
from worker.engines.preview.faces import HEAD, FaceReader, FacesConfig, Known, Values
from worker.engines.preview.looks import Vocabulary
from worker.engines.preview.mllm import MLLM, MLLMConfig, Special
from worker.engines.preview.painter import SIZE, Painter
from worker.engines.preview.reader import CONTEXT, Read, Reader
from worker.engines.preview.references import ALONE, LEFT, RIGHT, Reference
from worker.engines.preview.shades import Shades
from worker.engines.preview.sketch import Sketch, SketchConfig
from worker.engines.preview.spelling import LEARNED, Spelling
from worker.engines.preview.tokenizer import TOKENS, WIDTH, TokenizerConfig, VisualTokenizer
from worker.identity.drawn import CompositionReader

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from worker.history import History

log = logging.getLogger(__name__)

WEIGHTS = Path(__file__).parent / "weights"
LAYOUT = "2"  # of turns and caches: raised when the same weights would read the same records otherwise
CHARACTERS_PER_PICTURE = 2
SHADES = "shades"  # the array of a record that has those of whom its uploaded picture introduced
MENTIONS = 16  # words of a message, at most, that may be a newcomer's name
APPEARANCES = 16  # of somebody in pictures, the first ones, that have a say in who they are

_ANY = TypeVar("_ANY")


class NoWeights(EngineProblem):
    """The folder has no weights, or what it has is no whole set; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """Sizes of all parts; `config.json` of the weights' folder."""

    autoencoder: AutoencoderConfig
    tokenizer: TokenizerConfig
    mllm: MLLMConfig
    faces: FacesConfig
    sketch: SketchConfig
    dit: DiTConfig

    def to_json(self) -> str:
        """As the file has it."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> Configuration:
        """The configuration of a file. Raises `TypeError`, `KeyError` or `ValueError` for another file."""
        given = json.loads(text)
        return cls(
            autoencoder=_configured(AutoencoderConfig, given["autoencoder"]),
            tokenizer=_configured(TokenizerConfig, given["tokenizer"]),
            mllm=_configured(MLLMConfig, given["mllm"]),
            faces=_configured(FacesConfig, given["faces"]),
            sketch=_configured(SketchConfig, given["sketch"]),
            dit=_configured(DiTConfig, given["dit"]),
        )

    def build(self) -> nn.ModuleDict:
        """All parts, with random weights."""
        return nn.ModuleDict(
            {
                "autoencoder": Autoencoder(self.autoencoder),
                "tokenizer": VisualTokenizer(self.tokenizer),
                "mllm": MLLM(self.mllm),
                "faces": FaceReader(self.faces),
                "sketch": Sketch(self.sketch, self.faces),
                "dit": DiT(self.dit),
            }
        )


def _configured(kind: type[_ANY], given: dict[str, Any]) -> _ANY:  # Any: JSON
    return kind(**{name: _fixed(value) for name, value in given.items()})


def _fixed(value: Any) -> Any:  # Any: JSON
    return tuple(map(_fixed, value)) if isinstance(value, list) else value


class Likeness(NamedTuple):
    """Visual tokens (K, WIDTH) of a picture that shows somebody, where they stand there, and the picture where it is at hand."""

    visual: NDArray[np.float32]
    stood: int
    picture: Image.Image | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What `draw` needs of a reading; opaque to the worker."""

    read: Read
    text: str
    characters: tuple[UUID, ...]
    versions: tuple[int, ...]
    appearances: tuple[Reference, ...]
    known: tuple[Known, ...]
    shades: Shades | None  # of whom an uploaded picture introduces
    history: History


class PreviewEngine:
    """The engine that every machine can run. Not for two turns at once in one process."""

    def __init__(
        self,
        reader: Reader,
        painter: Painter,
        fingerprint: str,
        *,
        vocabulary: Vocabulary | None = None,
        spelling: Spelling | None = None,
        personalized: bool = True,
        art: CompositionReader | None = None,
    ) -> None:
        self.reader = reader
        self.painter = painter
        self.vocabulary = vocabulary
        self.spelling = spelling
        self._art = art
        self._personalized = personalized
        self._looked_at: deque[tuple[Image.Image, Likeness | None]] = deque(maxlen=4)
        self.fingerprint = fingerprint
        self.abilities = Abilities(
            sizes=((SIZE, SIZE),),
            characters_per_picture=CHARACTERS_PER_PICTURE,
            context_tokens=CONTEXT,
            languages=("en",),
            cannot=(
                "I draw illustrated heads and shoulders, no whole bodies and no photos.",
                "At most two people fit into one of my pictures.",
                "I understand English only.",
            ),
        )

    @classmethod
    def from_pretrained(cls, folder: Path | None = None, *, steps: int = 8, personalized: bool = True) -> PreviewEngine:
        """Load the weights of a folder, or the package's. Raises `NoWeights`.

        One that is not `personalized` looks at no references and sketches nobody: the baseline that evaluation needs. A picture
        takes so many `steps` from a sketch, and twice as many from noise alone.
        """
        folder = folder or WEIGHTS
        try:
            configuration = Configuration.from_json((folder / "config.json").read_text())
            text = Tokenizer.from_file(str(folder / "text.json"))
            spelling = Spelling(json.loads((folder / LEARNED).read_text(encoding="utf-8")))
            parts = configuration.build()
            for name, part in parts.items():
                part.load_state_dict(load_file(folder / f"{name}.safetensors"))
            art = CompositionReader.from_pretrained()
        except Exception as error:  # whatever is wrong with the folder, an operator has to mend the same thing
            raise NoWeights(
                f"The preview engine has no usable weights in {folder} ({type(error).__name__}: {error}). "
                "Train some with `likeness train`, or point LIKENESS_PREVIEW_WEIGHTS at a folder that has them."
            ) from error
        return cls.from_parts(
            parts,
            text,
            fingerprint=_fingerprint(folder),
            steps=steps,
            spelling=spelling,
            personalized=personalized,
            art=art,
        )

    @classmethod
    def from_parts(
        cls,
        parts: nn.ModuleDict,
        text: Tokenizer,
        *,
        fingerprint: str,
        steps: int,
        spelling: Spelling | None = None,
        personalized: bool = True,
        art: CompositionReader | None = None,
    ) -> PreviewEngine:
        """An engine of loaded parts, in float32. `art` knows the pictures that it can take a likeness from; else all are."""
        parts = parts.float().eval().requires_grad_(False)
        faces = parts["faces"] if personalized else None
        painter = Painter(parts["autoencoder"], parts["tokenizer"], faces, parts["sketch"], parts["dit"], steps=steps)  # type: ignore[arg-type]  # ModuleDict forgets the types
        reader = Reader(parts["mllm"], text, fingerprint)  # type: ignore[arg-type]  # as above
        words = parts["faces"].config.words  # type: ignore[union-attr]  # as above
        vocabulary = Vocabulary(words) if words else None  # type: ignore[arg-type]  # as above
        return cls(
            reader,
            painter,
            fingerprint,
            vocabulary=vocabulary,
            spelling=spelling,
            personalized=personalized,
            art=art,
        )

    # -- reading -------------------------------------------------------------------------------------------------------

    def read(self, history: History, message: ChatMessage, *, on_reply: OnReply = no_reply) -> Reading:
        """Read the message after the history. Deterministic for equal history and message.

        The reply is told when it is whole: it takes a fraction of a second, and may still be corrected until then.
        """
        own = tuple(self._own(history, record) for record in history.records)
        records = self.reader.kept(own)
        text = self._as_spelt(message.text, [one.name for one in message.characters])
        uploaded = self._likenesses(message.references)
        unseen = self._unseen(text, message.characters, own)
        before = replies.NOT_MY_ART if unseen or len(uploaded) < len(message.references[:1]) else ""
        canned = replies.without_words(text) if not uploaded else None
        shown_before = partial(self._shown_before, own=own, characters=message.characters, uploaded=uploaded)
        given, pictures = self._newcomers(text, uploaded, message, own, records)
        read = self.reader.read(
            history,
            records,
            given,
            [one.visual for one in pictures],
            partial(
                self._corrected,
                message=text,
                given=given,
                known=[one.name for one in message.characters if one not in unseen],
                own=own,
                kept=records,
                pictures=pictures,
            ),
            partial(shown_before, most=1),
            seed=message.seed,
            reply=canned,
        )
        reply = before + (replies.CUT if read.cut else "") + read.reply
        on_reply(reply)
        said = replies.understood(read.reply)
        shown = _resolved(said.shown, message.characters)
        characters = tuple(character for character in shown if character is not None)
        new = tuple(
            NewCharacter(name, looks)
            for name, looks in said.introduced
            if name in said.shown and _named(name, message.characters) is None
        )
        alt = _alt_text(said, shown) if read.picture is not None else ""
        introducing = uploaded[0] if uploaded and shown.count(None) == 1 else None
        known = self._known(said, shown, own, introducing)
        return Reading(
            reply=reply,
            draws=read.picture is not None,
            alt_text=alt,
            characters=tuple(character.id for character in characters) if read.picture is not None else (),
            introduces=new if read.picture is not None else (),
            cast=_cast(said.shown, shown) if read.picture is not None else (),
            tokens_read=read.tokens_read,
            tokens_reused=read.tokens_reused,
            plan=Plan(
                read=read,
                text=message.text,
                characters=tuple(character.id for character in characters),
                versions=tuple(character.version for character in characters),
                appearances=shown_before(read.reply, most=APPEARANCES),
                known=known,
                shades=known[shown.index(None)].shades if known and introducing is not None else None,
                history=history,
            ),
        )

    def _known(
        self,
        said: replies.Said,
        shown: Sequence[Character | None],
        own: Sequence[Record],
        introducing: Likeness | None,
    ) -> tuple[Known, ...]:
        """What is known of the people in a picture: what words tell, and the shades of those of whom a picture was uploaded.

        The words are the reply itself, and how they were introduced. One may be `introducing` a newcomer.
        """
        if self.vocabulary is None:
            return ()
        looks, found = dict(said.introduced), []
        for name, look, character in zip(said.shown, said.looks, shown, strict=True):
            written = self.vocabulary.told(look, looks.get(name, ""))
            if character is None:
                known = Known(written) if introducing is None else self._seen_as(introducing, look, looks.get(name, ""))
            else:
                settled = self.vocabulary.told(look, character.description)
                uploaded = next(iter(self._likenesses(character.references)), None)
                introduction = _introduced_by_picture(character, own)
                if uploaded is not None:
                    known = self._seen_as(uploaded, look, character.description)
                elif introduction is not None and SHADES in introduction.arrays:
                    known = Known(settled, tuple(introduction.arrays[SHADES].tolist()))
                else:
                    known = Known(settled)
            found.append(known._replace(values=_filled(known.values, written)))
        return tuple(found)

    def _seen_as(self, likeness: Likeness, look: replies.Look, description: str) -> Known:
        """What is known of somebody who looks as a picture shows them, but for what words tell.

        The picture shows what they did and wore then.
        """
        assert self.vocabulary is not None
        told = self.vocabulary.told(look, description)
        seen = self.painter.known_of(*likeness, self.vocabulary.told(None, description))
        return Known(told) if seen is None else Known((*told[:HEAD], *_filled(told, seen.values)[HEAD:]), seen.shades)

    def _likenesses(self, references: Sequence[Image.Image]) -> list[Likeness]:
        """The first of some uploaded pictures, if a likeness can be taken from it."""
        for picture in references[:1]:
            # looking takes a while, and a turn asks several times
            if all(one is not picture for one, _ in self._looked_at):
                seen = None if self._is_foreign(picture) else Likeness(self.painter.tokens_of(picture), ALONE, picture)
                self._looked_at.append((picture, seen))
            return [found for one, found in self._looked_at if one is picture and found is not None]
        return []

    def _is_foreign(self, picture: Image.Image) -> bool:
        """Whether a picture is a photo, or of another style than this engine's."""
        return self._art is not None and self._art.read(picture) is None

    def _unseen(self, text: str, characters: Sequence[Character], own: Sequence[Record]) -> list[Character]:
        """Those whom a message names, and of whom nothing is known but pictures that no likeness can be taken from."""
        return [
            character
            for character in characters
            if character.references
            and replies.mention(character.name, text) is not None
            and next(self._appearances(character, own), None) is None
        ]

    def _as_spelt(self, text: str, names: Sequence[str]) -> str:
        """What somebody wrote as the MLLM reads it: in one line, slips mended."""
        line = " ".join(text.split())
        return line if self.spelling is None else self.spelling.mended(line, names)

    def _own(self, history: History, record: Record) -> Record:
        """A record as this engine would have written it: what another engine drew is encoded anew from its picture."""
        if record.fingerprint == self.fingerprint:
            return record
        picture = history.picture(record.turn_id) if history.picture is not None else None
        log.info(
            "turn %s was drawn by another engine; its %s encoded anew",
            record.turn_id,
            "words are" if picture is None else "words and picture are",
        )
        ids, _ = self.reader.ids_of(self._as_spelt(record.text, ()), 0, record.reply, drawn=picture is not None)
        visual = self.painter.tokens_of(picture) if picture is not None else np.zeros((0, WIDTH), np.float32)
        return replace(
            record,
            fingerprint=self.fingerprint,
            token_ids=np.array(ids, np.int32),
            visual_tokens=visual,
            latents=None,
        )

    def _newcomers(
        self,
        text: str,
        pictures: list[Likeness],
        message: ChatMessage,
        own: Sequence[Record],
        kept: Sequence[Record],
    ) -> tuple[str, list[Likeness]]:
        """The message with what the MLLM cannot know yet: what a character looks like whom its context has not shown."""
        for character in message.characters:
            mention = replies.mention(character.name, text)
            if mention is None or any(_shows(record, character) for record in kept):
                continue
            if character.description:
                text = f"{text[: mention.end()]} ({character.description}){text[mention.end() :]}"
            elif not pictures:
                pictures = list(islice(self._appearances(character, own), 1))
        return text, pictures

    def _corrected(
        self,
        reply: str,
        message: str,
        known: Sequence[str],
        own: Sequence[Record],
        kept: Sequence[Record],
        pictures: Sequence[Likeness],
        given: str = "",
    ) -> str | None:
        """The reply as it ought to be; None where another is wanted. The MLLM read the message as `given`, if it was changed."""
        given = given or message
        if replies.mistaken(reply, given, known):
            return None
        named = replies.with_true_names(reply, given, known, attached=bool(pictures))
        named = replies.without_repetition(self._with_names_as_written(named, message, known))
        named = self._with_newcomer_shown(named, message, known, own)
        if pictures:
            named = self._with_look_of_picture(named, message, known, pictures[0])
        named = self._with_looks_as_heard(named, message)
        return self._as_likely_meant(named, message, given, known, own, kept)

    def _with_names_as_written(self, reply: str, message: str, known: Sequence[str]) -> str:
        """The reply, in which a newcomer has the name that the message gives them.

        A small model takes another word for a name, or makes one up, where a name is written like a word.
        """
        if self.spelling is None:
            return reply
        names = {word for name in known for word in replies.words_of(name)}
        for name in [name for name, _ in replies.understood(reply).introduced if name not in known]:
            taken = {one.lower() for one in replies.understood(reply).shown}
            called = {one.lower(): one for one in self.spelling.names(message) if one.lower() not in taken | names}
            if not called or any(
                not self.spelling.learned(one) for one in replies.words_of(name) & replies.words_of(message)
            ):
                continue
            answers = [
                replies.renamed(reply, name, one[0].upper() + one[1:]) for one in islice(called.values(), MENTIONS)
            ]
            if replies.mention(name, message):
                answers.insert(0, reply)
            if len(answers) > 1:
                reply = answers[self.reader.likeliest([], message, answers)]
            else:
                (reply,) = answers
        return reply

    def _with_newcomer_shown(self, reply: str, message: str, known: Sequence[str], own: Sequence[Record]) -> str:
        """The reply, in which a newcomer whom it describes is shown, alone or on the right: a small model may forget to."""
        said = replies.understood(reply)
        unseen = [name for name, _ in said.introduced if name not in {*said.shown, *known}]
        if self.vocabulary is None or len(unseen) != 1 or len(said.shown) != 1:
            return reply
        (name,), shown = unseen, said.people
        last = [one for one in own if picture_tokens(one) is not None][-1:]
        told = [(self._as_spelt(one.text, known), one.reply) for one in last]

        def likeliest(casts: Sequence[Sequence[tuple[str, replies.Look]]]) -> Sequence[tuple[str, replies.Look]]:
            answers = [replies.with_people(reply, cast) for cast in casts]
            return casts[self.reader.likeliest(told, message, answers)]

        expressions, clothes = self.vocabulary.worn()
        look = replies.Look(expressions[0], clothes[0], "")
        *_, (_, look) = likeliest([[*shown, (name, look._replace(expression=one))] for one in expressions])
        both = likeliest([[*shown, (name, look._replace(clothes=one))] for one in clothes])
        return replies.with_people(reply, likeliest([both, both[1:]]))

    def _with_look_of_picture(self, reply: str, message: str, known: Sequence[str], picture: Likeness) -> str:
        """The reply, in which whom a given picture introduces looks as is read off it.

        The MLLM mistakes one head for another, or describes somebody of before. What the message says itself stays.
        """
        introduced = replies.understood(reply).introduced
        new = [(name, looks) for name, looks in introduced if name not in known] or list(introduced)
        if self.vocabulary is None or len(new) != 1 or self.vocabulary.describes(message, new[0][1]):
            return reply
        seen = self.painter.known_of(*picture)
        if seen is None:
            return reply
        ((name, looks),) = new
        described = self.vocabulary.described([one for one in seen.values if one is not None])
        return reply.replace(f"{name} has {looks}.", f"{name} has {described}.", 1)

    def _with_looks_as_heard(self, reply: str, message: str) -> str:
        """The reply, in which whom it introduces looks as the message says, where it says so in our words.

        The colour of a beard that the message leaves open is settled here: no other hair may tell it.
        """
        introduced = replies.understood(reply).introduced
        if self.vocabulary is None:
            return reply
        mentions = [replies.mention(name, message) for name, _ in introduced]
        starts = [0 if one is None or len(introduced) == 1 else one.end() for one in mentions]
        for (name, looks), start in zip(introduced, starts, strict=True):
            heard = message[start : min((one for one in starts if one > start), default=len(message))]
            possible = self.vocabulary.in_colours(self.vocabulary.as_heard(looks, heard), message)
            answers = [reply.replace(f"{name} has {looks}.", f"{name} has {shown}.", 1) for shown in possible]
            reply = answers[self.reader.likeliest([], message, answers) if len(answers) > 1 else 0]
        return reply

    def _as_likely_meant(
        self,
        reply: str,
        message: str,
        given: str,
        known: Sequence[str],
        own: Sequence[Record],
        kept: Sequence[Record],
    ) -> str:
        """The reply, in which what is neither as in the picture that a message goes on from nor asked for is as there.

        Over many turns a small model keeps some of the last picture where a conversation goes back to another one, which may
        have left its context; and else it now and then changes what nobody mentioned. Which is likelier it is asked after the
        words of the last picture, and of that other one, only.
        """
        pictures = [one for one in own if picture_tokens(one) is not None]
        shown = [replies.understood(one.reply) for one in pictures]
        if not shown or not replies.understood(reply).shown:
            return reply
        reply = meanings.with_change_of(reply, shown[-1], message)
        there = meanings.gone_back_to(message, shown)
        looks = {name: look for one in shown for name, look in one.people}
        if there is None:
            answers, told = meanings.ways_on(reply, shown, message), pictures[-1:]
        else:
            answers, told = meanings.ways_back(reply, shown[there]), [pictures[there], pictures[-1]]
            looks |= dict(shown[there].people)
        if len(answers) > 1:
            words = [(self._as_spelt(one.text, known), one.reply) for one in told]
            reply = answers[self.reader.likeliest(words, given, answers)]
        if there is None or replies.understood(reply).shown != shown[there].shown:
            reply = self._with_own_looks(reply, given, own, kept)
        return meanings.with_glasses_of(reply, looks, message)

    def _with_own_looks(self, reply: str, message: str, own: Sequence[Record], kept: Sequence[Record]) -> str:
        """The reply, in which everybody looks as in their own last picture, but for what the message asks for.

        Over many turns a small model gives whom a conversation comes back to the look of whom it comes from. For each part of
        a look that is in doubt it is asked which is likelier, after one picture in which everybody is as they last were. Where
        the message names others to look like, or is about both, the reply stays as it is.
        """
        said = replies.understood(reply)
        pictures = [(record, picture) for record in own if (picture := replies.understood(record.reply)).shown]
        seen = sum(any(record is one for one in kept) for record, _ in pictures)
        doubts = meanings.doubts(said, [picture for _, picture in pictures], seen)
        others = {name for _, picture in pictures for name in picture.shown if name not in said.shown}
        ways = meanings.ways(said, doubts)
        if len(ways) < 2 or meanings.about_both(message, said) or any(replies.mention(one, message) for one in others):
            return reply
        last = [(name, doubt.last) for name, doubt in doubts.items()]
        scene = replies.with_people(pictures[-1][1].scene, last)
        answers = [replies.with_people(reply, people) for people in ways]
        return answers[self.reader.likeliest([(" and ".join(doubts), scene)], message, answers)]

    def _shown_before(
        self,
        reply: str,
        own: Sequence[Record],
        characters: Sequence[Character],
        most: int,
        uploaded: Sequence[Likeness] = (),
    ) -> tuple[Reference, ...]:
        """How pictures, `most` of each at most, show the people whom a reply shows, from left to right.

        Of those who are known that is their appearances; of a single newcomer what is `uploaded` with the message.
        """
        if not self._personalized:
            return ()
        shown = _resolved(replies.understood(reply).shown, characters)
        newcomer = uploaded if shown.count(None) == 1 else ()
        return tuple(
            Reference(one.visual, _stands(number, len(shown)), one.stood)
            for number, character in enumerate(shown)
            for one in islice(newcomer if character is None else self._appearances(character, own), most)
        )

    def _appearances(self, character: Character, own: Sequence[Record]) -> Iterator[Likeness]:
        """Pictures that show a character: an uploaded one, then drawn ones.

        Of those that another engine drew, only the first is any, and only if no picture was uploaded: they are in another style.
        """
        uploaded = bool(likenesses := self._likenesses(character.references))
        yield from likenesses
        found = uploaded
        introduction = _introduced_by_picture(character, own)
        if introduction is not None and not uploaded:
            found = True
            yield Likeness(introduction.visual_tokens[:TOKENS], ALONE)
        for record in own:
            picture = picture_tokens(record)
            shows = _shows_version(record, character) if uploaded else _shows(record, character)
            if picture is None or not shows or (found and record.latents is None):
                continue
            names = [name.lower() for name in replies.understood(record.reply).shown]
            if len(names) < 2 or character.name.lower() in names:
                found = True
                stood = ALONE if len(names) < 2 else _stands(names.index(character.name.lower()), len(names))
                yield Likeness(picture, stood)

    # -- drawing -------------------------------------------------------------------------------------------------------

    def draw(self, reading: Reading, *, turn_id: UUID, seed: int, on_step: OnStep) -> Drawing:
        """Draw what was read. Equal reading and seed give an equal picture on one machine."""
        plan = reading.plan
        if not isinstance(plan, Plan):
            raise TypeError("this reading is another engine's")
        picture: Image.Image | None = None
        latents: NDArray[np.float32] | None = None
        if plan.read.picture is not None:
            picture, latents = self.painter.paint(
                plan.read.picture,
                plan.read.references,
                plan.appearances,
                plan.known,
                seed=seed,
                on_preview=lambda step, steps, preview: on_step(Step(step, steps, preview)),
            )
        record = Record(
            turn_id=turn_id,
            fingerprint=self.fingerprint,
            text=plan.text,
            reply=plan.read.reply,
            token_ids=plan.read.token_ids,
            visual_tokens=plan.read.visual_tokens,
            latents=latents,
            characters=plan.characters,
            versions=plan.versions,
            arrays={} if plan.shades is None else {SHADES: np.array(plan.shades, np.float32)},
        )
        segment = None
        if plan.history.segments is not None:
            segment = plan.history.segments.stored(self.reader.segment(plan.read, record))
        return Drawing(picture=picture, alt_text=reading.alt_text, record=record, segment=segment)

    def draw_several(self, reading: Reading, *, turn_id: UUID, seeds: Sequence[int], on_step: OnStep) -> list[Drawing]:
        """One after the other: two cores have no room for a batch."""
        return one_by_one(self, reading, turn_id=turn_id, seeds=seeds, on_step=on_step)


def picture_tokens(record: Record) -> NDArray[np.float32] | None:
    """Visual tokens (K, WIDTH) of the picture that a turn drew, or None: its last ones, since references come first."""
    return record.visual_tokens[-TOKENS:] if (record.token_ids == Special.IMAGE).any() else None


def _introduced_by_picture(character: Character, own: Sequence[Record]) -> Record | None:
    """The turn in which an uploaded picture introduced a character alone, if one did: its visual tokens come first."""
    record = next((one for one in own if one.turn_id == character.turn_id), None)
    if record is None or Special.PICTURE not in record.token_ids:
        return None
    introduced = [name for name, _ in replies.understood(record.reply).introduced]
    return record if introduced == [character.name] else None


def _filled(values: Values, others: Values) -> Values:
    """Values, and others where they are not known."""
    return tuple(other if one is None else one for one, other in zip(values, others, strict=True))


def _shows(record: Record, character: Character) -> bool:
    """Whether a turn's picture shows a character of this very version, or introduced them."""
    return record.turn_id == character.turn_id or _shows_version(record, character)


def _shows_version(record: Record, character: Character) -> bool:
    return (character.id, character.version) in zip(record.characters, record.versions, strict=True)


def _named(name: str, characters: Sequence[Character]) -> Character | None:
    return next((one for one in characters if one.name.lower() == name.lower()), None)


def _resolved(names: Sequence[str], characters: Sequence[Character]) -> list[Character | None]:
    """Whom the names mean, from left to right; None for people who are new."""
    return [_named(name, characters) for name in names]


def _cast(names: Sequence[str], shown: Sequence[Character | None]) -> tuple[UUID | str, ...]:
    return tuple(name if known is None else known.id for name, known in zip(names, shown, strict=True))


def _stands(number: int, count: int) -> int:
    return ALONE if count < 2 else (LEFT, RIGHT)[min(number, 1)]


def _alt_text(said: replies.Said, shown: Sequence[Character | None]) -> str:
    """What the picture shows, in words: who they are and what they do."""
    looks = dict(said.introduced)
    for name, character in zip(said.shown, shown, strict=True):
        if character is not None and character.description:
            looks.setdefault(name, character.description)
    people = "".join(f"{name} has {looks[name]}. " for name in said.shown if name in looks)
    return f"{people}{said.scene}" if said.scene else "An illustrated picture."


def _fingerprint(folder: Path) -> str:
    digest = hashlib.sha256(f"layout {LAYOUT}, float32".encode())
    for file in (folder / "config.json", folder / "text.json", *sorted(folder.glob("*.safetensors"))):
        digest.update(file.name.encode())
        digest.update(file.read_bytes())
    return f"preview-{digest.hexdigest()[:16]}"
