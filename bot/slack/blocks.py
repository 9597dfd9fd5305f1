"""The parts that views and messages on Slack are made of: pure functions from words to JSON, within Slack's published limits.

Words of people go into mrkdwn through `render.escaped` only. Nothing here knows what a view is about.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]  # Any: JSON as Slack has it

TEXT, HEADER, LABEL, OPTION, TITLE = 3000, 150, 75, 75, 24  # characters, at most
INPUT = 3000  # characters of a text field
OPTIONS = 100  # of one menu
PICTURES = ("png", "jpg", "jpeg", "webp", "gif")
PHOTOS = 10  # files of one field


@dataclass(frozen=True, slots=True)
class Here:
    """Where a view was opened from, which it carries along: a channel, and the thread of a conversation in it.

    Without a thread it is the whole workspace; from App Home both are empty.
    """

    channel: str = ""
    thread: str = ""

    def written(self, **more: str | int | list[str]) -> str:
        """As a view carries it, with what else that view needs."""
        return json.dumps(
            {"channel": self.channel, "thread": self.thread, **more}, separators=(",", ":"), ensure_ascii=False
        )

    @classmethod
    def of(cls, carried: Json) -> Here:
        """From what a view carried."""
        return cls(carried.get("channel", ""), carried.get("thread", ""))


def carried(metadata: str) -> Json:
    """What a view carries; nothing where it carries nothing."""
    found = json.loads(metadata or "{}")
    return found if isinstance(found, dict) else {}


# -- words -------------------------------------------------------------------------------------------------------------


def cut(text: str, most: int) -> str:
    """Text of so many characters at most."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def one_line(text: str, most: int) -> str:
    """Text without breaks, of so many characters at most."""
    return cut(" ".join(text.split()), most)


def plain(text: str, most: int = TEXT) -> Json:
    """Words as they are."""
    return {"type": "plain_text", "text": cut(text, most), "emoji": False}


def mrkdwn(text: str) -> Json:
    """Words with Slack's marks; what people wrote in them is escaped already."""
    return {"type": "mrkdwn", "text": cut(text, TEXT), "verbatim": True}


# -- blocks ------------------------------------------------------------------------------------------------------------


def section(text: Json, accessory: Json | None = None) -> Json:
    """Words, and beside them one thing to use or to look at."""
    return {"type": "section", "text": text} | ({"accessory": accessory} if accessory else {})


def said(sentence: str) -> list[Json]:
    """A sentence to the person, if there is one."""
    return [section(plain(sentence))] if sentence else []


def context(text: Json) -> Json:
    """Small words."""
    return {"type": "context", "elements": [text]}


def header(text: str) -> Json:
    """A heading."""
    return {"type": "header", "text": plain(text, HEADER)}


def divider() -> Json:
    """A line."""
    return {"type": "divider"}


def actions(*elements: Json) -> Json:
    """Buttons and menus in a row."""
    return {"type": "actions", "elements": list(elements)}


def field(name: str, label: str, element: Json, *, hint: str = "", optional: bool = False) -> Json:
    """What people fill in; `name` is where `values` finds it."""
    block: Json = {
        "type": "input",
        "block_id": name,
        "label": plain(label),
        "element": {"action_id": "value", **element},
    }
    if hint:
        block["hint"] = plain(hint)
    return block | ({"optional": True} if optional else {})


# -- elements ----------------------------------------------------------------------------------------------------------


def button(label: str, action_id: str, value: str = "", *, style: str = "", confirm: Json | None = None) -> Json:
    """A button."""
    made: Json = {"type": "button", "text": plain(label, LABEL), "action_id": action_id}
    for name, given in (("value", value), ("style", style), ("confirm", confirm)):
        if given:
            made[name] = given
    return made


def sure(title: str, text: str, yes: str, no: str) -> Json:
    """The question before something that cannot be undone."""
    return {
        "title": plain(title, 100),
        "text": plain(text, 300),
        "confirm": plain(yes, 30),
        "deny": plain(no, 30),
        "style": "danger",
    }


