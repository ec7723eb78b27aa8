"""How much the live stream takes from a client, holds for it, and how long it waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import ClassVar

from marketprism_domain.values import Bounds, check_bounds
from marketprism_services.settings.live_stream import LiveStreamSettings


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


@dataclass(frozen=True)
class StreamSettings(LiveStreamSettings):
    """Of the live stream, with the limits of the classes of principals; one without a row has those of `viewer`.

    Raises:
        InvalidValue: names the field.
    """

    limits: Mapping[str, ConnectionLimits] = field(default_factory=lambda: LIMITS)

    @classmethod
    def of(cls, settings: LiveStreamSettings) -> StreamSettings:
        """The settings of a process, with the limits that come with the product."""
        return cls(**asdict(settings))

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
