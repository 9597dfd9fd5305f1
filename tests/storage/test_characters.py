"""Characters: names, scopes, versions, and what goes when one is deleted."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from storage import characters, conversations
from storage.characters import CharacterProblem
from storage.tables import Audit, Character, Reference, Status
from storage.turns import DrawnPicture, Introduced, Outcome, Receipt, StoredBlob, finish, person, undo
from tests.factory import Factory

PHOTO = StoredBlob("references/photo.png", 10, "image/png")


@pytest.fixture
def story(factory: Factory) -> Receipt:
    """A conversation with one turn, whose picture introduced Olivia."""
    receipt = factory.receive("draw Olivia")
    claim = factory.claim()
    assert claim is not None
    picture = DrawnPicture(StoredBlob("pictures/1.png", 10, "image/png"), 256, 256, "Olivia")
    outcome = Outcome(Status.DONE, "Here.", pictures=(picture,), introduces=(Introduced("Olivia", "red hair"),))
    assert factory.database.run(finish, claim.turn_id, claim.fencing, outcome).valid
    return receipt


def get(factory: Factory, name: str) -> Character:
    def find(session: Session) -> Character:
        return session.execute(select(Character).where(Character.name == name)).scalar_one()

    return factory.database.run(find)


def create(factory: Factory, story: Receipt, name: str, *, everywhere: bool = False) -> UUID:
    return factory.database.run(
        characters.create,
        story.workspace_id,
        None if everywhere else story.conversation_id,
        name=name,
        references=[PHOTO],
    )


def scope(factory: Factory, story: Receipt, *ancestors: UUID) -> dict[str, tuple[str, ...]]:
    found = factory.database.run(conversations.in_scope, story.workspace_id, story.conversation_id, ancestors)
    return {one.name: one.reference_keys for one in found}


def test_a_name_is_taken_by_whom_the_story_introduced_as_long_as_they_are_in_it(
    factory: Factory, story: Receipt
) -> None:
    with pytest.raises(CharacterProblem, match="named Olivia already"):
        create(factory, story, "olivia")
    max_ = create(factory, story, "Max")
    with pytest.raises(CharacterProblem, match="named Olivia already"):
        factory.database.run(characters.rename, story.workspace_id, max_, "Olivia")
    factory.database.run(undo, story.workspace_id, story.conversation_id)
    create(factory, story, "Olivia")


def test_names_that_differ_in_more_than_case_are_two(factory: Factory, story: Receipt) -> None:
    first = create(factory, story, "Strasse")
    create(factory, story, "Straße")
    with pytest.raises(CharacterProblem, match="named Straße already"):
        factory.database.run(characters.rename, story.workspace_id, first, "Straße")
    factory.database.run(characters.rename, story.workspace_id, first, "STRASSE")


def test_names_and_descriptions_of_all_languages_are_kept(factory: Factory, story: Receipt) -> None:
    assert characters.clean_name("علی\u200cرضا") == "علی\u200cرضا"
    made = factory.database.run(
        characters.create, story.workspace_id, None, name="Ada", description="a green\x00 mohawk"
    )
    assert made
    assert get(factory, "Ada").description == "a green mohawk"


def test_a_name_is_taken_without_regard_to_case(factory: Factory, story: Receipt) -> None:
    create(factory, story, "Max")
    with pytest.raises(CharacterProblem, match="named Max already"):
        create(factory, story, " mAX ")
    create(factory, story, "Max", everywhere=True)


def test_a_name_may_be_used_again_after_its_character_was_deleted(factory: Factory, story: Receipt) -> None:
    first = create(factory, story, "Max")
    factory.database.run(characters.remove, story.workspace_id, first)
    factory.database.run(characters.remove, story.workspace_id, first)
    assert "Max" not in scope(factory, story)
    create(factory, story, "Max")


@pytest.mark.parametrize("name", ["", "  ", "x" * 41, "🦊", "1984", "\u202eaxM"])
def test_what_is_no_name_is_refused_with_a_sentence(factory: Factory, story: Receipt, name: str) -> None:
    with pytest.raises(CharacterProblem, match=r"\.$"):
        create(factory, story, name)


@pytest.mark.parametrize("name", ["Zoë", "O'Neil", "李小龍", "Mary Ann", "R2"])
def test_names_of_all_peoples_are_names(factory: Factory, story: Receipt, name: str) -> None:
    create(factory, story, name)
    assert name in scope(factory, story)


def test_each_change_raises_the_version(factory: Factory, story: Receipt) -> None:
    character_id = create(factory, story, "Max")
    factory.database.run(characters.rename, story.workspace_id, character_id, "Moritz")
    assert get(factory, "Moritz").version == 2
    with pytest.raises(CharacterProblem, match="named Moritz"):
        factory.database.run(characters.rename, story.workspace_id, create(factory, story, "Ada"), "moritz")


def test_a_character_of_a_conversation_is_promoted_with_the_picture_that_introduced_it(
    factory: Factory, story: Receipt
) -> None:
    olivia = get(factory, "Olivia")
    factory.database.run(characters.promote, story.workspace_id, olivia.id)
    factory.database.run(characters.promote, story.workspace_id, olivia.id)
    other = factory.receive(thread="another story")
    assert scope(factory, other) == {"Olivia": ("pictures/1.png",)}


def test_nobody_is_promoted_over_a_name_of_the_workspace(factory: Factory, story: Receipt) -> None:
    create(factory, story, "Olivia", everywhere=True)
    with pytest.raises(CharacterProblem, match="named Olivia already"):
        factory.database.run(characters.promote, story.workspace_id, get_introduced(factory).id)


def get_introduced(factory: Factory) -> Character:
    def find(session: Session) -> Character:
        return session.execute(select(Character).where(Character.turn_id.is_not(None))).scalar_one()

    return factory.database.run(find)


def test_deleting_lets_go_of_the_pictures_that_show_somebody(factory: Factory, story: Receipt) -> None:
    character_id = create(factory, story, "Max")
    factory.database.run(characters.remove, story.workspace_id, character_id)

    def left(session: Session) -> int:
        return len(session.scalars(select(Reference).where(Reference.character_id == character_id)).all())

    assert factory.database.run(left) == 0


def test_faces_are_taken_from_uploads_with_consent_and_from_what_was_drawn(factory: Factory, story: Receipt) -> None:
    def embeddable() -> dict[str, bool]:
        found = factory.database.run(conversations.in_scope, story.workspace_id, story.conversation_id, [story.turn_id])
        return {one.name: one.embeddable for one in found}

    create(factory, story, "Max")
    factory.database.run(
        characters.create,
        story.workspace_id,
        story.conversation_id,
        name="Ada",
        references=[PHOTO],
        consent=characters.CONSENT,
    )
    assert embeddable() == {"Olivia": True, "Max": False, "Ada": True}
    factory.database.run(characters.promote, story.workspace_id, get(factory, "Olivia").id)
    assert embeddable()["Olivia"], "her reference is a picture that was drawn here"
    assert get(factory, "Ada").consent == {"words": characters.CONSENT, "by": None}
    agreed = factory.database.run(lambda session: session.scalars(select(Audit)).one())
    assert (agreed.action, agreed.details["character"]) == ("consent", str(get(factory, "Ada").id))
    factory.database.run(characters.remove, story.workspace_id, get(factory, "Ada").id)
    assert get(factory, "Ada").consent is None


def add(factory: Factory, story: Receipt, character_id: UUID, *names: str, consent: str = "") -> bool:
    photos = [StoredBlob(f"references/{name}.png", 10, "image/png") for name in names]
    return factory.database.run(characters.add_references, story.workspace_id, character_id, photos, consent=consent)


def test_a_picture_that_is_added_comes_after_the_others_and_counts_once(factory: Factory, story: Receipt) -> None:
    character_id = create(factory, story, "Max")
    assert add(factory, story, character_id, "a", "b", "a")
    assert not add(factory, story, character_id, "b")
    keys = ("references/photo.png", "references/a.png", "references/b.png")
    assert scope(factory, story)["Max"] == keys
    assert get(factory, "Max").version == 2
    with pytest.raises(CharacterProblem, match="at most 10 pictures; Max has 3"):
        add(factory, story, character_id, *"cdefghij")


def test_an_agreement_holds_for_all_pictures_of_somebody_or_for_none(factory: Factory, story: Receipt) -> None:
    max_ = create(factory, story, "Max")
    add(factory, story, max_, "a", consent=characters.CONSENT)
    assert get(factory, "Max").consent is None, "nobody agreed to the first one"
    new = factory.database.run(characters.create, story.workspace_id, None, name="Ada")
    add(factory, story, new, "a", consent=characters.CONSENT)
    assert get(factory, "Ada").consent == {"words": characters.CONSENT, "by": None}
    add(factory, story, new, "b", consent=characters.CONSENT)
    assert get(factory, "Ada").consent is not None
    add(factory, story, new, "c")
    assert get(factory, "Ada").consent is None
    agreed = factory.database.run(lambda session: session.scalars(select(Audit)).all())
    assert [one.details["character"] for one in agreed] == [str(max_), str(new), str(new)]


def test_an_agreement_that_ends_while_another_picture_is_added_does_not_come_back(
    factory: Factory, story: Receipt
) -> None:
    ada = factory.database.run(characters.create, story.workspace_id, None, name="Ada")
    add(factory, story, ada, "a", consent=characters.CONSENT)
    photo = StoredBlob("references/b.png", 10, "image/png")

    def late(session: Session) -> None:
        known = characters.one(session, story.workspace_id, ada)
        assert known is not None
        assert known.consent is not None
        add(factory, story, ada, "c")
        by = person(session, story.workspace_id, "ada")
        characters.add_references(session, story.workspace_id, ada, [photo], agreed_by=by, consent=characters.CONSENT)

    factory.database.run(late)
    assert get(factory, "Ada").consent is None


def test_a_workspace_never_sees_anothers_characters(factory: Factory, story: Receipt) -> None:
    character_id = create(factory, story, "Max", everywhere=True)
    stranger = factory.receive(workspace="another guild")
    assert scope(factory, stranger) == {}
    assert factory.database.run(characters.listed, stranger.workspace_id) == []
    with pytest.raises(CharacterProblem, match="does not exist"):
        factory.database.run(characters.rename, stranger.workspace_id, character_id, "Mine")
    factory.database.run(characters.remove, stranger.workspace_id, character_id)
    assert "Max" in scope(factory, story)


def test_someone_introduced_by_a_turn_is_known_to_its_descendants_only(factory: Factory, story: Receipt) -> None:
    assert "Olivia" in scope(factory, story, story.turn_id)
    assert "Olivia" not in scope(factory, story)


def test_what_was_made_of_a_reference_stays_as_long_as_the_last_of_those_whom_it_shows(
    factory: Factory, story: Receipt
) -> None:
    here, made = story.workspace_id, StoredBlob("encodings/1.safetensors", 10, "application/octet-stream")
    ada, bob = (create(factory, story, name) for name in ("Ada", "Bob"))
    factory.database.run(characters.keep_encoding, here, PHOTO.key, "painter", made)
    factory.database.run(characters.keep_encoding, here, PHOTO.key, "painter", made)
    known = [(here, "painter"), (here, "another"), (uuid4(), "painter")]
    found = [factory.database.run(characters.encoding, where, PHOTO.key, whose) for where, whose in known]
    assert found == [made.key, None, None]
    factory.database.run(characters.remove, here, ada)
    assert factory.database.run(characters.encoding, here, PHOTO.key, "painter") == made.key
    factory.database.run(characters.remove, here, bob)
    factory.database.run(characters.keep_encoding, here, PHOTO.key, "painter", made)  # by a worker that did not know
    create(factory, story, "Carl")
    assert factory.database.run(characters.encoding, here, PHOTO.key, "painter") is None
