"""What Slack is told of the app: one JSON that makes it, generated from what the adapter hears and calls.

Scopes follow from the methods that are called and the events that are heard; a test compares both, the commands and the
shortcuts with the adapter's code, so that nothing is asked for that nothing needs.
"""

from __future__ import annotations

EVENTS_PATH = "/slack/events"
INSTALL_PATH = "/slack/install"
REDIRECT_PATH = "/slack/oauth_redirect"

# By the names that the client's methods have.
METHODS: dict[str, tuple[str, ...]] = {
    "auth_test": (),
    "oauth_v2_access": (),
    "views_open": (),
    "views_update": (),
    "views_publish": (),
    "chat_postMessage": ("chat:write",),
    "chat_postEphemeral": ("chat:write",),
    "chat_update": ("chat:write",),
    "chat_delete": ("chat:write",),
    "conversations_replies": ("channels:history", "groups:history", "im:history", "mpim:history"),
    "conversations_info": ("channels:read", "groups:read", "im:read", "mpim:read"),
    "conversations_join": ("channels:join",),
    "files_getUploadURLExternal": ("files:write",),
    "files_completeUploadExternal": ("files:write",),
    "files_info": ("files:read",),
    "users_info": ("users:read",),
    "assistant_threads_setStatus": ("assistant:write",),
}
EVENTS: dict[str, tuple[str, ...]] = {
    "app_mention": ("app_mentions:read",),
    "message.channels": ("channels:history",),
    "message.groups": ("groups:history",),
    "message.im": ("im:history",),
    "message.mpim": ("mpim:history",),
    "app_home_opened": (),
    "app_uninstalled": (),
    "tokens_revoked": (),
}
COMMANDS: dict[str, str] = {}
SHORTCUTS: dict[str, str] = {}
SCOPES = sorted({"commands", *(scope for table in (METHODS, EVENTS) for scopes in table.values() for scope in scopes)})
