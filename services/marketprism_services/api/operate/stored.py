"""`/api/v1/system/streams/{name}` and `/api/v1/system/buckets`: what streams and buckets hold, read where it lies.

Messages are read by direct get, which moves nobody's cursor: of a work queue a consumer would take them. Which streams
and buckets there are to be seen is a list; what holds users, sessions and keys is on none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from aiohttp import web

from marketprism_adapters.http.envelope import Stamp, answered, count_of
from marketprism_adapters.nats import streams
from marketprism_adapters.nats.access_store import ACCESS, FAILURES, ROWS, SESSIONS
from marketprism_adapters.nats.audit_log import AUDIT
from marketprism_application.access.principal import Principal
from marketprism_application.access.refusals import AccessRefused
from marketprism_application.access.scopes import Scope
from marketprism_application.contracts.failures import Code
from marketprism_application.contracts.nearest import did_you_mean
from marketprism_sdk.election import LEASES
from marketprism_sdk.errors import StreamMissing
from marketprism_sdk.messaging import DEAD_LETTERS, DONE, REGISTRY
from marketprism_sdk.messaging import STREAM as COMMANDS
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import nanoseconds
from marketprism_services.api.access.login import private
from marketprism_services.api.computing import computed
from marketprism_services.api.endpoint import Endpoint, principal_of
from marketprism_services.api.operate.parameters import (
    BucketParameters,
    MessagesParameters,
    NoParameters,
    StreamParameters,
)
from marketprism_services.api.operate.stored_messages import message_row, value_row
from marketprism_services.api.operate.stored_reading import StoredReader
from marketprism_services.api.read.entitled import NotEntitled
from marketprism_services.api.row_counts import check_rows, take_rows

STREAMS = (*streams.MARKET_STREAMS, COMMANDS, DEAD_LETTERS)
_MARKET_BUCKETS = (streams.LATEST_TICKS, streams.LATEST_BARS, streams.QUALITY, streams.STREAM_STATES)
BUCKETS = (
    *_MARKET_BUCKETS,
    DONE,
    LEASES,
    REGISTRY,
    streams.AGGREGATOR_SHARDS,
    streams.GATEWAY_ORDERS,
    streams.RULES,
    streams.SOURCE_POSITIONS,
    streams.STORE_RANGES,
    streams.VALIDATOR_SHARDS,
)
_OF_IDENTITY = (ACCESS, FAILURES, ROWS, SESSIONS)
_WEIGHT = 10
_STREAM = "/api/v1/system/streams/{name}"
_BUCKETS = "/api/v1/system/buckets"


class StoredApi:
    """For who may see the system; market data of it for who may see all market data."""

    def __init__(self, connection: NatsConnection) -> None:
        self._reader = StoredReader(connection)

    def endpoints(self) -> list[Endpoint]:
        """Streams one by one, and buckets."""
        return [
            Endpoint("GET", _STREAM, self._stream, Scope.SYSTEM, weight=_WEIGHT),
            Endpoint("GET", f"{_STREAM}/messages", self._messages, Scope.SYSTEM, weight=_WEIGHT),
            Endpoint("GET", _BUCKETS, self._buckets, Scope.SYSTEM, weight=_WEIGHT),
            Endpoint("GET", f"{_BUCKETS}/{{name}}", self._bucket, Scope.SYSTEM, weight=_WEIGHT),
        ]

    async def _stream(self, request: web.Request) -> web.Response:
        name = StreamParameters.of(request).name
        _check_name(name, (*STREAMS, AUDIT), "stream")
        try:
            found = await self._reader.stream(name)
        except StreamMissing as error:
            raise _nobody(name, "stream") from error
        return private(answered(found, name, Stamp.of(request)))

    async def _messages(self, request: web.Request) -> web.Response:
        asked = MessagesParameters.of(request)
        check_rows(request)
        name, who = asked.name, principal_of(request)
        if name == AUDIT:
            raise AccessRefused(
                Code.FORBIDDEN, "stream: expected another, the audit log is read at /api/v1/admin/audit"
            )
        _check_name(name, STREAMS, "stream")
        if name in streams.MARKET_STREAMS:
            _check_sees_all(who, "messages")
        try:
            page = await self._reader.messages(
                name, asked.subject, after=asked.after_seq, since_ns=asked.from_, limit=asked.limit
            )
        except StreamMissing as error:
            raise _nobody(name, "stream") from error
        rows = await computed(lambda: [message_row(each, name) for each in page.messages])
        take_rows(request, len(rows))
        data = {
            "messages": rows,
            "after_seq": page.messages[-1].seq if page.messages else asked.after_seq,
            "first_seq": page.first_seq,
            "last_seq": page.last_seq,
            "more": page.more,
        }
        return private(answered(data, count_of(len(rows), "message"), Stamp.of(request)))

    async def _buckets(self, request: web.Request) -> web.Response:
        NoParameters.of(request)
        found = await asyncio.gather(*(self._bucket_row(name) for name in BUCKETS))
        rows = [each for each in found if each is not None]
        return private(answered(rows, count_of(len(rows), "bucket"), Stamp.of(request)))

    async def _bucket_row(self, name: str) -> dict[str, object] | None:
        try:
            info = await self._reader.info(f"KV_{name}")
        except StreamMissing:
            return None  # nobody has written to it yet
        state: Mapping[str, object] = info["state"]
        return {
            "bucket": name,
            "entries": state.get("messages", 0),
            "bytes": state.get("bytes", 0),
            "ttl_s": int(info["config"].get("max_age", 0)) / 1e9 or None,
            "ts_last": nanoseconds(str(state.get("last_ts", ""))) if state.get("messages") else None,
        }

    async def _bucket(self, request: web.Request) -> web.Response:
        asked = BucketParameters.of(request)
        check_rows(request)
        name = asked.name
        if name in _OF_IDENTITY:
            raise AccessRefused(Code.FORBIDDEN, f"bucket: expected one without users, keys and sessions, was {name}")
        _check_name(name, BUCKETS, "bucket")
        if name in _MARKET_BUCKETS:
            _check_sees_all(principal_of(request), "values")
        try:
            page = await self._reader.entries(name, asked.keys, asked.limit)
        except StreamMissing as error:
            raise _nobody(name, "bucket") from error
        rows = await computed(lambda: [value_row(held, name, key) for key, held in page.entries])
        take_rows(request, len(rows))
        data = {"entries": rows, "count": page.fitting, "more": page.fitting > asked.limit}
        return private(answered(data, count_of(len(rows), "entry"), Stamp.of(request)))


def _check_name(name: str, known: tuple[str, ...], what: str) -> None:
    """Raises AccessRefused: NOT_FOUND, none of those that can be seen."""
    if name not in known:
        near = did_you_mean(name, known)
        raise AccessRefused(Code.NOT_FOUND, f"{what}: expected one of {', '.join(known)}, was {name[:80]!r}{near}")


def _nobody(name: str, what: str) -> AccessRefused:
    return AccessRefused(Code.NOT_FOUND, f"{what}: expected one that somebody has made, {name} is not there yet")


def _check_sees_all(who: Principal, what: str) -> None:
    """Raises NotEntitled: who asks may not see all market data, of which these are some."""
    if not who.entitlements.is_unbounded:
        raise NotEntitled(f"{what}: expected somebody who may see every instrument, was {who.id}")


__all__ = ["BUCKETS", "STREAMS", "StoredApi"]
