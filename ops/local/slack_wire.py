"""How the local Slack reaches the app: Socket Mode, and signed requests over HTTP, with what Slack does when nobody answers.

It knows neither messages nor people: it carries payloads, notes what was acknowledged and how, and tries events again.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import json
import time
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlencode

import aiohttp
from aiohttp import WSMsgType, web

Payload = dict[str, Any]  # Any: JSON as Slack has it
Kind = Literal["events_api", "interactive", "slash_commands"]

ACKNOWLEDGE_SECONDS = 3.0
RETRIES = (0.0, 60.0, 300.0)  # seconds before each further attempt of an event
SOCKETS = 10  # that an app may have at once


@dataclass(slots=True)
class Delivery:
    """Something for the app, and what became of it."""

    kind: Kind
    payload: Payload
    attempts: int = 0
    acknowledged: bool = False
    answer: Payload = field(default_factory=dict)  # what came with the acknowledgement
    reasons: list[str] = field(default_factory=list)  # why each attempt that failed did, in Slack's words
    sent_at: float = 0.0  # of the first attempt, in seconds of `time.perf_counter`; likewise below
    acknowledged_at: float = 0.0
    finished: asyncio.Event = field(default_factory=asyncio.Event)  # acknowledged, or given up

    @property
    def event(self) -> Payload:
        """The event inside; nothing for an interaction or a command."""
        event: Payload = self.payload.get("event", {})
        return event


class Socket:
    """One connection of Socket Mode."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.socket = socket
        self.leaving = False  # it was told to go, and gets nothing new
        self.waiting: dict[str, asyncio.Future[Payload | None]] = {}  # by envelope; None when the socket closes


