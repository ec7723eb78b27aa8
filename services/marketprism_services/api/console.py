"""The web console: the page at every address that is none of the API's, and the files that it loads."""

from __future__ import annotations

import asyncio

from aiohttp import web

from marketprism_console.files import POLICY, PREFIX, Asset, Console, read_console

# First parts of paths that belong to programs.
_OTHERS = frozenset({"api", "ws", "health", "metrics", "status", PREFIX.strip("/")})
_FOR_EVER = "public, max-age=31536000, immutable"


class ConsoleFiles:
    """Answers browsers, from memory, once `open` is set. The files are made ready for the first one that asks, which
    takes half a second of work: most programs that start have no browser."""

    def __init__(self) -> None:
        self.open = False
        self._reading: asyncio.Task[Console] | None = None

    async def answer(self, request: web.Request) -> web.Response | None:
        """The page or the file that is asked for, None where neither is.

        Everybody may load them: they hold nothing but the product's own text, and what they show is asked for by
        requests that are looked at like any other.

        Raises:
            OSError: they cannot be read.
        """
        if not self.open or request.method not in ("GET", "HEAD"):
            return None
        if request.path.startswith(PREFIX):
            asset = (await self._read()).find(request.path)
            return None if asset is None else _answered(request, asset, {"Cache-Control": _FOR_EVER})
        first = request.path.split("/", 2)[1]
        if first in _OTHERS or "text/html" not in request.headers.get("Accept", ""):
            return None
        page = (await self._read()).page
        return _answered(request, page, {"Cache-Control": "no-cache", "Vary": "Accept"})

    async def _read(self) -> Console:
        """The files, made ready once for all who ask meanwhile."""
        reading = self._reading
        if reading is None or (reading.done() and reading.exception() is not None):
            reading = self._reading = asyncio.create_task(asyncio.to_thread(read_console), name="console")
        return await asyncio.shield(reading)


def _answered(request: web.Request, asset: Asset, headers: dict[str, str]) -> web.Response:
    headers |= {"ETag": asset.tag, "Content-Security-Policy": POLICY, "Permissions-Policy": _NOTHING}
    body = asset.body
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        body = asset.gzipped
        headers["Content-Encoding"] = "gzip"
        headers["Vary"] = ", ".join(filter(None, (headers.get("Vary"), "Accept-Encoding")))
    return web.Response(body=body, content_type=asset.content_type, charset="utf-8", headers=headers)


_NOTHING = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