def option(label: str, value: str, description: str = "") -> Json:
    """Something to choose."""
    made: Json = {"text": plain(label, OPTION), "value": value}
    return made | ({"description": plain(description, OPTION)} if description else {})


def menu(action_id: str, placeholder: str, options: Sequence[Json], chosen: Json | None = None) -> Json:
    """A menu of which one is chosen."""
    made: Json = {
        "type": "static_select",
        "action_id": action_id,
        "placeholder": plain(placeholder, 150),
        "options": list(options),
    }
    return made | ({"initial_option": chosen} if chosen else {})


def overflow(action_id: str, options: Sequence[Json]) -> Json:
    """Three dots with up to five things to do."""
    return {"type": "overflow", "action_id": action_id, "options": list(options)}


def text_input(*, longest: int, initial: str = "", lines: bool = False, placeholder: str = "") -> Json:
    """A field for words."""
    made: Json = {"type": "plain_text_input", "max_length": longest}
    if lines:
        made["multiline"] = True
    if initial:
        made["initial_value"] = cut(initial, longest)
    return made | ({"placeholder": plain(placeholder, 150)} if placeholder else {})


def number_input(lowest: int, highest: int, initial: int | None = None) -> Json:
    """A field for a whole number."""
    made: Json = {
        "type": "number_input",
        "is_decimal_allowed": False,
        "min_value": str(lowest),
        "max_value": str(highest),
    }
    return made | ({"initial_value": str(initial)} if initial is not None else {})


def file_input() -> Json:
    """A field for pictures."""
    return {"type": "file_input", "filetypes": list(PICTURES), "max_files": PHOTOS}


# -- views -------------------------------------------------------------------------------------------------------------


def modal(
    title: str, blocks: Sequence[Json], *, carries: str = "", callback: str = "", submit: str = "", close: str = "Close"
) -> Json:
    """A window over the conversation; with `submit` it is a form, and `callback` says of what."""
    made: Json = {"type": "modal", "title": plain(title, TITLE), "close": plain(close, TITLE), "blocks": list(blocks)}
    for name, given in (("private_metadata", carries), ("callback_id", callback)):
        if given:
            made[name] = given
    return made | ({"submit": plain(submit, TITLE)} if submit else {})


def home(blocks: Sequence[Json]) -> Json:
    """The Home tab of one person."""
    return {"type": "home", "blocks": list(blocks)}


def sentence(text: str, *buttons: Json, title: str = "Likeness", carries: str = "") -> Json:
    """A view that says one thing, and what can be done next."""
    return modal(title, [*said(text), *([actions(*buttons)] if buttons else [])], carries=carries)


def without_pictures(view: Json) -> Json:
    """The same view where Slack cannot show its pictures yet."""
    blocks = [one for one in view["blocks"] if one["type"] != "image"]
    return view | {
        "blocks": [
            {name: part for name, part in one.items() if name != "accessory" or part["type"] != "image"}
            for one in blocks
        ]
    }


def pictures_of(view: Json) -> list[str]:
    """The ids of the uploaded pictures that a view shows."""
    every = (part for one in view["blocks"] for part in (one, one.get("accessory") or {}))
    return [part["slack_file"]["id"] for part in every if part.get("type") == "image"]


def values(view: Json) -> Json:
    """What was filled in, by the names of the fields: text, a number's text, a chosen value or values, or files."""
    return {
        name: _value(element)
        for name, elements in view.get("state", {}).get("values", {}).items()
        for element in elements.values()
    }


def _value(element: Json) -> Any:  # Any: as the kind of the field has it
    match element.get("type"):
        case "static_select":
            chosen = element.get("selected_option")
            return chosen["value"] if chosen else None
        case "multi_static_select" | "checkboxes":
            return [one["value"] for one in element.get("selected_options") or []]
        case "users_select":
            return element.get("selected_user")
        case "conversations_select":
            return element.get("selected_conversation")
        case "file_input":
            return element.get("files") or []
        case _:
            return element.get("value")
