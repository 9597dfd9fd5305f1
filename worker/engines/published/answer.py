"""The answer of the MLLM to one message: what it may say, as a JSON schema, and what it said.

It knows names and labels of pictures and nothing of characters, tokens or painters. Names and pictures are enums of what is
in scope: whatever is written in a message or in a picture, nothing else can be named.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

REPLY = 500  # characters of each, at most
PROMPT = 900
ALT_TEXT = 400
NAME = 60
LOOKS = 200
PEOPLE = 4  # in one picture
NEWCOMERS = 3
RECALLED = 4  # pictures that an answer may mean

BEGINS = '{"reply":"'
_ENDS = re.compile(r'(?<!\\)(?:\\\\)*"')


@dataclass(frozen=True, slots=True)
class Scope:
    """What an answer can name."""

    names: tuple[str, ...]
    pictures: tuple[str, ...]  # labels
    aspects: tuple[str, ...]  # such as 3:4, the usual one first


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered. Without `draws` there is a reply and nothing else."""

    reply: str
    draws: bool
    characters: tuple[str, ...] = ()  # names in scope, each once
    introduces: tuple[tuple[str, str], ...] = ()  # names of new people and what they look like
    pictures: tuple[str, ...] = ()  # labels in scope, each once
    prompt: str = ""
    alt_text: str = ""
    aspect: str = ""


def schema(scope: Scope) -> dict[str, object]:
    """The JSON schema of an answer; its fields come in this order, so that the reply is there first."""
    return {
        "anyOf": [
            _object(reply=_string(REPLY), draw={"const": False}),
            _object(
                reply=_string(REPLY),
                draw={"const": True},
                characters=_some_of(scope.names, PEOPLE),
                introduces={
                    "type": "array",
                    "items": _object(name=_string(NAME, least=1), looks=_string(LOOKS)),
                    "maxItems": NEWCOMERS,
                },
                pictures=_some_of(scope.pictures, RECALLED),
                prompt=_string(PROMPT, least=1),
                alt_text=_string(ALT_TEXT),
                aspect={"enum": list(scope.aspects)},
            ),
        ]
    }


def _object(**properties: object) -> dict[str, object]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _string(limit: int, least: int = 0) -> dict[str, object]:
    return {"type": "string", "minLength": least, "maxLength": limit}


def _some_of(values: Sequence[str], limit: int) -> dict[str, object]:
    if not values:
        return {"const": []}
    return {"type": "array", "items": {"enum": list(values)}, "maxItems": limit}


def written(
    reply: str, *, draws: bool, characters: Iterable[str] = (), prompt: str = "", alt_text: str = "", aspect: str = ""
) -> str:
    """An answer as the MLLM would have written it: for turns that another engine drew."""
    said: dict[str, object] = {"reply": reply, "draw": draws}
    if draws:
        said |= {"characters": list(characters), "introduces": [], "pictures": []}
        said |= {"prompt": prompt, "alt_text": alt_text, "aspect": aspect}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def reply_of(text: str) -> str:
    """The reply, of an answer as far as it is written."""
    told = text.removeprefix(BEGINS)
    if told == text:
        return ""
    end = _ENDS.search(told)
    if end is not None:
        told = told[: end.end() - 1]
    for cut in range(len(told), max(len(told) - 12, -1), -1):  # an escape may be half written: \, \u00e or a surrogate
        try:
            whole = json.loads(f'"{told[:cut]}"')
        except ValueError:
            continue
        if not whole or not "\ud800" <= whole[-1] <= "\udbff":
            return clean(whole)
    return ""


def answer_of(text: str) -> Answer | None:
    """A whole answer. None when its prompt is as long as can be, so that it may have been cut: half is never used."""
    said = json.loads(text)
    reply = _whole(said["reply"], REPLY)
    if not said["draw"]:
        return Answer(reply, draws=False)
    prompt = clean(said["prompt"])
    if len(said["prompt"]) >= PROMPT or not prompt:
        return None
    return Answer(
        reply,
        draws=True,
        characters=tuple(dict.fromkeys(said["characters"])),
        introduces=tuple((clean(one["name"]), _whole(one["looks"], LOOKS)) for one in said["introduces"]),
        pictures=tuple(dict.fromkeys(said["pictures"])),
        prompt=prompt,
        alt_text=_whole(said["alt_text"], ALT_TEXT),
        aspect=said["aspect"],
    )


def _whole(text: str, limit: int) -> str:
    """Text without control characters, and with a sign where it is as long as can be, so that it may have been cut."""
    return f"{clean(text)}…" if len(text) >= limit else clean(text)


def clean(text: str) -> str:
    """Text without control characters and lone surrogates; line breaks and joiners stay."""
    kept = (one for one in text if one in "\n\u200c\u200d" or unicodedata.category(one) not in {"Cc", "Cs", "Cf", "Co"})
    return "".join(kept).strip()
