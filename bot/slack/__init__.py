"""The Slack adapter: turns Slack's events into requests, and replies into messages. Nothing of Slack leaves this folder."""

from __future__ import annotations


class NotSetUp(Exception):
    """The bot cannot be on Slack; the message says what to do."""
