"""A small hub of models, over sockets: the routes that the hub's client asks for, with ranges, and ways to misbehave.

It knows what is in a folder of a model and its hashes, and nothing of accounts beyond a token that opens what is gated.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.stand_ins.serving import InAThread

LARGE = (".safetensors", ".bin")  # what the hub keeps by its SHA-256, as Git LFS does
TOKEN = "hf_opens"


@dataclass
class Kept:
    """A model of the hub at its newest commit."""

    files: dict[str, bytes]
    commit: str = "c0ffee" + 34 * "0"
    licence: str = "apache-2.0"
    gated: bool = False


@dataclass
class Hub(InAThread):
    """The server. `asked` holds the name and the first byte of each file that was asked for."""

    models: dict[str, Kept] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)
    flips: int = 0  # so many answers carry a wrong byte
    stalls_after: int | None = None  # bytes of a large file, after which no more come
    url: str = ""  # where it is, once it has started

    def __post_init__(self) -> None:
        routes = [
            Route("/api/models/{owner}/{name}", self._about),
            Route("/api/models/{owner}/{name}/revision/{revision}", self._about),
            Route("/{owner}/{name}/resolve/{revision}/{file:path}", self._file),
        ]
        self.serve(Starlette(routes=routes))

    def _found(self, request: Request) -> Kept | Response:
        one = self.models.get(f"{request.path_params['owner']}/{request.path_params['name']}")
        if one is None:
            return Response(status_code=404, headers={"X-Error-Code": "RepoNotFound"})
        if one.gated and request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Response(status_code=403, headers={"X-Error-Code": "GatedRepo"})
        if request.path_params.get("revision", "main") not in ("main", one.commit):
            return Response(status_code=404, headers={"X-Error-Code": "RevisionNotFound"})
        return one

    def _about(self, request: Request) -> Response:
        one = self._found(request)
        if isinstance(one, Response):
            return one
        siblings = []
        for name, content in one.files.items():
            about: dict[str, object] = {"rfilename": name, "size": len(content), "blobId": "0" * 40}
            if name.endswith(LARGE):
                about["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
            else:
                about["blobId"] = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            siblings.append(about)
        name = f"{request.path_params['owner']}/{request.path_params['name']}"
        card = {"license": one.licence}
        return JSONResponse({"id": name, "sha": one.commit, "siblings": siblings, "cardData": card, "tags": []})

    def _file(self, request: Request) -> Response:
        one = self._found(request)
        if isinstance(one, Response):
            return one
        name = request.path_params["file"]
        content = bytearray(one.files[name])
        begin = int(request.headers.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        self.asked.append((name, begin))
        if self.flips:
            self.flips -= 1
            content[-1] ^= 1
        headers = {
            "Content-Length": str(len(content) - begin),
            "Content-Range": f"bytes {begin}-{len(content) - 1}/{len(content)}",
        }
        return StreamingResponse(self._body(bytes(content[begin:])), 206 if begin else 200, headers)

    async def _body(self, content: bytes) -> AsyncIterator[bytes]:
        stop = self.stalls_after
        if stop is None or len(content) <= stop:
            yield content
            return
        yield content[:stop]
        while self.stalls_after is not None:
            await anyio.sleep(0.01)
        yield content[stop:]
