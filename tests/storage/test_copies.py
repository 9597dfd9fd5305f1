"""Copies of pictures on a platform: found by their blob, and left over when nothing shows it any more."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, update

from storage import characters, copies, turns
from storage.database import Database
from storage.tables import Copy
from storage.turns import StoredBlob


def test_a_copy_is_left_over_when_nothing_shows_its_picture_and_what_passes_after_an_hour(database: Database) -> None:
    here, other = (database.run(turns.workspace, "slack", name) for name in ("T1", "T2"))
    photo = StoredBlob("references/a.png", 1, "image/png")
    olivia = database.run(characters.create, here, None, name="Olivia", references=[photo])
    database.run(copies.keep, here, {photo.key: "F1"})
    database.run(copies.keep, here, {copies.PASSING: "F2"})
    assert database.run(copies.known, here, [photo.key, "references/b.png"]) == {photo.key: "F1"}
    assert database.run(copies.known, other, [photo.key]) == {}
    assert database.run(copies.left, here) == []
    hour = {"created_at": func.now() - copies.KEPT - timedelta(seconds=1)}
    database.run(lambda session: session.execute(update(Copy).where(Copy.external_id == "F2").values(hour)))
    assert database.run(copies.left, here) == ["F2"]
    database.run(characters.remove, here, olivia)
    assert database.run(copies.left, here) == ["F1", "F2"]
    assert database.run(copies.left, other) == []
    database.run(copies.drop, here, "F1")
    assert database.run(copies.left, here) == ["F2"]
