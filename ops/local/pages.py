"""What the pages of the platforms on this machine have in common: templates, forms, and pictures in place of emoji.

They are for this machine only: they ask for no password, and take forms only from their own page.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Callable
from typing import Any

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from ops.local.server import Loopback

COLOURS = ("#0f7b6c", "#a8477d", "#9a5b13", "#3d6fb4", "#7a4fa3")

ICONS = {
    "🔁": "M4 10V9a3 3 0 0 1 3-3h11l-3-3m3 3-3 3M20 14v1a3 3 0 0 1-3 3H6l3 3m-3-3 3-3",
    "↩️": "M9 14 4 9l5-5M4 9h10a5.5 5.5 0 0 1 0 11h-3",
    "👍": "M7 11v9H4v-9h3Zm0 0 4-8c1.6 0 2.5 1 2.5 2.5V9H19c1.3 0 2.2 1.2 2 2.4l-1.1 6.9A2 2 0 0 1 17.9 20H7",
    "👎": "M7 13V4H4v9h3Zm0 0 4 8c1.6 0 2.5-1 2.5-2.5V15H19c1.3 0 2.2-1.2 2-2.4l-1.1-6.9A2 2 0 0 0 17.9 4H7",
    "✖️": "M6 6l12 12M18 6 6 18",
    "🗑️": "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5",
    "🔍": "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13Zm4.7-1.8L21 21M8 10.5h5M10.5 8v5",
    "🔀": "M3 7h3c5 0 6 10 11 10h4m-3-3 3 3-3 3M3 17h3c1.6 0 2.8-1 3.8-2.4M13.2 9.4C14.2 8 15.4 7 17 7h4m-3-3 3 3-3 3",
}
"""Paths of 24 × 24 for the emoji of buttons: not every machine has a font with these."""


class Pages:
    """What every page needs; `filters` are for its templates."""

    def __init__(self, server: Loopback, **filters: Callable[..., object]) -> None:
        self._server = server
        self._templates = Environment(
            loader=PackageLoader("ops.local"),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {"is_picture": is_picture, **filters}
        self._templates.globals["icons"] = ICONS

    async def fields(self, request: web.Request) -> Any:  # Any: aiohttp's multidict of fields and files
        """What a form brings. Raises 403 for one of another page."""
        if request.headers.get("Origin", self._server.url) != self._server.url:
            raise web.HTTPForbidden
        return await request.post()

    def page(self, template: str, **values: Any) -> web.Response:  # Any: what templates show
        """A page, or a part of one."""
        return web.Response(text=self._templates.get_template(template).render(**values), content_type="text/html")


def pictures(form: Any, name: str) -> list[tuple[str, bytes]]:  # Any: as above
    """The files of a field."""
    files = [one for one in form.getall(name, []) if isinstance(one, web.FileField) and one.filename]
    return [(one.filename, one.file.read()) for one in files]


def is_picture(name: str) -> bool:
    """Whether a file is a picture, by its name."""
    return (mimetypes.guess_type(name)[0] or "").startswith("image/")
