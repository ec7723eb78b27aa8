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
            KLINE.name: HistoryKind(GRID, f"{_MARKET}/kline", 1000, intervals=tuple(INTERVALS)),
            INSTRUMENT.name: HistoryKind(LISTED, f"{_MARKET}/instruments-info", 1),
        }
        if category != "spot":
            kinds[FUNDING_RATE.name] = HistoryKind(EVENTS, f"{_MARKET}/funding/history", 200, suffix="-PERP")
            kinds[OPEN_INTEREST.name] = HistoryKind(GRID, f"{_MARKET}/open-interest", 200, step_s=300)
        self.kinds: Mapping[str, HistoryKind] = kinds

    def page_request(self, kind: str, symbol: str, interval: str, ts_from: int, ts_to: int) -> RestRequest:
        """kline, funding/history or open-interest."""
        how = self.kinds[kind]
        begin, end = str(first_ms(ts_from)), str(last_ms(ts_to))
        given = {"category": self._category, "symbol": self.venue.native(symbol), "limit": str(how.page)}
        if interval:
            return RestRequest(how.path, {**given, "interval": INTERVALS[interval], "start": begin, "end": end})
        given |= {"startTime": begin, "endTime": end}
        return RestRequest(how.path, {**given, "intervalTime": f"{how.step_s // 60}min"} if how.step_s else given)

    def trades_by_time(self, symbol: str, ts_from: int, ts_to: int) -> RestRequest:
        """There is none. Raises NotImplementedError: `kinds` has no trades."""
        raise NotImplementedError


__all__ = ["BybitHistory"]
