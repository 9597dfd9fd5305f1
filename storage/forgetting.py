"""Forgetting a person in one workspace, or a workspace: what is kept of them, and that it goes, all at once or not at all.

Their turns stay as empty nodes, since those of others may stand on them; histories skip what has no record. What is drawn
of their words by somebody else's press of a button is theirs as well. Blobs that nothing refers to any more fall to
`storage.collector`. What a platform keeps, such as messages in a thread, is not known here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Date, Text, Uuid, bindparam, case, cast, delete, exists, func, or_, select, text, update
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from storage import admin, deliveries, turns
from storage.conversations import DIRECT
from storage.tables import (
    Appearance,
    Audit,
    Blob,
    Character,
    Conversation,
    Delivery,
    Person,
    Picture,
    Record,
    Reference,
    Segment,
    Status,
    Turn,
    Usage,
    Vote,
    Workspace,
)

FORGOTTEN = (
    "forgotten:"  # begins the external id of a person, or of the workspace of direct messages, that was forgotten
)
DELETED = "Deleted."
COUNTED = "forgotten, counted"  # an audit's action: the quota of that day goes on for somebody who was forgotten


@dataclass(frozen=True, slots=True)
class Kept:
    """How much is kept of a person. `photos` show their characters or came with their messages."""

    turns: int
    pictures: int
    characters: int
    photos: int
    votes: int
    counted: int = 0  # turns of today that the quota of the place goes on counting, until the next day


# What somebody asks for with a button has the words of the turn that it was pressed under, however often it is repeated. It
# belongs to whoever wrote them, and to whoever pressed; an enlarged picture also to whoever asked for that picture.
_THEIRS = text(
    f"""
    WITH RECURSIVE theirs AS (
        SELECT id, conversation_id, NOT options ? '{turns.OF}' AS wrote
        FROM turns WHERE workspace_id = :workspace_id AND person_id = :person_id
        UNION
        SELECT copy.id, copy.conversation_id, theirs.wrote
        FROM theirs JOIN turns copy ON copy.conversation_id = theirs.conversation_id
             AND copy.options ->> '{turns.OF}' = theirs.id::text AND (theirs.wrote OR copy.kind = 'enlarge')
    )
    SELECT DISTINCT id FROM theirs ORDER BY id
    """  # noqa: S608  (of constants)
)

# Of a report stays which picture it is about.
_EMPTIED = text(
    """
    UPDATE audit SET details = CASE WHEN action = 'report' THEN details || '{"reason": ""}'::jsonb ELSE '{}'::jsonb END
    WHERE workspace_id = :workspace_id
    AND EXISTS (SELECT FROM unnest(:mentions) one WHERE strpos(details::text, one) > 0)
    """
).bindparams(bindparam("workspace_id", type_=Uuid), bindparam("mentions", type_=ARRAY(Text)))


def kept(session: Session, platform: str, workspace: str, author: str) -> Kept | None:
    """How much is kept of a person, by the platform's own ids. None: nothing, not even a name."""
    person = _person(session, platform, workspace, author)
    return None if person is None else _count(session, person)


def forget(session: Session, platform: str, workspace: str, author: str) -> Kept | None:
    """Delete all that is kept of a person in a workspace, and say how much that was. May be repeated: then it is None.

    What they wait for is cancelled, and what was shown to them is taken away. A workspace of direct messages goes as a
    whole, once that is done. That somebody is blocked is kept with their id, or everybody could unblock themselves so; and
    where there is a quota, how much of it they used today is kept until the next day.
    """
    person = _person(session, platform, workspace, author)
    if person is None:
        return None
    gone = _count(session, person)
    _erase(session, person, counted=gone.counted > 0)
    if gone.counted:
        session.add(Audit(workspace_id=person.workspace_id, person_id=person.id, action=COUNTED))
    elif _rename(session, person) and workspace.startswith(DIRECT):
        _close(session, person.workspace_id)
        return gone
    details = {what: count for what, count in asdict(gone).items() if what != "counted"}
    if any(details.values()):
        session.add(Audit(workspace_id=person.workspace_id, action="forget", details=details))
    return gone


