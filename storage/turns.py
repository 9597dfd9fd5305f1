"""The life of a turn: every change of its state, and nothing else may write `turns.status`.

    received → queued → running → done | refused | failed | cancelled

Each function is one step, runs inside the caller's transaction, and may be repeated: what was done already is recognised
and not done twice. Locks are taken in one order everywhere: conversation, turn, its children, persons, workspace.
It knows nothing of Celery (`storage.tickets`), of engines, or of any platform.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Float,
    Integer,
    Text,
    Uuid,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from storage import admin, conversations, events, sentences
from storage.conversations import Box, Line
from storage.database import single
from storage.sentences import LANGUAGES, Sentence, language_of, told
from storage.tables import (
    FINAL,
    Appearance,
    Blob,
    Character,
    Conversation,
    Kind,
    Person,
    Picture,
    Record,
    Reference,
    Segment,
    Status,
    Turn,
    Worker,
    Workspace,
)

SEEDS = 2**31
BREADTH = (
    8,
    64,
)  # workspaces, and persons of each, that a claim looks at; the second when all of the first were locked
WARM_WINDOW = 4  # how many of the fairest turns may be passed over for one whose history the worker holds
DEAD_AFTER = 6  # heartbeats a worker may miss before it no longer counts as live


@dataclass(frozen=True, slots=True)
class Request:
    """What a platform's adapter makes of one of its events."""

    platform: str
    workspace: str  # the platform's own ids, as text
    channel: str
    thread: str
    source_id: str  # of the message, interaction or form: what arrives twice is one turn
    author: str
    text: str
    kind: Kind = Kind.SAY
    author_name: str = ""
    workspace_name: str = ""
    attachments: tuple[str, ...] = ()  # links that the platform's adapter can fetch
    reply_to: UUID | None = None  # the turn replied to, or done again; otherwise the head
    language: str = ""  # that its author reads, by BCP 47 tag
    seed: int | None = None
    aspect: str = ""  # one of the engine's, by name (`storage.aspects`); empty leaves it to the engine
    moderates: bool = False  # whether the author may end what others asked for


@dataclass(frozen=True, slots=True)
class Limits:
    """What a message may bring; from the settings."""

    text: int
    attachments: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to a request: its turn, and what is to be done next."""

    turn_id: UUID
    conversation_id: UUID
    workspace_id: UUID
    status: Status
    engine: str
    duplicate: bool = False
    ring: bool = False  # a worker could claim it now


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker's right to finish a turn, and what it is to draw. `fencing` is the token that the right hangs on."""

    turn_id: UUID
    workspace_id: UUID
    conversation_id: UUID
    person_id: UUID
    parent_id: UUID | None
    kind: Kind
    text: str
    options: dict[str, Any]
    seed: int
    fencing: int
    lease_until: datetime
    deadline_at: datetime
    started_at: datetime
    line: Line


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """Bytes that lie in the blob store already."""

    key: str
    bytes: int
    content_type: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A character in a picture: where, and how like their reference, as far as anybody looked."""

    character_id: UUID
    version: int
    similarity: float | None = None
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class Introduced:
    """A character whom the turn's picture shows for the first time."""

    name: str
    description: str
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class DrawnPicture:
    """A picture that lies in the blob store, and who is in it."""

    blob: StoredBlob
    width: int
    height: int
    alt_text: str
    shows: tuple[Shown, ...] = ()
    configuration: str = ""  # that drew it, where two are compared


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a claimed turn."""

    status: Status
    reply: str
    pictures: tuple[DrawnPicture, ...] = ()
    introduces: tuple[Introduced, ...] = ()
    record: StoredBlob | None = None
    segment: StoredBlob | None = None
    fingerprint: str = ""
    tokens_read: int = 0
    tokens_reused: int = 0
    chosen: int = 0  # which of the pictures history keeps, unless somebody picks another


@dataclass(frozen=True, slots=True)
class Finished:
    """Whether the finish was valid, and how many turns its end made claimable."""

    valid: bool
    woken: int = 0
    runnable: bool = False


@dataclass(slots=True)
class Swept:
    """What a sweep found. `admit` are turns whose attachments have still to be fetched."""

    taken_back: int = 0
    failed: int = 0
    admit: list[UUID] = field(default_factory=list)
    runnable: dict[str, int] = field(default_factory=dict)  # by engine
    live_workers: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a waiting turn stands: `ahead` turns come before it; `seconds` until its picture, when that is known."""

    status: Status
    ahead: int
    workers: int
    seconds: float | None
    language: str = LANGUAGES[0]  # of whoever waits


# -- receive ----------------------------------------------------------------------------------------------------------

_ARRIVE = text(
    """
    SELECT w.id AS workspace_id, p.id AS person_id, c.id AS conversation_id, c.head_id,
           coalesce(c.settings ->> 'engine', w.settings ->> 'engine') AS engine,
           w.settings AS workspace_settings, p.blocked_at
    FROM workspaces w
    JOIN persons p ON p.workspace_id = w.id AND p.external_id = :author
    JOIN conversations c ON c.workspace_id = w.id AND c.channel = :channel AND c.thread = :thread
    WHERE w.platform = :platform AND w.external_id = :workspace
    FOR NO KEY UPDATE OF c
    """
)

# Every mention in a channel begins a conversation, so this is no rare way: one statement, and one trip. What it made is
# ours alone until we commit, as if it were locked. Nothing comes of it where the workspace is new, or where somebody else has
# just made one of the rows.
_MEET = text(
    """
    WITH place AS (
        SELECT id, settings FROM workspaces WHERE platform = :platform AND external_id = :workspace
    ),
    person AS (
        INSERT INTO persons (id, workspace_id, external_id, name) SELECT :person_id, id, :author, :name FROM place
        ON CONFLICT DO NOTHING RETURNING id
    ),
    conversation AS (
        INSERT INTO conversations (id, workspace_id, channel, thread)
        SELECT :conversation_id, id, :channel, :thread FROM place
        ON CONFLICT DO NOTHING RETURNING id
    )
    SELECT place.id AS workspace_id, coalesce(known.id, person.id) AS person_id, conversation.id AS conversation_id,
           NULL::uuid AS head_id, place.settings ->> 'engine' AS engine, place.settings AS workspace_settings,
           known.blocked_at
    FROM place CROSS JOIN conversation LEFT JOIN person ON true
    LEFT JOIN persons known ON known.workspace_id = place.id AND known.external_id = :author
    WHERE coalesce(known.id, person.id) IS NOT NULL
    """
).bindparams(
    *(bindparam(name, type_=Uuid) for name in ("person_id", "conversation_id")),
    *(bindparam(name, type_=Text) for name in ("author", "name", "channel", "thread")),
)

