"""Bybit's history: klines, funding rates, open interest, instruments. Newest first; it has no trades of the past."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from marketprism_adapters.venues.bybit.past import INTERVALS
from marketprism_adapters.venues.bybit.venue import Bybit
from marketprism_adapters.venues.kit.history_times import first_ms, last_ms
from marketprism_application.contracts.kinds import FUNDING_RATE, INSTRUMENT, KLINE, OPEN_INTEREST
from marketprism_application.venues.history import EVENTS, GRID, LISTED, HistoryKind
from marketprism_application.venues.protocol import RestRequest

_MARKET = "/v5/market"


class BybitHistory:
    """`spot` or `linear`. Fulfils `VenueHistory`."""

    newest_first = True
    busy: Sequence[str] = ("10006", "10018")

    def __init__(self, category: str, rest_url: str = "") -> None:
        self.venue = Bybit(category, "", rest_url)
        self._category = category
        kinds = {
            KLINE.name: HistoryKind(GRID, 1000, intervals=tuple(INTERVALS)),
            INSTRUMENT.name: HistoryKind(LISTED, 1),
        }
        if category != "spot":
            kinds[FUNDING_RATE.name] = HistoryKind(EVENTS, 200, suffix="-PERP")
            kinds[OPEN_INTEREST.name] = HistoryKind(GRID, 200, step_s=300)
        self.kinds: Mapping[str, HistoryKind] = kinds

    def page_request(self, kind: str, symbol: str, interval: str, ts_from: int, ts_to: int) -> RestRequest:
        """kline, funding/history or open-interest."""
        begin, end = str(first_ms(ts_from)), str(last_ms(ts_to))
        limit = str(self.kinds[kind].page)
        given = {"category": self._category, "symbol": self.venue.native(symbol), "limit": limit}
        if kind == KLINE.name:
            return RestRequest(
                f"{_MARKET}/kline", {**given, "interval": INTERVALS[interval], "start": begin, "end": end}
            )
        given |= {"startTime": begin, "endTime": end}
        if kind == FUNDING_RATE.name:
            return RestRequest(f"{_MARKET}/funding/history", given)
        return RestRequest(f"{_MARKET}/open-interest", {**given, "intervalTime": "5min"})

    def trades_by_time(self, symbol: str, ts_from: int, ts_to: int) -> RestRequest:
        """There is none. Raises NotImplementedError: `kinds` has no trades."""
        raise NotImplementedError


__all__ = ["BybitHistory"]