def leave(session: Session, platform: str, workspace: str, until: datetime) -> bool:
    """Delete a workspace that the bot was removed from, with all that is in it. False: there is none. May be repeated.

    What waits there is cancelled, and its replies are owed no more: nobody could show them. A workspace that began after
    `until`, when the bot was removed, is another one and stays.
    """
    here = _ending(session, platform, workspace, until)
    if here is not None:
        _close(session, here)
    return here is not None


def stop(session: Session, platform: str, workspace: str, until: datetime) -> None:
    """End what waits in a workspace where the bot can do nothing any more, and give up its replies. As `leave`, else."""
    _ending(session, platform, workspace, until)


def _ending(session: Session, platform: str, workspace: str, until: datetime) -> UUID | None:
    here = session.scalar(
        select(Workspace.id).where(
            Workspace.platform == platform, Workspace.external_id == workspace, Workspace.created_at <= until
        )
    )
    if here is None:
        return None
    session.execute(  # locked, so that no turn comes between
        select(Conversation.id)
        .where(Conversation.workspace_id == here)
        .order_by(Conversation.id)
        .with_for_update(key_share=True)
    )
    waiting = select(Turn.id).where(
        Turn.workspace_id == here, Turn.status.in_([Status.RECEIVED, Status.QUEUED, Status.RUNNING])
    )
    turns.cancel_all(session, here, session.scalars(waiting.order_by(Turn.id)).all())
    deliveries.abandon_all(session, here, "The bot was removed from there.")
    return here


def finish(session: Session) -> int:
    """Complete what `forget` had to leave. Returns how many persons and workspaces it was done for.

    That is what arrived just while its person was forgotten, what the quota of a day needed that is over, and direct
    messages that owe nothing any more.
    """
    late = session.scalars(
        select(Person).where(
            Person.external_id.startswith(FORGOTTEN),
            or_(
                exists().where(
                    Turn.workspace_id == Person.workspace_id, Turn.person_id == Person.id, Turn.deleted_at.is_(None)
                ),
                exists().where(Character.workspace_id == Person.workspace_id, Character.created_by == Person.id),
            ),
        )
    ).all()
    for person in late:
        _erase(session, person)
    closed = session.scalars(select(Workspace.id).where(Workspace.external_id.startswith(FORGOTTEN))).all()
    return len(late) + _uncount(session) + sum(_drop(session, workspace_id) for workspace_id in closed)


def _person(session: Session, platform: str, workspace: str, author: str) -> Person | None:
    return session.scalar(
        select(Person)
        .join(Workspace, Workspace.id == Person.workspace_id)
        .where(Workspace.platform == platform, Workspace.external_id == workspace, Person.external_id == author)
    )


def _rename(session: Session, person: Person) -> bool:
    """Take the platform's id away. False: they are blocked, maybe only just now."""
    renamed = session.scalar(
        update(Person)
        .where(Person.workspace_id == person.workspace_id, Person.id == person.id, Person.blocked_at.is_(None))
        .values(external_id=f"{FORGOTTEN}{uuid7()}")
        .returning(Person.id)
        .execution_options(synchronize_session=False)
    )
    return renamed is not None


