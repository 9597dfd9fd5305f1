"""What the bot shows on Slack: each view and message equals its snapshot and keeps to Slack's limits, whatever people are called.

`pytest tests/bot/slack/test_views.py --write-snapshots` writes the snapshots anew; read what changed before it is committed.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from bot.characters import CharacterView, Page
from bot.progress import Update
from bot.sentences import NO_FILES
from bot.slack import (
    admin,
    blocks,
    characters,
    conversations,
    forgetme,
    home,
    imagine,
    menu,
    newcharacter,
    preferences,
    render,
    shortcuts,
)
from bot.slack.blocks import Here, Json
from bot.slack.sentences import ONLY_YOU
from ops.local.slack_blocks import problems_of_blocks, problems_of_view
from storage.characters import DESCRIPTION_LIMIT, NAME_LIMIT
from storage.conversations import TakenPart
from storage.deliveries import Due, DuePicture
from storage.events import Progress
from storage.preferences import Preferences
from storage.sentences import LANGUAGES
from storage.tables import Kind, Status
from storage.turns import Place

SNAPSHOTS = Path(__file__).parent / "snapshots"
TURN = UUID("0190a000-0000-7000-8000-000000000001")
THREAD = Here("C0123456789", "1732579200.000100")
EVIL = "<!channel> & <@U1|x> *_`"
LONG_NAME = ("A" + EVIL * 9)[:NAME_LIMIT]
LONG = (EVIL * 99)[:DESCRIPTION_LIMIT]
HELD = Preferences("preview", "preview", None, every_message=False)
LONG_HELD = Preferences("e" * 60, "e" * 60, "f" * 60, every_message=True)
ENGINES = [f"{'engine' * 9}-{number:03}" for number in range(120)]


def person(number: int, name: str = "", description: str = "", **more: bool) -> CharacterView:
    return CharacterView(UUID(int=TURN.int + number), name or f"Person {number}", description, **more, picture=None)


def talk(number: int, title: str) -> TakenPart:
    return TakenPart(
        "C0123456789", f"173257{number:04}.000100", title, datetime(2026, 11, 26, 9, number, tzinfo=UTC), 2 + number
    )


OLIVIA = person(1, "Olivia", "red curly hair, round glasses", everywhere=True)
HUGO = person(2, "Hugo", everywhere=False, changeable=False)
CROWD = Page(tuple(person(one, LONG_NAME, LONG, everywhere=False) for one in range(characters.SIZE)), 12, 40, 12_345)
FACES = [f"F{number:010}" for number in range(characters.SIZE)]
WORKERS = [(f"{number:08x} preview, live, {'host' * 30}", str(UUID(int=number))) for number in range(40)]
BLOCKED = [(f"U{number:010}", EVIL * 5) for number in range(150)]
RECENT = [talk(1, "Olivia, red curly hair, on a beach"), talk(0, "")]
LINKS = ["https://storytellers.slack.com/archives/C0123456789/p1732570001000100", ""]

ASPECTS = {"1:1": (1024, 1024), "3:2": (1248, 832), "1360x768": (1360, 768)}

VIEWS: dict[str, Json] = {
    "menu": menu.view(THREAD, admin=False),
    "menu-admin-german": menu.view(Here("C0123456789"), admin=True, language="de-DE"),
    "help": menu.help_view(THREAD),
    "sentence": blocks.sentence("Olivia can be drawn by name now.", menu.back()),
    "newcharacter": newcharacter.form(Here("C0123456789")),
    "newcharacter-long": newcharacter.form(THREAD, LONG_NAME * 2, LONG * 2, files=FACES),
    "photos": newcharacter.photo_form(THREAD, TURN.hex, LONG_NAME, 9999),
    "characters-none": characters.listing(Page((), 0, 1, 0), [], Here()),
    "characters": characters.listing(Page((OLIVIA, HUGO), 0, 1, 2), ["F0000000001", None], THREAD, "Renamed."),
    "characters-long": characters.listing(CROWD, FACES, THREAD, LONG * 9),
    "character": characters.one(OLIVIA, "F0000000001", 0, THREAD, "Renamed."),
    "character-of-others": characters.one(HUGO, None, 3, Here()),
    "character-long": characters.one(CROWD.people[0], FACES[0], 9999, THREAD, LONG * 9),
    "rename": characters.rename_form(CROWD.people[0], 9999, THREAD),
    "draw": imagine.form(Here("C0123456789"), ["Olivia", "Hugo"], "Olivia on a beach", ASPECTS),
    "draw-long": imagine.form(Here(), [LONG_NAME + str(one) for one in range(120)], "x" * 4000),
    "settings": preferences.view(HELD, ["preview"], THREAD, changeable=True),
    "settings-to-look-at": preferences.view(HELD, ["preview"], Here("C0123456789"), changeable=False),
    "settings-long": preferences.view(LONG_HELD, ENGINES, THREAD, LONG, changeable=True),
    "forgetme": forgetme.view("This deletes what I keep of you here: 2 messages.", Here()),
    "forgotten": forgetme.done("Done. What I kept of you here is deleted.", Here()),
    "conversations": conversations.view(RECENT, LINKS, Here("C0123456789")),
    "conversations-none": conversations.view([], [], Here()),
    "conversations-long": conversations.view([talk(0, LONG)] * conversations.LISTED, ["https://x" * 30] * 20, Here()),
    "history": conversations.sheet("F0000000001", THREAD),
    "admin": admin.view("I draw here.\nQuota: none.", "Votes on pictures: 3 up, 1 down.", "No worker.", [], Here()),
    "admin-long": admin.view(LONG * 20, LONG * 20, "", WORKERS, THREAD, LONG * 20),
    "admin-operator": admin.view("", "", "", WORKERS[:1], Here(), manages=False),
    "quota": admin.quota_form(THREAD),
    "share": admin.share_form(THREAD),
    "block": admin.block_form(THREAD),
    "unblock": admin.unblock_form(BLOCKED[:2], THREAD),
    "unblock-long": admin.unblock_form(BLOCKED, THREAD),
    "branch": shortcuts.branch_form(THREAD, TURN),
    "report": shortcuts.report_form(THREAD, TURN),
    "home": home.view(Page((OLIVIA, HUGO), 0, 1, 2), ["F0000000001", None], RECENT, LINKS, HELD, home.Today(3, 20)),
    "home-empty": home.view(Page((), 0, 1, 0), [], [], [], HELD, home.Today(0, 0)),
    "home-long": home.view(
        CROWD, FACES, [talk(0, LONG)] * 5, ["https://x" * 30] * 5, LONG_HELD, home.Today(9999, 10_000), [LONG * 20] * 3
    ),
}


def due(text: str, pictures: int = 1, status: Status = Status.DONE, **more: Any) -> Due:  # Any: fields of what is due
    shown = tuple(DuePicture(f"pictures/{number}.png", 1024, 1024, "Olivia.", 4096) for number in range(pictures))
    return Due(TURN, TURN, TURN, "T1", "C1", "1.2", "message:C1:1.2", status, text, shown, None, 0, **more)


def reply(due: Due, alt_text: str = "Olivia on a beach.") -> list[Json]:
    count = len(due.pictures)
    return render.reply(
        due, [render.picture(FACES[n], alt_text, str(n + 1) if count > 1 else "") for n in range(count)]
    )


WAITS = Place(Status.QUEUED, 3, 2, 40.0)
DRAWN = Progress("drawing", 7, 20, "Here is Olivia <3")
SAID = {
    "reply": reply(due("Here is Olivia <3")),
    "reply-four": reply(due("Four of her.", 4, kind=Kind.VARIATIONS, picks=4)),
    "reply-compared": reply(due("Two of her.", 2, compares=True)),
    "reply-larger-japanese": reply(due("", kind=Kind.ENLARGE, language="ja")),
    "reply-without-files": render.reply(due("Here is Olivia."), [], NO_FILES),
    "reply-refused": reply(due("That file is no picture.", 0, Status.REFUSED)),
    "reply-failed": reply(due("Something went wrong.", 0, Status.FAILED)),
    "waiting": render.waiting(TURN, Update(WAITS)),
    "waiting-drawn": render.waiting(TURN, Update(Place(Status.RUNNING, 0, 2, 9.0, "de"), DRAWN), FACES[0]),
    "said-help": menu.help_blocks(),
    "said-characters": menu.offer(f"Characters: {LONG}", "en", "characters", "newcharacter"),
    "said-window": menu.offer(ONLY_YOU, "en", "admin"),
    "said-window-japanese": menu.offer(ONLY_YOU, "ja", "admin"),
}
LONGEST_SAID = {
    "reply": reply(due(LONG * 99, 4, kind=Kind.VARIATIONS, picks=4, language="fr"), LONG * 9),
    "waiting": render.waiting(TURN, Update(WAITS, Progress("reading", text=LONG * 99)), FACES[0]),
}
LONGEST = {name: VIEWS.pop(name) for name in [*VIEWS] if name.endswith("-long")}


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_is_as_its_snapshot_and_within_the_limits(name: str, request: pytest.FixtureRequest) -> None:
    assert problems_of_view(VIEWS[name]) == []
    assert VIEWS[name] == snapshot(name, VIEWS[name], request)


@pytest.mark.parametrize("name", LONGEST)
def test_the_longest_names_and_words_are_within_the_limits(name: str) -> None:
    assert problems_of_view(LONGEST[name]) == []


@pytest.mark.parametrize("name", LONGEST_SAID)
def test_the_longest_replies_are_within_the_limits(name: str) -> None:
    assert problems_of_blocks(LONGEST_SAID[name]) == []


@pytest.mark.parametrize("name", SAID)
def test_what_is_said_in_a_thread_is_as_its_snapshot(name: str, request: pytest.FixtureRequest) -> None:
    made = [*SAID[name]]
    assert problems_of_blocks(made) == []
    assert made == snapshot(name, made, request)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_leads_to_windows_is_within_the_limits_in_every_language(language: str) -> None:
    assert problems_of_view(menu.view(THREAD, admin=True, language=language)) == []
    assert problems_of_view(menu.help_view(THREAD, language)) == []
    assert problems_of_blocks([*menu.help_blocks(language)]) == []


@pytest.mark.parametrize("words", ["new hat for Olivia", "undo", "the characters on a beach", "status quo", ""])
def test_what_asks_for_a_picture_leads_to_no_window(words: str) -> None:
    assert menu.room_of(words) is None


def test_words_of_people_mention_nobody() -> None:
    written = json.dumps(LONGEST["characters-long"]["blocks"][2]["text"]["text"])
    assert "<!channel>" not in written
    assert "&lt;!channel&gt; &amp; &lt;@U1" in written


def test_a_view_can_be_shown_before_slack_has_read_its_pictures() -> None:
    for name in ("characters", "character"):
        bare = blocks.without_pictures(VIEWS[name])
        assert blocks.pictures_of(VIEWS[name])
        assert not blocks.pictures_of(bare)
        assert problems_of_view(bare) == []
        assert "Olivia" in json.dumps(bare)


def test_no_snapshot_is_left_over() -> None:
    assert {one.stem for one in SNAPSHOTS.glob("*.json")} == {*VIEWS, *SAID}


def snapshot(name: str, made: object, request: pytest.FixtureRequest) -> object:
    """What a view looked like when its snapshot was written."""
    path = SNAPSHOTS / f"{name}.json"
    if request.config.getoption("--write-snapshots"):
        path.write_text(json.dumps(made, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))