# One statement, after the conversation's lock. The shared lock on the parent makes a finish that happens just now wait
# for us, or us for it: so the turn either sees that its line has ended, or is seen and made ready by that ending. A line
# has ended when its last turn is final and was ready itself: a turn may be refused or cancelled while one before it runs.
_INSERT = text(
    """
    WITH parent AS (
        SELECT status IN ('done', 'refused', 'failed', 'cancelled') AND ready_at IS NOT NULL AS ended
        FROM turns WHERE id = :parent_id FOR SHARE
    ),
    turn AS (
        INSERT INTO turns (id, workspace_id, conversation_id, person_id, parent_id, source_id, kind, text, attachments,
                           options, engine, seed, status, ready_at, reply, finished_at)
        SELECT :id, :workspace_id, :conversation_id, :person_id, :parent_id, :source_id, :kind, :text, :attachments,
               :options, :engine, :seed, :status,
               CASE WHEN coalesce((SELECT ended FROM parent), true) THEN now() END,
               :reply, CASE WHEN :status = 'refused' THEN now() END
        ON CONFLICT (workspace_id, source_id) DO NOTHING
        RETURNING id, workspace_id, person_id, conversation_id, status, ready_at, finished_at,
                  status = 'queued' AND ready_at IS NOT NULL AS claimable
    ),
    delivery AS (
        INSERT INTO deliveries (turn_id, workspace_id, platform, due_at)
        SELECT id, workspace_id, :platform, finished_at FROM turn
    ),
    conversation AS (
        UPDATE conversations SET head_id = CASE WHEN :kind = 'enlarge' THEN head_id ELSE turn.id END, last_turn_at = now(),
               title = coalesce(nullif(conversations.title, ''), :title)
        FROM turn WHERE conversations.id = turn.conversation_id
    ),
    person AS (
        UPDATE persons SET ready_turns = persons.ready_turns + 1
        FROM turn WHERE persons.id = turn.person_id AND turn.claimable
    )
    SELECT claimable FROM turn
    """
).bindparams(
    *(bindparam(name, type_=JSONB) for name in ("attachments", "options")),
    *(bindparam(name, type_=Uuid) for name in ("id", "workspace_id", "conversation_id", "person_id", "parent_id")),
    *(bindparam(name, type_=Text) for name in ("source_id", "kind", "text", "engine", "status", "reply")),
    *(bindparam(name, type_=Text) for name in ("platform", "title")),
    bindparam("seed", type_=BigInteger),
)


def receive(session: Session, request: Request, *, engine: str, limits: Limits) -> Receipt:
    """Take a request in. The only way a turn comes to be; what arrives twice gives the first turn's receipt."""
    request = replace(request, text=storable(request.text), author_name=storable(request.author_name))
    here = _arrive(session, request)
    parent_id, words, attachments, problem = here.head_id, request.text, request.attachments, _problem(request, limits)
    kept: Sequence[str] = ()
    copied: UUID | None = None
    aspect = request.aspect
    if request.reply_to is not None:
        target = _target(session, here, request.reply_to)
        if target is None:
            problem = sentences.NOT_FOUND
        elif request.kind is Kind.ENLARGE:
            parent_id, words, copied = target.id, target.text, target.id
            problem = None if _has_picture(session, target.id) else sentences.NOTHING_TO_ENLARGE
        elif request.kind in REPEATS and target.kind in REPEATS and target.reply in NOT_DRAWN:
            problem = sentences.NOTHING_AGAIN
        elif request.kind in REPEATS:
            parent_id, words, copied = target.parent_id, target.text, target.id
            kept = _attached(session, target.id)
            attachments = () if kept else tuple(target.attachments)
            aspect = aspect or target.options.get(ASPECT, "")
            problem = _problem(replace(request, text=words, attachments=attachments or tuple(kept)), limits)
        else:
            parent_id = target.id
    elif request.kind is not Kind.SAY:
        problem = sentences.NOTHING_AGAIN
    if problem is None:
        rules = admin.Rules.of(here.workspace_settings)
        blocked = here.blocked_at is not None
        problem = admin.refusal(session, here.workspace_id, here.person_id, rules, blocked=blocked)

    turn_id = uuid7()
    chosen_engine = here.engine or engine
    status = Status.REFUSED if problem else Status.RECEIVED if attachments else Status.QUEUED
    claimable = session.execute(
        _INSERT,
        {
            "id": turn_id,
            "workspace_id": here.workspace_id,
            "conversation_id": here.conversation_id,
            "person_id": here.person_id,
            "parent_id": parent_id,
            "source_id": request.source_id,
            "kind": request.kind,
            "text": words,
            "attachments": list(attachments),
            "options": _options(request, here.workspace_settings, copied, aspect),
            "engine": chosen_engine,
            "seed": secrets.randbelow(SEEDS) if request.seed is None else request.seed % SEEDS,
            "status": status,
            "reply": told(problem or "", request.language),
            "platform": request.platform,
            "title": _title(words),
        },
    ).scalar_one_or_none()
    if claimable is None:
        return _known(session, here.workspace_id, request.source_id)
    for position, key in enumerate(kept):
        session.add(Reference(workspace_id=here.workspace_id, turn_id=turn_id, position=position, blob_key=key))
    if problem:
        events.notify_delivery(session, request.platform, turn_id)
    return Receipt(turn_id, here.conversation_id, here.workspace_id, status, chosen_engine, ring=claimable)


REPEATS = frozenset({Kind.AGAIN, Kind.VARIATIONS})
"""Kinds that draw once more what another turn asked for."""

NOT_DRAWN = frozenset({*sentences.NOT_FOUND.words, *sentences.NOTHING_AGAIN.words})
"""Replies of those that found nothing to draw once more."""


def _target(session: Session, here: Any, turn_id: UUID) -> Turn | None:
    """The turn that is meant by a reply to another: an enlarged picture stands for the one that it shows."""
    target = session.execute(
        select(Turn).where(
            Turn.workspace_id == here.workspace_id,
            Turn.conversation_id == here.conversation_id,
            Turn.id == turn_id,
            Turn.deleted_at.is_(None),
        )
    ).scalar_one_or_none()
    if target is not None and target.kind == Kind.ENLARGE:
        return None if target.parent_id is None else _target(session, here, target.parent_id)
    return target


