"""What workspaces and conversations prefer: which engine draws, and whether every message in a thread counts.

A conversation's own engine comes before the workspace's, and that before the one of the installation. It knows the settings'
names and what engines live; who may change what is for those to ask who call it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage.tables import Conversation, Worker, Workspace
from storage.turns import DEAD_AFTER

ENGINE = "engine"
EVERY_MESSAGE = "every_message"


@dataclass(frozen=True, slots=True)
class Preferences:
    """What holds somewhere. `engine` is what draws there; the other two are what was chosen, or None."""

    engine: str
    workspace_engine: str | None
    conversation_engine: str | None
    every_message: bool


def read(session: Session, workspace_id: UUID, conversation_id: UUID | None, *, engine: str) -> Preferences:
    """What holds in a workspace, or in one of its conversations; `engine` is what draws where nothing was chosen."""
    workspace = workspace_settings(session, workspace_id)
    conversation: dict[str, Any] = {}
    if conversation_id is not None:
        conversation = (
            session.scalar(
                select(Conversation.settings).where(
                    Conversation.workspace_id == workspace_id, Conversation.id == conversation_id
                )
            )
            or {}
        )
    chosen, own = workspace.get(ENGINE), conversation.get(ENGINE)
    return Preferences(own or chosen or engine, chosen, own, workspace.get(EVERY_MESSAGE) is True)


def workspace_settings(session: Session, workspace_id: UUID) -> dict[str, Any]:
    """What was chosen for a workspace, by the settings' names."""
    return session.scalar(select(Workspace.settings).where(Workspace.id == workspace_id)) or {}


def set_workspace_setting(session: Session, workspace_id: UUID, name: str, value: str | bool | None) -> None:
    """Choose something for a workspace; with None nothing is chosen any more. Repeating it is no harm."""
    row = session.scalars(select(Workspace).where(Workspace.id == workspace_id).with_for_update(key_share=True)).one()
    row.settings = _with(row.settings, name, value)


def set_conversation_setting(
    session: Session, workspace_id: UUID, conversation_id: UUID, name: str, value: str | None
) -> None:
    """Choose something for a conversation, as for a workspace."""
    row = session.scalars(
        select(Conversation)
        .where(Conversation.workspace_id == workspace_id, Conversation.id == conversation_id)
        .with_for_update(key_share=True)
    ).one()
    row.settings = _with(row.settings, name, value)


def live_engines(session: Session, *, heartbeat_seconds: float) -> dict[str, list[tuple[int, int]]]:
    """The engines that live workers hold, by name, each with the sizes of its pictures in pixels, the default first."""
    rows = session.execute(
        select(Worker.engine, Worker.abilities)
        .where(
            Worker.heartbeat_at > func.now() - timedelta(seconds=DEAD_AFTER * heartbeat_seconds),
            Worker.stopping.is_(False),
            Worker.paused.is_(False),
        )
        .order_by(Worker.engine, Worker.started_at)
    )
    return {engine: [(width, height) for width, height in abilities.get("sizes", ())] for engine, abilities in rows}


def _with(settings: dict[str, Any], name: str, value: str | bool | None) -> dict[str, Any]:
    others = {key: kept for key, kept in settings.items() if key != name}
    return others if value is None else {**others, name: value}
