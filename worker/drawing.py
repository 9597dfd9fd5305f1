"""The life of a claimed turn: claim, read, draw, keep the blobs, finish, ring.

One `Drawer` lives in one process and holds one engine. It knows the queue and the engine contract, and nothing of Celery
(`worker.app`) nor of any model.
"""

from __future__ import annotations

import io
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
from PIL import Image
from sqlalchemy.exc import DBAPIError

from storage import admin, characters, sentences, turns, workers
from storage.aspects import named
from storage.blobs import BlobError, BlobMissing, Blobs, BlobsUnavailable, key_for
from storage.conversations import InScope, Line, PastTurn
from storage.database import Database, DatabaseUnavailable
from storage.events import ENDED, Progress, ProgressSender
from storage.sentences import told
from storage.settings import Settings
from storage.tables import Kind, Status
from storage.tickets import Bell
from storage.turns import Claim, DrawnPicture, Finished, Introduced, Outcome, Shown, StoredBlob
from worker.engines.contract import (
    Arrays,
    Character,
    ChatMessage,
    Drawing,
    Encodings,
    Engine,
    OutOfMemory,
    Reading,
    Record,
    Refused,
    Step,
)
from worker.enlarging import enlarged
from worker.history import DamagedRecord, History, record_from_bytes, record_to_bytes
from worker.history.records import arrays_from_bytes, arrays_to_bytes
from worker.identity.guard import Guard, Kept, Sighting
from worker.identity.meter import Box, Face

if TYPE_CHECKING:
    from worker.history.segments import SegmentStore

log = logging.getLogger(__name__)

RECORD_BYTES_IN_MEMORY = 512 * 2**20
FACES_IN_MEMORY = 2000
PREVIEW_SECONDS = 0.2
VARIATIONS = 4  # pictures of one turn that asks for them
TICKET_SECONDS = 0.5  # how long a ticket is good for further turns
HELD_SECONDS = 0.05  # until a row that another transaction held may be free
PAUSED_SECONDS = 1.0  # that a paused worker takes no ticket for after it passed one on
OUT_OF_MEMORY = 75  # how a process ends that is replaced for want of memory: EX_TEMPFAIL of sysexits.h
RENEW_SECONDS = 2.0  # between renewals, at most: a cancel is noticed by them


@dataclass(frozen=True, slots=True)
class Drawn:
    """A drawing, and which configuration made it where two are compared."""

    kept: Kept[Drawing]
    configuration: str = ""


class LeaseLost(BaseException):
    """The turn is no longer ours: cancelled, taken back or past its deadline. Not an `Exception`, so no engine eats it."""


class Lease:
    """Renews a claim from a thread of its own until left; `check` raises `LeaseLost` as soon as a renewal failed."""

    def __init__(self, database: Database, claim: Claim, seconds: float) -> None:
        self._database = database
        self._claim = claim
        self._seconds = seconds
        self._left = threading.Event()
        self._lost = threading.Event()
        self._good_until = time.monotonic() + seconds
        self._thread = threading.Thread(target=self._renew, name=f"lease-{claim.turn_id}", daemon=True)

    def __enter__(self) -> Lease:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()

    def check(self) -> None:
        """Raise `LeaseLost` when the lease could not be renewed, or ran out while this process was stopped."""
        if self._lost.is_set() or time.monotonic() > self._good_until:
            raise LeaseLost(f"turn {self._claim.turn_id} is no longer ours")

    def _renew(self) -> None:
        while not self._left.wait(min(self._seconds / 4, RENEW_SECONDS)):
            asked = time.monotonic()
            try:
                with self._database.begin() as session:
                    held = turns.renew(session, self._claim.turn_id, self._claim.fencing, lease_seconds=self._seconds)
            except (DBAPIError, DatabaseUnavailable) as error:
                log.warning("lease of turn %s was not renewed: %s", self._claim.turn_id, error)
                continue
            if not held:
                self._lost.set()
                return
            self._good_until = asked + self._seconds


