"""Reports and what is kept for forms: once each, and no longer or further than meant."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select, update

from storage import forms, reports
from storage.database import Database
from storage.tables import Audit
from tests.factory import Factory


def test_a_report_that_arrives_twice_is_kept_once(factory: Factory, database: Database) -> None:
    receipt = factory.receive()
    for source in ("one", "one", "two"):
        told = {"source_id": source, "author": "ben", "author_name": "Ben", "reason": f"{source}\x00 "}
        database.run(reports.report, receipt.workspace_id, receipt.turn_id, **told)
    found = database.run(reports.listed)
    assert [(one.turn_id, one.reporter, one.reason) for one in found] == [
        (receipt.turn_id, "ben", "two"),
        (receipt.turn_id, "ben", "one"),
    ]
    assert len(database.run(reports.listed, limit=1)) == 1


def test_what_is_kept_for_a_form_is_its_workspaces_alone_and_goes_after_a_day(
    factory: Factory, database: Database
) -> None:
    here, elsewhere = factory.receive().workspace_id, factory.receive(workspace="another").workspace_id
    database.run(forms.keep, here, "form", {"links": ["first"]})
    database.run(forms.keep, here, "form", {"links": ["second"]})
    assert database.run(forms.kept, here, "form") == {"links": ["first"]}
    assert database.run(forms.kept, elsewhere, "form") is None
    database.run(forms.keep, elsewhere, "form", {"links": ["third"]})
    old = update(Audit).where(Audit.action == forms.ACTION).values(at=func.now() - timedelta(days=2))
    database.run(lambda session: session.execute(old))
    database.run(forms.keep, here, "another form", {})
    database.run(forms.clear)
    left = database.run(lambda session: session.scalars(select(Audit.source_id)).all())
    assert left == ["another form"]
