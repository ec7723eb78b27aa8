"""The past of a simulated venue as a server, with every fault that a venue has when it is asked for much.

A fault of a page (half of it, the one before once more, the wrong order, none) strikes one question `most` times at
most: what a venue lacks is said by `SimulatedPast.holes`, and a question that was asked three times has had its answer.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

import msgspec
from aiohttp import web

from marketprism_adapters.venues.kit.dialect import Reply
from marketprism_adapters.venues.kit.simulated_past import PastDialect, PastPage

PAGE_FAULTS = ("half", "repeat", "reversed", "empty")
HISTORY_FAULTS = ("rate_limit", "ban", "error", *PAGE_FAULTS, "slow", "cut", "gzip", "garbage", "checksum")
_MOST = 2
_SENSELESS = (ValueError, KeyError, TypeError)
Archive = Callable[[str], bytes | None]


class SimulatedHistoryServer:
    """`async with SimulatedHistoryServer(past) as venue`: `venue.rest_url`. `share` of the requests have a fault of
    `faults`, by `seed`; `wait_s` is what a 429 or 418 says to wait. `archive`: files below `/data/`,
    `has` whether there is one.

    `asked` counts requests by path, `struck` faults by name.
    """

    def __init__(
        self,
        past: PastDialect,
        *,
        seed: int = 7,
        share: float = 0.0,
        faults: Sequence[str] = HISTORY_FAULTS,
        wait_s: float = 0.05,
        latency_s: float = 0.0,
        archive: Archive | None = None,
        has: Callable[[str], bool] | None = None,
        most: int = _MOST,
    ) -> None:
        self.past = past
        self._chance = random.Random(seed)
        self._share, self._faults, self._wait_s, self._latency_s = share, tuple(faults), wait_s, latency_s
        self._archive, self._has, self._most = archive, has, most
        self._times: Counter[str] = Counter()
        self._before: Sequence[object] = ()
        self.asked: Counter[str] = Counter()
        self.struck: Counter[str] = Counter()
        self.first_asked_ms = 0

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    def inflict(self, faults: Sequence[str], *, share: float, most: int = _MOST) -> None:
        """From now on these faults, of this share of the requests, and of one question so often at most."""
        self._faults, self._share, self._most = tuple(faults), share, most
        self._times.clear()

    def serve(self, archive: Archive) -> None:
        """From now on these files."""
        self._archive = archive

    @property
    def files(self) -> Archive:
        """What the archive has at a path."""
        return self._archive or (lambda _: None)

    @property
    def rest_url(self) -> str:
        """Where requests go, files too."""
        return f"http://127.0.0.1:{self.port}"

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.asked[request.path] += 1
        if self._latency_s:
            await asyncio.sleep(self._latency_s)
        fault = self._fault(request.path_qs)
        if fault in ("rate_limit", "ban", "error", "slow"):
            refused = await self._refusal(fault)
            if refused is not None:
                return refused
        if request.path.startswith("/data/"):
            if request.method == "HEAD" and self._has is not None:
                return web.Response(status=200 if self._has(request.path) else 404)
            return self._file(request.path, fault)
        try:
            found = self.past.answer(request.path, request.query)
        except _SENSELESS as error:
            found = Reply(400, {"code": 400, "msg": repr(error)})
        if isinstance(found, PastPage):
            found = Reply(200, found.wrap(self._page(found, fault)))
        reply = found or Reply(404, {"code": 404, "msg": f"no such path: {request.path}"})
        return await self._send(request, reply, fault)

    def _fault(self, question: str) -> str:
        """What befalls this request, nothing as a rule."""
        if not self._faults or self._chance.random() >= self._share:
            return ""
        fault = self._chance.choice(self._faults)
        if fault in (*PAGE_FAULTS, "checksum", "cut", "garbage", "error"):
            self._times[question] += 1
            if self._times[question] > self._most or (fault == "checksum" and self._times[question] >= self._most > 1):
                return ""
        self.struck[fault] += 1
        return fault

    async def _refusal(self, fault: str) -> web.Response | None:
        if fault == "slow":
            await asyncio.sleep(min(0.1, self._wait_s * 2))
            return None
        if fault == "error":
            return web.json_response({"code": -1, "msg": "internal"}, status=503)
        status = 429 if fault == "rate_limit" else 418
        text = {"code": -1003, "msg": "Too many requests."}
        return web.json_response(text, status=status, headers={"Retry-After": f"{self._wait_s:g}"})

    def _page(self, page: PastPage, fault: str) -> list[object]:
        before = self._before
        if fault != "repeat":
            self._before = page.rows
        if fault == "half":
            return list(page.rows[: len(page.rows) // 2])
        if fault == "reversed":
            return list(page.rows[::-1])
        if fault == "empty":
            return []
        same = before and page.rows and _form(before[0]) == _form(page.rows[0])
        return list(before if fault == "repeat" and same else page.rows)

    async def _send(self, request: web.Request, reply: Reply, fault: str) -> web.StreamResponse:
        body = msgspec.json.encode(reply.body)
        if fault == "garbage":
            return web.Response(body=b"<html>502</html>", status=200)
        if fault == "gzip":
            packer = zlib.compressobj(wbits=31)
            packed = packer.compress(body) + packer.flush()
            headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
            return web.Response(body=packed, status=reply.status, headers=headers)
        if fault == "cut":
            response = web.StreamResponse(status=200, headers={"Content-Length": str(len(body))})
            await response.prepare(request)
            await response.write(body[: len(body) // 2])
            if request.transport is not None:
                request.transport.abort()
            return response
        return web.Response(body=body, status=reply.status, content_type="application/json")

    def _file(self, path: str, fault: str) -> web.Response:
        data = self._archive(path) if self._archive is not None else None
        if data is None:
            return web.Response(status=404)
        if fault == "checksum" and path.endswith(".CHECKSUM"):
            data = hashlib.sha256(b"wrong").hexdigest().encode() + data[64:]
        return web.Response(body=data)


def _form(row: object) -> object:
    """What rows of one sort have in common: their fields, or how many there are."""
    return tuple(row) if isinstance(row, dict) else len(row) if isinstance(row, list) else None


def answer_about_the_past(past: PastDialect | None, path: str, query: Mapping[str, str]) -> Reply | None:
    """The answer of a market to a request about the past, without faults; None where it is none."""
    found = None if past is None else past.answer(path, query)
    return Reply(200, found.wrap(list(found.rows))) if isinstance(found, PastPage) else found


__all__ = ["HISTORY_FAULTS", "PAGE_FAULTS", "SimulatedHistoryServer", "answer_about_the_past"]
