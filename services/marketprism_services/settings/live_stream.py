"""Settings of the live stream: how much is taken from a client, held for it, and how long is waited."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from marketprism_domain.values import Bounds, check_bounds


@dataclass(frozen=True)
class LiveStreamSettings:
    """Of the live stream of the API gateway.

    `beat_s` of silence bring a heartbeat; who did not say who it is within `auth_s` is closed, and so is who takes
    no byte for `reader_stall_s`. `buffer_bytes` may lie in a connection's socket; if they do for `lag_after_s`, or if
    `waiting_messages` or `waiting_bytes` wait before it, its tapes are read again from the stream, by at most
    `catch_ups` consumers at once. `snapshot_messages` is the most that a channel may begin with. A client's message has
    at most `message_bytes`, nested to `json_depth`, and its connection brings at most `control_per_s` pings and the
    like. `filters` is how many subjects a consumer is made for, before it takes all of a kind.

    Raises:
        InvalidValue: names the field.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    BOUNDS: ClassVar[Bounds] = {
        "beat_s": (0.05, 3_600),
        "auth_s": (0.05, 60),
        "reader_stall_s": (0.05, 3_600),
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

    beat_s: float = 10.0
    auth_s: float = 5.0
    reader_stall_s: float = 30.0
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

    def __post_init__(self) -> None:
        check_bounds(self, self.BOUNDS)
