"""`/characters`: pages with pictures, and what can be done with one of them, by whom; all of it alive after a restart."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from bot.characters import CharacterView, Page
from bot.discord import characters as pages
from bot.discord.client import LikenessClient
from bot.services import Services
from ops.local.discord import Payload, Waiting, walk
from storage import characters, turns
from storage.blobs import key_for
from storage.characters import CONSENT
from storage.conversations import DIRECT
from storage.tables import Status
from storage.turns import DrawnPicture, Introduced, Outcome, StoredBlob
from tests.bot.discord.conftest import ME, Town, running
from tests.bot.helpers import png, until


def words_of(waiting: Waiting) -> str:
    """What a menu says."""
    if waiting.message is None:
        return ""
    return waiting.message["content"] + "\n".join(one.get("content", "") for one in walk(waiting.message["components"]))


def names_of(waiting: Waiting) -> list[str]:
    return [line.removeprefix("### ") for line in words_of(waiting).splitlines() if line.startswith("### ")]


def buttons_of(message: Payload) -> list[str]:
    return [one["label"] for one in walk(message["components"]) if one["type"] == 2 and not one.get("disabled")]


async def listed(town: Town, who: Payload, channel: Payload) -> Waiting:
    waiting = await town.discord.slash(who, channel, "characters")
    await until(lambda: waiting.message is not None and waiting.message["components"])
    assert waiting.ephemeral
    return waiting


async def says(waiting: Waiting, words: str) -> None:
    await until(lambda: words in words_of(waiting))


def shown(waiting: Waiting) -> Payload:
    assert waiting.message is not None
    return waiting.message


async def introduced(town: Town) -> Payload:
    """A thread in which Ada's first words introduced Olivia."""
    said = await town.discord.say(town.ada, town.general, f"{ME} Olivia")
    thread = await town.thread(said)
    await town.queued()
    claim = town.claim()
    data = png()
    key = key_for(claim.workspace_id, "pictures", data, ".png")
    town.services.blobs.put(key, data, content_type="image/png")
    picture = DrawnPicture(StoredBlob(key, len(data), "image/png"), 8, 8, "Olivia.")
    outcome = Outcome(Status.DONE, "Olivia.", (picture,), (Introduced("Olivia", "red curly hair"),))
    assert town.factory.database.run(turns.finish, claim.turn_id, claim.fencing, outcome).valid
    return thread


async def make(town: Town, name: str, *, workspace: str | None = None, by: str = "0") -> UUID:
    """A character of the whole server."""
    here = town.factory.database.run(turns.workspace, "discord", workspace or town.guild["id"])
    person = town.factory.database.run(turns.person, here, by)
    return town.factory.database.run(characters.create, here, None, name=name, created_by=person)


async def test_a_page_shows_names_descriptions_where_they_are_known_and_pictures_with_alt_text(town: Town) -> None:
    thread = await introduced(town)
    await make(town, "Max")
    waiting = await listed(town, town.ben, thread)
    assert names_of(waiting) == ["Max", "Olivia"]
    said = words_of(waiting)
    assert "red curly hair" in said
    assert "Known everywhere" in said
    assert "Known in this conversation" in said
    (picture,) = [one for one in walk(shown(waiting)["components"]) if one["type"] == 11]
    assert picture["description"] == "Olivia: red curly hair"
    assert picture["media"]["url"] == shown(waiting)["attachments"][0]["url"]
    assert not town.discord.told_in(town.general)


async def test_where_nobody_has_a_name_it_says_how_to_make_somebody(town: Town) -> None:
    assert "/newcharacter" in words_of(await listed(town, town.ada, town.general))


async def test_two_hundred_characters_are_forty_pages(town: Town) -> None:
    here = town.factory.database.run(turns.workspace, "discord", town.guild["id"])

    def fill(session: Any) -> None:
        for number in range(200):
            characters.create(
                session, here, None, name=f"Person {number:03}", description="*_`long words " * 35, created_by=None
            )

    town.factory.database.run(fill)
    waiting = await listed(town, town.ada, town.general)
    assert "page 1 of 40" in words_of(waiting)
    assert buttons_of(shown(waiting)) == ["Next"]
    for page in range(1, 40):
        await town.discord.press(town.ada, shown(waiting), pages.custom_id("page", page))
        await says(waiting, f"page {page + 1} of 40")
    assert names_of(waiting)[-1] == "Person 199"
    assert buttons_of(shown(waiting)) == ["Before"]


async def test_another_server_and_direct_messages_see_none_of_them(town: Town) -> None:
    await make(town, "Max")
    other = await town.discord.channel(await town.discord.guild("Elsewhere"), "general")
    for place in (other, town.discord.direct(town.ada)):
        assert "Max" not in words_of(await listed(town, town.ada, place))
    await make(town, "Zoe", workspace=f"{DIRECT}{town.ada['id']}")
    assert names_of(await listed(town, town.ada, town.discord.direct(town.ada))) == ["Zoe"]


async def chosen(town: Town, who: Payload, channel: Payload, character_id: UUID) -> Waiting:
    waiting = await listed(town, who, channel)
    await town.discord.choose(who, shown(waiting), "characters-choose", character_id.hex)
    await until(lambda: "All characters" in buttons_of(shown(waiting)))
    return waiting


async def olivia_of(town: Town, thread: Payload) -> UUID:
    waiting = await listed(town, town.ada, thread)
    menu = next(one for one in walk(shown(waiting)["components"]) if one["type"] == 3)
    return UUID(next(one["value"] for one in menu["options"] if one["label"] == "Olivia"))


