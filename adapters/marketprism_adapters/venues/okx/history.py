"""OKX's history: candles, trades, funding rates, open interest, instruments. Newest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from marketprism_adapters.venues.kit.history_times import first_ms, last_ms
from marketprism_adapters.venues.okx.symbols import native_of
from marketprism_adapters.venues.okx.terms import BARS
from marketprism_adapters.venues.okx.venue import Okx
from marketprism_application.contracts.kinds import FUNDING_RATE, INSTRUMENT, KLINE, OPEN_INTEREST, TRADE
from marketprism_application.venues.history import EVENTS, GRID, IDS, LISTED, HistoryKind
from marketprism_application.venues.protocol import RestRequest

_DAY_S = 86_400
_QUARTER_S = 90 * _DAY_S
# Bars of a day and longer begin at midnight of UTC (`1Dutc`); several days are no interval of ours.
INTERVALS = tuple(each for each in BARS if each[-1] in "smh" or each in ("1d", "1w"))


class OkxHistory:
    """Fulfils `VenueHistory`. Ends of ranges (`after`, `before`) are outside of what is answered."""

    newest_first = True
    busy: Sequence[str] = ("50011", "50061")
    kinds: Mapping[str, HistoryKind] = {
        KLINE.name: HistoryKind(GRID, "/api/v5/market/history-candles", 300, intervals=INTERVALS, dense=False),
        TRADE.name: HistoryKind(IDS, "/api/v5/market/history-trades", 100, back_s=_QUARTER_S, window_s=3_600),
        FUNDING_RATE.name: HistoryKind(
            EVENTS, "/api/v5/public/funding-rate-history", 100, 1, "funding", back_s=_QUARTER_S, suffix="-PERP"
        ),
        OPEN_INTEREST.name: HistoryKind(
            GRID,
            "/api/v5/rubik/stat/contracts/open-interest-history",
            100,
            1,
            "statistics",
            step_s=300,
            back_s=5 * _DAY_S,
        ),
        INSTRUMENT.name: HistoryKind(LISTED, "/api/v5/public/instruments", 1, 4),
    }

    def __init__(self, rest_url: str = "") -> None:
        self.venue = Okx("", rest_url)

    def page_request(self, kind: str, symbol: str, interval: str, ts_from: int, ts_to: int) -> RestRequest:
        """history-candles, funding-rate-history or open-interest-history."""
        how = self.kinds[kind]
        begin, end = first_ms(ts_from), last_ms(ts_to)
        given = {"instId": native_of(symbol), "limit": str(how.page)}
        if how.step_s:
            given |= {"period": f"{how.step_s // 60}m", "begin": str(begin), "end": str(end)}
        else:
            given |= {"before": str(begin - 1), "after": str(end + 1)}
        if interval:
            given |= {"bar": BARS[interval]}
        return RestRequest(how.path, given, how.weight, how.budget)

    def trades_by_time(self, symbol: str, ts_from: int, ts_to: int) -> RestRequest:  # noqa: ARG002 (the port's form)
        """The last trades before the end of a range."""
        how = self.kinds[TRADE.name]
        given = {"instId": native_of(symbol), "type": "2", "after": str(last_ms(ts_to) + 1), "limit": str(how.page)}
        return RestRequest(how.path, given, how.weight, how.budget)


__all__ = ["INTERVALS", "OkxHistory"]
