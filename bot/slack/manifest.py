"""What Slack is told of the app: one JSON that makes it, generated from what the adapter hears and calls.

Scopes follow from the methods that are called and the events that are heard; a test compares both, the commands and the
shortcuts with the adapter's code, so that nothing is asked for that nothing needs.
"""

from __future__ import annotations

EVENTS_PATH = "/slack/events"  # events, commands and interactions alike
INSTALL_PATH = "/slack/install"
REDIRECT_PATH = "/slack/oauth_redirect"

# By the names that the client's methods have. Of several scopes in one line every method needs one for each kind of channel.
METHODS: dict[str, tuple[str, ...]] = {
    "auth_test": (),
    "chat_delete": ("chat:write",),
    "chat_postEphemeral": ("chat:write",),
    "chat_postMessage": ("chat:write",),
    "chat_update": ("chat:write",),
    "conversations_history": ("channels:history", "groups:history", "im:history"),
    "conversations_info": ("channels:read", "groups:read", "im:read"),
    "conversations_join": ("channels:join",),
    "conversations_replies": ("channels:history", "groups:history", "im:history"),
    "files_completeUploadExternal": ("files:write",),
    "files_getUploadURLExternal": ("files:write",),
    "files_info": ("files:read",),
    "users_conversations": ("channels:read", "groups:read", "im:read"),
    "users_info": ("users:read",),
    "views_open": (),
    "views_publish": (),
    "views_update": (),
}
EVENTS: dict[str, tuple[str, ...]] = {
    "app_home_opened": (),
    "app_mention": ("app_mentions:read",),
    "app_uninstalled": (),
    "message.channels": ("channels:history",),
    "message.groups": ("groups:history",),
    "message.im": ("im:history",),
    "tokens_revoked": (),
}
COMMANDS = {"/newcharacter": "newcharacter", "/likeness": "likeness"}
SHORTCUTS = {"likeness_reference": "reference", "likeness_branch": "branch", "likeness_report": "report"}
SCOPES = sorted({"commands", *(one for table in (METHODS, EVENTS) for scopes in table.values() for one in scopes)})


def manifest(url: str, *, socket: bool) -> dict[str, Any]:  # Any: JSON
    """The manifest, of schema 2. `url` is where Slack reaches the bot; Socket Mode needs it for installations only.

    Raises `NotSetUp` when there is no way for Slack to reach the bot.
    """
    site = url.rstrip("/")
    if not site and not socket:
        raise NotSetUp("Say where Slack reaches the bot, with --url https://…, or choose --socket.")
    if site and not site.startswith("https://"):
        raise NotSetUp(f"Slack takes https:// addresses only, and not {site}.")
    asked = {} if socket else {"request_url": site + EVENTS_PATH}
    commands = [
        {
            "command": name,
            "description": catalogue.said(f"{key}.about"),
            "should_escape": True,
            **({} if socket else {"url": site + EVENTS_PATH}),
        }
        for name, key in COMMANDS.items()
    ]
    return {
        "_metadata": {"major_version": 2},
        "display_information": {"name": "Likeness", "description": ABOUT, "background_color": "#3b3560"},
        "features": {
            "app_home": {
                "home_tab_enabled": True,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": False,
            },
            "agent_view": {"agent_description": ABOUT},
            "bot_user": {"display_name": "Likeness", "always_online": True},
            "shortcuts": [
                {"type": "message", "name": catalogue.said(f"menu.{key}"), "callback_id": id_, "description": about}
                for id_, (key, about) in SHORTCUTS.items()
            ],
            "slash_commands": commands,
        },
        "oauth_config": {
            "scopes": {"bot": SCOPES},
            **({"redirect_urls": [site + REDIRECT_PATH]} if site else {}),
        },
        "settings": {
            "event_subscriptions": {"bot_events": sorted(EVENTS), **asked},
            "interactivity": {"is_enabled": True, **asked},
            "org_deploy_enabled": False,
            "socket_mode_enabled": socket,
            "token_rotation_enabled": bool(site),
        },
    }