async def test_whoever_asked_for_the_turn_renames_promotes_and_deletes_whom_it_introduced(
    town: Town, bot: LikenessClient, services: Services
) -> None:
    thread = await introduced(town)
    olivia = await olivia_of(town, thread)
    waiting = await chosen(town, town.ada, thread, olivia)
    assert buttons_of(shown(waiting)) == ["Rename", "Add photos", "Use everywhere", "Delete", "All characters"]
    await bot.close()
    async with running(Services.open(services.settings)):
        form = await town.discord.press(town.ada, shown(waiting), "characters-rename")
        await until(lambda: form.modal is not None)
        await town.discord.send_form(town.ada, form, name="1984")
        await says(waiting, "begins with a letter")
        await town.discord.send_form(town.ada, form, name="Livia")
        await says(waiting, "Renamed.")
        await town.discord.press(town.ada, shown(waiting), "characters-promote")
        await says(waiting, "Known everywhere")
        assert "Use everywhere" not in buttons_of(shown(waiting))
        await town.discord.press(town.ada, shown(waiting), "characters-delete")
        await says(waiting, "Delete Livia?")
        await town.discord.press(town.ada, shown(waiting), "characters-one")
        await until(lambda: "Rename" in buttons_of(shown(waiting)))
        assert names_of(await listed(town, town.ben, town.general)) == ["Livia"]
        await town.discord.press(town.ada, shown(waiting), "characters-delete")
        await says(waiting, "Delete Livia?")
        await town.discord.press(town.ada, shown(waiting), "characters-really")
        await says(waiting, "Deleted.")
        assert names_of(await listed(town, town.ben, town.general)) == []


async def test_anybody_may_look_and_only_a_moderator_change_what_others_made(town: Town) -> None:
    max_ = await make(town, "Max", by=town.ada["id"])
    waiting = await chosen(town, town.ben, town.general, max_)
    assert buttons_of(shown(waiting)) == ["All characters"]
    owner = await chosen(town, town.ada, town.general, max_)
    await town.discord.press(town.ada, shown(owner), "characters-delete")
    await says(owner, "Delete Max?")
    as_ben = dict(shown(owner))
    refused = await town.discord.press(town.ben, as_ben, "characters-really")
    await says(refused, "Only whoever made this character")
    assert names_of(await listed(town, town.ada, town.general)) == ["Max"]


async def test_a_moderator_deletes_what_others_made(town: Town) -> None:
    max_ = await make(town, "Max", by=town.ada["id"])
    waiting = await chosen(town, town.ada, town.general, max_)
    await town.discord.press(town.ada, shown(waiting), "characters-delete")
    await says(waiting, "Delete Max?")
    await town.discord.press(town.ben, shown(waiting), "characters-really", moderator=True)
    await says(waiting, "Deleted.")
    assert names_of(await listed(town, town.ada, town.general)) == []


@pytest.fixture
async def photographed(town: Town) -> tuple[Waiting, Waiting]:
    """Ada's Max, chosen, and the form for his pictures."""
    waiting = await chosen(town, town.ada, town.general, await make(town, "Max", by=town.ada["id"]))
    form = await town.discord.press(town.ada, shown(waiting), "characters-photo")
    await until(lambda: form.modal is not None)
    return waiting, form


async def test_photos_are_added_with_an_agreement_that_is_kept(
    town: Town, photographed: tuple[Waiting, Waiting]
) -> None:
    waiting, form = photographed
    assert CONSENT in str(form.modal)
    for said in ("Added.", "I have these pictures already."):
        await town.discord.send_form(town.ada, form, pictures=[("max.png", png(size=128))], consent=True)
        await says(waiting, said)
    assert [one["filename"] for one in shown(waiting)["attachments"]] == ["character.jpg"]
    await town.discord.say(town.ben, town.general, f"{ME} Max")
    await town.queued()
    (max_,) = town.claim().line.characters
    assert (len(max_.reference_keys), max_.version, max_.embeddable) == (1, 2, True)
    assert len(town.factory.agreed()) == 1


async def test_photos_without_an_agreement_end_the_one_there_was(
    town: Town, photographed: tuple[Waiting, Waiting]
) -> None:
    waiting, form = photographed
    await town.discord.send_form(town.ada, form, pictures=[("max.png", png(size=128))], consent=True)
    await says(waiting, "Added.")
    await town.discord.send_form(town.ada, form, pictures=[("too.png", png("blue", size=128))])
    await says(waiting, "not compared with their face")
    await town.discord.send_form(town.ada, form, pictures=[("no.png", b"nonsense")])
    await says(waiting, "picture")
    await town.discord.say(town.ben, town.general, f"{ME} Max")
    await town.queued()
    (max_,) = town.claim().line.characters
    assert (len(max_.reference_keys), max_.embeddable) == (2, False)


def test_a_page_fits_whatever_people_wrote() -> None:
    odd = [CharacterView(UUID(int=one), "*" * 40, "[*_" * 166, everywhere=False, picture=None) for one in range(5)]
    view, _ = pages.listing(Page(tuple(odd), 9998, 9999, 5), [png()] * 5, "x" * 200)
    assert view.content_length() <= 4000
    assert view.total_children_count <= 40
    whole, _ = pages.one(odd[0], png(), 9999, "x" * 200, sure=True)
    assert whole.content_length() <= 4000
    ids = [getattr(one, "custom_id", "") for one in [*view.walk_children(), *whole.walk_children()]]
    assert all(len(one) <= 100 for one in ids)
    assert all(pages.ID.fullmatch(one) for one in ids if one)
