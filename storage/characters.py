"""Characters: create, rename, delete, promote, find. Names are unique in their scope without regard to case.

Every change raises the character's version, so that a turn can say which version it drew. It knows nothing of how a
character is drawn.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from storage import conversations, sentences
from storage.tables import Appearance, Audit, Character, Conversation, Encoding, Person, Picture, Reference
from storage.turns import StoredBlob, keep_blobs, storable

NAME_LIMIT = 40
DESCRIPTION_LIMIT = 500
REFERENCE_LIMIT = 10
CONSENT = "Everybody in these pictures agrees that what is drawn of them is compared with their face."
JOINERS = "\u200c\u200d"  # which Persian, Hindi and others write with


class CharacterProblem(Exception):
    """Why a character cannot be created or changed, as a sentence to the person."""


def clean_name(name: str) -> str:
    """A name as it is kept. Raises `CharacterProblem` when it is none."""
    cleaned = " ".join(unicodedata.normalize("NFC", name).split())
    if not cleaned:
        raise CharacterProblem(sentences.NO_NAME)
    if len(cleaned) > NAME_LIMIT:
        raise CharacterProblem(sentences.NAME_TOO_LONG.given(most=NAME_LIMIT))
    if not cleaned[0].isalpha() or any(
        unicodedata.category(letter)[0] == "C" and letter not in JOINERS for letter in cleaned
    ):
        raise CharacterProblem(sentences.NO_LETTER)
    return cleaned


def create(
    session: Session,
    workspace_id: UUID,
    conversation_id: UUID | None,
    *,
    name: str,
    description: str = "",
    created_by: UUID | None = None,
    references: Sequence[StoredBlob] = (),
    consent: str = "",
) -> UUID:
    """Create a character in a conversation, or in the whole workspace. Raises `CharacterProblem`.

    `consent` are the words that were agreed to by whoever uploaded the references. Without them nobody takes a face from
    the references; they only show the engine what to draw.
    """
    name, description = clean_name(name), storable(description).strip()
    if len(description) > DESCRIPTION_LIMIT:
        raise CharacterProblem(sentences.DESCRIPTION_TOO_LONG.given(most=DESCRIPTION_LIMIT))
    _free(session, workspace_id, conversation_id, None, name)
    character_id = uuid7()
    session.add(
        Character(
            id=character_id,
            workspace_id=workspace_id,
            conversation_id=conversation_id,
            name=name,
            description=description,
            created_by=created_by,
            consent={"words": consent, "by": str(created_by) if created_by else None} if consent else None,
        )
    )
    session.flush()
    if consent:
        agreed = {"character": str(character_id), "words": consent}
        session.add(Audit(workspace_id=workspace_id, person_id=created_by, action="consent", details=agreed))
    keep_blobs(session, workspace_id, references)
    for position, blob in enumerate(references):
        session.add(
            Reference(workspace_id=workspace_id, character_id=character_id, position=position, blob_key=blob.key)
        )
    session.flush()
    return character_id


def add_references(
    session: Session,
    workspace_id: UUID,
    character_id: UUID,
    references: Sequence[StoredBlob],
    *,
    agreed_by: UUID | None = None,
    consent: str = "",
) -> bool:
    """Add pictures that show a character, which what was drawn of them may be compared with if all of them are agreed to.

    False: all of them were known. Raises `CharacterProblem`.
    """
    character = _lock(session, workspace_id, character_id)
    known = list(
        session.scalars(
            select(Reference.blob_key)
            .where(Reference.workspace_id == workspace_id, Reference.character_id == character_id)
            .order_by(Reference.position, Reference.id)
        )
    )
    new = list({one.key: one for one in references if one.key not in known}.values())
    if not new:
        return False
    if len(known) + len(new) > REFERENCE_LIMIT:
        raise CharacterProblem(
            sentences.ENOUGH_PICTURES.given(most=REFERENCE_LIMIT, name=character.name, count=len(known))
        )
    drawn = select(Picture.id).where(Picture.workspace_id == workspace_id, Picture.blob_key == Reference.blob_key)
    unagreed = character.consent is None and session.scalar(
        select(func.count()).where(
            Reference.workspace_id == workspace_id, Reference.character_id == character_id, ~drawn.exists()
        )
    )
    if consent:
        agreed = {"character": str(character_id), "words": consent}
        session.add(Audit(workspace_id=workspace_id, person_id=agreed_by, action="consent", details=agreed))
    by = str(agreed_by) if agreed_by else None
    character.consent = {"words": consent, "by": by} if consent and not unagreed else None
    character.version += 1
    keep_blobs(session, workspace_id, new)
    for position, blob in enumerate(new, len(known)):
        session.add(
            Reference(workspace_id=workspace_id, character_id=character_id, position=position, blob_key=blob.key)
        )
    session.flush()
    return True


def encoding(session: Session, workspace_id: UUID, reference_key: str, fingerprint: str) -> str | None:
    """The blob of what a painter made of a picture that is a reference of some character; None where it is not kept."""
    return session.scalar(
        select(Encoding.blob_key)
        .join(Reference, Reference.id == Encoding.reference_id)
        .where(
            Reference.workspace_id == workspace_id,
            Reference.blob_key == reference_key,
            Encoding.fingerprint == fingerprint,
        )
        .limit(1)
    )


def keep_encoding(session: Session, workspace_id: UUID, reference_key: str, fingerprint: str, blob: StoredBlob) -> None:
    """Note what a painter made of a picture, beside every reference of a character that is this picture.

    Where all of them were deleted meanwhile, nothing is noted, and the blob falls to the collector.
    """
    shows = session.scalars(
        select(Reference.id)
        .where(
            Reference.workspace_id == workspace_id,
            Reference.blob_key == reference_key,
            Reference.character_id.is_not(None),
        )
        .order_by(Reference.id)
        .with_for_update(read=True, key_share=True)
    ).all()
    if not shows:
        return
    keep_blobs(session, workspace_id, [blob])
    kept = {"workspace_id": workspace_id, "fingerprint": fingerprint, "blob_key": blob.key}
    session.execute(
        insert(Encoding)
        .values([{"reference_id": reference_id, **kept} for reference_id in shows])
        .on_conflict_do_update(
            index_elements=[Encoding.reference_id, Encoding.fingerprint], set_={"blob_key": blob.key}
        )
    )


def rename(session: Session, workspace_id: UUID, character_id: UUID, name: str) -> None:
    """Give a character another name. Raises `CharacterProblem`."""
    character = _lock(session, workspace_id, character_id)
    name = clean_name(name)
    _free(session, workspace_id, character.conversation_id, character.turn_id, name, besides=character_id)
    character.name = name
    character.version += 1
    session.flush()


def remove(session: Session, workspace_id: UUID, character_id: UUID) -> None:
    """Delete a character and let go of the pictures that show it. Pictures drawn already stay. May be repeated."""
    session.execute(
        update(Character)
        .where(Character.workspace_id == workspace_id, Character.id == character_id, Character.deleted_at.is_(None))
        .values(deleted_at=func.now(), description="", consent=None, version=Character.version + 1)
    )
    session.execute(
        delete(Reference).where(Reference.workspace_id == workspace_id, Reference.character_id == character_id)
    )


def promote(session: Session, workspace_id: UUID, character_id: UUID) -> None:
    """Let the whole workspace use a conversation's character. What it looks like goes along as a reference.

    Raises `CharacterProblem` when the workspace has another of that name.
    """
    character = _lock(session, workspace_id, character_id)
    if character.conversation_id is None:
        return
    _free(session, workspace_id, None, None, character.name)
    known = session.scalar(select(func.count()).where(Reference.character_id == character_id))
    if not known and character.turn_id is not None:
        key = session.scalar(select(Picture.blob_key).where(Picture.turn_id == character.turn_id, Picture.chosen))
        if key is not None:
            session.add(Reference(workspace_id=workspace_id, character_id=character_id, blob_key=key))
    character.conversation_id = None
    character.turn_id = None
    character.version += 1
    session.flush()


def listed(session: Session, workspace_id: UUID, conversation_id: UUID | None = None) -> list[Character]:
    """The characters of the workspace, and with a conversation also its own, by name."""
    scope = or_(Character.conversation_id.is_(None), Character.conversation_id.is_not_distinct_from(conversation_id))
    return list(
        session.scalars(
            select(Character)
            .where(Character.workspace_id == workspace_id, Character.deleted_at.is_(None), scope)
            .order_by(func.lower(Character.name), Character.id)
        )
    )


@dataclass(frozen=True, slots=True)
class Face:
    """What a page shows of a character beside the name: the picture that shows them best, if there is one."""

    everywhere: bool
    blob_key: str | None
    author: str | None  # the platform's own id of whoever created them, by a form or by the turn that introduced them


def faces(session: Session, workspace_id: UUID, character_ids: Sequence[UUID]) -> dict[UUID, Face]:
    """Faces of characters: their first reference, else the picture that introduced them, else the first with them in it."""
    reference = (
        select(Reference.blob_key)
        .where(Reference.character_id == Character.id)
        .order_by(Reference.position, Reference.id)
        .limit(1)
        .scalar_subquery()
    )
    drawn = (
        select(Picture.blob_key)
        .join(Appearance, Appearance.picture_id == Picture.id)
        .where(Appearance.character_id == Character.id)
        .order_by(Picture.id)
        .limit(1)
        .scalar_subquery()
    )
    rows = session.execute(
        select(Character.id, Character.conversation_id, func.coalesce(reference, drawn), Person.external_id)
        .outerjoin(Person, Person.id == Character.created_by)
        .where(Character.workspace_id == workspace_id, Character.id.in_(character_ids))
    )
    return {row[0]: Face(row[1] is None, row[2], row[3]) for row in rows}


def one(session: Session, workspace_id: UUID, character_id: UUID) -> Character | None:
    """A character who was not deleted."""
    return session.scalar(
        select(Character).where(
            Character.workspace_id == workspace_id, Character.id == character_id, Character.deleted_at.is_(None)
        )
    )


def _lock(session: Session, workspace_id: UUID, character_id: UUID) -> Character:
    character = session.execute(
        select(Character)
        .where(Character.workspace_id == workspace_id, Character.id == character_id, Character.deleted_at.is_(None))
        .with_for_update()
        .execution_options(populate_existing=True)  # it may have been read before it was locked
    ).scalar_one_or_none()
    if character is None:
        raise CharacterProblem(sentences.NO_SUCH_CHARACTER)
    return character


def _free(
    session: Session,
    workspace_id: UUID,
    conversation_id: UUID | None,
    turn_id: UUID | None,
    name: str,
    *,
    besides: UUID | None = None,
) -> None:
    """Raise when the name is taken. Names of one scope are given out one at a time, under a lock on that scope.

    In a conversation a name is taken as well by whoever a turn before its head introduced.
    """
    if conversation_id is not None:
        head_id = session.scalar(
            select(Conversation.head_id)
            .where(Conversation.workspace_id == workspace_id, Conversation.id == conversation_id)
            .with_for_update()
        )
        line = [turn for turn, _ in conversations.path(session, workspace_id, head_id)]
        for one in conversations.in_scope(session, workspace_id, conversation_id, line):
            if one.turn_id is not None and one.id != besides and one.name.lower() == name.lower():
                raise CharacterProblem(sentences.NAME_TAKEN.given(name=one.name))
    else:
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(str(workspace_id), 0))))
    taken = session.scalar(
        select(Character.name).where(
            Character.workspace_id == workspace_id,
            Character.conversation_id.is_not_distinct_from(conversation_id),
            Character.turn_id.is_not_distinct_from(turn_id),
            Character.deleted_at.is_(None),
            Character.id.is_distinct_from(besides),
            func.lower(Character.name) == func.lower(name),
        )
    )
    if taken is not None:
        raise CharacterProblem(sentences.NAME_TAKEN.given(name=taken))
