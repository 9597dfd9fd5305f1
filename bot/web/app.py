"""The studio's pages. Server-rendered; the one script only makes waiting live.

It turns forms into requests for `bot.turns` and renders what `storage.conversations` reads; it knows nothing of engines.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import json
import logging
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.applications import Starlette
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request as WebRequest
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from bot.characters import Characters
from bot.progress import Update, Watcher, in_words
from bot.replies import Pulled, Replies
from bot.services import Services, end
from bot.sweeper import Sweeper
from bot.turns import Answer, Turns
from bot.web.security import TOO_LARGE, Guard, TooLarge, form_secret
from storage import characters, conversations
from storage.blobs import BlobMissing, BlobsUnavailable
from storage.characters import CharacterProblem
from storage.conversations import TurnView
from storage.database import DatabaseUnavailable
from storage.intake import PictureRefused
from storage.settings import Settings
from storage.settings import settings as read_settings
from storage.tables import Conversation, Kind
from storage.turns import Request

log = logging.getLogger(__name__)

HERE = Path(__file__).parent
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
PERSON = "studio"
EXAMPLES = (
    "Olivia, red curly hair and round glasses, on the beach",
    "Hugo with a green mohawk, laughing, in the city at night",
    "a close-up of Ada with long blond hair and an eyepatch, in space",
)
PLATFORM = "web"
UNSENT = "Your message could not be kept, so it was not sent. Please send it again in a moment."
LISTED = 48  # conversations on a page
NOTES = 100  # short messages that wait for the page that shows them


@dataclass(slots=True)
class Node:
    """A turn on the shown line, and its alternatives: other turns on the same parent."""

    turn: TurnView
    number: int
    versions: list[UUID]  # for each alternative the last turn of its line, this one's included
    version: int


class Studio:
    """The pages, over one process's services."""

    def __init__(self, services: Services, token: str) -> None:
        self._services = services
        self._turns = Turns(services, PLATFORM)
        self._characters = Characters(services)
        self._watcher = Watcher(services)
        self._secret = form_secret(token)
        self._notes: OrderedDict[str, str] = OrderedDict()
        self._templates = Environment(
            loader=PackageLoader("bot.web"),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(
            csrf=self._secret, new_source=lambda: uuid4().hex, link=_link, consent=characters.CONSENT
        )

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Deliver and sweep while the pages are served."""
        tasks = [
            asyncio.create_task(Replies(self._services, Pulled(PLATFORM)).run()),
            asyncio.create_task(Sweeper(self._services, self._turns).run()),
        ]
        try:
            yield
        finally:
            await end(tasks)
            await self._watcher.close()
            await self._turns.settle()
            await self._services.close()

    def routes(self) -> list[Route | Mount]:
        """All pages and forms."""
        return [
            Route("/healthz", self.health),
            Route("/", self.home),
            Route("/", self.begin, methods=["POST"]),
            Route("/conversations/{conversation:uuid}", self.thread),
            Route("/conversations/{conversation:uuid}", self.say, methods=["POST"]),
            Route("/conversations/{conversation:uuid}/undo", self.undo, methods=["POST"]),
            Route("/conversations/{conversation:uuid}/characters", self.create_character, methods=["POST"]),
            Route("/conversations/{conversation:uuid}/turns/{turn:uuid}", self.fragment),
            Route("/conversations/{conversation:uuid}/turns/{turn:uuid}/events", self.events),
            Route("/conversations/{conversation:uuid}/turns/{turn:uuid}/again", self.again, methods=["POST"]),
            Route("/conversations/{conversation:uuid}/turns/{turn:uuid}/cancel", self.cancel, methods=["POST"]),
            Route("/characters", self.characters),
            Route("/characters", self.create_character, methods=["POST"]),
            Route("/characters/{character:uuid}/{what}", self.change_character, methods=["POST"]),
            Route("/blobs/{kind}/{name}", self.blob),
            Mount("/static", StaticFiles(directory=HERE / "static")),
        ]

    # -- pages ---------------------------------------------------------------------------------------------------------

    async def health(self, _: WebRequest) -> Response:
        """Whether the process answers; open to everybody on this machine."""
        return PlainTextResponse("ok")

    async def home(self, request: WebRequest) -> Response:
        """The conversations, and a box for a new one."""
        workspace_id, before = await self._workspace(), _time(request.query_params.get("before"))
        found = await self._services.database.arun(conversations.recent, workspace_id, before=before, limit=LISTED + 1)
        older = quote(found[LISTED - 1].last_turn_at.isoformat()) if len(found) > LISTED else None
        return self._page("home.html", request, conversations=found[:LISTED], older=older, examples=EXAMPLES)

    async def thread(self, request: WebRequest) -> Response:
        """One line of a conversation: the one to its head, or to the turn named by `at`."""
        workspace_id, conversation = await self._conversation(request)
        views = await self._services.database.arun(conversations.turns_of, workspace_id, conversation.id)
        at = _uuid(request.query_params.get("at")) or conversation.head_id
        line = shown_line(views, at)
        known = await self._characters.shown(workspace_id, conversation.id, [one.turn.id for one in line])
        return self._page(
            "thread.html",
            request,
            conversation=conversation,
            line=line,
            people=known,
            at_head=at == conversation.head_id,
            last=line[-1].turn if line else None,
        )

    async def fragment(self, request: WebRequest) -> Response:
        """One turn of a thread, as the page has it."""
        workspace_id, conversation = await self._conversation(request)
        views = await self._services.database.arun(conversations.turns_of, workspace_id, conversation.id)
        line = shown_line(views, request.path_params["turn"])
        if not line:
            raise HTTPException(404)
        return HTMLResponse(
            self._templates.get_template("turn.html").render(
                node=line[-1], conversation=conversation, last=line[-1].turn
            )
        )

    async def events(self, request: WebRequest) -> Response:
        """Progress of a turn as server-sent events; the last one is `final`."""
        workspace_id, _ = await self._conversation(request)
        turn_id = request.path_params["turn"]
        if not await self._services.database.arun(_belongs, workspace_id, turn_id):
            raise HTTPException(404)

        async def stream() -> AsyncIterator[str]:
            async for update in self._watcher.watch(turn_id):
                name = "final" if update.place.status.final else "update"
                yield f"event: {name}\ndata: {json.dumps(_told(update))}\n\n"

        return StreamingResponse(stream(), media_type="text/event-stream")

    async def characters(self, request: WebRequest) -> Response:
        """Everybody whom all conversations know."""
        workspace_id = await self._workspace()
        known = await self._characters.shown(workspace_id, None)
        return self._page("characters.html", request, people=known)

    async def blob(self, request: WebRequest) -> Response:
        """A picture of this workspace, by kind and content hash."""
        kind, name = request.path_params["kind"], request.path_params["name"]
        if kind not in ("pictures", "references"):
            raise HTTPException(404)
        key = f"{kind}/{await self._workspace()}/{name}"
        try:
            data = await asyncio.to_thread(self._services.blobs.get, key)
        except (BlobMissing, ValueError):
            raise HTTPException(404) from None
        headers = {"Cache-Control": "private, max-age=31536000, immutable"}
        if "download" in request.query_params:
            headers["Content-Disposition"] = f'attachment; filename="likeness-{name[:8]}.{name.rpartition(".")[2]}"'
        return Response(
            data, media_type="image/jpeg" if name.endswith(("jpg", "jpeg")) else "image/png", headers=headers
        )

    # -- forms ---------------------------------------------------------------------------------------------------------

    async def begin(self, request: WebRequest) -> Response:
        """A first message: a new conversation, named after its form, so that a form sent twice is one."""
        form = await self._form(request)
        return await self._receive(request, form, str(form["source"]))

    async def say(self, request: WebRequest) -> Response:
        """The next message of a conversation, or of a branch of it."""
        return await self._receive(request, await self._form(request))

    async def again(self, request: WebRequest) -> Response:
        """The same turn with another seed."""
        return await self._receive(request, await self._form(request), kind=Kind.AGAIN)

    async def cancel(self, request: WebRequest) -> Response:
        """End a turn that waits or is drawn."""
        await self._form(request)
        workspace_id, conversation = await self._conversation(request)
        await self._turns.cancel(workspace_id, request.path_params["turn"])
        return _to(conversation.id)

    async def undo(self, request: WebRequest) -> Response:
        """Take the conversation back by one turn."""
        form = await self._form(request)
        workspace_id, conversation = await self._conversation(request)
        said = await self._turns.undo(workspace_id, conversation.id, str(form["source"]))
        return _to(conversation.id, note=self._note(said))

    async def create_character(self, request: WebRequest) -> Response:
        """A character of a conversation, or of the whole workspace, from words and pictures."""
        form = await self._form(request)
        conversation_id: UUID | None = None
        if "conversation" in request.path_params:
            workspace_id, conversation = await self._conversation(request)
            conversation_id = conversation.id
        else:
            workspace_id = await self._workspace()
        said: str
        try:
            said = await self._characters.create(
                workspace_id,
                conversation_id,
                name=str(form.get("name", "")),
                description=str(form.get("description", "")),
                pictures=await _files(form),
                consent=bool(form.get("consent")),
            )
        except (CharacterProblem, PictureRefused, BlobsUnavailable) as error:
            said = str(error)
        return self._back(request, said)

    async def change_character(self, request: WebRequest) -> Response:
        """Rename, delete or promote a character."""
        form = await self._form(request)
        workspace_id, character_id = await self._workspace(), request.path_params["character"]
        try:
            match request.path_params["what"]:
                case "rename":
                    note = await self._characters.rename(workspace_id, character_id, str(form.get("name", "")))
                case "promote":
                    note = await self._characters.promote(workspace_id, character_id)
                case "delete":
                    note = await self._characters.remove(workspace_id, character_id)
                case _:
                    raise HTTPException(404)
        except CharacterProblem as error:
            note = str(error)
        return self._back(request, note)

    # -- what they share -----------------------------------------------------------------------------------------------

    async def _receive(
        self, request: WebRequest, form: FormData, thread: str | None = None, *, kind: Kind = Kind.SAY
    ) -> Response:
        """A message, from a form. Without a thread it belongs to the conversation of the address."""
        said, reply_to = str(form.get("text", "")), str(form.get("reply_to", ""))
        try:
            if thread is None:
                _, conversation = await self._conversation(request)
                thread = conversation.thread
            workspace_id = await self._workspace()
            links = [await self._turns.keep_upload(workspace_id, data) for data in await _files(form)]
            receipt = await self._turns.receive(
                Request(
                    platform=PLATFORM,
                    workspace=PERSON,
                    workspace_name="Studio",
                    channel=PERSON,
                    thread=thread,
                    source_id=str(form["source"]),
                    author=PERSON,
                    text=said,
                    kind=kind,
                    attachments=tuple(links),
                    reply_to=request.path_params.get("turn") or _uuid(reply_to),
                )
            )
        except (DatabaseUnavailable, BlobsUnavailable) as error:
            log.warning("a message could not be received: %s", error)
            return self._page(
                "unsent.html",
                request,
                status=503,
                sentence=UNSENT if isinstance(error, DatabaseUnavailable) else f"{UNSENT} {error}",
                said=said,
                reply_to=reply_to,
                source=str(form["source"]),
                attached=bool(form.getlist("pictures")),
            )
        if not isinstance(receipt, Answer):
            return _to(receipt.conversation_id, turn=receipt.turn_id)
        note = self._note(receipt.text)
        if receipt.conversation_id is None:
            return RedirectResponse(f"/?note={note}", 303)
        return _to(receipt.conversation_id, note=note)

    async def _form(self, request: WebRequest) -> FormData:
        form = await request.form(max_files=self._services.settings.attachments_limit + 1)
        given = str(form.get("csrf", ""))
        if not hmac.compare_digest(given.encode(), self._secret.encode()) or not form.get("source"):
            raise HTTPException(403, "This form is too old. Go back, reload the page, and send it again.")
        return form

    async def _workspace(self) -> UUID:
        return await self._turns.workspace(PLATFORM, PERSON, "Studio")

    async def _conversation(self, request: WebRequest) -> tuple[UUID, Conversation]:
        workspace_id = await self._workspace()
        found = await self._services.database.arun(_find, workspace_id, request.path_params["conversation"])
        if found is None:
            raise HTTPException(404)
        return workspace_id, found

    def _page(
        self, template: str, request: WebRequest, *, status: int = 200, **values: Any
    ) -> Response:  # Any: what templates show
        note = self._notes.pop(request.query_params.get("note", ""), None)
        page = self._templates.get_template(template).render(note=note, path=request.url.path, **values)
        return HTMLResponse(page, status)

    def _back(self, request: WebRequest, note: str) -> Response:
        """To the page that the form was on: the conversation that it names, or the characters."""
        conversation: UUID | None = request.path_params.get("conversation") or _uuid(request.query_params.get("from"))
        if conversation is None:
            return RedirectResponse(f"/characters?note={self._note(note)}", 303)
        return _to(conversation, note=self._note(note))

    def _note(self, text: str) -> str:
        key = secrets.token_urlsafe(8)
        self._notes[key] = text
        while len(self._notes) > NOTES:
            self._notes.popitem(last=False)
        return key

    async def problem(self, request: WebRequest, error: Exception) -> Response:
        """A page for what went wrong, in one sentence."""
        status, sentence = 500, "Something went wrong in the studio. Please try again; its log says more."
        if isinstance(error, HTTPException):
            status, sentence = error.status_code, error.detail if error.status_code != 404 else "There is nothing here."
        elif isinstance(error, TooLarge):
            status, sentence = 413, TOO_LARGE
        elif isinstance(error, DatabaseUnavailable | BlobsUnavailable):
            status, sentence = 503, "The studio cannot reach its storage just now. Please try again in a moment."
        page = self._templates.get_template("problem.html").render(note=None, path=request.url.path, sentence=sentence)
        return HTMLResponse(page, status)


def shown_line(views: list[TurnView], at: UUID | None) -> list[Node]:
    """The turns from the first one to `at`, each with its alternatives."""
    by_id = {view.id: view for view in views}
    children: dict[UUID | None, list[TurnView]] = {}
    for one in views:
        children.setdefault(one.parent_id, []).append(one)
    numbers = {view.id: number for number, view in enumerate(views, 1)}
    line: list[Node] = []
    view: TurnView | None = by_id.get(at) if at is not None else None
    while view is not None:
        versions = [_tip(children, other) for other in children[view.parent_id]]
        line.append(Node(view, numbers[view.id], versions, children[view.parent_id].index(view)))
        view = by_id.get(view.parent_id) if view.parent_id is not None else None
    return line[::-1]


def _tip(children: dict[UUID | None, list[TurnView]], view: TurnView) -> UUID:
    while view.id in children:
        view = children[view.id][-1]
    return view.id


def _find(session: Session, workspace_id: UUID, conversation_id: UUID) -> Conversation | None:
    return session.execute(
        select(Conversation).where(Conversation.workspace_id == workspace_id, Conversation.id == conversation_id)
    ).scalar_one_or_none()


def _belongs(session: Session, workspace_id: UUID, turn_id: UUID) -> bool:
    return bool(conversations.path(session, workspace_id, turn_id))


def _told(update: Update) -> dict[str, object]:
    place, progress = update.place, update.progress
    told: dict[str, object] = {"status": place.status, "line": in_words(update)}
    if progress is not None:
        told |= {"step": progress.step, "steps": progress.steps, "text": progress.text}
        if progress.preview:
            told["preview"] = base64.b64encode(progress.preview).decode()
    return told


def _to(conversation_id: UUID, *, turn: UUID | None = None, note: str | None = None) -> Response:
    query = f"?note={note}" if note else ""
    return RedirectResponse(f"/conversations/{conversation_id}{query}{f'#turn-{turn}' if turn else ''}", 303)


def _link(blob_key: str) -> str:
    """The address of a picture: the workspace in the middle of its key goes without saying."""
    kind, _, name = blob_key.split("/")
    return f"/blobs/{quote(kind)}/{quote(name)}"


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


def _time(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None


async def _files(form: FormData) -> list[bytes]:
    found = [one for one in form.getlist("pictures") if isinstance(one, UploadFile)]
    return [data for one in found if (data := await one.read()) or one.filename]


def create_app(settings: Settings | None = None) -> ASGIApp:
    """The studio over the services that the settings name. Without a token in them nobody can open it."""
    settings = settings or read_settings()
    token = settings.studio_token.get_secret_value() if settings.studio_token else secrets.token_urlsafe(24)
    studio = Studio(Services.open(settings), token)
    hosts = LOOPBACK | {host.strip().lower() for host in settings.studio_hosts.split(",") if host.strip()}
    pages = Starlette(
        routes=studio.routes(),
        lifespan=studio.lifespan,
        exception_handlers=dict.fromkeys(
            (HTTPException, TooLarge, DatabaseUnavailable, BlobsUnavailable, Exception), studio.problem
        ),
    )
    limit = settings.attachments_limit * settings.attachment_bytes + 2**20
    return Guard(pages, token=token, hosts=hosts, body_limit=limit)  # outermost, so that error pages are guarded too
