"""The page of the local Slack: what is written and pressed there reaches the app, and what the app shows is on it."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from rich.console import Console

from ops.local import run
from ops.local.slack import LocalSlack
from ops.local.slack_page import SILENCE, Page
from ops.local.slack_wire import Payload
from ops.one_machine import OneMachine
from storage.settings import Settings
from storage.tables import Status
from tests.bot.helpers import until
from tests.factory import Factory


@dataclass
class Here:
    """A server with a channel and two people, and a browser on its page. No app listens."""

    slack: LocalSlack
    browser: httpx.AsyncClient
    team: Payload
    general: Payload
    ada: Payload
    ben: Payload

    async def page(self, **query: str) -> str:
        return (await self.browser.get(f"/channels/{self.general['id']}", params=query)).text

    async def do(self, path: str, query: dict[str, str] | None = None, /, **form: str) -> str:
        answer = await self.browser.post(f"/channels/{self.general['id']}/{path}", params=query, data=form)
        assert answer.status_code == 200
        return answer.text

    def app_says(self, **fields: object) -> Payload:
        said = {"user": self.team["bot"]["id"], "bot_id": self.team["bot_id"], "text": "", **fields}
        return self.slack.post(self.general, said)


@pytest.fixture
async def here() -> AsyncIterator[Here]:
    slack = LocalSlack()
    await slack.start(pages=Page(slack).add_to)
    team = slack.team("Storytellers")
    ada, ben = slack.person("Ada", team, admin=True), slack.person("Ben", team)
    async with httpx.AsyncClient(base_url=slack.url, follow_redirects=True) as browser:
        yield Here(slack, browser, team, slack.channel(team, "general"), ada, ben)
    await slack.stop()


def plain(text: str) -> Payload:
    return {"type": "plain_text", "text": text}


async def test_what_is_written_is_shown_and_mentions_the_app_in_a_thread_too(here: Here) -> None:
    page = await here.do("say", text="@Likeness <b>Olivia</b> & co")
    (first,) = here.slack.messages[here.general["id"]]
    assert first["text"] == f"<@{here.team['bot']['id']}> &lt;b&gt;Olivia&lt;/b&gt; &amp; co"
    assert "@Likeness</span> &lt;b&gt;Olivia&lt;/b&gt; &amp; co" in page
    await here.do("say", {"thread": first["ts"], "as": here.ben["id"]}, text="at night")
    reply = here.slack.messages[here.general["id"]][1]
    assert (reply["thread_ts"], reply["user"]) == (first["ts"], here.ben["id"])
    assert "at night" not in await here.page()
    assert "at night" in await here.page(thread=first["ts"])


async def test_marks_and_links_are_shown_and_nothing_else(here: Here) -> None:
    words = '*bold* _slanted_ <https://example.org/"onclick="x|here> <script> <@U1> 3 * 4 * 5'
    here.app_says(text=words, blocks=here.slack.checked_blocks([{"type": "markdown", "text": words}]))
    page = await here.page()
    assert "<b>bold</b> <i>slanted</i>" in page
    assert '<a href="https://example.org/&#34;onclick=&#34;x">here</a>' in page.replace("&quot;", "&#34;")
    assert "3 * 4 * 5" in page
    assert "<script> " not in page


async def test_a_command_reaches_the_app_except_in_a_thread(here: Here) -> None:
    here.slack.commands = [{"command": "/likeness", "description": "Settings"}]
    assert SILENCE in await here.do("say", text="/likeness status")  # no app listens here
    assert "not a valid command" in await here.do("say", text="/unknown")
    assert "not supported in threads" in await here.do("say", {"thread": "1.0"}, text="/likeness status")
    assert [one.payload["text"] for one in here.slack.wire.deliveries] == ["status"]
    assert "not supported" not in await here.do("say", text="good morning"), "that was about the command"


async def test_what_is_pressed_and_chosen_reaches_the_app(here: Here) -> None:
    here.slack.shortcuts = [{"type": "message", "name": "Draw from here", "callback_id": "branch"}]
    options = [{"text": plain(one), "value": one} for one in ("red", "blue")]
    elements = [
        {"type": "button", "action_id": "again", "text": plain("🔁 Again"), "value": "7"},
        {"type": "static_select", "action_id": "colour", "options": options},
    ]
    message = here.app_says(blocks=here.slack.checked_blocks([{"type": "actions", "elements": elements}]))
    assert "Draw from here" in await here.page()
    used = {"where": message["ts"], "block": message["blocks"][0]["block_id"]}
    await here.do("press", {"as": here.ben["id"]}, **used, what="again", value="7")
    await here.do("press", **used, what="colour", value="blue")
    await here.do("choose", where=message["ts"], what="branch")
    again, colour, branch = [one.payload for one in here.slack.wire.deliveries if one.kind == "interactive"]
    assert (again["user"]["id"], again["actions"][0]["value"]) == (here.ben["id"], "7")
    assert colour["actions"][0]["selected_option"]["value"] == "blue"
    assert (branch["callback_id"], branch["message"]["ts"]) == ("branch", message["ts"])


async def test_a_modal_is_for_one_person_and_sent_with_its_files(here: Here) -> None:
    inputs = [
        {"type": "input", "block_id": "name", "label": plain("Name"), "element": {"type": "plain_text_input"}},
        {"type": "input", "block_id": "photos", "label": plain("Photos"), "element": {"type": "file_input"}},
    ]
    trigger = here.slack.triggers[here.slack.trigger(here.ada)]
    shown = {"type": "modal", "title": plain("A new character"), "submit": plain("Save"), "blocks": inputs}
    view = here.slack.open_view(trigger, here.slack.checked_view(shown))
    assert "A new character" in await here.page()
    assert "A new character" not in await here.page(**{"as": here.ben["id"]})
    submit = f"/channels/{here.general['id']}/submit"
    filled = {"view": view["id"], "name": "Olivia"}
    assert "Photos: this is required." in (await here.browser.post(submit, data=filled)).text
    await here.browser.post(submit, data=filled, files={"photos": ("o.png", b"picture")})
    (sent,) = here.slack.wire.deliveries
    values = sent.payload["view"]["state"]["values"]
    assert [one["name"] for one in next(iter(values["photos"].values()))["files"]] == ["o.png"]
    await here.do("close", view=view["id"])
    assert here.slack.view_of(here.ada) is None


async def test_pictures_and_app_home_are_shown(here: Here) -> None:
    file = here.slack.add_file("olivia.png", b"picture", here.team["bot"])
    image = {"type": "image", "alt_text": "Olivia", "slack_file": {"id": file["id"]}}
    here.app_says(blocks=here.slack.checked_blocks([image]))
    assert f'<img src="/pictures/{file["id"]}" alt="Olivia">' in await here.page()
    assert (await here.browser.get(f"/pictures/{file['id']}")).content == b"picture"
    home = f"/channels/{here.slack.direct(here.ada)['id']}?tab=home"
    assert "nothing here yet" in (await here.browser.get(home)).text
    (opened,) = [one for one in here.slack.wire.deliveries if one.event.get("type") == "app_home_opened"]
    assert opened.event["tab"] == "home"
    here.slack.publish(here.ada, here.slack.checked_view({"type": "home", "blocks": [image]}))
    assert 'alt="Olivia"' in (await here.browser.get(home)).text


async def test_a_whisper_is_seen_by_its_person_alone_until_it_is_dismissed(here: Here) -> None:
    told = {
        "channel": here.general["id"],
        "ts": here.slack.new_ts(),
        "to": here.ada["id"],
        "text": "Tell me whom to draw.",
    }
    here.slack.ephemeral.append(told)
    assert "whom to draw" in await here.page()
    assert "whom to draw" not in await here.page(**{"as": here.ben["id"]})
    assert "whom to draw" not in await here.do("dismiss", where=told["ts"])


async def test_a_form_of_another_page_is_refused(here: Here) -> None:
    elsewhere = {"Origin": "http://elsewhere.example"}
    say = f"/channels/{here.general['id']}/say"
    assert (await here.browser.post(say, data={"text": "hello"}, headers=elsewhere)).status_code == 403
    assert (await here.browser.get("/channels/nonsense")).status_code == 404
    assert not here.slack.messages[here.general["id"]]


@pytest.mark.parametrize("mode", ["http", "socket"])
async def test_the_command_runs_the_bot_on_it_in_either_mode(settings: Settings, factory: Factory, mode: str) -> None:
    machine = OneMachine(settings.model_copy(update={"slack_mode": mode}), None)
    said = io.StringIO()
    serving = asyncio.create_task(run.slack(machine, 0, Console(file=said)))
    try:
        await until(lambda: "http://" in said.getvalue() or serving.done())
        (url,) = re.findall(r"http://\S+", said.getvalue())
        async with httpx.AsyncClient(base_url=url, follow_redirects=True) as browser:
            channel = (await browser.get("/")).url.path
            await browser.post(f"{channel}/say", data={"text": "@Likeness Olivia"})
        await until(lambda: factory.count(Status.QUEUED) == 1)
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
