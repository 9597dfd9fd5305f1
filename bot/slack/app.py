"""The bot on Slack: what its listeners share, over HTTP or Socket Mode.

An event is acknowledged only when its turn is committed; before that Slack hears 503, or nothing on a socket, and sends it
again. What is pressed, and commands, it sends once: they are acknowledged when their work is done, or after two seconds of
it. What goes wrong in a listener is `bot.slack.failures`' business.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from types import TracebackType
from typing import Any

import aiohttp
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.authorization.async_authorize import AsyncAuthorize
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from bot.admin import Administration
from bot.albums import Albums
from bot.characters import Characters
from bot.forgetme import Forgetting
from bot.listening import Listening
from bot.preferences import Choices
from bot.replies import Replies
from bot.services import Services, end
from bot.slack import NotSetUp, buttons, failures, leaving, mentions, render, windows
from bot.slack.channels import Channels
from bot.slack.failures import TooSlow, failed, log_late
from bot.slack.files import Files
from bot.slack.installations import Installations, check, keys_of
from bot.slack.manifest import EVENTS_PATH
from bot.slack.missed import missed
from bot.slack.oauth import pages
from bot.slack.once import Once
from bot.slack.pace import Pace
from bot.slack.people import People
from bot.slack.places import PLATFORM, Payload, Place
from bot.slack.platform import SlackPlatform
from bot.slack.teams import NotInstalled, OneTeam, Teams
from bot.sweeper import Sweeper
from bot.turns import Answer, Turns
from bot.waiting import Waiting
from storage.sentences import told
from storage.turns import Request

log = logging.getLogger(__name__)
sdk_log = logging.getLogger("slack_sdk.likeness")
sdk_log.setLevel(logging.INFO)  # with no level of its own the SDK would write out all it sends, for a log that drops it

LISTENERS = (failures, mentions, buttons, windows, leaving)
"""Modules with a function `register(bot)`."""

HEALTH = "/health"
ALIVE, ALIVE_SECONDS = "slack-alive", 10  # a file in the data folder, and how often it is touched
CALL_SECONDS = 15.0
ACK_SECONDS = 2.5  # Slack waits for three
PRESS_SECONDS = 2.0  # for which an action or a command may be at work before it is acknowledged
REPLAY_SECONDS = 600  # a signature is valid for five minutes before and after its time


class SlackBot:
    """One process of the bot. Any number may run side by side. To be used in `async with`."""

    def __init__(self, services: Services, teams: Teams | None = None) -> None:
        settings = services.settings
        self.services = services
        self.session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=CALL_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),  # what Slack sets for one team is nothing for another
        )
        self.teams: Teams = teams or self._teams()
        self.files = Files(self)
        self.turns = Turns(services, PLATFORM, self.files.fetch)
        self.characters = Characters(services)
        self.albums = Albums(services)
        self.choices = Choices(services)
        self.forgetting = Forgetting(services)
        self.admin = Administration(services)
        self.listening = Listening(services, PLATFORM)
        self.people = People(self.client)
        self.once = Once(services.broker)
        self.channels = Channels(self.client)
        self.pace = Pace()
        self.platform = SlackPlatform(self)
        self.replies = Replies(services, self.platform)
        self.waiting = Waiting(services, self.replies, self.platform)
        secret = settings.slack_signing_secret
        self.app = AsyncApp(
            name="likeness",
            client=self.web_client(None),
            authorize=_Authorize(self.teams),  # type: ignore[arg-type]  # bolt takes one, and its types do not say so
            signing_secret=secret.get_secret_value() if secret is not None else "",
            process_before_response=True,
            before_authorize=self._not_replayed,
            attaching_conversation_kwargs_enabled=False,
        )
        for module in LISTENERS:
            module.register(self)
        self._background: list[asyncio.Task[None]] = []
        self._tasks: set[asyncio.Task[Any]] = set()

    def _teams(self) -> Teams:
        """The team of the token in the settings, or those that installed the app."""
        token = self.services.settings.slack_bot_token
        if token is not None:
            return OneTeam(self.web_client(token.get_secret_value()))
        return Installations(self.services, self.web_client(None))

    async def __aenter__(self) -> SlackBot:
        self._background = [
            asyncio.create_task(self.replies.run()),
            asyncio.create_task(Sweeper(self.services, self.turns).run()),
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End everything; what was received stays, and is delivered by the next process."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await end(self._background)
        await self.waiting.close()
        await self.turns.settle()
        if isinstance(self.teams, Installations):
            await self.teams.close()
        await self.session.close()
        await self.services.close()

    # -- Slack's Web API -----------------------------------------------------------------------------------------------

    def web_client(self, token: str | None) -> AsyncWebClient:
        """A client that waits when Slack says so. It repeats nothing else: a post that got lost may have got through."""
        local = self.services.settings.slack_url
        return AsyncWebClient(
            token=token,
            base_url=f"{local}/api/" if local else AsyncWebClient.BASE_URL,
            session=self.session,
            logger=sdk_log,
            retry_handlers=[AsyncRateLimitErrorRetryHandler(max_retry_count=3)],
        )

    async def client(self, team: str) -> AsyncWebClient:
        """The client of a team. Raises `NotInstalled`."""
        return self.web_client((await self.teams.installed(team)).token)

    # -- requests ------------------------------------------------------------------------------------------------------

    async def receive(self, request: Request) -> Answer | None:
        """Take a request in, and follow the turn that comes of it. Returns what to say at once, for a command."""
        taken = await self.turns.receive(request)
        if isinstance(taken, Answer):
            return taken
        if not taken.duplicate and not taken.status.final:
            self.waiting.follow(taken.turn_id, request.workspace, request.channel, request.thread)
        return None

    def later(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Do something beside the request that it came from; a process that stops finishes it first."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def in_time(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for something as long as Slack does. Raises `TooSlow`; the work goes on, and the next attempt finds it done."""
        task = self.later(work)
        done, _ = await asyncio.wait({task}, timeout=ACK_SECONDS)
        if not done:
            task.add_done_callback(log_late)
            raise TooSlow(task)
        await task

    async def say(self, place: Place, source_id: str, text: str, blocks: Sequence[Payload] = ()) -> None:
        """Answer a message in its thread, once, whichever processes and events say it. `text` is plain; `blocks` stand for it."""
        async with self.once.doing(f"say:{place.workspace}:{source_id}", REPLAY_SECONDS) as first:
            if first:
                await self.platform.say(place, source_id, render.words(text), blocks)

    async def tell(self, team: str, user: str, text: str) -> None:
        """Say something to a person alone, in the messages tab."""
        client = await self.client(team)
        await client.chat_postMessage(channel=user, text=render.words(text), unfurl_links=False)

    async def answer(self, ack: AsyncAck, team: str, body: Payload, work: Coroutine[Any, Any, str | None]) -> None:
        """Do the work of an action or a command, acknowledge it, and tell its person alone what came of it.

        Slack sends neither again, but says when nobody took it: so a process that dies over it leaves nobody waiting. What
        takes longer than Slack waits is acknowledged before, and goes on.
        """
        task = self.later(work)
        await asyncio.wait({task}, timeout=PRESS_SECONDS)
        await ack()
        self.later(self._answered(team, body, task))

    async def _answered(self, team: str, body: Payload, work: asyncio.Task[str | None]) -> None:
        try:
            said = await work
        except Exception as error:  # one handler for all that can go wrong, and nobody is left without an answer
            said = failed(error, f"an interaction of {team}")
        if said is None:
            return
        try:
            user = body["user"]["id"] if "user" in body else body["user_id"]
            await self._whisper(team, body, told(said, await self.people.language(team, user)))
        except Exception:  # nobody hears it; what was done is done
            log.exception("an answer could not be given")

    async def _whisper(self, team: str, body: Payload, text: str) -> None:
        link = body.get("response_url")
        if not isinstance(link, str) or not self.files.is_ours(link):
            await self.tell(team, body["user"]["id"] if "user" in body else body["user_id"], text)
            return
        said = {"response_type": "ephemeral", "replace_original": False, "text": render.words(text)}
        message = body.get("message") or {}
        if thread := message.get("thread_ts"):
            said["thread_ts"] = thread
        async with self.session.post(link, json=said, allow_redirects=False) as answer:
            answer.raise_for_status()

    # -- what bolt asks ------------------------------------------------------------------------------------------------

    async def _not_replayed(
        self, req: AsyncBoltRequest, next_: Callable[[], Awaitable[BoltResponse]]
    ) -> BoltResponse | None:
        """Refuse a signature that was used before. Bolt has checked by now that it is right, and not old."""
        signature = (req.headers.get("x-slack-signature") or [""])[0]
        if req.mode != "socket_mode" and not await self.once.first(f"signature:{signature}", REPLAY_SECONDS):
            log.warning("a signature was used twice")
            return BoltResponse(status=401, body="{}")
        await next_()
        return None

    # -- HTTP and Socket Mode ------------------------------------------------------------------------------------------

    def web_app(self) -> web.Application:
        """What Slack talks to over HTTP, and the pages that the app is installed from: nothing else is served there."""
        application = web.Application(client_max_size=2**20)
        if self.services.settings.slack_signing_secret is not None:  # else anybody could sign
            application.router.add_post(EVENTS_PATH, self._heard)
        application.router.add_get(HEALTH, self._healthy)
        if isinstance(self.teams, Installations):
            application.router.add_routes(pages(self.services.settings, self.teams, self.web_client(None)))
        return application

    async def _heard(self, request: web.Request) -> web.Response:
        heard = await to_bolt_request(request)
        answer = await self.app.async_dispatch(heard)
        if answer.status >= 500:  # what is sent again within the same second has the same signature
            await self.once.again(f"signature:{(heard.headers.get('x-slack-signature') or [''])[0]}")
        return await to_aiohttp_response(answer)

    async def _healthy(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def listen(self) -> web.AppRunner:
        """Serve Slack's requests. Its cleanup lets those that are under way end."""
        settings = self.services.settings
        runner = web.AppRunner(self.web_app(), access_log=None, shutdown_timeout=ACK_SECONDS)
        await runner.setup()
        await web.TCPSite(runner, settings.slack_host, settings.slack_port).start()
        log.info("listening on %s", runner.addresses)
        if settings.slack_mode == "http":
            self._live(_up)
        return runner

    async def connect(self) -> AsyncSocketModeHandler:
        """Open a socket to Slack, which comes again by itself. Raises `NotSetUp`."""
        token = self.services.settings.slack_app_token
        assert token is not None
        client = self.web_client(None)
        try:  # the handler would ask for ever
            await client.apps_connections_open(app_token=token.get_secret_value())
        except SlackApiError as error:
            raise NotSetUp(f"Slack does not take LIKENESS_SLACK_APP_TOKEN: {error.response['error']}.") from error
        handler = AsyncSocketModeHandler(self.app, token.get_secret_value(), web_client=client)
        await handler.connect_async()  # type: ignore[no-untyped-call]  # bolt has no types here
        self._live(handler.client.is_connected)
        return handler

    def _live(self, is_up: Callable[[], Awaitable[bool]]) -> None:
        """Touch a file while Slack reaches the bot: what a health check looks at."""

        async def touch() -> None:
            sign = self.services.settings.data_dir / ALIVE
            while True:
                if await is_up() and sign.parent.is_dir():
                    await asyncio.to_thread(sign.touch)
                await asyncio.sleep(ALIVE_SECONDS)

        self._background.append(asyncio.create_task(touch()))

    async def catch_up(self) -> None:
        """Take what was said while nobody listened."""
        await missed(self)


class _Authorize(AsyncAuthorize):
    """Tells bolt who the bot is in a team."""

    def __init__(self, teams: Teams) -> None:
        self._teams = teams

    async def __call__(
        self,
        *,
        context: AsyncBoltContext,
        enterprise_id: str | None,
        team_id: str | None,
        user_id: str | None,
        **_: str | None,
    ) -> AuthorizeResult | None:
        try:
            installed = await self._teams.installed(team_id or "")
        except NotInstalled as error:
            log.warning("something came from where the bot is not: %s", error)
            return None
        return AuthorizeResult(
            enterprise_id=enterprise_id,
            team_id=installed.team,
            team=installed.name,
            bot_token=installed.token,
            bot_user_id=installed.user,
            bot_id=installed.bot,
        )


async def run(services: Services) -> None:
    """Run the bot until it is cancelled. Raises `NotSetUp` or `KeyProblem`."""
    settings = services.settings
    if settings.slack_mode == "http" and settings.slack_signing_secret is None:
        raise NotSetUp("LIKENESS_SLACK_SIGNING_SECRET is not set. docs/slack.md says where it is.")
    if settings.slack_mode == "socket" and settings.slack_app_token is None:
        raise NotSetUp("LIKENESS_SLACK_APP_TOKEN is not set. docs/slack.md says how to get one.")
    if settings.slack_bot_token is None:
        await services.database.arun(check, keys_of(settings))
    me = asyncio.current_task()
    if me is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)
    try:
        async with SlackBot(services) as bot, contextlib.AsyncExitStack() as opened:
            try:
                await bot.teams.all()  # a token that Slack does not know is better told now
                if settings.slack_mode == "http" or isinstance(bot.teams, Installations):
                    opened.push_async_callback((await bot.listen()).cleanup)
                if settings.slack_mode == "socket":
                    opened.push_async_callback((await bot.connect()).close_async)
            except (aiohttp.ClientError, TimeoutError) as error:
                raise NotSetUp(f"Slack cannot be reached: {str(error) or 'it does not answer'}.") from error
            await bot.catch_up()
            await asyncio.Event().wait()
    except asyncio.CancelledError:
        log.info("stopping")


async def _up() -> bool:
    return True
