"""What persons think of pictures: one vote for each picture and person, of which the last one counts."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from storage import turns
from storage.tables import Picture, Vote


def cast(session: Session, workspace_id: UUID, turn_id: UUID, author: str, author_name: str, *, likes: bool) -> bool:
    """Note whether somebody likes the picture of a turn. False: the turn has none."""
    picture_id = session.scalar(
        select(Picture.id).where(Picture.workspace_id == workspace_id, Picture.turn_id == turn_id, Picture.chosen)
    )
    if picture_id is None:
        return False
    person_id = turns.person(session, workspace_id, author, author_name)
    vote = insert(Vote).values(
        picture_id=picture_id, person_id=person_id, workspace_id=workspace_id, value=1 if likes else -1
    )
    session.execute(
        vote.on_conflict_do_update(
            index_elements=[Vote.picture_id, Vote.person_id],
            set_={"value": vote.excluded.value, "created_at": func.now()},
        )
    )
    return True


def tally(session: Session, workspace_id: UUID) -> tuple[int, int]:
    """How many votes of a workspace are for the picture, and how many against it."""
    liked = func.count().filter(Vote.value > 0)
    disliked = func.count().filter(Vote.value < 0)
    row = session.execute(select(liked, disliked).where(Vote.workspace_id == workspace_id)).one()
    return row[0], row[1]
