"""How long and how large the market streams may be: shares of what JetStream may keep.

Buckets (leases, registry, watermarks), commands and dead letters are outside of the shares, in a reserve: streams that
are full push out their own oldest messages and never stop an election.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from marketprism_application.contracts.history import STREAM
from marketprism_domain.errors import InvalidValue
from marketprism_domain.values import Bounds, check_bounds
from marketprism_sdk.errors import ConfigurationError

RAW = "MARKET_RAW"
TICKS = "MARKET_TICKS"
BARS = "MARKET_BARS"
EVENTS = "MARKET_EVENTS"
DATA = "MARKET_DATA"
HISTORY = STREAM

SCHEMA = 1  # of what is written into the market streams; a program writes no stream of a later one
HASH = "fnv1a-32"  # how an instrument finds its partition
MIN_STORE_BYTES = 64_000_000
MAX_STORE_GB = 20.0  # what JetStream may keep where nobody says how much
_LEAST_BYTES = 1 << 20
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Of one stream: `age_s` seconds, and bytes as a `share` of what all have, or `max_mb` where that is not 0.

    The oldest messages go when they are too old or there are too many bytes, whichever is first.

    Raises:
        InvalidValue: names the field.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    BOUNDS: ClassVar[Bounds] = {
        "age_s": (10, 3_650 * _DAY_S),
        "share": (0.000_001, 1),
        "max_mb": (0, 1_000_000_000),
    }

    age_s: float
    share: float
    max_mb: float = 0.0

    def __post_init__(self) -> None:
        check_bounds(self, self.BOUNDS)


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """How many partitions there are, and how long and how large the market streams may be.

    Every service needs the same; `partitions` of the raw log are for the life of the streams. `reserve` is the share of
    JetStream's limit that the market streams leave to everything else, `history` among it: it holds what is on its way
    from files into the store. A message that is sent again within
    `duplicate_window_s` is known. `lower` allows limits of streams that are there to be made smaller.

    Raises:
        InvalidValue: names the field.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    BOUNDS: ClassVar[Bounds] = {
        "partitions": (1, 256),
        "reserve": (0.05, 0.9),
        "duplicate_window_s": (1, 3_600),
    }

    partitions: int = 32
    reserve: float = 0.2
    duplicate_window_s: float = 120.0
    lower: bool = False
    # A tick is some 838 bytes in TICKS, for a week, and 227 in RAW, for a day.
    raw: StreamLimits = StreamLimits(_DAY_S, 0.10)
    ticks: StreamLimits = StreamLimits(7 * _DAY_S, 0.60)
    bars: StreamLimits = StreamLimits(7 * _DAY_S, 0.08)
    events: StreamLimits = StreamLimits(7 * _DAY_S, 0.02)
    data: StreamLimits = StreamLimits(_DAY_S, 0.20)
    history: StreamLimits = StreamLimits(_DAY_S, 0.02)

    def __post_init__(self) -> None:
        check_bounds(self, self.BOUNDS)
        others = (limits for stream, limits in self.limits.items() if stream != HISTORY)
        total = sum(limits.share for limits in others if not limits.max_mb)
        if total > 1 + 1e-9:
            raise InvalidValue("streams", "shares of at most 1 together", round(total, 9))

    @property
    def limits(self) -> dict[str, StreamLimits]:
        """By the name of the stream."""
        return {
            RAW: self.raw,
            TICKS: self.ticks,
            BARS: self.bars,
            EVENTS: self.events,
            DATA: self.data,
            HISTORY: self.history,
        }


@dataclass(frozen=True, slots=True)
class StreamLayout:
    """What every program that writes the market streams must have alike.

    `store_bytes` is what JetStream may keep where the account has no limit of its own.
    """

    replicas: int = 1
    store_bytes: int = int(MAX_STORE_GB * 1e9)
    streams: StreamSettings = StreamSettings()

    def max_bytes(self, stream: str, store_bytes: int) -> int:
        """The bound of a stream when JetStream may keep `store_bytes`.

        Raises:
            ConfigurationError: that is less than MarketPrism can work with.
        """
        if store_bytes < MIN_STORE_BYTES:
            raise ConfigurationError(
                f"JetStream's limit: expected at least {MIN_STORE_BYTES / 1e6:g} MB (nats.max_store_gb "
                f"{MIN_STORE_BYTES / 1e9:g}, or max_storage of the account), was {store_bytes / 1e6:g} MB"
            )
        own = self.streams.limits[stream]
        wanted = int(own.max_mb * 1e6) if own.max_mb else int(own.share * (1 - self.streams.reserve) * store_bytes)
        return max(_LEAST_BYTES, wanted)


def store_limit(info: Mapping[str, Any], layout: StreamLayout) -> int:
    """Bytes that JetStream may keep, from the answer of `$JS.API.INFO`.

    The limit of the account for these replicas, else the settings': a server does not tell its own. An account without
    tiers counts every replica.
    """
    tier = (info.get("tiers") or {}).get(f"R{layout.replicas}")
    if tier is not None and (limit := int((tier.get("limits") or {}).get("max_storage", -1))) > 0:
        return limit
    limit = int((info.get("limits") or {}).get("max_storage", -1))
    return limit // layout.replicas if limit > 0 else layout.store_bytes
