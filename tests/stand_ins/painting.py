"""A small server that paints, over sockets: the image routes of OpenAI with the fields that vLLM-Omni and SGLang add.

What it paints is a flat colour that follows from the seed, the prompt and the references. It can refuse, break, be slow or
away, and remembers what it was asked.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections import deque
from dataclasses import dataclass, field

import anyio
from PIL import Image
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.stand_ins.serving import InAThread


@dataclass(frozen=True)
class Asked:
    """A request: the route's last word, its fields as text, the sizes of its pictures, and who asked."""

    route: str
    fields: dict[str, str]
    pictures: list[tuple[int, int]]
    key: str


@dataclass
class Painting(InAThread):
    """The server."""

    asked: list[Asked] = field(default_factory=list)
    answers: deque[Response | None] = field(default_factory=deque)  # to give instead of pictures; None: a picture
    hold: bool = False  # answers wait for as long as it is set
    left: int = 0  # requests whose client went away while they were held
    most_at_once: int = 0
    url: str = ""
    _at_once: int = 0

    def __post_init__(self) -> None:
        routes = [Route("/v1/images/{route}", self._paint, methods=["POST"])]
        self.serve(Starlette(routes=routes), path="/v1", log_level="critical")

    async def _paint(self, request: Request) -> Response:
        route = request.path_params["route"]
        pictures: list[bytes] = []
        if route == "edits":
            form = await request.form()
            fields = {name: value for name, value in form.multi_items() if isinstance(value, str)}
            pictures = [await value.read() for name, value in form.multi_items() if isinstance(value, UploadFile)]
            if not pictures:
                return JSONResponse({"detail": "Field 'image' or 'url' is required"}, 422)
        else:
            fields = {name: str(value) for name, value in (await request.json()).items()}
        sizes = [Image.open(io.BytesIO(one)).size for one in pictures]
        self.asked.append(Asked(route, fields, sizes, request.headers.get("authorization", "")))
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            while self.hold:
                await anyio.sleep(0.01)
                if await request.is_disconnected():
                    self.left += 1
                    return Response(status_code=499)
        finally:
            self._at_once -= 1
        answer = self.answers.popleft() if self.answers else None
        return answer or JSONResponse({"created": 1, "data": [{"b64_json": _colour(fields, pictures)}]})


def _colour(fields: dict[str, str], pictures: list[bytes]) -> str:
    width, height = (int(side) for side in fields["size"].split("x"))
    digest = hashlib.sha256("|".join((fields["seed"], fields["prompt"])).encode() + b"".join(pictures)).digest()
    file = io.BytesIO()
    Image.new("RGB", (width, height), tuple(digest[:3])).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()
