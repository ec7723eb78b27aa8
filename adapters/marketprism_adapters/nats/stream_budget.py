"""How full the market streams are: do messages go before they are as old as wanted, and does the store fill up?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.stream_layout import StreamLayout, store_limit
from marketprism_domain.events.pipeline import StorageFillingUp, StreamFillingUp
from marketprism_sdk.errors import StreamMissing
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import answered, api, stream_info

FULL_SHARE = 0.8
_STORAGE = "JetStream"


@dataclass(frozen=True, slots=True)
class StreamFill:
    """`bytes` of `limit` (0: no bound). `held_s` is the age of the oldest message, `wanted_s` what one may reach;
    `replicas_behind` are those that do not have everything, or are not there; `replica_lag` is what the slowest of them
    lacks, in operations of the cluster's log. `reserved` are bytes that streams were promised."""

    name: str
    bytes: int
    limit: int
    held_s: float = 0.0
    wanted_s: float = 0.0
    messages: int = 0
    consumers: int = 0
    replicas_behind: int = 0
    replica_lag: int = 0
    reserved: int = 0

    @property
    def share(self) -> float:
        """Of the limit; 0 without one."""
        return self.bytes / self.limit if self.limit else 0.0

    @property
    def lasts_s(self) -> float:
        """How long a message stays at the present rate, seconds: until its age, or until the bytes are used up."""
        return min(self.wanted_s or float("inf"), self.held_s / self.share) if self.share else self.wanted_s

    @property
    def filling(self) -> bool:
        """Whether it is nearly full and bytes, not age, decide what goes."""
        return self.share > FULL_SHARE and (not self.wanted_s or self.lasts_s < self.wanted_s)

    @property
    def event(self) -> StreamFillingUp | StorageFillingUp:
        """What to tell when `filling` becomes true."""
        if self.name == _STORAGE:
            return StorageFillingUp(self.bytes, self.limit)
        return StreamFillingUp(self.name, self.bytes, self.limit, self.lasts_s, self.wanted_s)


class StreamBudgets:
    """Looks at every market stream and at the whole of JetStream."""

    def __init__(self, layout: StreamLayout) -> None:
        self._layout = layout

    async def look(self, connection: NatsConnection) -> list[StreamFill]:
        """One entry for each market stream that is there and, last, one for everything that JetStream holds.

        Raises:
            SdkError: JetStream does not answer.
        """
        found = []
        for name in streams.MARKET_STREAMS:
            try:
                found.append(_fill_of(name, await stream_info(connection, name, within_s=0)))
            except StreamMissing:
                continue  # nobody has made it yet
        info = await answered(lambda: api(connection, "INFO"), _STORAGE, 0)
        tier = (info.get("tiers") or {}).get(f"R{self._layout.replicas}") or info
        reserved = int(tier.get("reserved_storage", 0))
        limit = store_limit(info, self._layout)
        found.append(StreamFill(_STORAGE, int(tier.get("storage", 0)), limit, reserved=reserved))
        return found


def _fill_of(name: str, info: dict[str, Any]) -> StreamFill:
    config, state = info["config"], info["state"]
    held_s = 0.0
    if state["messages"]:
        held_s = max(0.0, (_instant(info.get("ts")) - _instant(state["first_ts"])).total_seconds())
    replicas = (info.get("cluster") or {}).get("replicas") or []
    return StreamFill(
        name,
        int(state["bytes"]),
        max(0, int(config["max_bytes"])),
        held_s,
        config["max_age"] / 1e9,
        int(state["messages"]),
        int(state.get("consumer_count", 0)),
        sum(1 for each in replicas if each.get("offline") or not each.get("current", True)),
        max((int(each.get("lag", 0)) for each in replicas), default=0),
    )


def _instant(text: str | None) -> datetime:
    """A time as the server writes it, with nanoseconds; its own clock on both ends, so ours does not matter."""
    if not text:
        return datetime.now(UTC)
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{fraction[:6].ljust(6, '0')}").replace(tzinfo=UTC)