def _has_picture(session: Session, turn_id: UUID) -> bool:
    return session.scalar(select(Picture.id).where(Picture.turn_id == turn_id, Picture.chosen)) is not None


ASPECT = "aspect"  # in a turn's options: what somebody chose its pictures to be, by name
LANGUAGE = "language"  # in a turn's options: of whoever asked, where it is another than English
OF = "of"  # in a turn's options: the turn whose words it has, where somebody pressed a button instead of writing


def _options(request: Request, workspace_settings: dict[str, Any], copied: UUID | None, aspect: str) -> dict[str, Any]:
    """What a turn is asked besides its words: now and then, where the workspace wants it, that two draw it to be compared."""
    chosen = {ASPECT: aspect} if aspect else {}
    if (language := language_of(request.language)) != LANGUAGES[0]:
        chosen[LANGUAGE] = language
    if copied is not None:
        return chosen | {OF: str(copied)}
    share = workspace_settings.get(admin.COMPARE, 0)
    compared = request.kind is Kind.SAY and secrets.randbelow(100) < share
    return chosen | ({admin.COMPARE: True} if compared else {})


def _arrive(session: Session, request: Request) -> Any:
    """The rows of workspace, person and conversation, made when they are met for the first time; the last one locked."""
    where = {
        "platform": request.platform,
        "workspace": request.workspace,
        "author": request.author,
        "channel": request.channel,
        "thread": request.thread,
    }
    row = session.execute(_ARRIVE, where).one_or_none()
    if row is None:
        new = {**where, "person_id": uuid7(), "conversation_id": uuid7(), "name": request.author_name}
        row = session.execute(_MEET, new).one_or_none()
        if row is None:
            workspace(session, request.platform, request.workspace, request.workspace_name)
            row = session.execute(_MEET, new).one_or_none() or session.execute(_ARRIVE, where).one()
    return row


def _known(session: Session, workspace_id: UUID, source_id: str) -> Receipt:
    """The receipt of a turn that was received before."""
    known = session.execute(
        select(Turn).where(Turn.workspace_id == workspace_id, Turn.source_id == source_id)
    ).scalar_one()
    status = Status(known.status)
    ring = status is Status.QUEUED and known.ready_at is not None
    return Receipt(known.id, known.conversation_id, workspace_id, status, known.engine, duplicate=True, ring=ring)


def _problem(request: Request, limits: Limits) -> Sentence | None:
    """Why the request cannot become a picture, as a sentence to the person."""
    if not request.text.strip() and not request.attachments:
        return sentences.NO_WORDS
    if len(request.text) > limits.text:
        return sentences.TOO_LONG.given(count=len(request.text), most=limits.text)
    if len(request.attachments) > limits.attachments:
        return sentences.TOO_MANY_PICTURES.given(count=len(request.attachments), most=limits.attachments)
    return None


def storable(words: str) -> str:
    """Without what Postgres cannot keep in a text: null characters and halves of surrogate pairs."""
    return words.replace("\x00", "").encode("utf-8", "ignore").decode()


def _title(words: str) -> str:
    line = " ".join(words.split())
    return line if len(line) <= 60 else line[:59].rstrip() + "…"


def workspace(session: Session, platform: str, external_id: str, name: str = "") -> UUID:
    """The id of a workspace, which is made when it is met for the first time."""
    query = select(Workspace.id).where(Workspace.platform == platform, Workspace.external_id == external_id)
    found = session.scalar(query)
    if found is None:
        session.execute(
            insert(Workspace)
            .values(id=uuid7(), platform=platform, external_id=external_id, name=name)
            .on_conflict_do_nothing()
        )
        found = session.scalars(query).one()
    return found


def conversation(session: Session, workspace_id: UUID, channel: str, thread: str) -> UUID:
    """The id of a conversation, which is made when its thread is met for the first time."""
    session.execute(
        insert(Conversation)
        .values(id=uuid7(), workspace_id=workspace_id, channel=channel, thread=thread)
        .on_conflict_do_nothing()
    )
    return session.scalars(
        select(Conversation.id).where(
            Conversation.workspace_id == workspace_id, Conversation.channel == channel, Conversation.thread == thread
        )
    ).one()


def person(session: Session, workspace_id: UUID, external_id: str, name: str = "") -> UUID:
    """The id of a person, who is noted when met for the first time."""
    query = select(Person.id).where(Person.workspace_id == workspace_id, Person.external_id == external_id)
    found = session.scalar(query)
    if found is None:
        session.execute(
            insert(Person)
            .values(id=uuid7(), workspace_id=workspace_id, external_id=external_id, name=name)
            .on_conflict_do_nothing()
        )
        found = session.scalars(query).one()
    return found


def _attached(session: Session, turn_id: UUID) -> Sequence[str]:
    return session.scalars(
        select(Reference.blob_key).where(Reference.turn_id == turn_id).order_by(Reference.position)
    ).all()


# -- admit ------------------------------------------------------------------------------------------------------------


def admit(
    session: Session, turn_id: UUID, pictures: Sequence[StoredBlob], *, problem: str | None = None, remark: str = ""
) -> bool:
    """Queue a received turn whose attachments are kept, or refuse it with `problem`. Returns whether to ring.

    `remark` is a sentence to the person that will stand before the reply.
    """
    turn = session.execute(select(Turn).where(Turn.id == turn_id).with_for_update()).scalar_one_or_none()
    if turn is None or turn.status != Status.RECEIVED:
        return False
    if problem is not None:
        _end(session, [turn_id], Status.REFUSED, problem)
        return False
    keep_blobs(session, turn.workspace_id, pictures)
    for position, blob in enumerate(pictures):
        session.add(Reference(workspace_id=turn.workspace_id, turn_id=turn_id, position=position, blob_key=blob.key))
    turn.status, turn.reply = Status.QUEUED, told(remark, turn.options.get(LANGUAGE, ""))
    session.flush()
    if turn.ready_at is None:
        return False
    _count_ready(session, {turn.person_id: 1})
    return True


# -- claim, renew, finish ---------------------------------------------------------------------------------------------

_LINE_PARTS, _LINE_COLUMNS = conversations.line_sql("claimed")