def _uncount(session: Session) -> int:
    """Let go of what was kept for quotas before today, and of the ids of those who did not come back meanwhile."""
    day = cast(func.timezone("UTC", Audit.at), Date)
    over = session.execute(
        select(Audit, Person, day.label("day"))
        .join(Person, (Person.workspace_id == Audit.workspace_id) & (Person.id == Audit.person_id))
        .where(Audit.action == COUNTED, day < admin.TODAY)
    ).all()
    for noted, person, until in over:
        here = person.workspace_id
        session.delete(noted)
        session.execute(
            delete(Usage).where(Usage.workspace_id == here, Usage.person_id == person.id, Usage.day <= until)
        )
        back = (
            exists().where(Turn.workspace_id == here, Turn.person_id == person.id, Turn.deleted_at.is_(None)),
            exists().where(Character.workspace_id == here, Character.created_by == person.id),
            *(
                exists().where(table.workspace_id == here, table.person_id == person.id)
                for table in (Vote, Usage, Audit)
            ),
        )
        if not session.scalar(select(or_(*back))):
            _rename(session, person)
    return len(over)


def _theirs(session: Session, person: Person) -> list[UUID]:
    return list(session.scalars(_THEIRS, {"workspace_id": person.workspace_id, "person_id": person.id}))


def _count(session: Session, person: Person) -> Kept:
    here, theirs = person.workspace_id, _theirs(session, person)
    own = select(Character.id).where(Character.workspace_id == here, Character.created_by == person.id)
    rules = admin.Rules.of(session.scalars(select(Workspace.settings).where(Workspace.id == here)).one())
    today = select(func.sum(Usage.turns)).where(
        Usage.workspace_id == here, Usage.person_id == person.id, Usage.day == admin.TODAY
    )

    def number(table: Any, *which: Any) -> int:  # Any: a mapped class and conditions on it
        return session.scalar(select(func.count()).select_from(table).where(table.workspace_id == here, *which)) or 0

    return Kept(
        turns=number(Turn, Turn.person_id == person.id, Turn.text != ""),
        pictures=number(Picture, Picture.turn_id.in_(theirs)),
        characters=number(Character, Character.created_by == person.id, Character.deleted_at.is_(None)),
        photos=number(Reference, or_(Reference.turn_id.in_(theirs), Reference.character_id.in_(own))),
        votes=number(Vote, Vote.person_id == person.id),
        counted=(session.scalar(today) or 0) if rules.quota else 0,
    )


