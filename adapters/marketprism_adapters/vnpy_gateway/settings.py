"""How a gateway of VeighNa is connected and read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from marketprism_adapters.vnpy_gateway.registry import MILLISECONDS, TIMES, VOLUMES, GatewayRow, row_of
from marketprism_domain.errors import InvalidValue
from marketprism_domain.values import Bounds, Venue, check_bounds
from marketprism_sdk.urls import Secret


@dataclass(frozen=True)
class VnpySettings:
    """`setting` is the gateway's own for `connect`, as JSON, `connect_json` a file with it, such as VeighNa writes.

    `symbols` are names as VeighNa or we write them (`600000.SSE`, `sse.600000`), or patterns over the gateway's list.
    `connect` may take `connect_s`; the list is whole when no contract has come for `quiet_s`, and has to be there after
    `contracts_s`. `waiting_ticks` may wait between the gateway's threads and the pipeline. `volume`, `times`,
    `millisecond` and `zone` overrule what the registry says of the gateway; `global_venue` names the venue of what
    trades at `GLOBAL`, `LOCAL` or `SMART`.

    Raises:
        InvalidValue: names the field.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    BOUNDS: ClassVar[Bounds] = {
        "connect_s": (0.001, 3_600),
        "contracts_s": (0.001, 3_600),
        "quiet_s": (0.001, 600),
        "requests_per_second": (1, 100_000),
        "waiting_ticks": (1, 1_000_000_000),
    }

    setting: Secret = field(default=Secret(""), repr=False)
    connect_json: str = ""
    symbols: tuple[str, ...] = ("*",)
    connect_s: float = 30.0
    contracts_s: float = 60.0
    quiet_s: float = 2.0
    requests_per_second: int = 500
    waiting_ticks: int = 200_000
    volume: str = ""
    times: str = ""
    millisecond: str = ""
    zone: str = ""
    global_venue: str = ""

    def __post_init__(self) -> None:
        check_bounds(self, VnpySettings.BOUNDS)
        for name, known in (("volume", VOLUMES), ("times", TIMES), ("millisecond", MILLISECONDS)):
            value = getattr(self, name)
            if value and value not in known:
                raise InvalidValue(name, f"one of {', '.join(known)}, or empty", value)
        if self.global_venue:
            Venue(self.global_venue)

    def row(self, gateway: str) -> GatewayRow:
        """The row of a gateway, with what these settings overrule of it."""
        named = {name: getattr(self, name) for name in ("volume", "times", "millisecond", "zone")}
        return row_of(gateway)._replace(**{name: value for name, value in named.items() if value})


__all__ = ["VnpySettings"]