# Fair order without reading the whole queue: the busy workspaces by a loose scan over the runnable index, in each the
# persons who wait, least recently served first, of each their oldest turns. `nth` interleaves them, so that a second
# claimer takes the next person and not the same person's next turn. Locking happens last and one row at a time: a row
# that another claimer holds is passed over, never waited for. The line of the claimed turn comes with it.
_CLAIM = text(
    f"""
    WITH RECURSIVE busy AS (
        (SELECT workspace_id FROM turns
         WHERE engine = :engine AND status = 'queued' AND ready_at IS NOT NULL
           AND NOT EXISTS (SELECT FROM workers WHERE id = :worker_id AND paused)
         ORDER BY workspace_id LIMIT 1)
        UNION ALL
        SELECT (SELECT t.workspace_id FROM turns t
                WHERE t.engine = :engine AND t.status = 'queued' AND t.ready_at IS NOT NULL
                  AND t.workspace_id > busy.workspace_id
                ORDER BY t.workspace_id LIMIT 1)
        FROM busy WHERE busy.workspace_id IS NOT NULL
    ),
    workspace_order AS (
        SELECT w.id, w.served_at FROM busy JOIN workspaces w ON w.id = busy.workspace_id
        ORDER BY w.served_at, w.id LIMIT :breadth
    ),
    person_order AS (
        SELECT p.id, w.id AS workspace_id, w.served_at AS workspace_served_at, p.served_at,
               row_number() OVER (PARTITION BY w.id ORDER BY p.served_at, p.id) AS nth
        FROM workspace_order w CROSS JOIN LATERAL (
            SELECT q.id, q.served_at FROM persons q CROSS JOIN LATERAL (
                SELECT t.id FROM turns t WHERE t.engine = :engine AND t.workspace_id = w.id AND t.person_id = q.id
                AND t.status = 'queued' AND t.ready_at IS NOT NULL LIMIT 1) one
            WHERE q.workspace_id = w.id AND q.ready_turns > 0
            ORDER BY q.served_at LIMIT :breadth
        ) p
    ),
    candidates AS (
        SELECT t.id, t.conversation_id, t.ready_at,
               row_number() OVER (ORDER BY t.nth, p.nth, p.workspace_served_at, t.id) AS place
        FROM person_order p CROSS JOIN LATERAL (
            SELECT u.id, u.conversation_id, u.ready_at, row_number() OVER (ORDER BY u.id) AS nth
            FROM (SELECT v.id, v.conversation_id, v.ready_at FROM turns v
                  WHERE v.engine = :engine AND v.workspace_id = p.workspace_id AND v.person_id = p.id
                    AND v.status = 'queued' AND v.ready_at IS NOT NULL
                  ORDER BY v.id LIMIT 2) u
        ) t
        ORDER BY place LIMIT 2 * :breadth
    ),
    preferred AS (
        SELECT id, place, CASE WHEN place <= :window AND conversation_id = ANY(:warm)
            AND (SELECT ready_at FROM candidates WHERE place = 1) > now() - make_interval(secs => :patience)
            THEN 0 ELSE place END AS preference
        FROM candidates
    ),
    picked AS (
        SELECT t.id FROM preferred c JOIN turns t ON t.id = c.id
        WHERE t.status = 'queued' AND t.ready_at IS NOT NULL
        ORDER BY c.preference, c.place LIMIT 1 FOR NO KEY UPDATE OF t SKIP LOCKED
    ),
    claimed AS (
        UPDATE turns SET status = 'running', fencing = turns.fencing + 1, worker_id = :worker_id,
            lease_until = now() + make_interval(secs => :lease),
            deadline_at = now() + make_interval(secs => :deadline),
            started_at = coalesce(turns.started_at, now())
        FROM picked WHERE turns.id = picked.id
        RETURNING turns.id, turns.workspace_id, turns.conversation_id, turns.person_id, turns.parent_id, turns.kind,
                  turns.text, turns.options, turns.seed, turns.fencing, turns.lease_until, turns.deadline_at, turns.started_at
    ),
    person AS (
        UPDATE persons SET ready_turns = persons.ready_turns - 1, served_at = clock_timestamp()
        FROM claimed WHERE persons.id = claimed.person_id RETURNING persons.workspace_id
    ),
    workspace AS (
        UPDATE workspaces SET served_at = clock_timestamp() FROM person WHERE workspaces.id = person.workspace_id
    ),
    {_LINE_PARTS}
    SELECT *, {_LINE_COLUMNS} FROM claimed
    """  # noqa: S608  (of constants)
).bindparams(
    bindparam("warm", type_=ARRAY(Uuid)),
    bindparam("worker_id", type_=Uuid),
    bindparam("lease", type_=Float),
    bindparam("deadline", type_=Float),
    bindparam("patience", type_=Float),
    bindparam("breadth", type_=Integer),
)

_RUNNABLE = text(
    """
    SELECT id FROM turns WHERE engine = :engine AND status = 'queued' AND ready_at IS NOT NULL
    ORDER BY workspace_id, person_id LIMIT 1
    """
)


@single
def claim(
    session: Session,
    *,
    engine: str,
    worker_id: UUID,
    lease_seconds: float,
    turn_seconds: float,
    warm: Sequence[UUID] = (),
    warm_patience: float = 0.0,
) -> Claim | None:
    """Take the fairest runnable turn of the engine, or nothing; nothing at all while an operator has paused the worker.

    `warm` are conversations whose history is at hand.
    """
    values = {
        "engine": engine,
        "worker_id": worker_id,
        "lease": lease_seconds,
        "deadline": turn_seconds,
        "warm": list(warm),
        "patience": warm_patience,
        "window": WARM_WINDOW,
    }
    for breadth in BREADTH:
        row = session.execute(_CLAIM, values | {"breadth": breadth}).one_or_none()
        if row is not None:
            break
        if not runnable(session, engine):
            return None
    else:
        return None
    return Claim(
        turn_id=row.id,
        workspace_id=row.workspace_id,
        conversation_id=row.conversation_id,
        person_id=row.person_id,
        parent_id=row.parent_id,
        kind=Kind(row.kind),
        text=row.text,
        options=row.options,
        seed=row.seed,
        fencing=row.fencing,
        lease_until=row.lease_until,
        deadline_at=row.deadline_at,
        started_at=row.started_at,
        line=conversations.line_of(row),
    )


@single
def runnable(session: Session, engine: str) -> bool:
    """Whether a worker of this engine would find something to claim."""
    return session.scalar(_RUNNABLE, {"engine": engine}) is not None


