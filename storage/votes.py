"""What persons think of pictures: one vote for each picture and person, of which the last one counts.

Of two pictures that two configurations drew of one turn, a person prefers one: the paper's human evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import and_, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

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
    _note(session, workspace_id, person_id, {picture_id: 1 if likes else -1})
    return True


def prefer(session: Session, workspace_id: UUID, turn_id: UUID, author: str, author_name: str, position: int) -> bool:
    """Note that somebody likes one of two compared pictures of a turn better. False: there are no two to compare."""
    compared = {
        row.position: row.id
        for row in session.execute(
            select(Picture.id, Picture.position).where(
                Picture.workspace_id == workspace_id, Picture.turn_id == turn_id, Picture.configuration != ""
            )
        )
    }
    if len(compared) < 2 or position not in compared:
        return False
    person_id = turns.person(session, workspace_id, author, author_name)
    _note(session, workspace_id, person_id, {one: 1 if place == position else -1 for place, one in compared.items()})
    return True


def _note(session: Session, workspace_id: UUID, person_id: UUID, values: dict[UUID, int]) -> None:
    votes = insert(Vote).values(
        [
            {"picture_id": picture_id, "person_id": person_id, "workspace_id": workspace_id, "value": value}
            for picture_id, value in sorted(values.items())
        ]
    )
    session.execute(
        votes.on_conflict_do_update(
            index_elements=[Vote.picture_id, Vote.person_id],
            set_={"value": votes.excluded.value, "created_at": func.now()},
        )
    )


@dataclass(frozen=True, slots=True)
class Comparison:
    """How often one configuration was preferred to another, of all votes on pictures of both."""

    configuration: str
    other: str
    wins: int
    votes: int

    @property
    def rate(self) -> float:
        """The share of votes for `configuration`."""
        return self.wins / self.votes

    def interval(self, z: float = 1.96) -> tuple[float, float]:
        """The 95 % interval of the rate, after Wilson (1927)."""
        share, count = self.rate, self.votes
        middle = (share + z * z / (2 * count)) / (1 + z * z / count)
        half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
        return max(0.0, middle - half), min(1.0, middle + half)


def comparisons(session: Session, workspace_id: UUID) -> Sequence[Comparison]:
    """What a workspace's people voted, a line for each two configurations that were compared, in order of their names."""
    one, two, vote = aliased(Picture), aliased(Picture), aliased(Vote)
    rows = session.execute(
        select(
            one.configuration,
            two.configuration.label("other"),
            func.count().filter(vote.value > 0),
            func.count(),
        )
        .join(two, and_(two.turn_id == one.turn_id, two.configuration > one.configuration))
        .join(vote, vote.picture_id == one.id)
        .where(one.workspace_id == workspace_id, one.configuration != "")
        .group_by(one.configuration, two.configuration)
        .order_by(one.configuration, two.configuration)
    )
    return [Comparison(*row) for row in rows]


def tally(session: Session, workspace_id: UUID) -> tuple[int, int]:
    """How many votes of a workspace are for the picture, and how many against it; those that compare two are others."""
    liked = func.count().filter(Vote.value > 0)
    disliked = func.count().filter(Vote.value < 0)
    row = session.execute(
        select(liked, disliked)
        .join(Picture, Picture.id == Vote.picture_id)
        .where(Vote.workspace_id == workspace_id, Picture.configuration == "")
    ).one()
    return row[0], row[1]
