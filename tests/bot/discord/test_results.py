"""The buttons under a result: variations and the pick, larger, delete, and which of two is better."""

from __future__ import annotations

from uuid import UUID

from ops.local.discord import Payload
from storage import deliveries, turns
from storage.tables import Kind
from tests.bot.discord.conftest import Town
from tests.bot.discord.test_interactions import first_picture, said_to
from tests.bot.helpers import until

FOUR = ("",) * 4


def labels(message: Payload) -> list[str]:
    """What the buttons of a message do, from the upper left on."""
    return [one["custom_id"].split(":")[1] for row in message["components"] for one in row["components"]]


async def varied(town: Town) -> tuple[Payload, Payload, UUID]:
    """A thread, the message that shows four variations, and their turn."""
    thread, shown = await first_picture(town)
    await town.discord.press(town.ada, shown, "variations")
    await town.queued()
    claim = town.claim()
    assert claim.kind is Kind.VARIATIONS
    town.finish(claim, configurations=FOUR)
    _, four = await town.shown(thread, 2)
    return thread, four, claim.turn_id


async def test_four_variations_are_shown_at_once_and_one_is_picked(town: Town) -> None:
    _, four, turn_id = await varied(town)
    assert len(four["attachments"]) == 4
    assert [one["description"] for one in four["attachments"]][1] == "Picture 2 of 4. Olivia."
    assert labels(four)[:4] == ["pick1", "pick2", "pick3", "pick4"]
    assert "Number 3" in await said_to(await town.discord.press(town.ada, four, "pick3"))
    await until(lambda: len(four["attachments"]) == 1)
    assert labels(four) == ["again", "variations", "larger", "undo", "up", "down", "delete"]
    assert town.factory.turn(turn_id).picked_at is not None


async def test_only_whoever_asked_or_a_moderator_picks(town: Town) -> None:
    _, four, turn_id = await varied(town)
    assert "Only whoever asked" in await said_to(await town.discord.press(town.ben, four, "pick2"))
    assert town.factory.turn(turn_id).picked_at is None
    assert "Number 2" in await said_to(await town.discord.press(town.ben, four, "pick2", moderator=True))


async def test_a_larger_one_comes_beside_and_the_conversation_stays_where_it_is(town: Town) -> None:
    thread, shown = await first_picture(town)
    await town.discord.press(town.ben, shown, "larger")
    await town.queued()
    claim = town.claim()
    assert claim.kind is Kind.ENLARGE
    town.finish(claim, "Enlarged to 1024 × 1024 pixels.")
    _, large = await town.shown(thread, 2)
    assert labels(large) == ["delete"]
    assert await said_to(await town.discord.press(town.ada, shown, "undo")) == "Undone. We start afresh."


async def test_deleting_takes_the_message_and_all_that_was_kept(town: Town) -> None:
    thread, shown = await first_picture(town)
    assert "Only whoever asked" in await said_to(await town.discord.press(town.ben, shown, "delete"))
    assert "Deleted" in await said_to(await town.discord.press(town.ada, shown, "delete"))
    await until(lambda: not town.discord.told_in(thread))
    assert town.factory.texts() == [""]
    waiting = await town.discord.slash(town.ada, thread, "history")
    assert "Nothing was drawn" in await said_to(waiting)


async def test_a_result_whose_message_is_gone_already_can_be_deleted(town: Town) -> None:
    thread, shown = await first_picture(town)
    town.discord.messages[int(thread["id"])].remove(shown)
    assert "Deleted" in await said_to(await town.discord.press(town.ada, shown, "delete"))
    turn_id = UUID(shown["components"][0]["components"][0]["custom_id"].split(":")[2])
    await until(lambda: town.factory.delivered(turn_id))
    assert town.discord.told_in(thread) == []


async def test_what_somebody_removed_by_hand_is_not_posted_again(town: Town) -> None:
    thread, shown = await first_picture(town)
    turn_id = UUID(shown["components"][0]["components"][0]["custom_id"].split(":")[2])
    await until(lambda: town.factory.delivered(turn_id))
    town.discord.messages[int(thread["id"])].remove(shown)
    town.factory.database.run(deliveries.show_again, turn_id)
    await until(lambda: town.factory.delivered(turn_id))
    assert town.discord.told_in(thread) == []


async def test_a_moderator_takes_away_what_a_forgotten_person_left(town: Town) -> None:
    thread, shown = await first_picture(town)
    turn_id = UUID(shown["components"][0]["components"][0]["custom_id"].split(":")[2])
    await until(lambda: town.factory.delivered(turn_id))
    town.factory.database.run(turns.delete_turn, town.factory.turn(turn_id).workspace_id, turn_id)
    assert town.discord.told_in(thread) == [shown]
    assert "Deleted" in await said_to(await town.discord.press(town.ben, shown, "delete", moderator=True))
    await until(lambda: not town.discord.told_in(thread))


async def test_an_archived_thread_is_opened_to_delete_in_it(town: Town) -> None:
    thread, shown = await first_picture(town)
    await town.discord.change_thread(thread, archived=True)
    await town.discord.press(town.ada, shown, "delete")
    await until(lambda: not town.discord.told_in(thread))


async def test_of_two_configurations_people_say_which_is_better(town: Town) -> None:
    thread, _ = await first_picture(town)
    await town.discord.slash(town.ada, thread, "imagine", text="at night")
    await town.queued()
    town.finish(town.claim(), configurations=("whole", "plain"))
    _, two = await town.shown(thread, 2)
    assert labels(two) == ["better1", "better2", "again", "variations", "undo", "delete"]
    for person, what in ((town.ada, "better1"), (town.ben, "better1"), (town.ben, "better2")):
        assert "Thank you" in await said_to(await town.discord.press(person, two, what))
    assert sorted(town.factory.votes()) == [-1, -1, 1, 1]