def renew(session: Session, turn_id: UUID, fencing: int, *, lease_seconds: float) -> bool:
    """Prolong a lease, never past the turn's deadline. False means: stop, the turn is no longer yours."""
    renewed = session.execute(
        update(Turn)
        .where(
            Turn.id == turn_id,
            Turn.fencing == fencing,
            Turn.status == Status.RUNNING,
            Turn.deadline_at > func.now(),
        )
        .values(lease_until=func.least(func.now() + timedelta(seconds=lease_seconds), Turn.deadline_at))
        .returning(Turn.id)
    )
    return renewed.one_or_none() is not None


MODEST = "modest"  # in a turn's options: memory ran out over it, so it is drawn with less


def release(session: Session, turn_id: UUID, fencing: int, *, modest: bool = False) -> bool:
    """Give a claimed turn back, without a strike, because the worker shuts down. `modest`: it is drawn with less then."""
    person_id = session.scalar(
        update(Turn)
        .where(Turn.id == turn_id, Turn.fencing == fencing, Turn.status == Status.RUNNING)
        .values(
            status=Status.QUEUED,
            fencing=Turn.fencing + 1,
            lease_until=None,
            deadline_at=None,
            worker_id=None,
            ready_at=func.now(),
            options=Turn.options.op("||")(cast({MODEST: True} if modest else {}, JSONB)),
        )
        .returning(Turn.person_id)
    )
    if person_id is None:
        return False
    _count_ready(session, {person_id: 1})
    return True


_END = text(
    """
    WITH ended AS (
        UPDATE turns SET status = :status, reply = ltrim(turns.reply || ' ' || :reply), tokens_read = :tokens_read,
               tokens_reused = :tokens_reused, finished_at = now(), lease_until = NULL
        WHERE id = :turn_id AND fencing = :fencing AND status = 'running'
        RETURNING id, workspace_id, conversation_id, person_id, engine,
                  extract(epoch FROM clock_timestamp() - started_at) AS seconds
    ),
    blob AS (
        INSERT INTO blobs (workspace_id, key, bytes, content_type)
        SELECT ended.workspace_id, kept.key, kept.bytes, kept.content_type
        FROM ended, jsonb_to_recordset(:blobs) AS kept(key text, bytes bigint, content_type text)
        ORDER BY kept.key
        ON CONFLICT (workspace_id, key) DO UPDATE SET created_at = now()
    ),
    picture AS (
        INSERT INTO pictures (id, workspace_id, turn_id, position, chosen, blob_key, width, height, alt_text, configuration)
        SELECT drawn.id, ended.workspace_id, ended.id, drawn.position, drawn.position = :chosen, drawn.blob_key,
               drawn.width, drawn.height, drawn.alt_text, drawn.configuration
        FROM ended, jsonb_to_recordset(:pictures) AS drawn(
            id uuid, position int, blob_key text, width int, height int, alt_text text, configuration text)
    ),
    record AS (
        INSERT INTO records (turn_id, workspace_id, fingerprint, blob_key)
        SELECT id, workspace_id, :fingerprint, :record_key FROM ended WHERE :record_key IS NOT NULL
    ),
    segment AS (
        INSERT INTO segments (turn_id, workspace_id, fingerprint, blob_key)
        SELECT id, workspace_id, :fingerprint, :segment_key FROM ended WHERE :segment_key IS NOT NULL
    ),
    used AS (
        INSERT INTO usage (person_id, day, engine, workspace_id, turns, seconds)
        SELECT person_id, (now() AT TIME ZONE 'UTC')::date, engine, workspace_id, 1, seconds FROM ended
        ON CONFLICT (person_id, day, engine)
        DO UPDATE SET turns = usage.turns + 1, seconds = usage.seconds + excluded.seconds
    )
    SELECT workspace_id, conversation_id, person_id, engine FROM ended
    """
).bindparams(
    *(bindparam(name, type_=JSONB) for name in ("blobs", "pictures")),
    *(bindparam(name, type_=Text) for name in ("status", "reply", "fingerprint", "record_key", "segment_key")),
    bindparam("turn_id", type_=Uuid),
    bindparam("chosen", type_=Integer),
)


def finish(session: Session, turn_id: UUID, fencing: int, outcome: Outcome) -> Finished:
    """End a claimed turn. Changes nothing, and says so, when the lease was lost; repeating a valid finish is valid."""
    pictures = [(uuid7(), picture) for picture in outcome.pictures]
    kept = [picture.blob for _, picture in pictures]
    kept += [blob for blob in (outcome.record, outcome.segment) if blob is not None]
    row = session.execute(
        _END,
        {
            "turn_id": turn_id,
            "fencing": fencing,
            "status": outcome.status,
            "reply": outcome.reply,
            "tokens_read": outcome.tokens_read,
            "tokens_reused": outcome.tokens_reused,
            "blobs": [asdict(blob) for blob in {blob.key: blob for blob in kept}.values()],
            "pictures": [
                {
                    "id": str(picture_id),
                    "position": position,
                    "blob_key": picture.blob.key,
                    "width": picture.width,
                    "height": picture.height,
                    "alt_text": picture.alt_text,
                    "configuration": picture.configuration,
                }
                for position, (picture_id, picture) in enumerate(pictures)
            ],
            "chosen": outcome.chosen,
            "fingerprint": outcome.fingerprint,
            "record_key": outcome.record.key if outcome.record else None,
            "segment_key": outcome.segment.key if outcome.segment else None,
        },
    ).one_or_none()
    if row is None:
        known = session.execute(select(Turn.status, Turn.fencing).where(Turn.id == turn_id)).one_or_none()
        valid = known is not None and known.fencing == fencing and Status(known.status).final
        return Finished(valid=valid, runnable=True)  # what a first try, seen by nobody, may have woken
    newcomers: list[Shown] = []
    for introduced in {one.name.casefold(): one for one in outcome.introduces}.values():
        if pictures and introduced.name.strip():
            newcomers.append(Shown(uuid7(), 1, box=introduced.box))
            session.execute(
                insert(Character).values(
                    id=newcomers[-1].character_id,
                    workspace_id=row.workspace_id,
                    conversation_id=row.conversation_id,
                    turn_id=turn_id,
                    name=introduced.name,
                    description=introduced.description,
                    created_by=row.person_id,
                )
            )
    shown = [
        {
            "picture_id": picture_id,
            "character_id": one.character_id,
            "workspace_id": row.workspace_id,
            "version": one.version,
            "similarity": one.similarity,
            "box": None if one.box is None else list(one.box),
        }
        for picture_id, picture in pictures
        for one in {one.character_id: one for one in (*picture.shows, *newcomers)}.values()
    ]
    if shown:
        session.execute(insert(Appearance), shown)
    woken, more = _settle(session, [turn_id], engine=row.engine)
    return Finished(valid=True, woken=woken, runnable=woken > 0 or more)


