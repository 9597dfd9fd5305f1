"""What admins do on any platform: look at their workspace, pause it, give it a quota, block people; and what operators do.

An admin manages one workspace and sees and changes nothing else. Workers draw for all workspaces, so only operators
(`LIKENESS_OPERATORS`) pause them or see where they run. Whether somebody is an admin the platform says (`Admin.manages`); it
is asked here and nowhere else. Everything is answered in sentences, and every change is noted with who made it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from bot.characters import Author
from bot.services import Services
from storage import admin, turns, votes, workers
from storage.admin import Standing, turns_of
from storage.workers import WorkerView

NOT_ADMIN = "Only an admin can do that here."
NOT_OPERATOR = "Workers draw for everybody, so only the operators of this bot can pause or resume one."
DONE_BEFORE = "Done."
NAMED = 10  # people who are named in one line, at most
LISTED = 20  # workers that are listed, at most


@dataclass(frozen=True, slots=True)
class Admin:
    """Who gives a command and where, by the platform's own ids."""

    platform: str
    workspace: str
    author: Author
    source_id: str
    manages: bool  # whether the platform lets them manage the place
    workspace_name: str = ""


class Administration:
    """Of one process's services. What each command says is returned."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._settings = services.settings

    async def status(self, by: Admin) -> str:
        """How it stands in the workspace."""

        def look(session: Session, workspace_id: UUID) -> str:
            live = turns.live_workers(session, self._settings.heartbeat_seconds)
            return "\n".join(_status_lines(admin.standing(session, workspace_id), live))

        return await self._look(by, look)

    async def pause(self, by: Admin) -> str:
        """Take no turns in any more."""

        def change(session: Session, workspace_id: UUID) -> str:
            if not admin.set_paused(session, workspace_id, paused=True):
                return "I am paused here already."
            return "Paused. I take nothing in here until you resume me; what waits already is still drawn."

        return await self._change(by, "pause", {}, change)

    async def resume(self, by: Admin) -> str:
        """Take turns in again."""

        def change(session: Session, workspace_id: UUID) -> str:
            resumed = admin.set_paused(session, workspace_id, paused=False)
            return "Resumed. I draw here again." if resumed else "I am not paused here."

        return await self._change(by, "resume", {}, change)

    async def quota(self, by: Admin, count: int) -> str:
        """How many turns everybody has a day; 0 is without an end."""

        def change(session: Session, workspace_id: UUID) -> str:
            admin.set_quota(session, workspace_id, count)
            if not count:
                return "There is no quota here now."
            return f"Everybody has {turns_of(count)} a day here now. Days begin at midnight UTC."

        return await self._change(by, "quota", {"turns": count}, change)

    async def block(self, by: Admin, person: Author) -> str:
        """Take no turns in from a person any more."""
        if by.manages and person.id == by.author.id:
            return "You cannot block yourself."

        def change(session: Session, workspace_id: UUID) -> str:
            person_id = turns.person(session, workspace_id, person.id, person.name)
            if not admin.set_blocked(session, workspace_id, person_id, blocked=True):
                return f"{person.name} is blocked already."
            return f"{person.name} is blocked: I take nothing in from them here. What they wait for is still drawn."

        return await self._change(by, "block", {"person": person.id}, change)

    async def unblock(self, by: Admin, person: Author) -> str:
        """Take turns in from a person again."""

        def change(session: Session, workspace_id: UUID) -> str:
            person_id = turns.person(session, workspace_id, person.id, person.name)
            unblocked = admin.set_blocked(session, workspace_id, person_id, blocked=False)
            return f"{person.name} is not blocked any more." if unblocked else f"{person.name} is not blocked."

        return await self._change(by, "unblock", {"person": person.id}, change)

    async def votes(self, by: Admin, share: int | None = None) -> str:
        """What people thought of pictures; with a share, how many percent of the turns are drawn by two from now on."""
        if share is not None:

            def change(session: Session, workspace_id: UUID) -> str:
                admin.set_compared(session, workspace_id, share)
                if not share:
                    return "Nothing is drawn by two to be compared any more."
                return f"{share} % of what is said here is drawn by two, side by side, where a worker knows what to compare with."

            return await self._change(by, "compare", {"share": share}, change)
        return await self._look(by, lambda session, workspace_id: "\n".join(_vote_lines(session, workspace_id)))

    # -- workers -------------------------------------------------------------------------------------------------------

    async def workers(self, by: Admin) -> str:
        """The workers; an admin sees what they did for the workspace, an operator what they did at all, and where they are."""
        operates = self._operates(by)

        def look(session: Session, workspace_id: UUID) -> str:
            found = self._workers(session, None if operates else workspace_id)
            lines = [_worker_line(one, operates=operates) for one in found[:LISTED]]
            if len(found) > LISTED:
                lines.append(f"And {len(found) - LISTED} more.")
            return "\n".join(lines) or "No worker has given a sign of life lately."

        return await self._look(by, look, may=by.manages or operates)

    async def pause_worker(self, by: Admin, which: str) -> str:
        """Give a worker, by its id or the end of it, no more turns."""

        def pause(session: Session, one: WorkerView) -> str:
            if not workers.set_paused(session, one.id, paused=True):
                return f"Worker {one.short} is paused already."
            said = f"Worker {one.short} is paused: it ends what it draws and takes nothing more."
            left = turns.live_workers(session, self._settings.heartbeat_seconds).get(one.engine, 0)
            return said if left else f"{said} Nobody draws with {one.engine} now."

        return await self._change_worker(by, "pause worker", which, pause)

    async def resume_worker(self, by: Admin, which: str) -> str:
        """Give a worker, by its id or the end of it, turns again."""
        engines: list[str] = []

        def resume(session: Session, one: WorkerView) -> str:
            engines.append(one.engine)
            resumed = workers.set_paused(session, one.id, paused=False)
            return f"Worker {one.short} takes turns again." if resumed else f"Worker {one.short} is not paused."

        said = await self._change_worker(by, "resume worker", which, resume)
        for engine in set(engines):
            await asyncio.to_thread(self._services.bell.ring_until, engine, 1)
        return said

    async def worker_choices(self, by: Admin, typed: str) -> list[tuple[str, str]]:
        """What an operator may mean by what they typed so far: a line and an id for each worker. Nothing for others."""
        if not self._operates(by):
            return []
        found = await self._services.database.arun(self._workers, None)
        lines = [(f"{one.short} {one.engine}, {_state(one)}, {one.host}", str(one.id)) for one in found]
        return [(line, worker_id) for line, worker_id in lines if typed.strip().lower() in line.lower()]

    def _operates(self, by: Admin) -> bool:
        return self._settings.is_operator(by.platform, by.author.id)

    def _workers(self, session: Session, workspace_id: UUID | None) -> list[WorkerView]:
        seconds = self._settings.heartbeat_seconds
        return workers.listed(session, heartbeat_seconds=seconds, workspace_id=workspace_id)

    async def _change_worker(
        self, by: Admin, action: str, which: str, change: Callable[[Session, WorkerView], str]
    ) -> str:
        if not self._operates(by):
            return NOT_OPERATOR if by.manages else NOT_ADMIN

        meant = which.strip().lower()
        found = await self._services.database.arun(self._workers, None)
        one = next((one for one in found if meant in (str(one.id), one.short)), None)
        if one is None:
            return "I know no such worker; it may have ended."
        return await self._change(
            by, action, {"worker": str(one.id)}, lambda session, _: change(session, one), may=True
        )

    # -- what all have in common ---------------------------------------------------------------------------------------

    async def _look(self, by: Admin, look: Callable[[Session, UUID], str], *, may: bool | None = None) -> str:
        if not (by.manages if may is None else may):
            return NOT_ADMIN
        return await self._services.database.arun(
            lambda session: look(session, turns.workspace(session, by.platform, by.workspace, by.workspace_name))
        )

    async def _change(
        self,
        by: Admin,
        action: str,
        details: dict[str, Any],  # Any: JSON
        change: Callable[[Session, UUID], str],
        *,
        may: bool | None = None,
    ) -> str:
        def once(session: Session, workspace_id: UUID) -> str:
            person_id = turns.person(session, workspace_id, by.author.id, by.author.name)
            if not admin.note(session, workspace_id, person_id, by.source_id, action, details):
                return DONE_BEFORE
            return change(session, workspace_id)

        return await self._look(by, once, may=may)


def _status_lines(found: Standing, live: dict[str, int]) -> list[str]:
    rules = found.rules
    lines = [
        "Paused: nothing is taken in until I am resumed." if rules.paused else "I draw here.",
        f"Turns: {found.waiting} waiting, {found.running} being drawn, {found.finished} finished today (UTC).",
        f"Quota: {turns_of(rules.quota)} a person and day." if rules.quota else "Quota: none.",
        f"Workers: {', '.join(f'{count} with {engine}' for engine, count in sorted(live.items())) or 'none is live'}.",
    ]
    if found.most_active:
        lines.append(f"Most active today: {', '.join(f'{name} ({count})' for name, count in found.most_active)}.")
    if found.blocked:
        more = len(found.blocked) - NAMED
        named = ", ".join(found.blocked[:NAMED]) + (f" and {more} more" if more > 0 else "")
        lines.append(f"Blocked: {named}.")
    return lines


def _vote_lines(session: Session, workspace_id: UUID) -> list[str]:
    liked, disliked = votes.tally(session, workspace_id)
    lines = [f"Votes on pictures: {liked} up, {disliked} down."]
    for one in votes.comparisons(session, workspace_id):
        low, high = one.interval()
        lines.append(
            f"{one.configuration} was better than {one.other} in {one.wins} of {one.votes} votes: "
            f"{one.rate:.0%}, 95 % interval {low:.0%} to {high:.0%}."
        )
    return lines


def _state(one: WorkerView) -> str:
    if not one.live:
        return "silent"
    if one.stopping:
        return "stopping"
    if one.paused:
        return "paused, ends a drawing" if one.drawing else "paused"
    return "drawing" if one.drawing else "live"


def _worker_line(one: WorkerView, *, operates: bool) -> str:
    """A worker in words. What is counted is of the workspace alone where an admin asks who is no operator."""
    drawn = f"{turns_of(one.drawn)} {'' if operates else 'of yours '}in the last hour"
    where = f", on {one.host}" if operates else ""
    return (
        f"{one.short} {one.engine} ({one.fingerprint[:16]}): {_state(one)}, {drawn}, "
        f"heard of {round(one.silent)} s ago{where}"
    )
