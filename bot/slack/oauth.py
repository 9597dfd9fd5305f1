"""How somebody installs the app in their workspace: a page with a link to Slack, and the page that Slack sends them back to.

The state that a browser brings back is checked against its cookie and counts once. Whatever goes wrong, or was cancelled,
ends in a plain page that says what to do. What is kept afterwards is in `bot.slack.installations`.
"""

from __future__ import annotations

import html
import logging
from collections.abc import Awaitable, Callable

import aiohttp
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.error import BoltError
from slack_bolt.oauth.async_callback_options import AsyncCallbackOptions, AsyncFailureArgs, AsyncSuccessArgs
from slack_bolt.oauth.async_oauth_flow import AsyncOAuthFlow
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.errors import SlackClientError
from slack_sdk.oauth.installation_store import Installation
from slack_sdk.web.async_client import AsyncWebClient
from sqlalchemy.exc import SQLAlchemyError
from uuid_utils.compat import uuid7

from bot.slack.installations import STATE_SECONDS, Installations
from bot.slack.manifest import INSTALL_PATH, REDIRECT_PATH, SCOPES
from storage.settings import Settings

log = logging.getLogger(__name__)

AGAIN = f'<p><a href="{INSTALL_PATH}">Begin again</a></p>'
FAILURES = {
    "access_denied": "Nothing was installed, since it was cancelled on Slack.",
    "invalid_browser": "This installation was begun in another browser, or too long ago.",
    "invalid_state": "This page was opened before, or too late.",
    "missing_code": "Slack sent nothing to install with.",
    "invalid_code": "Slack does not accept this installation any more.",
    "storage_error": "This cannot be kept just now.",
}
ONE_WORKSPACE = "Please choose one workspace; I cannot be installed in a whole organisation at once."
OTHER = "Slack did not install it."
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
AWAY = "This cannot be done just now. Please try again in a moment."


class WholeOrganisation(BoltError):
    """Somebody chose an organisation, and not a workspace."""


class Flow(AsyncOAuthFlow):
    """Bolt's flow with pages of our own."""

    async def build_install_page_html(self, url: str, request: AsyncBoltRequest) -> str:
        """The page that an installation begins on."""
        return _page("Add Likeness to Slack", f'<p><a href="{html.escape(url)}">Choose a workspace on Slack</a></p>')

    async def store_installation(self, request: AsyncBoltRequest, installation: Installation) -> None:
        """Keep it. Raises `BoltError`, of which the flow makes a page."""
        if installation.team_id is None or installation.bot_token is None:
            raise WholeOrganisation(ONE_WORKSPACE)
        try:
            await super().store_installation(request, installation)
        except SQLAlchemyError as error:
            log.exception("an installation could not be kept")
            raise BoltError("the database cannot be reached") from error
        log.info("the app was installed in %s", installation.team_id)


def pages(settings: Settings, installations: Installations, client: AsyncWebClient) -> list[web.RouteDef]:
    """The pages of an installation, for the adapter's HTTP application. `client` has no token."""
    secret, local = settings.slack_client_secret, settings.slack_url
    assert secret is not None
    flow = Flow(
        client=client,
        logger=log,
        settings=AsyncOAuthSettings(
            client_id=settings.slack_client_id,
            client_secret=secret.get_secret_value(),
            scopes=SCOPES,
            user_scopes=[],
            redirect_uri=settings.slack_public_url.rstrip("/") + REDIRECT_PATH if settings.slack_public_url else None,
            install_path=INSTALL_PATH,
            redirect_uri_path=REDIRECT_PATH,
            authorization_url=f"{local}/oauth/v2/authorize" if local else None,
            installation_store=installations.store,
            state_store=installations.states,
            state_expiration_seconds=STATE_SECONDS,
            callback_options=AsyncCallbackOptions(success=_installed, failure=_failed),
        ),
    )
    return [
        web.get(INSTALL_PATH, _page_of(flow.handle_installation), allow_head=False),
        web.get(REDIRECT_PATH, _page_of(flow.handle_callback), allow_head=False),
    ]


def _page_of(
    handle: Callable[[AsyncBoltRequest], Awaitable[BoltResponse]],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        try:
            response = await to_aiohttp_response(await handle(await to_bolt_request(request)))
        except (SQLAlchemyError, SlackClientError, aiohttp.ClientError, TimeoutError, OSError):
            reference = uuid7().hex[-8:]
            log.exception("%s of %s", reference, request.path)  # without the query, which holds the code
            page = _page("Not installed", f"<p>{AWAY} (Reference {reference}.)</p>{AGAIN}")
            response = web.Response(text=page, content_type="text/html", status=503)
        response.headers.update(HEADERS)
        return response

    return answer


async def _installed(args: AsyncSuccessArgs) -> BoltResponse:
    installation = args.installation
    link = f"https://slack.com/app_redirect?app={installation.app_id}&team={installation.team_id}"
    words = (
        f"<p>Likeness is in {html.escape(installation.team_name or 'your workspace')} now. Invite it to a channel and mention "
        f'it, or <a href="{html.escape(link)}">write to it directly</a>.</p>'
    )
    return _response(200, _page("Installed", words), args.settings)


async def _failed(args: AsyncFailureArgs) -> BoltResponse:
    sentence = FAILURES.get(args.reason, OTHER)
    if isinstance(args.error, WholeOrganisation):
        sentence = ONE_WORKSPACE
    log.info("an installation ended with %s", args.reason if args.reason in FAILURES else "something else")
    return _response(args.suggested_status_code, _page("Not installed", f"<p>{sentence}</p>{AGAIN}"), args.settings)


def _response(status: int, page: str, settings: AsyncOAuthSettings) -> BoltResponse:
    cookie = settings.state_utils.build_set_cookie_for_deletion()
    return BoltResponse(
        status=status, body=page, headers={"Content-Type": "text/html; charset=utf-8", "Set-Cookie": cookie}
    )


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><main><h1>{title}</h1>{body}</main></html>"
    )
