"""`GET /sd`: what Prometheus is to scrape, by its HTTP service discovery.

Ports are chosen at the start and instances come and go, so no list in a file can be right. An instance that is gone is
listed for some minutes more: only a target that is known can be seen to be down.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

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
        self._seen: dict[str, _Seen] = {}

    def look(self, records: Iterable[InstanceRecord]) -> None:
        """Remember who is there now."""
        now = self._clock()
        for record in records:
            if record.status == "draining":
                self._seen.pop(record.key, None)
            elif (address := _address_of(record)) is not None:
                self._seen[record.key] = _Seen(record, address, now)
        newest = {seen.address: key for key, seen in sorted(self._seen.items(), key=_started)}
        self._seen = {
            key: seen
            for key, seen in self._seen.items()
            if now - seen.at <= self._listed_s and newest[seen.address] == key
        }

    def listed(self) -> list[Target]:
        """One group a target: `host:port`, and labels `service`, `instance`, `group` and `version`."""
        return [_target(seen) for _, seen in sorted(self._seen.items())]

    async def answer(self, _: web.Request) -> web.Response:
        """The list as JSON."""
        return web.json_response(self.listed())


class _Seen(NamedTuple):
    """An instance, where it is asked, and when it was there, by the own clock."""

    record: InstanceRecord
    address: SplitResult
    at: float


def _started(item: tuple[str, _Seen]) -> int:
    return item[1].record.ts_started


def _address_of(record: InstanceRecord) -> SplitResult | None:
    """Scheme, host and port; one that listens everywhere is asked at its host's name. None where that is no address:
    anybody who writes to the registry could end the monitor with it."""
    try:
        url = urlsplit(record.endpoints.get("http", ""))
        if not url.port or url.scheme not in ("http", "https"):
            return None
    except ValueError:
        return None
    host = url.hostname or ""
    if host in _ANYWHERE:
        host = str(record.metadata.get("host", "")) or "127.0.0.1"
    return SplitResult(url.scheme, f"[{host}]:{url.port}" if ":" in host else f"{host}:{url.port}", "", "", "")


def _target(seen: _Seen) -> Target:
    record = seen.record
    labels = {
        "__scheme__": seen.address.scheme,
        "service": record.service,
        "instance": record.instance,
        "version": record.version,
        **({"group": record.group} if record.group else {}),
    }
    return {"targets": [seen.address.netloc], "labels": labels}


__all__ = ["LISTED_S", "ScrapeTargets"]
