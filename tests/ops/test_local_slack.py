"""The local Slack, talked to by Slack's own unmodified clients: it keeps the rules that a bot meets."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import parse_qs, urlparse

import httpx
import pytest
from aiohttp import web
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import SignatureVerifier
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from slack_sdk.webhook.async_client import AsyncWebhookClient

from ops.local.slack import LocalSlack
from ops.local.slack_blocks import problems_of_blocks, problems_of_view
from ops.local.slack_state import APP_TOKEN, CLIENT_ID, CLIENT_SECRET, SIGNING_SECRET
from ops.local.slack_wire import Payload

Answer = Callable[[SocketModeRequest], Awaitable[Payload | None]]


class Clock:
    """A clock that a test moves on."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class Workspace:
    """A server with one workspace, and the client of its app."""

    def __init__(self, slack: LocalSlack, clock: Clock) -> None:
        self.slack, self.clock = slack, clock
        self.team = slack.team("Storytellers")
        self.ada = slack.person("Ada", self.team, admin=True)
        self.ben = slack.person("Ben", self.team)
        self.general = slack.channel(self.team, "general")
        self.client = self.client_of(self.team)
        self.bot = f"<@{self.team['bot']['id']}>"
        self._sockets: list[SocketModeClient] = []

    def client_of(self, team: Payload) -> AsyncWebClient:
        return AsyncWebClient(token=team["token"], base_url=f"{self.slack.url}/api/")

    async def connect(self, answer: Answer | None = None) -> list[SocketModeRequest]:
        """Connect a socket that acknowledges all, with what `answer` says; what it heard is in the list."""
        heard: list[SocketModeRequest] = []
        socket = SocketModeClient(APP_TOKEN, web_client=self.client)

        async def listen(_: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
            heard.append(request)
            payload = await answer(request) if answer is not None else None
            await socket.send_socket_mode_response(SocketModeResponse(request.envelope_id, payload))

        socket.socket_mode_request_listeners.append(listen)
        await socket.connect()
        self._sockets.append(socket)
        return heard

    async def close(self) -> None:
        for one in self._sockets:
            await one.close()


@pytest.fixture
async def here() -> AsyncIterator[Workspace]:
    clock = Clock()
    slack = LocalSlack(clock=clock)
    await slack.start()
    workspace = Workspace(slack, clock)
    yield workspace
    await workspace.close()
    await slack.stop()


async def error_of(call: Awaitable[AsyncSlackResponse]) -> str:
    with pytest.raises(SlackApiError) as refused:
        await call
    error: str = refused.value.response["error"]
    return error


def plain(text: str) -> Payload:
    return {"type": "plain_text", "text": text}


def button(action_id: str, text: str = "Again") -> Payload:
    return {"type": "button", "action_id": action_id, "text": plain(text), "value": "7"}


BUTTONS: list[Payload] = [{"type": "actions", "elements": [button("again")]}]


async def test_a_mention_arrives_as_two_events_of_one_message(here: Workspace) -> None:
    heard = await here.connect()
    message = await here.slack.write(here.general, here.ada, f"{here.bot} Olivia & a <b>", files=[("me.png", b"png")])
    await here.slack.write(here.general, here.ben, "nice", thread=message)
    await here.slack.wire.settled()
    assert [one.payload["event"]["type"] for one in heard] == ["app_mention", "message", "message"]
    first, second, reply = (one.payload for one in heard)
    assert first["event_id"] != second["event_id"]
    assert first["event"]["ts"] == second["event"]["ts"] == reply["event"]["thread_ts"] == message["ts"]
    assert first["event"]["text"] == f"{here.bot} Olivia &amp; a &lt;b&gt;"
    assert second["event"]["subtype"] == "file_share"
    assert all(one.acknowledged for one in here.slack.wire.deliveries)


async def test_what_the_app_is_not_in_reaches_nobody_and_can_be_joined(here: Workspace) -> None:
    slack, client = here.slack, here.client
    slack.scopes = tuple(one for one in slack.scopes if one != "chat:write.public")
    client.token = slack.install(here.team).token
    public, private = (slack.channel(here.team, str(one), bot=False, private=one) for one in (False, True))
    await slack.write(public, here.ada, here.bot)
    assert slack.wire.deliveries == []
    assert await error_of(client.chat_postMessage(channel=public["id"], text="hi")) == "not_in_channel"
    assert await error_of(client.chat_postMessage(channel=private["id"], text="hi")) == "channel_not_found"
    assert await error_of(client.conversations_info(channel=private["id"])) == "channel_not_found"
    await client.conversations_join(channel=public["id"])
    assert (await client.chat_postMessage(channel=public["id"], text="hi"))["ok"]
    slack.archive(public)
    assert await error_of(client.chat_postMessage(channel=public["id"], text="hi")) == "is_archived"
    assert await error_of(client.users_info(user="U1")) == "user_not_found"
    assert (await client.users_info(user=here.ada["id"]))["user"]["is_admin"]


async def test_a_token_is_good_for_its_own_workspace_and_scopes(here: Workspace) -> None:
    other = here.slack.team("Elsewhere")
    there = here.slack.channel(other, "general")
    assert await error_of(here.client.chat_postMessage(channel=there["id"], text="hi")) == "channel_not_found"
    assert (
        await error_of(AsyncWebClient(token="xoxb-wrong", base_url=f"{here.slack.url}/api/").auth_test())
        == "invalid_auth"
    )
    here.slack.scopes = ("chat:write",)
    here.client.token = here.slack.install(here.team).token
    with pytest.raises(SlackApiError) as refused:
        await here.client.users_info(user=here.ada["id"])
    assert refused.value.response["needed"] == "users:read"


async def test_a_thread_is_read_in_pages_with_its_metadata_for_who_asks(here: Workspace) -> None:
    parent = await here.slack.write(here.general, here.ada, "look")
    where = {"channel": here.general["id"], "ts": parent["ts"]}
    for number in range(3):
        metadata = {"event_type": "turn", "event_payload": {"number": number}}
        await here.client.chat_postMessage(
            channel=here.general["id"], thread_ts=parent["ts"], text=str(number), metadata=metadata
        )
    first = await here.client.conversations_replies(**where, limit=2, include_all_metadata=True)
    cursor = first["response_metadata"]["next_cursor"]
    rest = await here.client.conversations_replies(**where, limit=2, cursor=cursor)
    assert [one["text"] for one in first["messages"]] == ["look", "0", "1"]
    assert first["messages"][2]["metadata"]["event_payload"] == {"number": 1}
    assert [one["text"] for one in rest["messages"]] == ["look", "2"]
    assert "metadata" not in rest["messages"][1]
    assert rest["has_more"] is False


async def test_a_reply_whose_parent_is_gone_stands_beside_it_and_a_thread_with_replies_stays(here: Workspace) -> None:
    lonely, answered = [await here.slack.write(here.general, here.ada, one) for one in ("a", "b")]
    await here.slack.write(here.general, here.ben, "yes", thread=answered)
    for one in (lonely, answered):
        await here.slack.delete(one)
    ts = {"channel": here.general["id"], "text": "done"}
    beside = await here.client.chat_postMessage(**ts, thread_ts=lonely["ts"])
    inside = await here.client.chat_postMessage(**ts, thread_ts=answered["ts"])
    assert "thread_ts" not in beside["message"]
    assert inside["message"]["thread_ts"] == answered["ts"]
    gone = here.client.conversations_replies(channel=here.general["id"], ts=lonely["ts"])
    assert await error_of(gone) == "thread_not_found"
    here.slack.refuses_orphans = True
    assert await error_of(here.client.chat_postMessage(**ts, thread_ts=lonely["ts"])) == "thread_not_found"


async def test_posts_in_a_channel_are_a_second_apart_after_a_burst(here: Workspace) -> None:
    here.slack.limits.post_burst = 2
    for _ in range(2):
        await here.client.chat_postMessage(channel=here.general["id"], text="hi")
    with pytest.raises(SlackApiError) as refused:
        await here.client.chat_postMessage(channel=here.general["id"], text="hi")
    assert (refused.value.response.status_code, refused.value.response.headers["Retry-After"]) == (429, "1")
    here.clock.ahead = 1.1
    await here.client.chat_postMessage(channel=here.general["id"], text="hi")
    here.slack.limit("auth.test", retry_after=30)
    assert await error_of(here.client.auth_test()) == "ratelimited"
    assert (await here.client.auth_test())["ok"]
    assert here.slack.limited == 2


async def test_only_own_messages_are_changed_and_text_alone_takes_the_blocks_away(here: Workspace) -> None:
    theirs = await here.slack.write(here.general, here.ada, "mine")
    wrong = here.client.chat_update(channel=here.general["id"], ts=theirs["ts"], text="no")
    assert await error_of(wrong) == "cant_update_message"
    own = await here.client.chat_postMessage(channel=here.general["id"], text="a", blocks=BUTTONS)
    await here.client.chat_update(channel=here.general["id"], ts=own["ts"], text="b")
    (message,) = here.slack.told_in(here.general)
    assert (message["text"], "blocks" in message) == ("b", False)
    assert await error_of(here.client.chat_postMessage(channel=here.general["id"], text="")) == "no_text"
    refused = here.client.chat_postMessage(channel=here.general["id"], text="a", blocks=[{"type": "nonsense"}])
    assert await error_of(refused) == "invalid_blocks"


async def test_words_stream_into_a_message_that_then_stays(here: Workspace) -> None:
    parent = await here.slack.write(here.general, here.ada, here.bot)
    where = {"channel": here.general["id"], "thread_ts": parent["ts"]}
    assert await error_of(here.client.chat_startStream(**where)) == "missing_recipient_team_id"
    await here.client.assistant_threads_setStatus(channel_id=here.general["id"], thread_ts=parent["ts"], status="draws")
    assert here.slack.statuses == {(here.general["id"], parent["ts"]): "draws"}
    to = {"recipient_team_id": here.team["id"], "recipient_user_id": here.ada["id"]}
    stream = await here.client.chat_startStream(**where, **to, markdown_text="Oli")
    assert here.slack.statuses == {}
    own = {"channel": here.general["id"], "ts": stream["ts"]}
    await here.client.chat_appendStream(**own, markdown_text="via")
    assert await error_of(here.client.chat_update(**own, text="no")) == "streaming_state_conflict"
    await here.client.chat_stopStream(**own, blocks=BUTTONS)
    (message,) = here.slack.told_in(here.general, thread=parent)
    assert (message["text"], message["blocks"][0]["type"]) == ("Olivia", "actions")
    assert await error_of(here.client.chat_appendStream(**own, markdown_text="!")) == "message_not_in_streaming_state"


async def test_a_file_can_be_shown_once_slack_is_ready_with_it(here: Workspace) -> None:
    here.slack.limits.processing_seconds = 5
    uploaded = await here.client.files_upload_v2(filename="olivia.png", content=b"picture", alt_txt="Olivia")
    number = uploaded["file"]["id"]
    blocks = [{"type": "image", "alt_text": "Olivia", "slack_file": {"id": number}}]
    assert (await here.client.files_info(file=number))["file"]["mimetype"] == ""
    early = here.client.chat_postMessage(channel=here.general["id"], text="a", blocks=blocks)
    assert await error_of(early) == "invalid_blocks"
    here.clock.ahead = 6
    assert (await here.client.files_info(file=number))["file"]["mimetype"] == "image/png"
    await here.client.chat_postMessage(channel=here.general["id"], text="a", blocks=blocks)
    here.slack.limits.upload_bytes = 3
    large = here.client.files_getUploadURLExternal(filename="a.png", length=4)
    assert await error_of(large) == "file_upload_size_restricted"


async def test_a_file_is_for_who_has_a_token_which_no_redirect_may_take_along(here: Workspace) -> None:
    message = await here.slack.write(here.general, here.ada, "me", files=[("me.png", b"picture")])
    url = message["files"][0]["url_private"]
    allowed = {"Authorization": f"Bearer {here.team['token']}"}
    async with httpx.AsyncClient() as browser:
        assert (await browser.get(url, headers=allowed)).content == b"picture"
        assert (await browser.get(url)).headers["Content-Type"].startswith("text/html")
        here.slack.redirects_files = True
        assert (await browser.get(url, headers=allowed)).headers["Location"].startswith("http://localhost")


async def test_a_shared_channel_names_its_files_and_marks_strangers(here: Workspace) -> None:
    other = here.slack.team("Elsewhere", installed=False)
    cy = here.slack.person("Cy", other)
    shared = here.slack.channel(here.team, "shared", shared_with=other)
    heard = await here.connect()
    await here.slack.write(shared, cy, here.bot, files=[("cy.png", b"picture")])
    await here.slack.wire.settled()
    event = heard[0].payload
    assert (event["team_id"], event["is_ext_shared_channel"]) == (here.team["id"], True)
    (file,) = event["event"]["files"]
    assert file["file_access"] == "check_file_info"
    assert (await here.client.files_info(file=file["id"]))["file"]["name"] == "cy.png"
    assert (await here.client.users_info(user=cy["id"]))["user"]["is_stranger"]


async def test_an_event_comes_again_to_a_socket_that_does_not_acknowledge_it(here: Workspace) -> None:
    here.slack.wire.retries = (0.0, 0.0)
    here.slack.wire.acknowledge_seconds = 0.05
    calls: list[str] = []

    async def slow_at_first(request: SocketModeRequest) -> None:
        calls.append(request.payload["event_id"])
        if len(calls) == 1:
            await asyncio.sleep(0.1)

    heard = await here.connect(slow_at_first)
    here.slack.wire.lose_acknowledgements = 1
    await here.slack.write(here.slack.direct(here.ada), here.ada, "Olivia")
    await here.slack.wire.settled()
    assert len(set(calls)) == 1
    assert [one.retry_attempt for one in heard] == [0, 1, 2]
    (delivery,) = here.slack.wire.deliveries
    assert (delivery.acknowledged, delivery.reasons) == (True, ["timeout", "http_timeout"])


async def test_a_socket_that_is_asked_to_refresh_comes_again(here: Workspace) -> None:
    heard = await here.connect()
    old = list(here.slack.wire.sockets)
    await here.slack.wire.refresh()
    while not any(one not in old for one in here.slack.wire.sockets):
        await asyncio.sleep(0.01)
    await here.slack.write(here.general, here.ada, "after")
    await here.slack.wire.settled()
    assert [one.payload["event"]["text"] for one in heard] == ["after"]


async def test_over_http_requests_are_signed_and_come_again_until_one_is_answered(here: Workspace) -> None:
    verifier = SignatureVerifier(SIGNING_SECRET)
    retries: list[tuple[str | None, str | None]] = []

    async def answer(request: web.Request) -> web.Response:
        body = await request.text()
        assert verifier.is_valid_request(body, dict(request.headers))
        if request.content_type == "application/x-www-form-urlencoded":
            return web.Response(text="Drawing")
        if json.loads(body)["type"] == "url_verification":
            return web.Response(text=json.loads(body)["challenge"])
        told = request.headers
        retries.append((told.get("X-Slack-Retry-Num"), told.get("X-Slack-Retry-Reason")))
        return web.Response(status=200 if len(retries) == 2 else 503)

    app = web.Application()
    app.router.add_post("/slack/events", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        here.slack.wire.retries = (0.0, 0.0)
        assert not await here.slack.use_http("http://127.0.0.1:9/slack/events")
        assert await here.slack.use_http(f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events")
        await here.slack.write(here.general, here.ada, "hello")
        await here.slack.wire.settled()
        await here.slack.slash("/likeness", "status", here.ada, here.general)
    finally:
        await runner.cleanup()
    assert retries == [(None, None), ("1", "http_error")]
    assert [one["text"] for one in here.slack.whispered_to(here.ada)] == ["Drawing"]


async def test_a_button_and_its_answers(here: Workspace) -> None:
    heard = await here.connect()
    await here.client.chat_postMessage(channel=here.general["id"], text="a", blocks=BUTTONS)
    (message,) = here.slack.told_in(here.general)
    await here.slack.press(message, "again", here.ben)
    action = heard[-1].payload
    assert (action["actions"][0]["value"], action["message"]["ts"]) == ("7", message["ts"])
    webhook = AsyncWebhookClient(action["response_url"])
    assert (await webhook.send(text="only you")).status_code == 200
    assert [one["text"] for one in here.slack.whispered_to(here.ben)] == ["only you"]
    await webhook.send(text="b", replace_original=True)
    assert message["text"] == "b"
    await here.client.chat_postEphemeral(channel=here.general["id"], user=here.ben["id"], text="a", blocks=BUTTONS)
    await here.slack.press(here.slack.whispered_to(here.ben)[-1], "again", here.ben)
    assert "message" not in heard[-1].payload
    assert heard[-1].payload["container"]["is_ephemeral"]
    here.clock.ahead = 1900
    assert (await webhook.send(text="late")).status_code == 404


VIEW: Payload = {
    **{"type": "modal", "title": plain("New character"), "submit": plain("Save"), "callback_id": "new"},
    "blocks": [
        {
            "type": "input",
            "block_id": "n",
            "label": plain("Name"),
            "element": {"type": "plain_text_input", "action_id": "name"},
        },
        {
            "type": "input",
            "block_id": "p",
            "label": plain("Photos"),
            "element": {"type": "file_input", "action_id": "photos"},
        },
    ],
}


async def test_a_modal_is_opened_in_three_seconds_filled_in_and_closed(here: Workspace) -> None:
    answers: list[Payload] = [{"response_action": "errors", "errors": {"n": "That name is taken."}}, {}]

    async def answer(request: SocketModeRequest) -> Payload | None:
        if request.type == "slash_commands":
            await here.client.views_open(trigger_id=request.payload["trigger_id"], view=VIEW)
        return answers.pop(0) if request.payload.get("type") == "view_submission" else None

    heard = await here.connect(answer)
    with pytest.raises(ValueError, match="threads"):
        await here.slack.slash("/newcharacter", "", here.ada, here.general, thread={"ts": "1.0"})
    await here.slack.slash("/newcharacter", "Olivia", here.ada, here.general)
    command = heard[-1].payload
    assert (command["command"], command["text"]) == ("/newcharacter", "Olivia")
    again = here.client.views_open(trigger_id=command["trigger_id"], view=VIEW)
    assert await error_of(again) == "exchanged_trigger_id"
    view = here.slack.view_of(here.ada)
    assert view is not None
    with pytest.raises(ValueError, match="Photos"):
        await here.slack.submit(view, {"name": "Olivia"}, here.ada)
    values: dict[str, object] = {"name": "Olivia", "photos": [("o.png", b"picture")]}
    await here.slack.submit(view, values, here.ada)
    assert view["errors"] == {"n": "That name is taken."}
    await here.slack.submit(view, values, here.ada)
    assert here.slack.view_of(here.ada) is None
    sent = heard[-1].payload["view"]["state"]["values"]
    assert (sent["n"]["name"]["value"], sent["p"]["photos"]["files"][0]["name"]) == ("Olivia", "o.png")
    trigger = here.slack.trigger(here.ada)
    here.clock.ahead = 4
    assert await error_of(here.client.views_open(trigger_id=trigger, view=VIEW)) == "expired_trigger_id"


async def test_app_home_is_shown_and_a_shortcut_brings_its_message(here: Workspace) -> None:
    heard = await here.connect()
    await here.slack.open_home(here.ada)
    await here.client.views_publish(user_id=here.ada["id"], view={"type": "home", "blocks": BUTTONS})
    await here.slack.press(here.slack.homes[here.ada["id"]], "again", here.ada)
    message = await here.slack.write(here.general, here.ben, "me", files=[("me.png", b"picture")])
    await here.slack.shortcut(message, "use_as_reference", here.ada)
    await here.slack.wire.settled()
    kinds = [one.payload.get("event", one.payload)["type"] for one in heard]
    assert kinds == ["app_home_opened", "block_actions", "message", "message_action"]
    assert heard[1].payload["container"]["type"] == "view"
    assert heard[-1].payload["message"]["files"][0]["name"] == "me.png"


async def test_a_workspace_installs_with_tokens_that_rotate_and_removes_the_app(here: Workspace) -> None:
    here.slack.rotates_tokens = True
    other = here.slack.team("Elsewhere", installed=False)
    cy = here.slack.person("Cy", other, admin=True)
    back = "http://127.0.0.1:1/slack/oauth_redirect"
    asked = {"client_id": CLIENT_ID, "redirect_uri": back, "state": "s", "team": other["id"]}
    async with httpx.AsyncClient(base_url=here.slack.url) as browser:
        allowed = await browser.get("/oauth/v2/authorize", params=asked)
    told = parse_qs(urlparse(allowed.headers["Location"]).query)
    code = {"client_id": CLIENT_ID, "code": told["code"][0], "redirect_uri": back}
    assert await error_of(here.client.oauth_v2_access(**code, client_secret="wrong")) == "bad_client_secret"
    installed = await here.client.oauth_v2_access(**code, client_secret=CLIENT_SECRET)
    assert (told["state"], installed["authed_user"]["id"]) == (["s"], cy["id"])
    assert await error_of(here.client.oauth_v2_access(**code, client_secret=CLIENT_SECRET)) == "code_already_used"
    client = AsyncWebClient(token=installed["access_token"], base_url=f"{here.slack.url}/api/")
    here.clock.ahead = installed["expires_in"] + 1
    assert await error_of(client.auth_test()) == "token_expired"
    fresh = await here.client.oauth_v2_access(
        **{"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "grant_type": "refresh_token"},
        refresh_token=installed["refresh_token"],
    )
    client.token = fresh["access_token"]
    assert (await client.auth_test())["team_id"] == other["id"]
    heard = await here.connect()
    here.slack.uninstall(other)
    await here.slack.wire.settled()
    assert [one.payload["event"]["type"] for one in heard] == ["app_uninstalled", "tokens_revoked"]
    assert await error_of(client.auth_test()) == "account_inactive"


SECTION: Payload = {"type": "section", "text": {"type": "mrkdwn", "text": "Olivia"}}


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ({"type": "section", "text": plain("x" * 3001)}, "less than 3001"),
        ({"type": "header", "text": plain("x" * 151)}, "less than 151"),
        ({"type": "image", "alt_text": "x"}, "image_url and slack_file"),
        ({"type": "actions", "elements": [button("a"), button("a")]}, "action_id a already exists"),
        ({"type": "actions", "elements": [button("a", "x" * 76)]}, "less than 76"),
        ({"type": "actions", "elements": [button("x" * 256)]}, "less than 256"),
        (SECTION | {"accessory": {"type": "static_select", "options": []}}, "at least 1"),
        (SECTION | {"colour": "red"}, "additional property: colour"),
        ({"type": "input", "label": plain("a"), "element": {"type": "file_input"}}, "on this surface"),
    ],
)
def test_what_slack_refuses_about_a_message(block: Payload, said: str) -> None:
    (problem,) = problems_of_blocks([SECTION, block])
    assert said in problem
    assert "json-pointer:/blocks/1" in problem


def test_what_slack_takes_and_how_much_of_it() -> None:
    assert problems_of_blocks([SECTION] * 50) == []
    assert "50 items" in problems_of_blocks([SECTION] * 51)[0]
    assert problems_of_view(VIEW) == []
    assert problems_of_view({"type": "home", "blocks": [SECTION] * 100}) == []
    assert "less than 25" in problems_of_view(VIEW | {"title": plain("x" * 25)})[0]
    without = {name: value for name, value in VIEW.items() if name != "submit"}
    assert "submit is required" in problems_of_view(without)[0]
    assert "less than 3001" in problems_of_view(VIEW | {"private_metadata": "x" * 3001})[0]