class Wire:
    """The way to one app. Over HTTP once `request_url` is set, in Socket Mode before."""

    def __init__(self, *, app_id: str, signing_secret: str, clock: Callable[[], float]) -> None:
        self.app_id = app_id
        self.signing_secret = signing_secret
        self.clock = clock
        self.request_url: str | None = None
        self.acknowledge_seconds = ACKNOWLEDGE_SECONDS
        self.retries: tuple[float, ...] = RETRIES
        self.lose_acknowledgements = 0  # so many of the next ones never arrive, as when a connection breaks
        self.deliveries: list[Delivery] = []  # in the order in which they came up
        self.sockets: list[Socket] = []
        self.tickets: set[str] = set()  # of addresses for sockets, each good for one
        self._turn = itertools.count()
        self._tasks: set[asyncio.Task[None]] = set()
        self._client: aiohttp.ClientSession | None = None

    async def stop(self) -> None:
        """Give up what is under way, and close all connections."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.drop()
        if self._client is not None:
            await self._client.close()

    def send(self, kind: Kind, payload: Payload) -> Delivery:
        """Begin to deliver; an event is tried again, an interaction is not."""
        delivery = Delivery(kind, json.loads(json.dumps(payload)))
        self.deliveries.append(delivery)
        self.later(self._deliver(delivery, self.retries if kind == "events_api" else ()))
        return delivery

    def again(self, delivery: Delivery) -> None:
        """Deliver an event once more, as Slack does when an acknowledgement was lost."""
        delivery.finished.clear()
        self.later(self._deliver(delivery, self.retries))

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something in the background, until `stop`."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settled(self) -> None:
        """Wait until everything so far was acknowledged or given up."""
        for delivery in list(self.deliveries):
            await delivery.finished.wait()

    async def verify(self, url: str) -> bool:
        """Ask an address whether it is the app's, as Slack does when somebody enters it; use it if so."""
        challenge = uuid.uuid4().hex
        body = json.dumps({"type": "url_verification", "token": "local", "challenge": challenge}).encode()
        try:
            status, answer, _ = await self._request(url, body, {"Content-Type": "application/json"})
        except _Failed:
            return False
        if status != 200 or challenge not in (answer.get("challenge"), answer.get("text")):
            return False
        self.request_url = url
        return True

    async def refresh(self, reason: str = "refresh_requested") -> None:
        """Ask all sockets to go and come again."""
        for one in list(self.sockets):
            one.leaving = True
            await one.socket.send_json({"type": "disconnect", "reason": reason, "debug_info": {"host": "local"}})

    async def drop(self) -> None:
        """Cut all sockets."""
        for one in list(self.sockets):
            await one.socket.close()

    # -- attempts ------------------------------------------------------------------------------------------------------

    async def _deliver(self, delivery: Delivery, retries: tuple[float, ...]) -> None:
        try:
            for pause in (None, *retries):
                if pause is not None:
                    await asyncio.sleep(pause)
                delivery.attempts += 1
                delivery.sent_at = delivery.sent_at or time.perf_counter()
                try:
                    answer = await (self._by_http(delivery) if self.request_url else self._by_socket(delivery))
                except _Failed as failed:
                    delivery.reasons.append(failed.reason)
                    if failed.final:
                        return
                    continue
                if self.lose_acknowledgements:
                    self.lose_acknowledgements -= 1
                    delivery.reasons.append("http_timeout")
                    continue
                delivery.acknowledged, delivery.answer = True, answer
                delivery.acknowledged_at = time.perf_counter()
                return
        finally:
            delivery.finished.set()

    async def _by_socket(self, delivery: Delivery) -> Payload:
        ready = [one for one in self.sockets if not one.leaving and not one.socket.closed]
        if not ready:
            raise _Failed("connection_failed")
        chosen, envelope = ready[next(self._turn) % len(ready)], str(uuid.uuid4())
        told: Payload = {"envelope_id": envelope, "payload": delivery.payload, "type": delivery.kind}
        told["accepts_response_payload"] = delivery.kind != "events_api"
        if delivery.kind == "events_api":
            told |= {"retry_attempt": delivery.attempts - 1, "retry_reason": (delivery.reasons or [""])[-1]}
        answer: asyncio.Future[Payload | None] = asyncio.get_running_loop().create_future()
        chosen.waiting[envelope] = answer
        try:
            await chosen.socket.send_json(told)
            payload = await asyncio.wait_for(answer, self.acknowledge_seconds)
        except TimeoutError:
            raise _Failed("timeout") from None
        except ConnectionError:
            raise _Failed("connection_failed") from None
        finally:
            chosen.waiting.pop(envelope, None)
        if payload is None:
            raise _Failed("connection_failed")
        return payload

    async def _by_http(self, delivery: Delivery) -> Payload:
        assert self.request_url is not None
        headers = {"Content-Type": "application/json"}
        if delivery.kind == "events_api":
            body = json.dumps(delivery.payload).encode()
        else:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            command = delivery.kind == "slash_commands"
            form = delivery.payload if command else {"payload": json.dumps(delivery.payload)}
            body = urlencode(form).encode()
        if delivery.attempts > 1:
            headers |= {"X-Slack-Retry-Num": str(delivery.attempts - 1), "X-Slack-Retry-Reason": delivery.reasons[-1]}
        status, answer, told = await self._request(self.request_url, body, headers)
        if not 200 <= status < 300:
            raise _Failed("http_error", final=told.get("X-Slack-No-Retry") == "1")
        return answer

    async def _request(self, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, Payload, Any]:
        """Post a signed body: status, answer (words as its `text`), headers. Raises `_Failed` without an answer in time."""
        if self._client is None:
            self._client = aiohttp.ClientSession(trust_env=False)
        stamp = str(int(self.clock()))
        headers |= {
            **{"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature(self.signing_secret, stamp, body)},
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        }
        timeout = aiohttp.ClientTimeout(total=self.acknowledge_seconds)
        try:
            async with self._client.post(url, data=body, headers=headers, timeout=timeout, max_redirects=2) as answer:
                words = await answer.text()
        except TimeoutError:
            raise _Failed("http_timeout") from None
        except aiohttp.ClientError:
            raise _Failed("connection_failed") from None
        if answer.content_type == "application/json":
            return answer.status, json.loads(words or "{}") or {}, answer.headers
        return answer.status, {"text": words} if words else {}, answer.headers

    # -- Socket Mode ---------------------------------------------------------------------------------------------------

    def ticket(self) -> str:
        """A ticket for one socket."""
        ticket = str(uuid.uuid4())
        self.tickets.add(ticket)
        return ticket

    async def link(self, request: web.Request) -> web.StreamResponse:
        """Serve one socket."""
        ticket = request.query.get("ticket", "")
        if ticket not in self.tickets:
            return web.Response(status=404)
        self.tickets.remove(ticket)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        own = Socket(socket)
        self.sockets.append(own)
        if len(self.sockets) > SOCKETS:
            await socket.send_json({"type": "disconnect", "reason": "too_many_websockets", "debug_info": {}})
            own.leaving = True
        debug = {"host": "local", "build_number": 1, "approximate_connection_time": 18060}
        hello = {"type": "hello", "num_connections": len(self.sockets), "connection_info": {"app_id": self.app_id}}
        await socket.send_json(hello | {"debug_info": debug})
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    _acknowledge(own, json.loads(message.data))
        finally:
            self.sockets.remove(own)
            for answer in own.waiting.values():
                if not answer.done():
                    answer.set_result(None)
        return socket


def _acknowledge(socket: Socket, told: Payload) -> None:
    answer = socket.waiting.get(told.get("envelope_id", ""))
    if answer is not None and not answer.done():
        answer.set_result(told.get("payload") or {})


def signature(secret: str, stamp: str, body: bytes) -> str:
    """The signature of a request, of version 0."""
    return "v0=" + hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()


class _Failed(Exception):
    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.final = reason, final
