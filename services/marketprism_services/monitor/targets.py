"""`GET /sd`: what Prometheus is to scrape, by its HTTP service discovery.

Ports are chosen at the start and instances come and go, so no list in a file can be right. An instance that is gone is
listed for some minutes more: only a target that is known can be seen to be down.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from aiohttp import web

from marketprism_sdk.messaging import InstanceRecord

LISTED_S = 600.0
_ANYWHERE = ("0.0.0.0", "::", "")  # noqa: S104 (compared, not listened at)

Target = dict[str, object]


class ScrapeTargets:
    """Instances with an HTTP side, as they were seen last.

    One that said that it ends, or that another of its name and address has taken the place of, is not listed any more.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, listed_s: float = LISTED_S) -> None:
        self._clock = clock
        self._listed_s = listed_s
        self._seen: dict[str, tuple[InstanceRecord, float]] = {}

    def look(self, records: Iterable[InstanceRecord]) -> None:
        """Remember who is there now."""
        now = self._clock()
        for record in records:
            if record.status == "draining":
                self._seen.pop(record.key, None)
            elif "http" in record.endpoints:
                self._seen[record.key] = record, now
        newest = {_address_of(record): record.key for record, _ in sorted(self._seen.values(), key=_started)}
        self._seen = {
            key: (record, at)
            for key, (record, at) in self._seen.items()
            if now - at <= self._listed_s and newest[_address_of(record)] == key
        }

    def listed(self) -> list[Target]:
        """One group a target: `host:port`, and labels `service`, `instance`, `group` and `version`."""
        return [_target(record) for record, _ in sorted(self._seen.values(), key=lambda seen: seen[0].key)]

    async def answer(self, _: web.Request) -> web.Response:
        """The list as JSON."""
        return web.json_response(self.listed())


def _started(seen: tuple[InstanceRecord, float]) -> int:
    return seen[0].ts_started


def _address_of(record: InstanceRecord) -> str:
    """Where it is asked; one that listens everywhere is asked at its host's name."""
    url = urlsplit(record.endpoints["http"])
    host = url.hostname or ""
    if host in _ANYWHERE:
        host = str(record.metadata.get("host", "")) or "127.0.0.1"
    return f"[{host}]:{url.port}" if ":" in host else f"{host}:{url.port}"


def _target(record: InstanceRecord) -> Target:
    labels = {
        "__scheme__": urlsplit(record.endpoints["http"]).scheme,
        "service": record.service,
        "instance": record.instance,
        "version": record.version,
        **({"group": record.group} if record.group else {}),
    }
    return {"targets": [_address_of(record)], "labels": labels}


__all__ = ["LISTED_S", "ScrapeTargets"]
