"""Files on Slack: fetched from its own hosts alone, with the token of their team, which goes nowhere else.

A file is kept as the team and the id, and its link asked for when it is opened: in shared channels, and while Slack still
processes a file, an event does not carry one.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver
from slack_sdk.errors import SlackApiError

from bot.sentences import ATTACHMENT_GONE, ELSEWHERE, TOO_LARGE
from bot.slack.places import Payload
from bot.turns import AttachmentGone

if TYPE_CHECKING:
    from bot.slack.app import SlackBot

FETCH_SECONDS = 30.0
SCHEME = "slack-file:"
HOSTS = (".slack.com", ".slack-files.com", ".slack-edge.com")
UNKNOWN = frozenset({"file_not_found", "file_deleted", "file_not_visible", "access_denied", "not_visible"})


class NotReady(Exception):
    """Slack is still processing a file."""


def link_of(team: str, file_id: str) -> str:
    """A file in the words of a request."""
    return f"{SCHEME}{team}/{file_id}"


def links_of(team: str, files: Sequence[Payload]) -> tuple[str, ...]:
    """The files of a message; those that were taken away are nothing any more."""
    return tuple(link_of(team, one["id"]) for one in files if one.get("mode") not in ("tombstone", "hidden_by_limit"))


class _Public(AbstractResolver):
    """Finds no private address, whatever the name says."""

    def __init__(self) -> None:
        self._resolver = DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        public = [one for one in found if ipaddress.ip_address(one["host"]).is_global]
        if not public:
            raise OSError(f"{host} leads to no public address")
        return public

    async def close(self) -> None:
        await self._resolver.close()


class Files:
    """What people upload."""

    def __init__(self, bot: SlackBot) -> None:
        self._bot = bot
        self._local = bot.services.settings.slack_url

    def is_ours(self, link: str) -> bool:
        """Whether a link leads to Slack itself."""
        address = urlsplit(link)
        if self._local and (address.scheme, address.netloc) == urlsplit(self._local)[:2]:
            return True
        return address.scheme == "https" and address.port in (None, 443) and (address.hostname or "").endswith(HOSTS)

    async def fetch(self, link: str) -> bytes:
        """A file, no longer than a picture may be. Raises `AttachmentGone`, or what may pass: `NotReady`, an error of Slack's."""
        team, _, file_id = link.removeprefix(SCHEME).partition("/")
        if not (link.startswith(SCHEME) and team and file_id):
            raise AttachmentGone(ELSEWHERE.given(platform="Slack"))
        client = await self._bot.client(team)
        try:
            told: Payload = (await client.files_info(file=file_id))["file"]
        except SlackApiError as error:
            if error.response["error"] in UNKNOWN:
                raise AttachmentGone(ATTACHMENT_GONE) from error
            raise
        most = self._bot.services.settings.attachment_bytes
        if told.get("size", 0) > most:
            raise AttachmentGone(TOO_LARGE.given(most=round(most / 1e6)))
        address = told.get("url_private_download") or told.get("url_private")
        if told.get("is_external") or (address and not self.is_ours(address)):
            raise AttachmentGone(ELSEWHERE.given(platform="Slack"))
        if not address:
            raise NotReady(file_id)
        return await self._download(address, client.token or "", most)

    async def _download(self, address: str, token: str, most: int) -> bytes:
        """The bytes behind a link of Slack's; the token goes with this one request, and with no redirect."""
        resolver = None if self._local else _Public()
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=resolver), timeout=aiohttp.ClientTimeout(total=FETCH_SECONDS)
            ) as session,
            session.get(address, headers={"Authorization": f"Bearer {token}"}, allow_redirects=False) as answer,
        ):
            if answer.status in (403, 404, 410):
                raise AttachmentGone(ATTACHMENT_GONE)
            answer.raise_for_status()
            if answer.status != 200 or answer.content_type == "text/html":  # a page to sign in, not a file
                raise AttachmentGone(ATTACHMENT_GONE)
            data = bytearray()
            async for part in answer.content.iter_chunked(2**16):
                data += part
                if len(data) > most:
                    raise AttachmentGone(TOO_LARGE.given(most=round(most / 1e6)))
            return bytes(data)
