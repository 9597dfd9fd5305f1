"""Slack's published limits of blocks and views, as pure functions: what is wrong with a payload, in Slack's own words.

The tables below follow Slack's reference of Block Kit. The module knows no server: the local Slack asks it before it takes
a message or a view, and the tests of whoever builds such payloads ask it too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

Payload = dict[str, Any]  # Any: JSON as Slack has it
Surface = Literal["message", "modal", "home"]
Check = Callable[[Any, str, Surface], Iterator[str]]  # of a value, at a JSON pointer, on a surface
Fields = dict[str, Check]

EVERYWHERE: frozenset[Surface] = frozenset({"message", "modal", "home"})
BLOCKS: dict[Surface, int] = {"message": 50, "modal": 100, "home": 100}
TEXT = 40_000  # characters of a message's text, beyond which it is cut
MARKDOWN = 12_000  # characters of all markdown blocks of one message together
VIEW_BYTES = 250_000


def problems_of_blocks(blocks: object, surface: Surface = "message") -> list[str]:
    """What Slack would refuse about blocks on a surface; nothing where it would take them."""
    found = list(_listed(_block, 0, BLOCKS[surface])(blocks, "/blocks", surface))
    if found:
        return found
    every: list[Payload] = blocks  # type: ignore[assignment]  # the check above has said that it is such a list
    found += _repeated((one["block_id"] for one in every if "block_id" in one), "block_id", "/blocks")
    for number, block in enumerate(every):
        ids = (one["action_id"] for one in elements_of(block) if "action_id" in one)
        found += _repeated(ids, "action_id", f"/blocks/{number}")
    if sum(len(one["text"]) for one in every if one["type"] == "markdown") > MARKDOWN:
        found.append(_problem(f"must be less than {MARKDOWN + 1} characters in all", "/blocks"))
    if sum(bool(one.get("focus_on_load")) for block in every for one in elements_of(block)) > 1:
        found.append(_problem("only one element may have focus_on_load", "/blocks"))
    return found


def problems_of_view(view: object) -> list[str]:
    """What Slack would refuse about a modal or a Home tab; nothing where it would take it."""
    if not isinstance(view, dict) or view.get("type") not in ("modal", "home"):
        return [_problem("must be a view of type modal or home", "/view")]
    kind: Literal["modal", "home"] = view["type"]
    fields, required = (_MODAL, ("title", "blocks")) if kind == "modal" else (_HOME, ("blocks",))
    rest = {name: value for name, value in view.items() if name not in ("type", "blocks")}
    found = list(_fields(fields, required)(rest | {"blocks": view.get("blocks")}, "/view", kind))
    blocks = problems_of_blocks(view.get("blocks"), kind)
    found += [one.replace("json-pointer:", "json-pointer:/view") for one in blocks]
    if (
        not blocks
        and kind == "modal"
        and "submit" not in view
        and any(one["type"] == "input" for one in view["blocks"])
    ):
        found.append(_problem("submit is required when an input block is in the view", "/view"))
    if len(json.dumps(view)) > VIEW_BYTES:
        found.append(_problem(f"must be less than {VIEW_BYTES} bytes", "/view"))
    return found


def elements_of(block: Payload) -> list[Payload]:
    """What a block holds that can be used: elements, the accessory of a section, the element of an input."""
    single = [block[name] for name in ("accessory", "element") if isinstance(block.get(name), dict)]
    return [one for one in (*block.get("elements", []), *single) if isinstance(one, dict)]


def _problem(words: str, pointer: str) -> str:
    return f"[ERROR] {words} [json-pointer:{pointer}]"


def _repeated(ids: Iterable[str], name: str, pointer: str) -> Iterator[str]:
    every = list(ids)
    for one in sorted({one for one in every if every.count(one) > 1}):
        yield _problem(f"{name} {one} already exists", pointer)


# -- checks of one value -----------------------------------------------------------------------------------------------


def _string(longest: int, shortest: int = 1) -> Check:
    def check(value: Any, pointer: str, _: Surface) -> Iterator[str]:  # Any: whatever was sent; likewise below
        if not isinstance(value, str):
            yield _problem("must be a string", pointer)
        elif len(value) > longest:
            yield _problem(f"must be less than {longest + 1} characters", pointer)
        elif len(value) < shortest:
            yield _problem(f"must be more than {shortest - 1} characters", pointer)

    return check


def _whole(lowest: int, highest: int) -> Check:
    def check(value: Any, pointer: str, _: Surface) -> Iterator[str]:
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            yield _problem(f"must be a number from {lowest} to {highest}", pointer)

    return check


def _one_of(*choices: object) -> Check:
    def check(value: Any, pointer: str, _: Surface) -> Iterator[str]:
        if not any(value is one or value == one for one in choices):
            yield _problem(f"must be one of {', '.join(map(str, choices))}", pointer)

    return check


def _listed(each: Check, fewest: int, most: int) -> Check:
    def check(value: Any, pointer: str, surface: Surface) -> Iterator[str]:
        if not isinstance(value, list):
            yield _problem("must be an array", pointer)
            return
        if len(value) > most:
            yield _problem(f"no more than {most} items allowed", pointer)
        if len(value) < fewest:
            yield _problem(f"must have at least {fewest} items", pointer)
        for number, one in enumerate(value):
            yield from each(one, f"{pointer}/{number}", surface)

    return check


def _fields(fields: Fields, required: Iterable[str] = ()) -> Check:
    def check(value: Any, pointer: str, surface: Surface) -> Iterator[str]:
        if not isinstance(value, dict):
            yield _problem("must be an object", pointer)
            return
        for name in required:
            if name not in value:
                yield _problem(f"missing required field: {name}", pointer)
        for name, one in value.items():
            if name not in fields:
                yield _problem(f"invalid additional property: {name}", pointer)
            else:
                yield from fields[name](one, f"{pointer}/{name}", surface)

    return check


def _anything(value: Any, pointer: str, surface: Surface) -> Iterator[str]:
    yield from ()


def _text(longest: int, *kinds: str) -> Check:
    allowed = kinds or ("plain_text", "mrkdwn")
    fields: Fields = {"type": _one_of(*allowed), "text": _string(longest), "emoji": _FLAG, "verbatim": _FLAG}
    whole = _fields(fields, ("type", "text"))

    def check(value: Any, pointer: str, surface: Surface) -> Iterator[str]:
        yield from whole(value, pointer, surface)
        if isinstance(value, dict):
            wrong = {"plain_text": "verbatim", "mrkdwn": "emoji"}.get(str(value.get("type")), "")
            if wrong in value:
                yield _problem(f"invalid additional property: {wrong}", pointer)

    return check


def _plain(longest: int) -> Check:
    return _text(longest, "plain_text")


def _picture(fields: Fields) -> Check:
    whole = _fields(fields | _PICTURE, ("type", "alt_text"))

    def check(value: Any, pointer: str, surface: Surface) -> Iterator[str]:
        yield from whole(value, pointer, surface)
        if isinstance(value, dict) and ("image_url" in value) == ("slack_file" in value):
            yield _problem("must have one of image_url and slack_file", pointer)

    return check


def _slack_file(value: Any, pointer: str, surface: Surface) -> Iterator[str]:
    yield from _fields({"id": _string(255), "url": _string(3000)})(value, pointer, surface)
    if isinstance(value, dict) and ("id" in value) == ("url" in value):
        yield _problem("must have one of id and url", pointer)


def _menu(fields: Fields, required: Iterable[str], initial: str) -> Check:
    """A menu of its own options, of which those chosen at first have to be some."""
    whole = _fields(fields, required)

    def check(value: Any, pointer: str, surface: Surface) -> Iterator[str]:
        found = list(whole(value, pointer, surface))
        yield from found
        if found:
            return
        if "option_groups" in fields and ("options" in value) == ("option_groups" in value):
            yield _problem("must have one of options and option_groups", pointer)
        options = [*value.get("options", [])]
        options += [one for group in value.get("option_groups", []) for one in group.get("options", [])]
        yield from _repeated((str(one.get("value")) for one in options), "value", pointer)
        chosen = value.get(initial, [])
        if any(one not in options for one in (chosen if isinstance(chosen, list) else [chosen])):
            yield _problem(f"{initial} must be among the options", pointer)

    return check


def _typed(known: dict[str, tuple[frozenset[Surface], Check]], noun: str) -> Check:
    def check(value: Any, pointer: str, surface: Surface) -> Iterator[str]:
        kind = value.get("type") if isinstance(value, dict) else None
        surfaces, inner = known.get(str(kind), (frozenset(), _anything))
        if not surfaces:
            yield _problem(f"unsupported {noun}: {kind}", f"{pointer}/type")
        elif surface not in surfaces:
            yield _problem(f"unsupported {noun} on this surface: {kind}", f"{pointer}/type")
        else:
            yield from inner(value, pointer, surface)

    return check


# -- the tables --------------------------------------------------------------------------------------------------------

_FLAG = _one_of(True, False)
_TYPE: Fields = {"type": _anything}
_ACTION: Fields = _TYPE | {"action_id": _string(255)}
_PICTURE: Fields = _TYPE | {"alt_text": _string(2000), "image_url": _string(3000), "slack_file": _slack_file}
_STYLE = _one_of("primary", "danger")
_CONFIRM = _fields(
    {"title": _plain(100), "text": _text(300), "confirm": _plain(30), "deny": _plain(30), "style": _STYLE},
    ("title", "text", "confirm", "deny"),
)
_ASKED: Fields = {"confirm": _CONFIRM, "focus_on_load": _FLAG}
_TYPED: Fields = _ACTION | {
    **{"placeholder": _plain(150), "focus_on_load": _FLAG},
    "dispatch_action_config": _fields(
        {"trigger_actions_on": _listed(_one_of("on_enter_pressed", "on_character_entered"), 1, 2)}
    ),
}


def _option(words: Check, **more: Check) -> Check:
    return _fields({"text": words, "value": _string(150), **more}, ("text", "value"))


_TICKED = _option(_text(75), description=_text(75))
_CHOSEN = _option(_plain(75), description=_plain(75))
_OVERFLOWING = _option(_plain(75), description=_plain(75), url=_string(3000))
_GROUP = _fields({"label": _plain(75), "options": _listed(_CHOSEN, 1, 100)}, ("label", "options"))
_BUTTON = _fields(
    _ACTION
    | {
        **{"text": _plain(75), "url": _string(3000), "value": _string(2000), "style": _STYLE, "confirm": _CONFIRM},
        "accessibility_label": _string(75),
    },
    ("type", "text"),
)
_FEEDBACK = _fields({"text": _plain(75), "value": _string(2000), "accessibility_label": _string(75)}, ("text", "value"))
_SELECT: Fields = _ACTION | _ASKED | {"placeholder": _plain(150)}
_SEVERAL: Fields = _SELECT | {"max_selected_items": _whole(1, 100)}
_STATIC: Fields = {"options": _listed(_CHOSEN, 1, 100), "option_groups": _listed(_GROUP, 1, 100)}
_STRINGS = _listed(_string(255), 0, 100)
_USED: dict[str, tuple[frozenset[Surface], Check]] = {
    "button": (EVERYWHERE, _BUTTON),
    "checkboxes": (
        EVERYWHERE,
        _menu(
            _ACTION | _ASKED | {"options": _listed(_TICKED, 1, 10), "initial_options": _listed(_TICKED, 1, 10)},
            ("type", "options"),
            "initial_options",
        ),
    ),
    "radio_buttons": (
        EVERYWHERE,
        _menu(
            _ACTION | _ASKED | {"options": _listed(_TICKED, 1, 10), "initial_option": _TICKED},
            ("type", "options"),
            "initial_option",
        ),
    ),
    "static_select": (
        EVERYWHERE,
        _menu(_SELECT | _STATIC | {"initial_option": _CHOSEN}, ("type",), "initial_option"),
    ),
    "multi_static_select": (
        EVERYWHERE,
        _menu(_SEVERAL | _STATIC | {"initial_options": _listed(_CHOSEN, 1, 100)}, ("type",), "initial_options"),
    ),
    "external_select": (
        EVERYWHERE,
        _fields(_SELECT | {"initial_option": _CHOSEN, "min_query_length": _whole(0, 100)}, ("type",)),
    ),
    "users_select": (EVERYWHERE, _fields(_SELECT | {"initial_user": _string(255)}, ("type",))),
    "multi_users_select": (EVERYWHERE, _fields(_SEVERAL | {"initial_users": _STRINGS}, ("type",))),
    "channels_select": (
        EVERYWHERE,
        _fields(_SELECT | {"initial_channel": _string(255), "response_url_enabled": _FLAG}, ("type",)),
    ),
    "conversations_select": (
        EVERYWHERE,
        _fields(
            _SELECT
            | {
                **{"initial_conversation": _string(255), "default_to_current_conversation": _FLAG},
                **{"response_url_enabled": _FLAG, "filter": _anything},
            },
            ("type",),
        ),
    ),
    "overflow": (
        EVERYWHERE,
        _menu(
            _ACTION | {"options": _listed(_OVERFLOWING, 1, 5), "confirm": _CONFIRM},
            ("type", "options"),
            "initial_option",
        ),
    ),
    "datepicker": (EVERYWHERE, _fields(_SELECT | {"initial_date": _string(10, 10)}, ("type",))),
    "timepicker": (EVERYWHERE, _fields(_SELECT | {"initial_time": _string(5, 5), "timezone": _string(255)}, ("type",))),
}
_INPUTS: dict[str, tuple[frozenset[Surface], Check]] = {
    **{name: known for name, known in _USED.items() if name not in ("button", "overflow")},
    "plain_text_input": (
        EVERYWHERE,
        _fields(
            _TYPED
            | {
                **{"initial_value": _string(3000, 0), "multiline": _FLAG},
                **{"min_length": _whole(0, 3000), "max_length": _whole(1, 3000)},
            },
            ("type",),
        ),
    ),
    "number_input": (
        frozenset({"modal"}),
        _fields(
            _TYPED
            | {
                **{"is_decimal_allowed": _FLAG, "initial_value": _string(3000), "min_value": _string(3000)},
                "max_value": _string(3000),
            },
            ("type", "is_decimal_allowed"),
        ),
    ),
    "email_text_input": (frozenset({"modal"}), _fields(_TYPED | {"initial_value": _string(3000, 0)}, ("type",))),
    "url_text_input": (frozenset({"modal"}), _fields(_TYPED | {"initial_value": _string(3000, 0)}, ("type",))),
    "file_input": (
        frozenset({"modal"}),
        _fields(_ACTION | {"filetypes": _listed(_string(255), 1, 100), "max_files": _whole(1, 10)}, ("type",)),
    ),
}
_IMAGE = (EVERYWHERE, _picture({}))
_WORDS: dict[str, tuple[frozenset[Surface], Check]] = {
    "plain_text": (EVERYWHERE, _plain(3000)),
    "mrkdwn": (EVERYWHERE, _text(3000, "mrkdwn")),
    "image": _IMAGE,
}
_BELOW: dict[str, tuple[frozenset[Surface], Check]] = {
    "feedback_buttons": (
        EVERYWHERE,
        _fields(
            _ACTION | {"positive_button": _FEEDBACK, "negative_button": _FEEDBACK},
            ("type", "positive_button", "negative_button"),
        ),
    ),
    "icon_button": (
        EVERYWHERE,
        _fields(
            _ACTION
            | {
                **{"icon": _one_of("trash"), "text": _plain(75), "value": _string(2000), "confirm": _CONFIRM},
                **{"accessibility_label": _string(75), "visible_to_user_ids": _STRINGS},
            },
            ("type", "icon", "text"),
        ),
    ),
}


def _section(value: Any, pointer: str, surface: Surface) -> Iterator[str]:
    yield from _block_fields(
        text=_text(3000),
        fields=_listed(_text(2000), 1, 10),
        accessory=_typed(_USED | {"image": _IMAGE}, "accessory"),
        expand=_FLAG,
    )(value, pointer, surface)
    if "text" not in value and "fields" not in value:
        yield _problem("must have text or fields", pointer)


def _block_fields(*required: str, **fields: Check) -> Check:
    return _fields(_TYPE | {"block_id": _string(255)} | fields, ("type", *required))


_KNOWN: dict[str, tuple[frozenset[Surface], Check]] = {
    "actions": (EVERYWHERE, _block_fields("elements", elements=_listed(_typed(_USED, "element"), 1, 25))),
    "context": (EVERYWHERE, _block_fields("elements", elements=_listed(_typed(_WORDS, "element"), 1, 10))),
    "context_actions": (
        frozenset({"message"}),
        _block_fields("elements", elements=_listed(_typed(_BELOW, "element"), 1, 5)),
    ),
    "divider": (EVERYWHERE, _block_fields()),
    "header": (EVERYWHERE, _block_fields("text", text=_plain(150))),
    "image": (EVERYWHERE, _picture({"block_id": _string(255), "title": _plain(2000)})),
    "input": (
        EVERYWHERE,
        _block_fields(
            "label",
            "element",
            **{"label": _plain(2000), "hint": _plain(2000), "element": _typed(_INPUTS, "element")},
            **{"optional": _FLAG, "dispatch_action": _FLAG},
        ),
    ),
    "markdown": (frozenset({"message"}), _block_fields("text", text=_string(MARKDOWN))),
    "rich_text": (EVERYWHERE, _block_fields("elements", elements=_listed(_anything, 0, 1000))),
    "section": (EVERYWHERE, _section),
}
_block = _typed(_KNOWN, "block type")
_VIEW: Fields = {
    **{"blocks": _anything, "private_metadata": _string(3000, 0), "callback_id": _string(255, 0)},
    "external_id": _string(255, 0),
}
_HOME: Fields = _VIEW
_MODAL: Fields = _VIEW | {
    **{"title": _plain(24), "submit": _plain(24), "close": _plain(24)},
    **{"clear_on_close": _FLAG, "notify_on_close": _FLAG, "submit_disabled": _FLAG},
}
