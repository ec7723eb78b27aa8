"""What is subscribed at a crypto venue, and how it is held."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from marketprism_application.contracts.kinds import VENUE_KINDS
from marketprism_application.venues.feed import FeedSettings
from marketprism_domain.errors import InvalidValue
from marketprism_domain.values import Bounds, check_bounds
from marketprism_sdk.urls import Url

_KINDS = ("quote", *(kind.name for kind in VENUE_KINDS))  # best prices are a stream, ticks are made of them
_YEAR_S = 31_536_000


@dataclass(frozen=True)
class VenueSettings(FeedSettings):
    """`instruments` are names or patterns of ours (`BTC-*`), `kinds` kinds of data, `intervals` the venue's own bars.
    A mark price is a kind that has to be named: funding rates and tickers of most venues have it already.

    `collectors`: so many connections carry each stream, and are merged by sequence. `audit_s`: each book is compared
    with a fresh snapshot about so often; `refresh_s`: the instrument list is read again so often. `backlog`: frames
    that come while so many messages wait to be taken are dropped, counted, and named as a gap. Connections are renewed
    before they are `lifetime_s` old, and given up after `silent_s` without a frame; 0 for both is what the venue says.
    `ws_url` and `rest_url` stand for the venue's own hosts: a simulator, a proxy, a region.

    Raises:
        InvalidValue: names the field.
    """

    BOUNDS: ClassVar[Bounds] = {
        "collectors": (1, 4),
        "audit_s": (0.001, _YEAR_S),
        "refresh_s": (0.001, _YEAR_S),
        "lifetime_s": (0, _YEAR_S),
        "silent_s": (0, _YEAR_S),
        "backlog": (1, 1_000_000_000),
    }

    instruments: tuple[str, ...] = ()
    kinds: tuple[str, ...] = (
        "trade",
        "orderbook",
        "quote",
        "ticker",
        "kline",
        "funding_rate",
        "open_interest",
        "liquidation",
    )
    intervals: tuple[str, ...] = ("1m",)
    collectors: int = 1
    audit_s: float = 300.0
    refresh_s: float = 3_600.0
    lifetime_s: float = 0.0
    silent_s: float = 0.0
    ws_url: Url = field(default=Url(""))
    rest_url: Url = field(default=Url(""))
    backlog: int = 200_000

    def __post_init__(self) -> None:
        super().__post_init__()
        check_bounds(self, VenueSettings.BOUNDS)
        for name in self.kinds:
            if name not in _KINDS:
                raise InvalidValue("kinds", f"some of {', '.join(_KINDS)}", name)
