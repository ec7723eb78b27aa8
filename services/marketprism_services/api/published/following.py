"""Requests whose answer is followed: a service is asked again while somebody listens, and each change is an event.

Server-sent events, of which each is the whole state: whoever comes again with the id of the last one (`Last-Event-ID`)
is sent nothing until there is another. `state` is followed by `end` where nothing more becomes of it; `refused` says
why it cannot be followed any longer. After either the connection is closed, and nobody need come again.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from marketprism_application.access.principal import Principal
from marketprism_application.contracts.failures import Code
from marketprism_sdk.errors import RemoteError, SdkError
from marketprism_sdk.messaging import HttpState
from marketprism_services.api.stream.settings import StreamSettings

ASK_S = 1.0  # between two questions
_QUIET_S = 10.0  # after which a line that means nothing shows whether somebody still listens
_STALL_S = 30.0  # for which an event may wait to be taken
_HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_AGAIN = b"retry: 2000\n\n"

Ask = Callable[[], Awaitable[HttpState]]


class Followers:
    """Everybody who follows an answer at this instance, each class of principals so many at once as of streams."""

    def __init__(self, settings: StreamSettings) -> None:
        self._settings = settings
        self._open: dict[asyncio.Event, Principal] = {}
        self._is_draining = False

    def end(self, of: str) -> int:
        """Close what was opened with a credential that was revoked, or by a principal or its keys; returns how many."""
        found = [ended for ended, who in self._open.items() if of in (who.credential, who.id, f"user:{who.owner}")]
        for ended in found:
            ended.set()
        return len(found)

    def drain(self) -> None:
        """Take no more, and close all: whoever follows comes again elsewhere."""
        self._is_draining = True
        for ended in self._open:
            ended.set()

    async def serve(self, request: web.Request, who: Principal, ask: Ask) -> web.StreamResponse:
        """Send the state and each change of it. Raises what the first question raises, and RemoteError: UNAVAILABLE
        while this instance ends, TOO_MANY_REQUESTS, INVALID_PARAMETER of a request that cannot be answered in parts."""
        if self._is_draining:
            raise RemoteError(Code.UNAVAILABLE, "this instance takes no more connections", retryable=True)
        if request.version < (1, 1):
            raise RemoteError(Code.INVALID_PARAMETER, "request: expected HTTP/1.1 for events")
        most = self._settings.limits_of(who.limits).connections
        if Counter(each.id for each in self._open.values())[who.id] >= most:
            raise RemoteError(
                Code.TOO_MANY_REQUESTS, f"connections: expected at most {most} at once, were more", retryable=True
            )
        ended = asyncio.Event()
        self._open[ended] = who
        try:
            first = await ask()
            response = web.StreamResponse(headers=_HEADERS)
            response.force_close()
            await response.prepare(request)
            try:
                await self._follow(response, request, ended, first, ask)
            except (ConnectionError, TimeoutError):  # who has followed is gone, or takes nothing
                if request.transport is not None:
                    request.transport.abort()
            return response
        finally:
            del self._open[ended]

    @staticmethod
    async def _follow(
        response: web.StreamResponse, request: web.Request, ended: asyncio.Event, first: HttpState, ask: Ask
    ) -> None:
        known, state = request.headers.get("Last-Event-ID", ""), first
        await _write(response, _AGAIN)
        written = time.monotonic()
        while True:
            body = msgspec.json.encode(state.data)
            name = hashlib.blake2b(body, digest_size=8).hexdigest()
            if name != known:
                known = name
                await _write(response, b"id: %b\nevent: state\ndata: %b\n\n" % (name.encode(), body))
                written = time.monotonic()
            if state.is_last:
                await _write(response, b"event: end\ndata: {}\n\n")
                return
            if time.monotonic() - written >= _QUIET_S:
                await _write(response, b":\n\n")
                written = time.monotonic()
            if await _waited(ended):
                return
            try:
                state = await ask()
            except SdkError as error:
                if not error.retryable:
                    code = error.code if isinstance(error, RemoteError) else Code.UNAVAILABLE
                    body = msgspec.json.encode({"code": str(code), "message": str(error)})
                    await _write(response, b"event: refused\ndata: %b\n\n" % body)
                    return


async def _write(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(_STALL_S):
        await response.write(data)


async def _waited(ended: asyncio.Event) -> bool:
    """Whether it was ended before it was time to ask again."""
    try:
        async with asyncio.timeout(ASK_S):
            await ended.wait()
    except TimeoutError:
        return False
    return True


__all__ = ["Followers"]