def keep_blobs(session: Session, workspace_id: UUID, blobs: Sequence[StoredBlob]) -> None:
    """Note blobs that lie in the store, so that rows can refer to them and the collector leaves them alone."""
    unique = {blob.key: blob for blob in blobs}
    if unique:
        rows = insert(Blob).values(
            [
                {"workspace_id": workspace_id, "key": key, "bytes": blob.bytes, "content_type": blob.content_type}
                for key, blob in sorted(unique.items())
            ]
        )
        session.execute(
            rows.on_conflict_do_update(index_elements=[Blob.workspace_id, Blob.key], set_={"created_at": func.now()})
        )


# -- pick, cancel, undo, delete ----------------------------------------------------------------------------------------


def cancel(session: Session, workspace_id: UUID, turn_id: UUID) -> bool:
    """End a turn that has not ended. Whoever draws it loses the right to finish it. False: it had ended already."""
    return bool(_end(session, [turn_id], Status.CANCELLED, sentences.CANCELLED, workspace_id=workspace_id))


def cancel_all(session: Session, workspace_id: UUID, turn_ids: Sequence[UUID]) -> int:
    """`cancel`, for many turns at once: one after the other would lock turns after persons. Returns how many ended."""
    return _end(session, turn_ids, Status.CANCELLED, sentences.CANCELLED, workspace_id=workspace_id)


def undo(session: Session, workspace_id: UUID, conversation_id: UUID) -> UUID | None:
    """Move the head to before its latest turn that shows something or still may; that turn is cancelled if it runs.

    Returns the turn that was undone, or None where there is nothing to undo. Turns that were refused, failed, cancelled
    or deleted are stepped over: to a person they are not part of the story.
    """
    turn = undoable(session, workspace_id, conversation_id)
    if turn is None:
        return None
    if not Status(turn.status).final:
        cancel(session, workspace_id, turn.id)
    session.execute(update(Conversation).where(Conversation.id == conversation_id).values(head_id=turn.parent_id))
    return turn.id


def undoable(session: Session, workspace_id: UUID, conversation_id: UUID) -> Turn | None:
    """The turn that `undo` would undo; its conversation stays locked, so that it is still that one then."""
    head_id = session.scalar(
        select(Conversation.head_id)
        .where(Conversation.workspace_id == workspace_id, Conversation.id == conversation_id)
        .with_for_update(key_share=True)
    )
    while head_id is not None:
        turn = session.execute(select(Turn).where(Turn.workspace_id == workspace_id, Turn.id == head_id)).scalar_one()
        if turn.deleted_at is None and (turn.status == Status.DONE or not Status(turn.status).final):
            return turn
        head_id = turn.parent_id
    return None


def pick(session: Session, workspace_id: UUID, turn_id: UUID, position: int) -> bool:
    """Have one of a turn's variations be its picture; another pick may follow. False: it has no such picture."""
    turn = _locked(session, workspace_id, turn_id)
    if turn is None or turn.kind != Kind.VARIATIONS:
        return False
    pictures = session.scalars(
        select(Picture).where(Picture.workspace_id == workspace_id, Picture.turn_id == turn_id)
    ).all()
    if position not in {one.position for one in pictures}:
        return False
    for one in pictures:
        one.chosen = one.position == position
    turn.picked_at = func.now()
    session.flush()
    return True