def _erase(session: Session, person: Person, *, counted: bool = False) -> None:
    """Delete what is theirs. With `counted`, how much they used today stays."""
    here = person.workspace_id
    touched = select(Turn.conversation_id).where(Turn.workspace_id == here, Turn.id.in_(_theirs(session, person)))
    conversations = session.scalars(  # locked, so that no turn comes between
        select(Conversation)
        .where(Conversation.workspace_id == here, Conversation.id.in_(touched))
        .order_by(Conversation.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).all()
    theirs = _theirs(session, person)
    _untitle(session, here, conversations, theirs)
    turns.cancel_all(session, here, theirs)
    left = select(Turn.id).where(Turn.workspace_id == here, Turn.id.in_(theirs), Turn.deleted_at.is_(None))
    deliveries.take_away(session, *session.scalars(left))
    own = session.scalars(
        select(Character.id).where(
            Character.workspace_id == here, or_(Character.created_by == person.id, Character.turn_id.in_(theirs))
        )
    ).all()
    _let_go(session, here, [one.id for one in conversations], theirs, own)
    session.execute(
        update(Character)
        .where(Character.workspace_id == here, Character.consent["by"].astext == str(person.id))
        .values(consent=None, version=Character.version + 1)
    )
    session.execute(
        update(Turn)
        .where(Turn.workspace_id == here, Turn.id.in_(theirs))
        .values(
            text="",
            attachments=[],
            reply=case((Turn.status == Status.CANCELLED, Turn.reply), else_=DELETED),
            deleted_at=func.coalesce(Turn.deleted_at, func.now()),
        )
    )
    session.execute(
        update(Delivery).where(Delivery.workspace_id == here, Delivery.turn_id.in_(theirs)).values(problem="")
    )
    session.execute(delete(Vote).where(Vote.workspace_id == here, Vote.person_id == person.id))
    session.execute(
        delete(Usage).where(
            Usage.workspace_id == here, Usage.person_id == person.id, *([Usage.day < admin.TODAY] if counted else [])
        )
    )
    session.execute(
        delete(Audit).where(
            Audit.workspace_id == here, Audit.person_id == person.id, Audit.action.in_(("consent", COUNTED))
        )
    )
    session.execute(
        update(Audit).where(Audit.workspace_id == here, Audit.person_id == person.id).values(person_id=None, details={})
    )
    mentions = [json.dumps(one) for one in (person.external_id, str(person.id), *map(str, own))]
    session.execute(_EMPTIED, {"workspace_id": here, "mentions": mentions})
    person.name = ""
    session.flush()


def _untitle(
    session: Session, workspace_id: UUID, conversations: Sequence[Conversation], theirs: Sequence[UUID]
) -> None:
    """Take titles away that are the first words of one of the turns."""
    words: dict[UUID, list[str]] = {}
    for conversation_id, said in session.execute(
        select(Turn.conversation_id, Turn.text).where(Turn.workspace_id == workspace_id, Turn.id.in_(theirs))
    ):
        words.setdefault(conversation_id, []).append(" ".join(said.split()))
    for one in conversations:
        begins = one.title.rstrip("…")
        if begins and any(said.startswith(begins) for said in words.get(one.id, ())):
            one.title = ""


def _let_go(
    session: Session,
    workspace_id: UUID,
    conversations: Sequence[UUID],
    theirs: Sequence[UUID],
    characters: Sequence[UUID],
) -> None:
    """Delete what was drawn for the turns, the characters, and all segments that may have read of either."""
    read = select(Turn.id).where(Turn.workspace_id == workspace_id, Turn.conversation_id.in_(conversations))
    shown = (
        select(Picture.turn_id)
        .join(Appearance, Appearance.picture_id == Picture.id)
        .where(Picture.workspace_id == workspace_id, Appearance.character_id.in_(characters))
    )
    session.execute(
        delete(Segment).where(
            Segment.workspace_id == workspace_id, or_(Segment.turn_id.in_(read), Segment.turn_id.in_(shown))
        )
    )
    for table in (Picture, Record, Reference):  # appearances and votes go with the pictures
        session.execute(delete(table).where(table.workspace_id == workspace_id, table.turn_id.in_(theirs)))
    for owned in (Reference, Appearance):
        session.execute(delete(owned).where(owned.workspace_id == workspace_id, owned.character_id.in_(characters)))
    # The rows stay, without anything in them: what somebody else has drawn just now may still point to them.
    session.execute(
        update(Character)
        .where(Character.workspace_id == workspace_id, Character.id.in_(characters))
        .values(
            name="",
            description="",
            consent=None,
            created_by=None,
            version=Character.version + 1,
            deleted_at=func.coalesce(Character.deleted_at, func.now()),
        )
    )


def _close(session: Session, workspace_id: UUID) -> None:
    """Have the next message from there begin another workspace, and delete this one as soon as it owes nothing."""
    session.execute(
        update(Workspace)
        .where(Workspace.id == workspace_id)
        .values(external_id=f"{FORGOTTEN}{uuid7()}", name="", settings={})
    )
    _drop(session, workspace_id)


def _drop(session: Session, workspace_id: UUID) -> bool:
    """Delete a workspace with all that is in it. False: a reply is not shown yet, or not taken away."""
    if session.scalar(select(exists().where(Delivery.workspace_id == workspace_id, Delivery.delivered_at.is_(None)))):
        return False
    session.execute(update(Conversation).where(Conversation.workspace_id == workspace_id).values(head_id=None))
    for table in (Segment, Record, Picture, Reference, Character, Turn, Usage, Audit, Person, Conversation, Blob):
        session.execute(delete(table).where(table.workspace_id == workspace_id))
    session.execute(delete(Workspace).where(Workspace.id == workspace_id))
    return True
