"""A small platform of our own, over sockets: threads of messages that can be posted, edited and listed.

It has no idempotency whatever: posting twice leaves two messages. `python -m tests.stand_ins.forum BOT_URL` is a bot
process for it, which the tests kill; `FORUM_DIE` names the moment at which it kills itself.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from uuid import UUID

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.replies import Found, MessageGone, Replies
from bot.services import Services
from bot.sweeper import Sweeper
from bot.turns import Turns
from storage.deliveries import Due
from storage.settings import settings
from tests.stand_ins.serving import InAThread

NAME = "forum"
WAITING = "In the queue …"


class Forum(InAThread):
    """The server. `messages` are dictionaries with id, thread, text, mark and pictures, in the order of posting."""

    def __init__(self) -> None:
        self.messages: list[dict[str, object]] = []
        self.edits = 0
        routes = [
            Route("/threads/{thread}", self._list, methods=["GET"]),
            Route("/threads/{thread}", self._post, methods=["POST"]),
            Route("/messages/{message}", self._edit, methods=["PUT"]),
            Route("/messages/{message}", self._remove, methods=["DELETE"]),
        ]
        self.serve(Starlette(routes=routes))

    def finals(self, turn_id: UUID) -> list[dict[str, object]]:
        """The visible messages of a turn."""
        return [message for message in self.messages if message["mark"] == str(turn_id)]

    async def _list(self, request: Request) -> Response:
        thread = request.path_params["thread"]
        return JSONResponse([message for message in self.messages if message["thread"] == thread])

    async def _post(self, request: Request) -> Response:
        message = {
            "id": str(len(self.messages) + 1),
            "thread": request.path_params["thread"],
            **(await request.json()),
        }
        self.messages.append(message)
        return JSONResponse(message)

    async def _edit(self, request: Request) -> Response:
        for message in self.messages:
            if message["id"] == request.path_params["message"]:
                message.update(await request.json())
                self.edits += 1
                return JSONResponse(message)
        return Response(status_code=404)

    async def _remove(self, request: Request) -> Response:
        self.messages = [one for one in self.messages if one["id"] != request.path_params["message"]]
        return Response(status_code=204)


class ForumPlatform:
    """The adapter: posts, edits, and finds its own messages by their mark."""

    name = NAME

    def __init__(self, url: str, die: str = "") -> None:
        self._client = httpx.AsyncClient(base_url=url, timeout=5)
        self._die = die

    async def post(self, due: Due) -> str:
        """A new message; here the bot may die between the post and its record."""
        message_id = await self._post(due.thread, due.turn_id, due.text, len(due.pictures))
        self._perhaps_die("after-post")
        return message_id

    async def edit(self, due: Due, message_id: str) -> None:
        """The reply in place of the placeholder."""
        body = {"text": due.text, "pictures": len(due.pictures)}
        answer = await self._client.put(f"/messages/{message_id}", json=body)
        if answer.status_code == 404:
            raise MessageGone(message_id)
        answer.raise_for_status()
        self._perhaps_die("after-edit")

    async def find(self, due: Due) -> Found | None:
        """Look through the thread."""
        for message in reversed((await self._client.get(f"/threads/{due.thread}")).json()):
            if message["mark"] == str(due.turn_id):
                return Found(str(message["id"]), is_reply=message["text"] != WAITING)
        return None

    async def remove(self, due: Due, message_id: str) -> None:
        """A message goes; one that is gone already is no harm."""
        await self._client.delete(f"/messages/{message_id}")

    async def discard(self, due: Due) -> None:
        """Nothing is uploaded."""

    async def post_placeholder(self, turn_id: UUID, workspace: str, channel: str, thread: str) -> str:
        """A message that says it waits."""
        message_id = await self._post(thread, turn_id, WAITING, 0)
        self._perhaps_die("after-placeholder")
        return message_id

    async def _post(self, thread: str, turn_id: UUID, words: str, pictures: int) -> str:
        body = {"text": words, "mark": str(turn_id), "pictures": pictures}
        return str((await self._client.post(f"/threads/{thread}", json=body)).json()["id"])

    def _perhaps_die(self, moment: str) -> None:
        if self._die == moment:
            os.kill(os.getpid(), signal.SIGKILL)


async def run(url: str, placeholder: list[str]) -> None:
    """A bot process: sweeps, and shows the replies that fall due; `placeholder` is turn and thread of one to post."""
    services = Services.open(settings())
    replies = Replies(services, ForumPlatform(url, os.environ.get("FORUM_DIE", "")))
    async with asyncio.TaskGroup() as group:
        if placeholder:
            await replies.post_placeholder(UUID(placeholder[0]), "guild", "general", placeholder[1])
        group.create_task(replies.run())
        group.create_task(Sweeper(services, Turns(services, NAME)).run())


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], sys.argv[2:]))
