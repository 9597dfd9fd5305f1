"""Secrets that lie in the database sealed: whoever reads it without the keys, which only the environment has, reads nothing.

Of several keys the first seals and all of them open, so that a key can be replaced while everything runs. It knows neither
tables nor what the secrets are for.
"""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator


class KeyProblem(Exception):
    """There is no key, or none that fits; the message says what to do."""


class Keys:
    """Keys as a setting has them: 32 bytes each in URL-safe base64, with commas. Raises `KeyProblem`, which names the setting."""

    def __init__(self, keys: str, setting: str) -> None:
        self._setting = setting
        try:
            fernets = [Fernet(one.strip()) for one in keys.split(",") if one.strip()]
        except ValueError:
            raise KeyProblem(f"{setting} holds something that is no key. {HOW}") from None
        if not fernets:
            raise KeyProblem(f"{setting} is not set, and without a key no token can be kept. {HOW}")
        self._fernets = MultiFernet(fernets)

    def seal(self, secret: str) -> str:
        """As it may lie in the database."""
        return self._fernets.encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> str:
        """The secret. Raises `KeyProblem` when it was sealed with another key."""
        try:
            return self._fernets.decrypt(sealed).decode()
        except InvalidToken:
            raise self._foreign() from None

    def seal_again(self, sealed: str) -> str:
        """The same secret, sealed with the first key. Raises `KeyProblem` as `open` does."""
        try:
            return self._fernets.rotate(sealed).decode()
        except InvalidToken:
            raise self._foreign() from None

    def _foreign(self) -> KeyProblem:
        return KeyProblem(
            f"What lies in the database was sealed with a key that is not in {self._setting}. Add the old key behind the new one."
        )


HOW = "`openssl rand -base64 32 | tr '+/' '-_'` makes one."


class Sealed(TypeDecorator[str]):
    """Type of a column whose words are sealed on their way into the database, and opened on their way out."""

    impl = Text
    cache_ok = True

    def __init__(self, keys: Keys) -> None:
        super().__init__()
        self.keys = keys  # by this name, so that statements are cached by their keys

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Seal it."""
        return None if value is None else self.keys.seal(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Open it."""
        return None if value is None else self.keys.open(value)