class Drawer:
    """Draws one turn after another with one engine."""

    def __init__(
        self,
        *,
        settings: Settings,
        database: Database,
        blobs: Blobs,
        bell: Bell,
        engine_name: str,
        engine: Engine,
        worker_id: UUID,
        segments: SegmentStore | None = None,
        guard: Guard | None = None,
        compared: Engine | None = None,
        compared_name: str = "",
    ) -> None:
        self._settings = settings
        self._database = database
        self._blobs = blobs
        self._bell = bell
        self._engine_name = engine_name
        self._engine = engine
        self._worker_id = worker_id
        self._segments = segments
        self._guard = guard
        self._compared = compared  # draws the same turn now and then, for people to choose between them
        self._compared_name = compared_name
        self._faces: OrderedDict[tuple[str, Box | None], Face | None] = OrderedDict()
        self._progress = ProgressSender(settings.broker_url)
        self._records: OrderedDict[str, Record] = OrderedDict()
        self._records_size = 0
        self._warm: OrderedDict[UUID, None] = OrderedDict()
        self._writers = ThreadPoolExecutor(3, thread_name_prefix="blobs")

    def answer(self) -> None:
        """Answer a ticket: draw turns until none can be claimed or `TICKET_SECONDS` are over; then ring for the rest.

        So a turn that takes seconds has a ticket of its own, and turns that take milliseconds do not each wait for one.
        """
        until = time.monotonic() + TICKET_SECONDS
        going_on = True
        while going_on:
            finished = self.draw_next()
            if finished is None:
                if self._database.run(turns.runnable, self._engine_name):
                    self._pass_on()
                return
            going_on = finished.runnable and time.monotonic() < until
            if finished.woken > 1:
                self._bell.ring(self._engine_name, finished.woken - going_on)
            elif finished.runnable and not going_on:
                self._bell.ring_until(self._engine_name, 1)

    def _pass_on(self) -> None:
        """Ring for what was not claimed: somebody held its row just then, or this worker is paused.

        A paused worker passes its ticket on at once, and leaves the next ones to others for a while.
        """
        if self._database.run(workers.is_paused, self._worker_id):
            self._bell.ring_until(self._engine_name, 1)
            time.sleep(PAUSED_SECONDS)
        else:
            time.sleep(HELD_SECONDS)
            self._bell.ring_until(self._engine_name, 1)

    def draw_next(self, before_finish: Callable[[Claim], None] | None = None) -> Finished | None:
        """Claim the fairest turn and see it to its end. None when there was nothing to claim.

        `before_finish` is called when the blobs are kept and the turn is about to be finished. Where memory ran out, the
        process ends with `OUT_OF_MEMORY` after that, since what filled the memory is gone only with it: a fresh one draws
        the turn once more, with less. Where that was not enough either, the turn has failed.
        """
        claim = self._database.run(
            turns.claim,
            engine=self._engine_name,
            worker_id=self._worker_id,
            lease_seconds=self._settings.lease_seconds,
            turn_seconds=self._settings.turn_seconds,
            warm=list(self._warm),
            warm_patience=self._settings.warm_patience_seconds,
        )
        if claim is None:
            return None
        full: OutOfMemory | None = None
        try:
            with Lease(self._database, claim, self._settings.lease_seconds) as lease:
                outcome = self._outcome(claim, lease)
                lease.check()
        except LeaseLost as error:
            log.info("stopped: %s", error)
            return Finished(valid=False, runnable=True)
        except SystemExit:
            self._database.run(turns.release, claim.turn_id, claim.fencing)
            raise
        except OutOfMemory as error:
            log.exception("turn %s did not fit into the memory", claim.turn_id)
            full = error
            if not claim.options.get(turns.MODEST):
                self._database.run(turns.release, claim.turn_id, claim.fencing, modest=True)
                self._bell.ring_until(self._engine_name, 1)
                raise SystemExit(OUT_OF_MEMORY) from error
            why = turns.failure(claim.turn_id, sentences.OUT_OF_MEMORY)
            outcome = Outcome(Status.FAILED, told(why, claim.options.get(turns.LANGUAGE, "")))
        if before_finish is not None:
            before_finish(claim)
        finished = self._database.run(turns.finish, claim.turn_id, claim.fencing, outcome)
        self._progress.send(claim.turn_id, Progress(ENDED))
        if not finished.valid:
            log.info("turn %s was drawn, but had been taken back or cancelled meanwhile", claim.turn_id)
        if full is not None:
            if finished.runnable:  # with the process goes its ticket
                self._bell.ring_until(self._engine_name, max(finished.woken, 1))
            raise SystemExit(OUT_OF_MEMORY) from full
        return finished

    def _outcome(self, claim: Claim, lease: Lease) -> Outcome:
        """What comes of the turn. A drawing that breaks ends as failed here, not as a crash of the worker."""
        language = claim.options.get(turns.LANGUAGE, "")
        try:
            if claim.kind is Kind.ENLARGE:
                return self._enlarge(claim)
            self._progress.send(claim.turn_id, Progress("reading"))
            history = self._history(claim.line)
            message = self._message(claim)
            reading = self._engine.read(history, message, on_reply=self._replier(claim, lease))
            lease.check()
            if reading.draws and (chosen := claim.options.get(turns.ASPECT, message.aspect)) != message.aspect:
                other = told(sentences.OTHER_ASPECT.given(aspect=chosen), language)
                reading = replace(reading, reply=f"{reading.reply} {other}")
            drawn = self._drawn(claim, history, message, reading, lease)
            lease.check()
            return self._keep(claim, reading, drawn)
        except Refused as error:
            return Outcome(Status.REFUSED, str(error))
        except OutOfMemory:
            raise  # it ends the process: `draw_next`
        except BlobMissing:
            log.exception("turn %s needs something that is gone", claim.turn_id)
            why = sentences.PICTURE_LOST
        except BlobsUnavailable:
            log.exception("turn %s was not kept", claim.turn_id)
            why = sentences.NOT_STORED
        except Exception:  # whatever an engine raises, the turn ends with a sentence and the worker goes on
            log.exception("turn %s (reference %s) failed", claim.turn_id, claim.turn_id.hex[-8:])
            why = sentences.BROKE
        return Outcome(Status.FAILED, told(turns.failure(claim.turn_id, why), language))

    def _drawn(
        self, claim: Claim, history: History, message: ChatMessage, reading: Reading, lease: Lease
    ) -> list[Drawn]:
        """One picture, or as many as the turn asks for; the first is the one that history keeps."""
        if claim.kind is Kind.VARIATIONS and reading.draws:
            drawings = self._engine.draw_several(
                reading,
                turn_id=claim.turn_id,
                seeds=range(claim.seed, claim.seed + VARIATIONS),
                on_step=self._stepper(claim, reading, lease),
            )
            return [Drawn(Kept(one, (), 1)) for one in drawings]
        compared = reading.draws and claim.options.get(admin.COMPARE)
        if self._compared is None or not compared or not _draws_as(self._compared, message.aspect):
            return [Drawn(self._draw(claim, reading, lease))]
        return self._two(claim, history, message, reading, lease)

    def _two(self, claim: Claim, history: History, message: ChatMessage, reading: Reading, lease: Lease) -> list[Drawn]:
        """The turn by both configurations. Neither is drawn again for the guard, and no preview tells which is which."""
        assert self._compared is not None
        on_step = self._stepper(claim, reading, lease)

        def unseen(step: Step) -> None:
            on_step(replace(step, preview=None))

        own = self._engine.draw(reading, turn_id=claim.turn_id, seed=claim.seed, on_step=unseen)
        try:
            theirs = self._compared.read(history, message)
            other = self._compared.draw(theirs, turn_id=claim.turn_id, seed=claim.seed, on_step=unseen)
        except Exception:  # whatever breaks the comparison, the turn has its picture
            log.exception("turn %s could not be drawn by %s", claim.turn_id, self._compared_name)
            return [Drawn(Kept(own, (), 1))]
        if other.picture is None:
            return [Drawn(Kept(own, (), 1))]
        return [Drawn(Kept(own, (), 1), self._engine_name), Drawn(Kept(other, (), 1), self._compared_name)]

    def _draw(self, claim: Claim, reading: Reading, lease: Lease) -> Kept[Drawing]:
        """Draw, and draw again with other seeds as often as the guard wants and may."""

        def drawing(number: int) -> Drawing:
            return self._engine.draw(
                reading,
                turn_id=claim.turn_id,
                seed=claim.seed + number,
                on_step=self._stepper(claim, reading, lease),
            )

        if self._guard is None or not reading.draws:
            return Kept(drawing(0), (), 1)
        faces = [self._face(claim.line, one) if isinstance(one, UUID) else None for one in _cast(reading)]
        kept = self._guard.best_of(
            map(drawing, range(1 + self._settings.guard_redraws)), faces, ordered=bool(reading.cast)
        )
        if kept.drawings > 1:
            log.info("turn %s was drawn %d times", claim.turn_id, kept.drawings)
        if kept.seen and all(one.box is None for one in kept.seen):
            log.info("in the picture of turn %s nobody is found, so nobody was compared", claim.turn_id)
        return kept

    def _replier(self, claim: Claim, lease: Lease) -> Callable[[str], None]:
        told = ""

        def on_reply(reply: str) -> None:
            nonlocal told
            lease.check()
            if reply != told:
                told = reply
                self._progress.send(claim.turn_id, Progress("reading", text=reply))

        return on_reply

    def _stepper(self, claim: Claim, reading: Reading, lease: Lease) -> Callable[[Step], None]:
        sent = 0.0

        def on_step(step: Step) -> None:
            nonlocal sent
            lease.check()
            now = time.monotonic()
            if step.preview is None and now - sent < PREVIEW_SECONDS and step.step != step.steps:
                return
            sent = now
            preview = _jpeg(step.preview) if step.preview is not None else b""
            self._progress.send(claim.turn_id, Progress("drawing", step.step, step.steps, reading.reply, preview))

        return on_step

    # -- what the engine is given --------------------------------------------------------------------------------------

    def _history(self, line: Line) -> History:
        pictures = {turn.turn_id: turn.picture_key for turn in line.past}
        attachments = {turn.turn_id: turn.attachment_keys for turn in line.past}
        fingerprint = self._engine.fingerprint

        def picture(turn_id: UUID) -> Image.Image | None:
            key = pictures.get(turn_id)
            return None if key is None else self._picture(key)

        def attached(turn_id: UUID) -> tuple[Image.Image, ...]:
            return tuple(self._picture(key) for key in attachments.get(turn_id, ()))

        return History(
            records=tuple(self._record(turn, turn.record_key) for turn in line.past if turn.record_key is not None),
            workspace_salt=line.workspace_salt,
            segments=self._segments,
            fetch={
                turn.turn_id: partial(self._blobs.get, turn.segments[fingerprint])
                for turn in line.past
                if fingerprint in turn.segments
            },
            picture=picture,
            attached=attached,
            several=frozenset(turn.turn_id for turn in line.past if turn.pictures > 1),
        )

    def _record(self, turn: PastTurn, key: str) -> Record:
        known = self._records.get(key)
        if known is None:
            try:
                known = record_from_bytes(self._blobs.get(key))
            except (DamagedRecord, BlobMissing) as error:
                # Without a fingerprint: an engine takes it for another's, and encodes its picture anew.
                log.warning(
                    "the record of turn %s is lost, what Postgres and its picture say is used: %s", turn.turn_id, error
                )
                return Record(
                    turn.turn_id, "", turn.text, turn.reply, np.zeros(0, np.int32), np.zeros((0, 1), np.float32)
                )
            self._remember(key, known)
        else:
            self._records.move_to_end(key)
        return known

    def _remember(self, key: str, record: Record) -> None:
        if key not in self._records:
            self._records_size += record.size
        self._records[key] = record
        while self._records_size > RECORD_BYTES_IN_MEMORY:
            _, gone = self._records.popitem(last=False)
            self._records_size -= gone.size

    def _message(self, claim: Claim) -> ChatMessage:
        chosen = claim.options.get(turns.ASPECT, "")
        return ChatMessage(
            text=claim.text,
            references=tuple(self._picture(key) for key in claim.line.attachment_keys),
            characters=tuple(self._character(claim, character) for character in claim.line.characters),
            seed=claim.seed,
            aspect=chosen if _draws_as(self._engine, chosen) else "",
            modest=bool(claim.options.get(turns.MODEST)),
        )

    def _character(self, claim: Claim, character: InScope) -> Character:
        return Character(
            id=character.id,
            name=character.name,
            version=character.version,
            description=character.description,
            references=tuple(self._picture(key) for key in character.reference_keys),
            turn_id=character.turn_id,
            encodings=tuple(
                Encodings(partial(self._encoding, claim, key), partial(self._keep_encoding, claim, key))
                for key in character.reference_keys
            ),
        )

    def _encoding(self, claim: Claim, reference_key: str, fingerprint: str) -> Arrays | None:
        try:
            key = self._database.run(characters.encoding, claim.workspace_id, reference_key, fingerprint)
            if key is None:
                return None
            try:
                return arrays_from_bytes(self._blobs.get(key), f"{reference_key} {fingerprint}")
            except DamagedRecord as error:
                log.warning("what is kept of a reference is not used: %s", error)
                self._blobs.delete(key)  # or what is made again, which may be the same, would not take its place
        except (BlobError, DatabaseUnavailable) as error:
            log.warning("what is kept of a reference cannot be got: %s", error)
        return None

    def _keep_encoding(self, claim: Claim, reference_key: str, fingerprint: str, arrays: Arrays) -> None:
        encode = partial(arrays_to_bytes, f"{reference_key} {fingerprint}", arrays)
        try:
            blob = self._put(claim, "encodings", encode, ".safetensors", "application/octet-stream")
            self._database.run(characters.keep_encoding, claim.workspace_id, reference_key, fingerprint, blob)
        except (BlobError, DatabaseUnavailable) as error:
            log.warning("what was made of a reference is not kept: %s", error)

    def _face(self, line: Line, character_id: UUID) -> Face | None:
        """What a character looks like: by their reference, else by the first picture that shows them."""
        character = next((one for one in line.characters if one.id == character_id), None)
        known: tuple[str, Box | None] | None = None
        if character is not None and character.embeddable and character.reference_keys:
            known = character.reference_keys[0], None
        else:
            for turn in line.past:
                if character_id in turn.boxes and turn.picture_key is not None:
                    known = turn.picture_key, turn.boxes[character_id]
                    break
        if known is None or self._guard is None:
            return None
        if known not in self._faces:
            try:
                self._faces[known] = self._guard.face(self._picture(known[0]), known[1])
            except (
                BlobMissing,
                BlobsUnavailable,
                OSError,
            ) as error:  # a drawing that nobody compares is better than none
                log.warning("character %s cannot be compared: %s", character_id, error)
                return None
        self._faces.move_to_end(known)
        while len(self._faces) > FACES_IN_MEMORY:
            self._faces.popitem(last=False)
        return self._faces[known]

    def _picture(self, key: str) -> Image.Image:
        with Image.open(io.BytesIO(self._blobs.get(key))) as picture:
            return picture.convert("RGB")

    # -- what is kept --------------------------------------------------------------------------------------------------

    def _enlarge(self, claim: Claim) -> Outcome:
        """The picture of the turn before, larger. It is no part of the history, and leaves no record."""
        language = claim.options.get(turns.LANGUAGE, "")
        key = claim.line.past[-1].picture_key if claim.line.past else None
        if key is None:
            return Outcome(Status.REFUSED, told(sentences.ORIGINAL_GONE, language))
        try:
            picture = enlarged(self._picture(key))
        except ValueError:
            return Outcome(Status.REFUSED, told(sentences.LARGEST, language))
        blob = self._put(claim, "pictures", partial(_png, picture), ".png", "image/png")
        size = {"width": str(picture.width), "height": str(picture.height)}
        alt = told(sentences.BEFORE_ENLARGED.given(shown=claim.line.past[-1].reply, **size), language)
        said = told(sentences.ENLARGED.given(**size), language)
        return Outcome(Status.DONE, said, (DrawnPicture(blob, picture.width, picture.height, alt),))

    def _keep(self, claim: Claim, reading: Reading, drawn: Sequence[Drawn]) -> Outcome:
        first, record = drawn[0].kept, drawn[0].kept.drawing.record
        if len(drawn) > 1 and not drawn[0].configuration:  # variations share what was read, and no latents
            record = replace(record, latents=None)
        keep: list[tuple[str, Callable[[], bytes], str, str]] = [
            ("records", partial(record_to_bytes, record), ".safetensors", "application/octet-stream")
        ]
        elsewhere = self._settings.blobs.startswith("s3://")  # a folder is this disk once more
        if first.drawing.segment is not None and elsewhere:
            keep.append(("segments", partial(bytes, first.drawing.segment), ".safetensors", "application/octet-stream"))
        shown = [(one, picture) for one in drawn if (picture := one.kept.drawing.picture) is not None]
        keep += [("pictures", partial(_png, picture), ".png", "image/png") for _, picture in shown]
        stored = list(self._writers.map(partial(self._put, claim), *zip(*keep, strict=True)))
        blobs = {kind: blob for (kind, *_), blob in zip(keep, stored, strict=True) if kind != "pictures"}
        versions = {character.id: character.version for character in claim.line.characters}
        seen = dict(zip(_cast(reading), first.seen, strict=False))
        pictures = [
            _shown(one, picture, blob, reading, versions)
            for (one, picture), blob in zip(shown, stored[len(stored) - len(shown) :], strict=True)
        ]
        chosen = 0
        compared = any(one.configuration for one in pictures)
        if compared and claim.seed % 2:  # in random order, so that no side is favoured
            pictures.reverse()
            chosen = len(pictures) - 1
        self._remember(blobs["records"].key, record)
        if self._segments is not None:
            self._warm[claim.conversation_id] = None
            self._warm.move_to_end(claim.conversation_id)
            while len(self._warm) > 100:
                self._warm.popitem(last=False)
        return Outcome(
            status=Status.DONE,
            reply=reading.reply,
            pictures=tuple(pictures),
            chosen=chosen,
            introduces=tuple(
                Introduced(new.name, new.description, _seen(seen.get(new.name))[1]) for new in reading.introduces
            ),
            record=blobs["records"],
            segment=blobs.get("segments"),
            fingerprint=record.fingerprint,
            tokens_read=reading.tokens_read,
            tokens_reused=reading.tokens_reused,
        )

    def _put(self, claim: Claim, kind: str, encode: Callable[[], bytes], suffix: str, content_type: str) -> StoredBlob:
        data = encode()
        key = key_for(claim.workspace_id, kind, data, suffix)
        self._blobs.put(key, data, content_type=content_type)
        return StoredBlob(key, len(data), content_type)


