"""How much the live stream takes from a client, holds for it, and how long it waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from marketprism_domain.values import Bounds, check_bounds


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Of one class of principals: connections at once, channels of each, and messages a second that each may send.

    Raises:
        InvalidValue: names the field.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    BOUNDS: ClassVar[Bounds] = {
        "connections": (1, 100_000),
        "channels": (1, 100_000),
        "messages_per_s": (0.1, 10_000),
    }

    connections: int = 4
    channels: int = 200
    messages_per_s: float = 5.0

    def __post_init__(self) -> None:
        check_bounds(self, self.BOUNDS)


LIMITS: Mapping[str, ConnectionLimits] = {
    "local": ConnectionLimits(8, 500, 10),
    "viewer": ConnectionLimits(4, 200, 5),
    "quant": ConnectionLimits(16, 1_024, 10),
    "operator": ConnectionLimits(8, 500, 10),
    "admin": ConnectionLimits(8, 500, 10),
    "bulk": ConnectionLimits(16, 4_096, 10),
}


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """Of the live stream.

    `heartbeat_s` of silence bring a heartbeat; who did not say who it is within `auth_s` is closed, and so is who takes
    no byte for `stall_s`. `buffer_bytes` may lie in a connection's socket; if they do for `lag_after_s`, or if
    `waiting_messages` or `waiting_bytes` wait before it, its tapes are read again from the stream, by at most
    `catch_ups` consumers at once. `snapshot_messages` is the most that a channel may begin with. A client's message has
    at most `message_bytes`, nested to `json_depth`, and its connection brings at most `control_per_s` pings and the
    like. `filters` is how many subjects a consumer is made for, before it takes all of a kind. `limits` are those of
    the classes of principals; one without a row has those of `viewer`.

    Raises:
        InvalidValue: names the field.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    BOUNDS: ClassVar[Bounds] = {
        "heartbeat_s": (0.05, 3_600),
        "auth_s": (0.05, 60),
        "stall_s": (0.05, 3_600),
        "lag_after_s": (0.0, 60),
        "drain_s": (0.0, 600),
        "buffer_bytes": (4_096, 16_777_216),
        "waiting_messages": (10, 1_000_000),
        "waiting_bytes": (10_000, 1_000_000_000),
        "catch_ups": (1, 10_000),
        "snapshot_messages": (1, 100_000),
        "message_bytes": (1_024, 1_048_576),
        "json_depth": (2, 64),
        "control_per_s": (1, 10_000),
        "filters": (1, 10_000),
    }

    heartbeat_s: float = 10.0
    auth_s: float = 5.0
    stall_s: float = 30.0
    lag_after_s: float = 0.1
    drain_s: float = 5.0
    buffer_bytes: int = 65_536
    waiting_messages: int = 2_000
    waiting_bytes: int = 1_000_000
    catch_ups: int = 64
    snapshot_messages: int = 5_000
    message_bytes: int = 65_536
    json_depth: int = 8
    control_per_s: float = 20.0
    filters: int = 200
    limits: Mapping[str, ConnectionLimits] = field(default_factory=lambda: LIMITS)

    def __post_init__(self) -> None:
        check_bounds(self, self.BOUNDS)

    def limits_of(self, name: str) -> ConnectionLimits:
        """The limits of a class of principals."""
        return self.limits.get(name) or self.limits.get("viewer") or LIMITS["viewer"]


class Budget:
    """So many a second, and as many at once: a bucket that fills while nothing is taken."""

    __slots__ = ("_filled_at", "_left", "_most", "_per_s")

    def __init__(self, per_s: float, at_once: float | None = None) -> None:
        self._per_s = per_s
        self._most = self._left = max(1.0, per_s if at_once is None else at_once)
        self._filled_at = 0.0

    def take(self, now_s: float) -> bool:
        """Whether there was one; `now_s` is of a monotonic clock."""
        if self._filled_at:
            self._left = min(self._most, self._left + (now_s - self._filled_at) * self._per_s)
        self._filled_at = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True
