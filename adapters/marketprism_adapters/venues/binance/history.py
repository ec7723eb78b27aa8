"""Binance's history: klines, aggregate trades, funding rates, open interest, instruments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from marketprism_adapters.venues.binance.venue import Binance
from marketprism_adapters.venues.kit.history_times import first_ms, last_ms
from marketprism_application.contracts.kinds import FUNDING_RATE, INSTRUMENT, KLINE, OPEN_INTEREST, TRADE
from marketprism_application.venues.history import EVENTS, GRID, IDS, LISTED, HistoryKind
from marketprism_application.venues.protocol import RestRequest

INTERVALS = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "1w")
_BASES = {"spot": "/api/v3", "usdm": "/fapi/v1", "coinm": "/dapi/v1"}
_LONGEST_MS = {"coinm": 200 * 86_400_000}  # of one request for klines
_HOUR_S, _DAY_S = 3_600, 86_400


class BinanceHistory:
    """One market: `spot`, `usdm` or `coinm`. Fulfils `VenueHistory`.

    Pages of futures have 499 klines: they weigh 2, while 1500 weigh 10.
    """

    newest_first = False
    busy: Sequence[str] = ("-1003",)

    def __init__(self, market: str, rest_url: str = "") -> None:
        self.venue = Binance(market, "", rest_url)
        self._market = market
        spot = market == "spot"
        klines = ("1s", *INTERVALS) if spot else INTERVALS
        base = _BASES[market]
        kinds = {
            KLINE.name: HistoryKind(GRID, f"{base}/klines", 1000 if spot else 499, 2, intervals=klines),
            TRADE.name: HistoryKind(IDS, f"{base}/aggTrades", 1000, 4 if spot else 20, window_s=_HOUR_S),
            INSTRUMENT.name: HistoryKind(LISTED, f"{base}/exchangeInfo", 1, 20 if spot else 1),
        }
        if not spot:
            kinds[FUNDING_RATE.name] = HistoryKind(EVENTS, f"{base}/fundingRate", 1000, 1, "funding", suffix="-PERP")
        if market == "usdm":
            kinds[OPEN_INTEREST.name] = HistoryKind(
                GRID, "/futures/data/openInterestHist", 500, 1, "data", step_s=300, back_s=29 * _DAY_S
            )
        self.kinds: Mapping[str, HistoryKind] = kinds

    def page_request(self, kind: str, symbol: str, interval: str, ts_from: int, ts_to: int) -> RestRequest:
        """klines, fundingRate or openInterestHist, oldest first."""
        how = self.kinds[kind]
        begin, end = first_ms(ts_from), last_ms(ts_to)
        given = {"symbol": self.venue.native(symbol), "limit": str(how.page)}
        if interval:
            end = min(end, begin + _LONGEST_MS.get(self._market, end) - 1)
            given |= {"interval": interval}
        elif how.step_s:
            given |= {"period": f"{how.step_s // 60}m"}
        given |= {"startTime": str(begin), "endTime": str(end)}
        return RestRequest(how.path, given, how.weight, how.budget)

    def trades_by_time(self, symbol: str, ts_from: int, ts_to: int) -> RestRequest:
        """The first aggTrades of a range of at most an hour."""
        return self.page_request(TRADE.name, symbol, "", ts_from, ts_to)


__all__ = ["INTERVALS", "BinanceHistory"]