def _shown(
    one: Drawn, picture: Image.Image, blob: StoredBlob, reading: Reading, versions: dict[UUID, int]
) -> DrawnPicture:
    """A drawing that is kept, with whom it shows; `versions` are those of the characters in scope."""
    seen = dict(zip(_cast(reading), one.kept.seen, strict=False))  # nobody was seen where nobody looked
    return DrawnPicture(
        blob=blob,
        width=picture.width,
        height=picture.height,
        alt_text=one.kept.drawing.alt_text,
        shows=tuple(Shown(who, versions[who], *_seen(seen.get(who))) for who in reading.characters if who in versions),
        configuration=one.configuration,
    )


def _draws_as(engine: Engine, aspect: str) -> bool:
    """Whether an engine can draw what somebody chose; anything, where nothing was chosen."""
    return not aspect or aspect in named(engine.abilities.sizes)


def _cast(reading: Reading) -> tuple[UUID | str, ...]:
    """Everybody in the picture: known ones by id, newcomers by name."""
    return reading.cast or (*reading.characters, *(new.name for new in reading.introduces))


def _seen(sighting: Sighting | None) -> tuple[float | None, Box | None]:
    return (None, None) if sighting is None else (sighting.similarity, sighting.box)


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


def _jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=70)
    return buffer.getvalue()
