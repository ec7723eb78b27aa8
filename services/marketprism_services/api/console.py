"""The web console: the page at every address that is none of the API's, and the files that it loads."""

from __future__ import annotations

import asyncio

from aiohttp import web

from marketprism_console.files import POLICY, PREFIX, Asset, Console, read_console

# First parts of paths that belong to programs.
_OTHERS = frozenset({"api", "ws", "health", "metrics", "status", PREFIX.strip("/")})
_FOR_EVER = "public, max-age=31536000, immutable"


class ConsoleFiles:
    """Answers browsers, from memory."""

    def __init__(self) -> None:
        self._console: Console | None = None

    async def read(self) -> None:
        """Read them. Raises OSError where that cannot be done."""
        self._console = await asyncio.to_thread(read_console)

    def answer(self, request: web.Request) -> web.Response | None:
        """The page or the file that is asked for, None where neither is.

        Everybody may load them: they hold nothing but the product's own text, and what they show is asked for by
        requests that are looked at like any other.
        """
        if self._console is None or request.method not in ("GET", "HEAD"):
            return None
        if request.path.startswith(PREFIX):
            asset = self._console.find(request.path)
            return None if asset is None else _answered(request, asset, {"Cache-Control": _FOR_EVER})
        first = request.path.split("/", 2)[1]
        if first in _OTHERS or "text/html" not in request.headers.get("Accept", ""):
            return None
        return _answered(request, self._console.page, {"Cache-Control": "no-cache", "Vary": "Accept"})


def _answered(request: web.Request, asset: Asset, headers: dict[str, str]) -> web.Response:
    headers |= {"ETag": asset.tag, "Content-Security-Policy": POLICY, "Permissions-Policy": _NOTHING}
    body = asset.body
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        body = asset.gzipped
        headers["Content-Encoding"] = "gzip"
        headers["Vary"] = ", ".join(filter(None, (headers.get("Vary"), "Accept-Encoding")))
    return web.Response(body=body, content_type=asset.content_type, charset="utf-8", headers=headers)


_NOTHING = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