def delete_turn(session: Session, workspace_id: UUID, turn_id: UUID) -> list[UUID]:
    """Forget a turn, for whoever asked for it: words, pictures, record and references go, and its place in the tree stays.

    With it go what was enlarged of it, those whom it introduced and no other picture shows, and the segments of the
    conversation, which are computed over it. One that has not ended is cancelled first. A head is moved before it. Returns
    the turns that went; none where there is no such turn, or it went before.
    """
    conversation_id = session.scalar(
        select(Turn.conversation_id).where(Turn.workspace_id == workspace_id, Turn.id == turn_id)
    )
    if conversation_id is None:
        return []
    here = session.execute(
        select(Conversation)
        .where(Conversation.id == conversation_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).scalar_one()
    enlarged = session.scalars(
        select(Turn.id).where(Turn.parent_id == turn_id, Turn.kind == Kind.ENLARGE, Turn.deleted_at.is_(None))
    ).all()
    _end(session, [turn_id, *enlarged], Status.CANCELLED, sentences.CANCELLED, workspace_id=workspace_id)
    turn = _locked(session, workspace_id, turn_id)
    if turn is None or turn.deleted_at is not None:
        return []
    if here.head_id == turn_id:
        here.head_id = turn.parent_id
    if here.title == _title(turn.text):
        here.title = ""
    gone = [turn_id, *enlarged]
    for table in (Picture, Record, Reference):
        session.execute(delete(table).where(table.workspace_id == workspace_id, table.turn_id.in_(gone)))
    others = select(Turn.id).where(Turn.conversation_id == conversation_id)
    session.execute(delete(Segment).where(Segment.workspace_id == workspace_id, Segment.turn_id.in_(others)))
    session.execute(
        update(Character)
        .where(
            Character.workspace_id == workspace_id,
            Character.turn_id == turn_id,
            ~exists().where(Appearance.character_id == Character.id),
        )
        .values(deleted_at=func.coalesce(Character.deleted_at, func.now()), description="")
    )
    session.execute(
        update(Turn).where(Turn.id.in_(gone)).values(text="", reply="Deleted.", attachments=[], deleted_at=func.now())
    )
    return gone


def standing(session: Session, workspace_id: UUID, turn_id: UUID | None) -> UUID | None:
    """The turn itself, or the nearest before it that was not deleted."""
    while turn_id is not None:
        row = session.execute(
            select(Turn.parent_id, Turn.deleted_at).where(Turn.workspace_id == workspace_id, Turn.id == turn_id)
        ).one()
        if row.deleted_at is None:
            break
        turn_id = row.parent_id
    return turn_id


def _locked(session: Session, workspace_id: UUID, turn_id: UUID) -> Turn | None:
    return session.execute(
        select(Turn)
        .where(Turn.workspace_id == workspace_id, Turn.id == turn_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()


def asked_by(session: Session, turn: Turn) -> str:
    """The platform's own id of whoever asked for a turn."""
    return session.scalars(select(Person.external_id).where(Person.id == turn.person_id)).one()


def _end(
    session: Session, turn_ids: Sequence[UUID], status: Status, reply: str, *, workspace_id: UUID | None = None
) -> int:
    """End turns that have not ended, whoever holds them, and let their children run. Returns how many ended."""
    locked = session.execute(
        select(Turn.id, Turn.person_id, Turn.status, Turn.ready_at)
        .where(
            Turn.id.in_(turn_ids),
            Turn.status.not_in(FINAL),
            *([Turn.workspace_id == workspace_id] if workspace_id else []),
        )
        .order_by(Turn.id)
        .with_for_update()
    ).all()
    if not locked:
        return 0
    ids = [row.id for row in locked]
    line_ends = [row.id for row in locked if row.ready_at is not None]
    session.execute(
        update(Turn)
        .where(Turn.id.in_(ids))
        .values(
            status=status,
            reply=_in_its_language(reply),
            fencing=Turn.fencing + 1,
            finished_at=func.now(),
            lease_until=None,
        )
    )
    claimable: dict[UUID, int] = {}
    for row in locked:
        if row.status == Status.QUEUED and row.ready_at is not None:
            claimable[row.person_id] = claimable.get(row.person_id, 0) + 1
    _settle(session, ids, claimable, ended=line_ends)
    return len(ids)


def _in_its_language(reply: str) -> str | ColumnElement[str]:
    """A reply as it is kept with each of several turns."""
    if not isinstance(reply, Sentence):
        return reply
    english, *_ = reply.words
    return case(dict(zip(LANGUAGES, reply.words, strict=True)), value=Turn.options.op("->>")(LANGUAGE), else_=english)


# A statement of its own, after the one that ended the turns: only a new snapshot sees the children that `receive` was just
# inserting while it held the parent.
_SETTLE = text(
    """
    WITH child AS (
        UPDATE turns SET ready_at = now() WHERE parent_id = ANY(:ended) AND ready_at IS NULL
        RETURNING id, person_id, status
    ),
    change AS (
        SELECT person_id, sum(count)::int AS count
        FROM (SELECT person_id, 1 AS count FROM child WHERE status = 'queued'
              UNION ALL SELECT * FROM unnest(:left, :counts)) one
        GROUP BY person_id HAVING sum(count) <> 0
    ),
    person AS (
        UPDATE persons SET ready_turns = persons.ready_turns + locked.count
        FROM (SELECT p.id, change.count FROM change JOIN persons p ON p.id = change.person_id ORDER BY p.id
              FOR NO KEY UPDATE OF p)
             locked
        WHERE persons.id = locked.id
    ),
    due AS (
        UPDATE deliveries SET due_at = now() WHERE turn_id = ANY(:due) RETURNING platform, turn_id
    )
    SELECT (SELECT count(*) FROM child WHERE status = 'queued') AS woken,
           ARRAY(SELECT id FROM child WHERE status IN ('done', 'refused', 'failed', 'cancelled')) AS ended,
           (SELECT count(pg_notify(:channel, platform || ' ' || turn_id)) FROM due) AS told,
           (SELECT id FROM turns WHERE engine = :engine AND status = 'queued' AND ready_at IS NOT NULL
            ORDER BY workspace_id, person_id LIMIT 1) IS NOT NULL AS more
    """
).bindparams(
    *(bindparam(name, type_=ARRAY(Uuid)) for name in ("ended", "due", "left")),
    bindparam("counts", type_=ARRAY(Integer)),
    *(bindparam(name, type_=Text) for name in ("channel", "engine")),
)


def _settle(
    session: Session,
    due: Sequence[UUID],
    left: dict[UUID, int] | None = None,
    *,
    ended: Sequence[UUID] | None = None,
    engine: str = "",
) -> tuple[int, bool]:
    """After turns ended: their replies are due, what stood on them becomes ready, and the persons' counts are set right.

    `left` says how many claimable turns of each person ended; `ended` are those of the turns whose lines end with them, by
    default all. Returns how many children can be claimed now, and whether anything else of the engine could be before.
    """
    woken, more, ended, counts = 0, False, list(due if ended is None else ended), left or {}
    while due or ended:
        row = session.execute(
            _SETTLE,
            {
                "ended": ended,
                "due": list(due),
                "left": list(counts),
                "counts": [-count for count in counts.values()],
                "channel": events.DELIVERIES,
                "engine": engine,
            },
        ).one()
        woken += row.woken
        more = more or row.more
        # Children that were final before they were ready: their lines end here too, and their children are next.
        due, ended, counts = (), row.ended, {}
    return woken, more


def _count_ready(session: Session, counts: dict[UUID, int]) -> None:
    for person_id, count in sorted(counts.items()):
        if count:
            session.execute(update(Person).where(Person.id == person_id).values(ready_turns=Person.ready_turns + count))


# -- sweep ------------------------------------------------------------------------------------------------------------

_SWEEP_LOCK = 0x11CE  # any constant that no other advisory lock uses

_EXPIRED = text(
    """
    SELECT t.id, t.person_id, t.strikes, t.deadline_at <= now() AS overdue, coalesce(w.stopping, false) AS stopping
    FROM turns t LEFT JOIN workers w ON w.id = t.worker_id
    WHERE t.status = 'running' AND t.lease_until < now()
    ORDER BY t.id LIMIT 500 FOR UPDATE OF t SKIP LOCKED
    """
)

_MISCOUNTED = text(
    """
    UPDATE persons p SET ready_turns = actual.turns FROM (
        SELECT q.id, (SELECT count(*) FROM turns t WHERE t.workspace_id = q.workspace_id AND t.person_id = q.id
                      AND t.status = 'queued' AND t.ready_at IS NOT NULL) AS turns
        FROM persons q WHERE q.id = ANY(:ids)
    ) actual WHERE actual.id = p.id AND actual.turns <> p.ready_turns
    """
)


def failure(turn_id: UUID, why: Sentence) -> Sentence:
    """The sentence for a failed turn: what happened, what to do next, and a short reference for the log."""
    return sentences.FAILED.given(why=why, reference=turn_id.hex[-8:])


def sweep(session: Session, *, strikes: int, admit_seconds: float, heartbeat_seconds: float) -> Swept | None:
    """Mend what dead processes left. None when another process is sweeping just now."""
    if not session.scalar(select(func.pg_try_advisory_xact_lock(_SWEEP_LOCK))):
        return None
    swept = Swept()
    for row in session.execute(_EXPIRED).all():
        struck = row.strikes + (0 if row.stopping else 1)
        if row.overdue:
            swept.failed += _end(session, [row.id], Status.FAILED, failure(row.id, sentences.TOOK_TOO_LONG))
        elif struck >= strikes:
            swept.failed += _end(session, [row.id], Status.FAILED, failure(row.id, sentences.FAILED_REPEATEDLY))
        else:
            session.execute(
                update(Turn)
                .where(Turn.id == row.id)
                .values(
                    status=Status.QUEUED,
                    strikes=struck,
                    fencing=Turn.fencing + 1,
                    lease_until=None,
                    deadline_at=None,
                    worker_id=None,
                    ready_at=func.now(),
                )
            )
            _count_ready(session, {row.person_id: 1})
            swept.taken_back += 1
    swept.admit = list(
        session.scalars(
            select(Turn.id)
            .where(Turn.status == Status.RECEIVED, Turn.created_at < func.now() - timedelta(seconds=admit_seconds))
            .order_by(Turn.created_at)
            .limit(100)
        )
    )
    session.execute(delete(Worker).where(Worker.heartbeat_at < func.now() - timedelta(hours=1)))
    swept.live_workers = live_workers(session, heartbeat_seconds)
    for row in session.execute(
        select(Turn.engine, func.count())
        .where(Turn.status == Status.QUEUED, Turn.ready_at.is_not(None))
        .group_by(Turn.engine)
    ):
        swept.runnable[row[0]] = row[1]
    return swept


def mend_counts(session: Session) -> int:
    """Correct `persons.ready_turns` where a count is not what the turns say. Returns how many were wrong."""
    suspects = list(
        session.scalars(
            text(
                "SELECT id FROM persons WHERE ready_turns > 0 UNION "
                "SELECT person_id FROM turns WHERE status = 'queued' AND ready_at IS NOT NULL"
            )
        )
    )
    # Locked by a statement of its own: only a later one sees all that the counts of the locked rows were changed for.
    locked = select(Person.id).where(Person.id.in_(suspects)).order_by(Person.id)
    session.execute(locked.with_for_update(key_share=True)).all()
    result: Any = session.execute(_MISCOUNTED.bindparams(bindparam("ids", type_=ARRAY(Uuid))), {"ids": suspects})
    return int(result.rowcount)


# -- questions about turns --------------------------------------------------------------------------------------------


def live_workers(session: Session, heartbeat_seconds: float) -> dict[str, int]:
    """How many workers of each engine gave a sign of life lately and take turns."""
    live = session.execute(
        select(Worker.engine, func.count())
        .where(
            Worker.heartbeat_at > func.now() - timedelta(seconds=DEAD_AFTER * heartbeat_seconds),
            Worker.stopping.is_(False),
            Worker.paused.is_(False),
        )
        .group_by(Worker.engine)
    )
    return {engine: count for engine, count in live}  # noqa: C416  (rows are no pairs to the type checker)


@dataclass(frozen=True, slots=True)
class Known:
    """A turn as a platform's button means it."""

    turn_id: UUID
    workspace_id: UUID
    conversation_id: UUID
    author: str  # the platform's own id of whoever asked for it


def known(session: Session, platform: str, workspace: str, turn_id: UUID) -> Known | None:
    """A turn of a workspace by the platform's id of that; None when there is no such turn there."""
    row = session.execute(
        select(Turn.id, Turn.workspace_id, Turn.conversation_id, Person.external_id)
        .join(Workspace, Workspace.id == Turn.workspace_id)
        .join(Person, Person.id == Turn.person_id)
        .where(Workspace.platform == platform, Workspace.external_id == workspace, Turn.id == turn_id)
    ).one_or_none()
    return None if row is None else Known(*row)


_PLACES = text(
    """
    WITH asked AS (
        SELECT id, engine, status, options ->> 'language' AS language, extract(epoch FROM now() - started_at) AS running
        FROM turns WHERE id = ANY(:ids)
    ),
    engines AS (
        SELECT one.engine, (
            SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FROM (
                SELECT extract(epoch FROM finished_at - started_at) AS seconds FROM turns
                WHERE engine = one.engine AND status = 'done' ORDER BY finished_at DESC LIMIT 20) recent) AS usual
        FROM (SELECT DISTINCT engine FROM asked WHERE status IN ('received', 'queued', 'running')) one
    ),
    waiting AS (
        SELECT t.id, row_number() OVER (PARTITION BY t.engine ORDER BY t.id) - 1 AS ahead
        FROM engines JOIN turns t ON t.engine = engines.engine AND t.status IN ('received', 'queued', 'running')
        WHERE t.id <= :last
    )
    SELECT asked.id, asked.engine, asked.status, asked.language, asked.running, engines.usual, coalesce(waiting.ahead, 0) AS ahead
    FROM asked LEFT JOIN engines ON engines.engine = asked.engine LEFT JOIN waiting ON waiting.id = asked.id
    """
).bindparams(bindparam("ids", type_=ARRAY(Uuid)), bindparam("last", type_=Uuid))


@single
def places(session: Session, turn_ids: Sequence[UUID], *, heartbeat_seconds: float) -> dict[UUID, Place]:
    """Where turns, at least one, stand in the queue, and estimates from the latest finished turns of their engines.

    Two statements, however many turns are asked for; what came after all of them is not looked at. A turn that is not there
    any more is missing.
    """
    rows = session.execute(_PLACES, {"ids": list(turn_ids), "last": max(turn_ids)}).all()
    live = live_workers(session, heartbeat_seconds)
    found = {}
    for row in rows:
        status, workers, language = Status(row.status), live.get(row.engine, 0), row.language or LANGUAGES[0]
        if status.final:
            found[row.id] = Place(status, 0, workers, 0.0, language)
            continue
        ahead = 0 if status is Status.RUNNING else int(row.ahead)
        seconds = None
        if row.usual is not None and workers:
            seconds = max(0.0, float(row.usual) * (1 + ahead / workers) - float(row.running or 0))
        found[row.id] = Place(status, ahead, workers, seconds, language)
    return found


@single
def place(session: Session, turn_id: UUID, *, heartbeat_seconds: float) -> Place:
    """Where one turn stands. Raises `KeyError` when it is not there."""
    return places(session, [turn_id], heartbeat_seconds=heartbeat_seconds)[turn_id]
