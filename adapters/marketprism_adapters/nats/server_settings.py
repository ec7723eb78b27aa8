"""What can be set of a nats-server that we start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from marketprism_adapters.nats.stream_layout import MAX_STORE_GB
from marketprism_domain.errors import InvalidValue
from marketprism_domain.values import Bounds

_LAST_PORT = 65_535


@dataclass(frozen=True, kw_only=True)
class EmbeddedSettings:
    """`port` None means 4222, or a free one when 4222 is taken; 0 any free one.

    With `sync_always` it writes to the disk before every acknowledgement. JetStream may keep `max_store_gb`.

    Raises:
        InvalidValue: names the field.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    BOUNDS: ClassVar[Bounds] = {"port": (0, _LAST_PORT)}

    port: int | None = None
    sync_always: bool = False
    max_store_gb: float = MAX_STORE_GB

    def __post_init__(self) -> None:
        if self.port is not None and not 0 <= self.port <= _LAST_PORT:
            raise InvalidValue("port", f"0 to {_LAST_PORT}", self.port)
