"""Deribit's history: charts, trades, funding rates of hours, instruments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from marketprism_adapters.venues.deribit.symbols import native_of
from marketprism_adapters.venues.deribit.terms import RESOLUTIONS
from marketprism_adapters.venues.deribit.venue import Deribit
from marketprism_adapters.venues.kit.history_times import first_ms, last_ms
from marketprism_application.contracts.kinds import FUNDING_RATE, INSTRUMENT, KLINE, TRADE
from marketprism_application.venues.history import EVENTS, GRID, IDS, LISTED, HistoryKind
from marketprism_application.venues.protocol import RestRequest

_PUBLIC = "/api/v2/public"


class DeribitHistory:
    """Fulfils `VenueHistory`. There is no history of open interest."""

    newest_first = False
    busy: Sequence[str] = ("10028", "too_many_requests")
    kinds: Mapping[str, HistoryKind] = {
        KLINE.name: HistoryKind(GRID, f"{_PUBLIC}/get_tradingview_chart_data", 5000, intervals=tuple(RESOLUTIONS)),
        TRADE.name: HistoryKind(IDS, f"{_PUBLIC}/get_last_trades_by_instrument_and_time", 1000, window_s=3_600),
        FUNDING_RATE.name: HistoryKind(EVENTS, f"{_PUBLIC}/get_funding_rate_history", 700, suffix="-PERP"),
        INSTRUMENT.name: HistoryKind(LISTED, f"{_PUBLIC}/get_instruments", 1, 1, "instruments"),
    }

    def __init__(self, rest_url: str = "") -> None:
        self.venue = Deribit("", rest_url)

    def page_request(self, kind: str, symbol: str, interval: str, ts_from: int, ts_to: int) -> RestRequest:
        """get_tradingview_chart_data or get_funding_rate_history, oldest first."""
        given = self._range(symbol, ts_from, ts_to)
        more = {"resolution": RESOLUTIONS[interval]} if interval else {}
        return RestRequest(self.kinds[kind].path, {**given, **more})

    def trades_by_time(self, symbol: str, ts_from: int, ts_to: int) -> RestRequest:
        """The first trades of a range."""
        how = self.kinds[TRADE.name]
        return RestRequest(how.path, {**self._range(symbol, ts_from, ts_to), "count": str(how.page), "sorting": "asc"})

    @staticmethod
    def _range(symbol: str, ts_from: int, ts_to: int) -> dict[str, str]:
        begin, end = str(first_ms(ts_from)), str(last_ms(ts_to))
        return {"instrument_name": native_of(symbol), "start_timestamp": begin, "end_timestamp": end}


__all__ = ["DeribitHistory"]
