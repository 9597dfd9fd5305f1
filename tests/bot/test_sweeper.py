"""What a sweep lets go of once a day."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, update

from bot.services import Services
from bot.sweeper import Sweeper
from bot.turns import Turns
from storage import forms
from storage.tables import Audit
from tests.factory import Factory


async def test_what_was_kept_for_a_form_goes_where_nobody_opens_another(services: Services, factory: Factory) -> None:
    here = factory.receive().workspace_id
    factory.database.run(forms.keep, here, "old", {"links": ["first"]})
    old = update(Audit).values(at=func.now() - timedelta(days=2))
    factory.database.run(lambda session: session.execute(old))
    factory.database.run(forms.keep, here, "new", {})
    await Sweeper(services, Turns(services, "test")).sweep()
    assert [factory.database.run(forms.kept, here, one) for one in ("old", "new")] == [None, {}]
