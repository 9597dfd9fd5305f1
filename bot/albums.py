"""A conversation to take away: its tree of pictures as a contact sheet, and everything in it as a zip.

It knows pictures and words; how they reach a person is an adapter's business.
"""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import Sequence
from uuid import UUID

from PIL import Image, ImageDraw, ImageFont

from bot.services import Services
from storage import conversations
from storage.blobs import BlobMissing
from storage.conversations import TurnView
from storage.tables import Kind, Status

SIDE = 160  # pixels of a picture on the sheet
MARGIN, CAPTION = 10, 34
COLUMNS, MOST = 6, 60
PAPER, INK, FAINT, LINE = "#ffffff", "#1f2328", "#8b949e", "#5865f2"


class Albums:
    """Of one process's services."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def sheet(self, workspace_id: UUID, conversation_id: UUID) -> bytes | None:
        """A PNG of the latest pictures, oldest first; those on the line to the head are framed. None: there are none."""
        turns = [one for one in await self._turns(workspace_id, conversation_id) if one.pictures]
        if not turns:
            return None
        numbered = list(enumerate(turns, 1))[-MOST:]
        pictures = [await self._picture(turn) for _, turn in numbered]
        return await asyncio.to_thread(_sheet, numbered, pictures)

    async def archive(self, workspace_id: UUID, conversation_id: UUID) -> bytes | None:
        """A zip of all pictures and of what was said, as `conversation.json`. None: nothing was drawn yet."""
        turns = await self._turns(workspace_id, conversation_id)
        if not turns:
            return None
        pictures = [await self._picture(turn) if turn.pictures else None for turn in turns]
        return await asyncio.to_thread(_archive, turns, pictures)

    async def _turns(self, workspace_id: UUID, conversation_id: UUID) -> list[TurnView]:
        views = await self._services.database.arun(conversations.turns_of, workspace_id, conversation_id)
        return [one for one in views if one.status is Status.DONE and one.kind is not Kind.ENLARGE and not one.deleted]

    async def _picture(self, turn: TurnView) -> bytes | None:
        try:
            return await asyncio.to_thread(self._services.blobs.get, turn.pictures[0].blob_key)
        except BlobMissing:
            return None


def _archive(turns: Sequence[TurnView], pictures: Sequence[bytes | None]) -> bytes:
    buffer = io.BytesIO()
    told = []
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for number, (turn, data) in enumerate(zip(turns, pictures, strict=True), 1):
            name = None
            if data is not None:
                name = f"{number:03}.{turn.pictures[0].blob_key.rpartition('.')[2]}"
                archive.writestr(name, data)
            told.append(_told(number, turn, turns, name))
        archive.writestr("conversation.json", json.dumps(told, ensure_ascii=False, indent=1))
    return buffer.getvalue()


def _told(number: int, turn: TurnView, turns: Sequence[TurnView], picture: str | None) -> dict[str, object]:
    numbers = {one.id: place for place, one in enumerate(turns, 1)}
    return {
        "turn": number,
        "after": numbers.get(turn.parent_id) if turn.parent_id else None,
        "text": turn.text,
        "reply": turn.reply,
        "seed": turn.seed,
        "at": turn.created_at.isoformat(),
        "picture": picture,
        "alt_text": turn.pictures[0].alt_text if turn.pictures else "",
        "on_line": turn.on_line,
    }


def _sheet(numbered: Sequence[tuple[int, TurnView]], pictures: Sequence[bytes | None]) -> bytes:
    columns = min(COLUMNS, len(numbered))
    rows = -(-len(numbered) // columns)
    cell = SIDE + MARGIN
    sheet = Image.new("RGB", (columns * cell + MARGIN, rows * (cell + CAPTION) + MARGIN), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=12)
    places = {turn.id: number for number, turn in numbered}
    for place, ((number, turn), data) in enumerate(zip(numbered, pictures, strict=True)):
        left, top = MARGIN + place % columns * cell, MARGIN + place // columns * (cell + CAPTION)
        if data is not None:
            with Image.open(io.BytesIO(data)) as opened:
                picture = opened.convert("RGB")
            picture.thumbnail((SIDE, SIDE))
            sheet.paste(picture, (left + (SIDE - picture.width) // 2, top + (SIDE - picture.height) // 2))
        if turn.on_line:
            draw.rectangle((left - 2, top - 2, left + SIDE + 1, top + SIDE + 1), outline=LINE, width=3)
        after = places.get(turn.parent_id) if turn.parent_id else None
        come = f"{number}" if after in (None, number - 1) else f"{number}, after {after}"
        draw.text((left, top + SIDE + 3), come, fill=LINE if turn.on_line else FAINT, font=font)
        draw.text((left, top + SIDE + 17), _fitting(turn.text, font), fill=INK, font=font)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _fitting(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """As much of a text as fits below a picture."""
    line = " ".join(text.split())
    if font.getlength(line) <= SIDE:
        return line
    while line and font.getlength(line + "…") > SIDE:
        line = line[:-1]
    return line.rstrip() + "…"
