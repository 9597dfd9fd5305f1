"""What Slack is told of the app: one JSON that makes it, generated from what the adapter registers and calls.

A test compares the lists here with the adapter's code, so that no scope is asked for that nothing needs.
"""

from __future__ import annotations

INSTALL_PATH = "/slack/install"
REDIRECT_PATH = "/slack/oauth_redirect"
SCOPES = ["app_mentions:read", "chat:write"]
