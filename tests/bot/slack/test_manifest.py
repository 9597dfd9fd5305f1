"""The manifest says what the adapter does: what it registers with Bolt, and which methods its code calls."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack import NotSetUp, manifest
from bot.slack.app import LISTENERS
from ops.local.slack import LocalSlack
from ops.local.slack_api import WebApi
from storage.settings import Settings

SITE = "https://likeness.example.org"
FOLDER = Path(manifest.__file__).parent
METHOD = re.compile(r"[\"']([a-z]+(?:\.[A-Za-z]+)+)[\"']")


class Bolt:
    """Notes what listeners are registered for."""

    def __init__(self) -> None:
        self.event, self.command, self.shortcut, self.action, self.view = (self._noting() for _ in range(5))
        self.error = self._noting()

    def _noting(self) -> Any:
        def note(what: object) -> Any:
            note.seen.add(what)  # type: ignore[attr-defined]
            return lambda listener: listener

        note.seen = set()  # type: ignore[attr-defined]
        return note


def registered() -> Bolt:
    bolt = Bolt()
    for module in LISTENERS:
        module.register(SimpleNamespace(app=bolt, services=None))  # as much as registering needs
    return bolt


def api_methods() -> dict[str, str]:
    """The methods of slack_sdk's client by name, and the methods of Slack that they call."""
    found = {}
    for name, function in inspect.getmembers(AsyncWebClient, inspect.isfunction):
        called = METHOD.search(inspect.getsource(function).partition("self.api_call(")[2])
        if called is not None and called[1].replace(".", "_") == name:
            found[name] = called[1]
    return found


def test_the_methods_are_those_that_the_adapter_calls() -> None:
    known = api_methods()
    assert known["chat_postMessage"] == "chat.postMessage"
    named = {
        node.attr
        for file in FOLDER.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute)
    }
    called = {known[name] for name in named & known.keys()}
    assert called == set(manifest.METHODS)


def test_events_commands_and_shortcuts_are_those_that_are_registered() -> None:
    made, bolt = manifest.manifest(SITE, socket=False, one=False), registered()
    heard = {one.partition(".")[0] for one in made["settings"]["event_subscriptions"]["bot_events"]}
    assert heard == bolt.event.seen
    assert {one["command"] for one in made["features"]["slash_commands"]} == bolt.command.seen
    assert {one["callback_id"] for one in made["features"]["shortcuts"]} == bolt.shortcut.seen


def test_the_scopes_are_those_that_methods_and_events_need() -> None:
    local = WebApi(LocalSlack())._methods
    for method in manifest.METHODS:
        needed = set(local[method][1]) if method in local else set()
        assert not needed or needed & set(manifest.SCOPES), method
    needed = {one for table in (manifest.METHODS, manifest.EVENTS) for scopes in table.values() for one in scopes}
    assert set(manifest.SCOPES) == needed | {"commands"}


@pytest.mark.parametrize("socket", [False, True])
@pytest.mark.parametrize("one", [False, True])
def test_slack_would_take_it(socket: bool, one: bool) -> None:
    made = manifest.manifest(f"{SITE}/", socket=socket, one=one)
    features, settings, oauth = made["features"], made["settings"], made["oauth_config"]
    assert len(made["display_information"]["description"]) <= 140
    assert len(features["agent_view"]["agent_description"]) <= 300
    assert len(features["shortcuts"]) <= 10
    for shortcut in features["shortcuts"]:
        assert len(shortcut["name"]) <= 24
        assert len(shortcut["description"]) <= 150
    for command in features["slash_commands"]:
        assert re.fullmatch(r"/[a-z_-]{1,31}", command["command"])
        assert len(command["usage_hint"]) <= 1000
    addresses = {settings[one].get("request_url") for one in ("event_subscriptions", "interactivity")}
    addresses |= {command.get("url") for command in features["slash_commands"]}
    assert addresses == {None if socket else f"{SITE}/slack/events"}
    assert settings["socket_mode_enabled"] is socket
    assert settings["token_rotation_enabled"] is not one, "a token that is a setting must not expire"
    assert oauth.get("redirect_urls") == (None if one else [f"{SITE}/slack/oauth_redirect"])


def test_a_bot_that_slack_cannot_reach_gets_no_manifest() -> None:
    with pytest.raises(NotSetUp, match="--socket"):
        manifest.manifest("", socket=False, one=True)
    with pytest.raises(NotSetUp, match="--url"):
        manifest.manifest("", socket=True, one=False)
    with pytest.raises(NotSetUp, match="https://"):
        manifest.manifest("http://likeness.example.org", socket=False, one=False)
    assert manifest.manifest("", socket=True, one=True)["settings"]["socket_mode_enabled"]


def test_the_docs_name_every_command_and_shortcut_and_no_setting_that_does_not_exist() -> None:
    docs = Path("docs/slack.md").read_text()
    made = manifest.manifest(SITE, socket=False, one=False)["features"]
    for name in [one["command"] for one in made["slash_commands"]] + [one["name"] for one in made["shortcuts"]]:
        assert f"`{name}`" in docs or f"*{name}*" in docs
    settings = {f"LIKENESS_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"LIKENESS_[A-Z_]*[A-Z]", docs)) <= settings
