"""The JetStream streams and KV buckets of contracts.md.

Checkpoints of a stage live in the stream it writes (`stage.<name>.>`), because one atomic batch must cover
both; fences of the gateways live in the raw stream for the same reason.

Services that write make the streams; readers open what is there. Each stream says in its metadata how it is written:
schema version, partitions, hash. Who writes in another way refuses to start.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import replace
from functools import partial
from typing import Any

import structlog

from marketprism_adapters.nats.stream_layout import (
    BARS,
    DATA,
    EVENTS,
    HASH,
    HISTORY,
    MIN_STORE_BYTES,
    RAW,
    SCHEMA,
    TICKS,
    StreamLayout,
    store_limit,
)
from marketprism_application.contracts.history import PREFIX as HISTORY_PREFIX
from marketprism_sdk.errors import ConfigurationError, StreamError, StreamMisconfigured, StreamMissing
from marketprism_sdk.nats.api_errors import NAME_IN_USE, NO_ROOM
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import answered, api, delete_stream, ensure_stream, stream_info
from marketprism_sdk.nats.stream_config import identity

log = structlog.get_logger()

VALIDATOR_STAGE = "validator"
AGGREGATOR_STAGE = "aggregator"

ROOM = "MARKET_ROOM"  # made and deleted again to find out how much room there is
_REFUSALS = 2
_TRIES = 3
_DATA_FENCE = "fence.data.>"
_ATTEMPTS = 20

LATEST_TICKS = "latest_ticks"
LATEST_BARS = "latest_bars"
STREAM_STATES = "market_data_streams"
QUALITY = "quality_metrics"
RULES = "validation_rules"
SOURCE_POSITIONS = "source_positions"
GATEWAY_ORDERS = "gateway_wishes"  # a bucket keeps the name it was made with
STORE_RANGES = "store_ranges"
VALIDATOR_SHARDS = "shards_validator"
AGGREGATOR_SHARDS = "shards_aggregator"
SHARD_BUCKETS = {VALIDATOR_STAGE: VALIDATOR_SHARDS, AGGREGATOR_STAGE: AGGREGATOR_SHARDS}

_SUBJECTS = {
    RAW: ["market.raw.>", "fence.gateway.>"],
    TICKS: ["market.tick.>", "market.packed.>", "stage.validator.>"],
    BARS: ["market.bar.>", "stage.aggregator.>"],
    EVENTS: ["market.gap.>", "market.quality.>", "market.event.>", "market.instrument.>"],
    DATA: [_DATA_FENCE],
    HISTORY: [f"{HISTORY_PREFIX}>"],
}
MARKET_STREAMS = tuple(_SUBJECTS)


def config_of(stream: str, layout: StreamLayout, store_bytes: int, subjects: list[str] | None = None) -> dict[str, Any]:
    """Configuration of a market stream when JetStream may keep `store_bytes`. Raises ConfigurationError."""
    limits = layout.streams.limits[stream]
    age_ns = int(limits.age_s * 1e9)
    return {
        "name": stream,
        "subjects": subjects or _SUBJECTS[stream],
        "storage": "file",
        "retention": "limits",
        "discard": "old",
        "num_replicas": layout.replicas,
        "max_age": age_ns,
        "max_bytes": layout.max_bytes(stream, store_bytes),
        "duplicate_window": min(int(layout.streams.duplicate_window_s * 1e9), age_ns),
        "allow_direct": True,
        "deny_delete": False,
        "metadata": identity(SCHEMA, partitions=str(layout.streams.partitions), hash=HASH),
        **({"allow_atomic": True} if stream != EVENTS else {}),
    }


async def room_of(connection: NatsConnection, layout: StreamLayout, *, may_grow: bool = False) -> int:
    """Bytes that JetStream may keep for us: the account's limit, else what the settings say, as far as the server goes.

    A server does not tell its own limit. Where there are no streams yet one is asked for that would need it all, and
    smaller ones until one is granted; where they are, the largest says what was granted. It `may_grow` to what the
    settings say now, if the server has so much.

    Raises:
        ConfigurationError: there is less than the least that works. SdkError: JetStream does not answer.
    """
    info = await answered(lambda: api(connection, "INFO"), "JetStream")
    limit = store_limit(info, layout)
    if store_limit(info, replace(layout, store_bytes=0)):
        return limit
    bound = await _bound_of_ticks(connection)
    if bound is None:
        return await _ask_for_room(connection, layout, limit)
    own = layout.streams.limits[TICKS]
    taken = bound / own.share
    granted = round(taken / (1 - layout.streams.reserve))
    if own.max_mb or granted < MIN_STORE_BYTES:  # its size was chosen by itself
        return limit
    grown = may_grow and limit > granted and await _grants(connection, layout, int(limit - taken))
    return limit if grown else min(limit, granted)


async def _bound_of_ticks(connection: NatsConnection) -> int | None:
    try:
        return int((await stream_info(connection, TICKS))["config"]["max_bytes"])
    except StreamMissing:
        return None


async def _bounds_of_others(connection: NatsConnection) -> int:
    """Bytes that the market streams beside the largest have already, where that one is made anew."""
    bounds = []
    for stream in MARKET_STREAMS:
        with contextlib.suppress(StreamMissing):
            bounds.append(int((await stream_info(connection, stream))["config"]["max_bytes"]))
    return sum(max(0, bound) for bound in bounds)


async def _grants(connection: NatsConnection, layout: StreamLayout, max_bytes: int) -> bool:
    """Whether the server has room for a stream of this size, which is made for nothing else; others may ask as well."""
    config = {"name": ROOM, "subjects": ["$MARKET.ROOM"], "storage": "file", "num_replicas": layout.replicas}
    make = partial(api, connection, f"STREAM.CREATE.{ROOM}", {**config, "max_bytes": max_bytes})
    while True:
        await delete_stream(connection, ROOM)
        try:
            await answered(make, ROOM)
        except StreamError as error:
            if error.code in NO_ROOM:
                return False
            if error.code != NAME_IN_USE:
                raise
        else:
            await delete_stream(connection, ROOM)
            return True


async def _ask_for_room(connection: NatsConnection, layout: StreamLayout, wanted: int) -> int:
    room, refused, tries = wanted, 0, 0
    while True:
        others = await _bounds_of_others(connection)
        if await _grants(connection, layout, max(1, room - others)):
            break
        await _pause()
        if await _bound_of_ticks(connection) is not None:
            return await room_of(connection, layout)  # somebody else was quicker and has the room
        if others != await _bounds_of_others(connection):
            continue  # somebody made one of them meanwhile
        tries += 1
        if tries % _TRIES:
            continue  # somebody else may have been asking at the same moment
        refused += room <= MIN_STORE_BYTES
        if refused > _REFUSALS:
            raise ConfigurationError(
                f"JetStream's limit: expected room for at least {MIN_STORE_BYTES / 1e6:g} MB (max_file_store of the "
                f"server, nats.max_store_gb of ours), was less"
            )
        room = max(int(room * 0.75), MIN_STORE_BYTES)
    if room < wanted:
        log.warning(
            "jetstream.room_short", wanted_gb=wanted / 1e9, has_gb=room / 1e9, detail="less than nats.max_store_gb"
        )
    return room


async def ensure_streams(connection: NatsConnection, layout: StreamLayout | None = None) -> None:
    """Make the streams that are missing and give the others what they lack. For services that write.

    Raises:
        ConfigurationError: JetStream has too little room, or the streams are written in another way than this program
        writes: another number of partitions, another hash, a newer schema.
        StreamError, DeadlineExceeded: see `ensure_stream`.
    """
    layout = layout or StreamLayout()
    await ensure_one(connection, TICKS, layout)
    for stream in MARKET_STREAMS:
        if stream not in (TICKS, DATA):
            await ensure_one(connection, stream, layout)
    await ensure_venue(connection, None, layout)


async def ensure_one(
    connection: NatsConnection, stream: str, layout: StreamLayout, subjects: list[str] | None = None
) -> dict[str, Any]:
    """One of them; its info. Raises as `ensure_streams`."""
    lower = ("max_age", "max_bytes", "duplicate_window") if layout.streams.lower else ()
    for attempt in range(1, _ATTEMPTS + 1):
        room = await room_of(connection, layout, may_grow=stream == TICKS)
        config = config_of(stream, layout, room, subjects)
        try:
            return await ensure_stream(connection, config, lower=lower)
        except StreamMisconfigured as error:
            if error.code not in NO_ROOM:
                raise
            if attempt == _ATTEMPTS:
                raise ConfigurationError(
                    f"stream {stream}: expected {config['max_bytes'] / 1e6:.0f} MB of room in JetStream, which has "
                    f"less ({error}); set nats.max_store_gb to what it may keep (jetstream.max_file_store), was "
                    f"{room / 1e9:g}"
                ) from error
        await _pause()  # somebody else may be asking for room
    raise AssertionError("unreachable")


async def _pause() -> None:
    await asyncio.sleep(random.uniform(0.05, 0.15))


async def ensure_venue(connection: NatsConnection, venue: str | None, layout: StreamLayout | None = None) -> None:
    """MARKET_DATA takes the subjects of a venue. Each gateway adds its own: nobody has to know them all.

    Two gateways may do so at once; whoever finds its venue overwritten adds it again.
    """
    layout = layout or StreamLayout()
    wanted = {_DATA_FENCE} if venue is None else {_DATA_FENCE, f"market.{venue}.>"}
    for attempt in range(_ATTEMPTS):
        there = await _subjects_of_data(connection)
        if wanted <= there and (venue is not None or attempt):
            return
        await ensure_one(connection, DATA, layout, sorted(there | wanted))
        await asyncio.sleep(0.05)


async def _subjects_of_data(connection: NatsConnection) -> set[str]:
    try:
        return set((await stream_info(connection, DATA))["config"]["subjects"])
    except StreamMissing:
        return set()


async def partitions_of(connection: NatsConnection, default: int) -> int:
    """How many partitions the raw log has, as its metadata says; `default` where it says nothing or is not there."""
    try:
        config = (await stream_info(connection, RAW, within_s=0))["config"]
    except StreamMissing:
        return default
    text = (config.get("metadata") or {}).get("marketprism.partitions", "")
    return int(text) if text.isdecimal() else default


# What the store reads of each stream.
STORED: dict[str, tuple[str, ...]] = {
    TICKS: ("market.packed.*",),
    BARS: ("market.bar.>",),
    EVENTS: ("market.gap.>", "market.quality.>", "market.event.>", "market.instrument.>"),
    DATA: ("market.>",),
    HISTORY: (f"{HISTORY_PREFIX}>",),
}

__all__ = [
    "AGGREGATOR_SHARDS",
    "AGGREGATOR_STAGE",
    "BARS",
    "DATA",
    "EVENTS",
    "GATEWAY_ORDERS",
    "HISTORY",
    "LATEST_BARS",
    "LATEST_TICKS",
    "MARKET_STREAMS",
    "QUALITY",
    "RAW",
    "ROOM",
    "RULES",
    "SHARD_BUCKETS",
    "SOURCE_POSITIONS",
    "STORED",
    "STORE_RANGES",
    "STREAM_STATES",
    "TICKS",
    "VALIDATOR_SHARDS",
    "VALIDATOR_STAGE",
    "config_of",
    "ensure_one",
    "ensure_streams",
    "ensure_venue",
    "partitions_of",
    "room_of",
]
