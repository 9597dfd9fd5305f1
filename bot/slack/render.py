"""What messages look like on Slack: pure functions from replies and updates to texts, blocks and metadata.

Every message of a turn says in its metadata which turn it belongs to, and so do its buttons: that is the mark by which it is
found again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import UUID

from bot import progress, sentences
from bot.buttons import CANCEL, Button, custom_id, is_reply, mark_of, offered
from bot.progress import Update
from bot.slack.places import Payload
from bot.slack.sentences import DISLIKE, LIKE
from storage.deliveries import Due
from storage.sentences import Sentence, told

TEXT = 3000  # characters of a section, at most
ALT_TEXT = 2000
TURN = "likeness_turn"  # the type of the metadata of a turn's messages
ANSWER = "likeness_answer"  # of sentences that answer a message
BUTTONS_OF = "likeness:turn"  # the id of the block of buttons


def escaped(text: str) -> str:
    """Text that mentions nobody and links to nothing."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def words(text: str) -> str:
    """Text as a message: cut where Slack would refuse it, and mentioning nobody."""
    if len(escaped(text)) <= TEXT:
        return escaped(text)
    most = TEXT - 1
    while len(escaped(text[:most])) > TEXT - 1:
        most -= 1 + (len(escaped(text[:most])) - TEXT) // 5
    return escaped(text[:most].rstrip()) + "…"


def section(text: str) -> Payload:
    """A paragraph; `text` is as `words` has it."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def remark(text: str) -> Payload:
    """A line in small letters."""
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text, "verbatim": True}]}


def picture(file_id: str, alt_text: str, title: str = "") -> Payload:
    """A picture that was uploaded, with a title above it if there is one."""
    shown: Payload = {"type": "image", "slack_file": {"id": file_id}, "alt_text": alt_text[:ALT_TEXT]}
    return shown | {"title": {"type": "plain_text", "text": title}} if title else shown


def buttons(turn_id: UUID, rows: Sequence[Sequence[Button]], language: str) -> list[Payload]:
    """Rows of buttons of a turn."""
    return [
        {
            "type": "actions",
            "block_id": f"{BUTTONS_OF}:{turn_id.hex}:{number}",
            "elements": [_button(turn_id, one, language) for one in row],
        }
        for number, row in enumerate(rows)
    ]


def _button(turn_id: UUID, button: Button, language: str) -> Payload:
    label = f"{button.emoji} {told(button.label or '', language)}".strip()
    shown: Payload = {
        "type": "button",
        "action_id": custom_id(button.what, turn_id),
        "text": {"type": "plain_text", "text": label, "emoji": True},
    }
    if button.label is None:  # a picture alone says nothing to whoever listens
        shown["accessibility_label"] = told(LIKE if button.what == "up" else DISLIKE, language)
    return shown


def metadata(turn_id: UUID, *, reply: bool) -> Payload:
    """The mark of a turn's message, and whether it is its reply or says that it waits."""
    return {"event_type": TURN, "event_payload": {"turn": str(turn_id), "reply": reply}}


def answers(source_id: str) -> Payload:
    """The mark of a sentence that answers a message."""
    return {"event_type": ANSWER, "event_payload": {"source": source_id}}


def answered(message: Payload) -> str | None:
    """The timestamp of the message that one of our sentences answers."""
    told = message.get("metadata") or {}
    return str(told["event_payload"]["source"]).rpartition(":")[2] if told.get("event_type") == ANSWER else None


def reply_text(due: Due) -> str:
    """The words of a reply."""
    return words(due.text) if due.text else told(sentences.DONE, due.language)


def reply(due: Due, pictures: Sequence[Payload], note: Sentence | None = None) -> list[Payload]:
    """A reply: what is said, the pictures, and what can be done with them."""
    notes = [remark(told(note, due.language))] if note is not None else []
    return [section(reply_text(due)), *pictures, *notes, *buttons(due.turn_id, offered(due), due.language)]


def waiting_text(update: Update) -> str:
    """Where a turn stands, in one line."""
    return told(progress.in_words(update), update.place.language)


def waiting(turn_id: UUID, update: Update, preview: str | None = None) -> list[Payload]:
    """A turn that waits: the reply as far as it is written, the picture as far as it is drawn, and where it stands."""
    written = update.progress.text if update.progress is not None else ""
    blocks, language = [section(words(written))] if written else [], update.place.language
    if preview is not None:
        blocks.append(picture(preview, told(sentences.PREVIEW_ALT_TEXT, language)))
    return [*blocks, remark(waiting_text(update)), *buttons(turn_id, [[CANCEL]], language)]


def marked(message: Payload) -> tuple[UUID, bool] | None:
    """Which turn one of our messages belongs to, and whether it is its reply; None for all other messages."""
    told = message.get("metadata") or {}
    if told.get("event_type") == TURN:
        payload = told["event_payload"]
        return UUID(payload["turn"]), bool(payload["reply"])
    ids = list(action_ids(message))
    turn_id = mark_of(ids)
    return None if turn_id is None else (turn_id, is_reply(ids))


def action_ids(message: Payload) -> Iterator[str]:
    """The ids of a message's buttons."""
    for block in message.get("blocks") or []:
        if block["type"] == "actions":
            yield from (one.get("action_id", "") for one in block["elements"])
