"""The JetStream streams and KV buckets of contracts.md.

Checkpoints of a stage live in the stream it writes (`stage.<name>.>`), because one atomic batch must cover
both; fences of the gateways live in the raw stream for the same reason.
"""

from __future__ import annotations

import asyncio
from typing import Any

from marketprism_sdk.errors import StreamError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import NOT_FOUND, ensure_stream, stream_info

RAW = "MARKET_RAW"
TICKS = "MARKET_TICKS"
BARS = "MARKET_BARS"
EVENTS = "MARKET_EVENTS"
DATA = "MARKET_DATA"

VALIDATOR_STAGE = "validator"
AGGREGATOR_STAGE = "aggregator"

_DATA_FENCE = "fence.data.>"
_DATA_BYTES = 4 << 30  # the oldest go first: books of hundreds of instruments fill any disk
_ATTEMPTS = 20
_DAY_NS = 86_400 * 1_000_000_000

LATEST_TICKS = "latest_ticks"
LATEST_BARS = "latest_bars"
STREAM_STATES = "market_data_streams"
QUALITY = "quality_metrics"
RULES = "validation_rules"
SOURCE_POSITIONS = "source_positions"
WISHES = "gateway_wishes"
STORE_RANGES = "store_ranges"
VALIDATOR_SHARDS = "shards_validator"
AGGREGATOR_SHARDS = "shards_aggregator"
SHARD_BUCKETS = {"validator": VALIDATOR_SHARDS, "aggregator": AGGREGATOR_SHARDS}


def _stream(name: str, subjects: list[str], days: float, replicas: int, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "subjects": subjects,
        "storage": "file",
        "retention": "limits",
        "discard": "old",
        "num_replicas": replicas,
        "max_age": int(days * _DAY_NS),
        "duplicate_window": 120_000_000_000,
        "allow_direct": True,
        "deny_delete": False,
        **more,
    }


def configs(replicas: int = 1) -> list[dict[str, Any]]:
    """Every market stream. Raw ticks wait a day for a validator, the rest a week for its readers."""
    return [
        _stream(RAW, ["market.raw.>", "fence.gateway.>"], 1, replicas, allow_atomic=True),
        _stream(TICKS, ["market.tick.>", "market.packed.>", "stage.validator.>"], 7, replicas, allow_atomic=True),
        _stream(BARS, ["market.bar.>", "stage.aggregator.>"], 7, replicas, allow_atomic=True),
        _stream(
            EVENTS,
            ["market.gap.>", "market.quality.>", "market.event.>", "market.instrument.>"],
            7,
            replicas,
        ),
    ]


async def ensure_streams(connection: NatsConnection, replicas: int = 1) -> None:
    """Create the streams that are missing and bring the others up to date."""
    for config in configs(replicas):
        await ensure_stream(connection, config)
    await ensure_venue(connection, None, replicas)


async def ensure_venue(connection: NatsConnection, venue: str | None, replicas: int = 1) -> None:
    """MARKET_DATA takes the subjects of a venue. Each gateway adds its own: nobody has to know them all.

    Two gateways may do so at once; whoever finds its venue overwritten adds it again.
    """
    wanted = {_DATA_FENCE} if venue is None else {_DATA_FENCE, f"market.{venue}.>"}
    for _ in range(_ATTEMPTS):
        there = await _subjects_of_data(connection)
        if wanted <= there:
            return
        subjects = sorted(there | wanted)
        await ensure_stream(connection, _stream(DATA, subjects, 1, replicas, allow_atomic=True, max_bytes=_DATA_BYTES))
        await asyncio.sleep(0.05)


async def _subjects_of_data(connection: NatsConnection) -> set[str]:
    try:
        return set((await stream_info(connection, DATA))["config"]["subjects"])
    except StreamError as error:
        if error.code not in NOT_FOUND:
            raise
        return set()


# What the store reads of each stream.
STORED: dict[str, tuple[str, ...]] = {
    TICKS: ("market.packed.*",),
    BARS: ("market.bar.>",),
    EVENTS: ("market.gap.>", "market.quality.>", "market.event.>", "market.instrument.>"),
    DATA: ("market.>",),
}
