"""Pictures of windows: uploaded to Slack once, since a window shows nothing else, and deleted there with what they show.

A picture that cannot be had is left out: a list without one is better than no list.
"""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Sequence
from uuid import UUID

import aiohttp
from PIL import Image
from slack_sdk.errors import SlackApiError

from bot.slack.blocks import Json, pictures_of
from bot.slack.places import Place
from bot.slack.rooms import Visit
from storage import copies
from storage.blobs import BlobError

log = logging.getLogger(__name__)

SIDE = 512  # pixels of a picture, at most
ALT_TEXT = "A picture of a character."
TO_TAKE_AWAY = "Your conversation, to take away:"
GONE = ("file_not_found", "file_deleted")


async def of(visit: Visit, keys: Sequence[str | None]) -> list[str | None]:
    """Slack's ids of the pictures of some blobs; None where there is no blob, or it cannot be shown."""
    workspace_id, database = await visit.workspace(), visit.bot.services.database
    wanted = list(dict.fromkeys(key for key in keys if key))
    if not wanted:
        return [None] * len(keys)
    known = await database.arun(copies.known, workspace_id, wanted)
    made = {}
    new = [key for key in wanted if key not in known]
    for key, file_id in zip(new, await asyncio.gather(*(_uploaded(visit, key) for key in new)), strict=True):
        if file_id is not None:
            made[key] = file_id
    if made:
        await database.arun(copies.keep, workspace_id, made)
    found = known | made
    return [found.get(key) if key else None for key in keys]


async def passing(visit: Visit, workspace_id: UUID, filename: str, data: bytes, alt_text: str) -> str:
    """Upload a picture that is looked at once, and return its id; it is deleted when an hour is over."""
    file_id = await visit.bot.platform.upload(visit.client, data, filename, alt_text)
    await visit.bot.services.database.arun(copies.keep, workspace_id, {copies.PASSING: file_id})
    return file_id


async def send(visit: Visit, filename: str, data: bytes, words: str) -> None:
    """Send somebody a file in their messages with the bot, whose channel only a message to them tells."""
    told = await visit.client.chat_postMessage(channel=visit.person.id, text=TO_TAKE_AWAY, unfurl_links=False)
    place = Place(visit.team, visit.team_name, str(told["channel"]), "")
    await visit.bot.platform.share(place, data, filename, words)


async def clean(visit: Visit) -> None:
    """Delete what shows nobody any more. What fails is found again the next time."""
    workspace_id, database = await visit.workspace(), visit.bot.services.database
    for file_id in await database.arun(copies.left, workspace_id):
        try:
            await visit.client.files_delete(file=file_id)
        except SlackApiError as error:
            if error.response["error"] not in GONE:
                log.warning("a picture could not be deleted on Slack: %s", error)
                continue
        await database.arun(copies.drop, workspace_id, file_id)


async def forget_gone(visit: Visit, view: Json) -> None:
    """Forget those pictures of a view that were deleted on Slack, so that they are uploaded anew the next time."""
    workspace_id = await visit.workspace()
    for file_id in pictures_of(view):
        try:
            await visit.client.files_info(file=file_id)
        except SlackApiError as error:
            if error.response["error"] in GONE:
                await visit.bot.services.database.arun(copies.drop, workspace_id, file_id)
            else:
                log.warning("whether a picture is on Slack cannot be told: %s", error)


async def _uploaded(visit: Visit, key: str) -> str | None:
    try:
        data = await asyncio.to_thread(visit.bot.services.blobs.get, key)
        small = await asyncio.to_thread(_fitting, data)
        return await visit.bot.platform.upload(visit.client, small, "character.jpg", ALT_TEXT)
    except (BlobError, SlackApiError, aiohttp.ClientError) as error:
        log.warning("a picture cannot be shown on Slack: %s", error)
        return None


def _fitting(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()
