"""The Discord adapter: turns Discord's events into requests, and replies into messages. Nothing of Discord leaves this folder."""

from __future__ import annotations


class NoToken(Exception):
    """The bot cannot log in; the message says what to do."""
