"""What Slack is told of the app: one JSON that makes it, generated from what the adapter hears, offers and calls.

Scopes follow from the methods that are called and the events that are heard. A test compares all of it with the adapter's
code, so that nothing is asked for that nothing needs.
"""

from __future__ import annotations

from typing import Any

from bot import catalogue
from bot.slack import NotSetUp, shortcuts
from bot.slack.windows import COMMANDS

EVENTS_PATH = "/slack/events"  # events, commands and interactions alike
INSTALL_PATH = "/slack/install"
REDIRECT_PATH = "/slack/oauth_redirect"
ABOUT = "Draws the people of your story and keeps their likeness through the conversation."
HISTORY = ("channels:history", "groups:history", "im:history")
PLACES = ("channels:read", "groups:read", "im:read")

METHODS: dict[str, tuple[str, ...]] = {
    "apps.connections.open": (),  # its token is the app's own
    "assistant.threads.setStatus": ("assistant:write",),
    "auth.test": (),
    "chat.appendStream": ("chat:write",),
    "chat.delete": ("chat:write",),
    "chat.getPermalink": (),
    "chat.postMessage": ("chat:write",),
    "chat.startStream": ("chat:write",),
    "chat.stopStream": ("chat:write",),
    "chat.update": ("chat:write",),
    "conversations.history": HISTORY,
    "conversations.info": PLACES,
    "conversations.join": ("channels:join",),
    "conversations.members": PLACES,
    "conversations.replies": HISTORY,
    "files.completeUploadExternal": ("files:write",),
    "files.delete": ("files:write",),
    "files.getUploadURLExternal": ("files:write",),
    "files.info": ("files:read",),
    "users.info": ("users:read",),
    "views.open": (),
    "views.publish": (),
    "views.update": (),
}
"""The methods of the Web API that the adapter calls, and the scopes that each needs."""

EVENTS: dict[str, tuple[str, ...]] = {
    "app_home_opened": (),
    "app_mention": ("app_mentions:read",),
    "app_uninstalled": (),
    "message.channels": ("channels:history",),
    "message.groups": ("groups:history",),
    "message.im": ("im:history",),
    "tokens_revoked": (),
}
"""The events that the adapter hears, and the scopes that each needs."""

SHORTCUTS = {
    "reference": "Make a character of the pictures in this message",
    "branch": "Go on from this picture, whatever was drawn after it",
    "report": "Tell those who run the bot what is wrong with a picture",
}
SCOPES = sorted({"commands", *(one for table in (METHODS, EVENTS) for scopes in table.values() for one in scopes)})


def manifest(url: str, *, socket: bool, one: bool) -> dict[str, Any]:  # Any: JSON
    """The manifest of the app. `url` is where Slack and those who install it reach the bot.

    `one`: it stays in one workspace, whose token is a setting and must not expire; there Socket Mode needs no address.
    Raises `NotSetUp` when Slack could not reach the bot.
    """
    site = url.rstrip("/")
    if not site and not (socket and one):
        raise NotSetUp("Say where Slack reaches the bot, with --url https://…, or choose --socket and --one-workspace.")
    if site and not site.startswith("https://"):
        raise NotSetUp(f"Slack takes addresses with https:// only, and not {site}.")
    events = site + EVENTS_PATH
    return {
        "_metadata": {"major_version": 2},
        "display_information": {"name": "Likeness", "description": ABOUT},
        "features": {
            "agent_view": {"agent_description": ABOUT},
            "app_home": {
                "home_tab_enabled": True,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": False,
            },
            "bot_user": {"display_name": "Likeness", "always_online": True},
            "shortcuts": [
                {
                    "type": "message",
                    "name": catalogue.said(f"menu.{key}"),
                    "callback_id": callback_id,
                    "description": SHORTCUTS[key],
                }
                for callback_id, key in shortcuts.NAMES.items()
            ],
            "slash_commands": [
                {
                    "command": name,
                    "description": catalogue.said(about),
                    "usage_hint": hint,
                    "should_escape": False,
                    **({} if socket else {"url": events}),
                }
                for name, (about, hint) in COMMANDS.items()
            ],
        },
        "oauth_config": {
            "scopes": {"bot": SCOPES},
            **({} if one else {"redirect_urls": [site + REDIRECT_PATH]}),
        },
        "settings": {
            "event_subscriptions": {"bot_events": list(EVENTS), **({} if socket else {"request_url": events})},
            "interactivity": {"is_enabled": True, **({} if socket else {"request_url": events})},
            "org_deploy_enabled": False,
            "socket_mode_enabled": socket,
            "token_rotation_enabled": not one,
        },
    }
