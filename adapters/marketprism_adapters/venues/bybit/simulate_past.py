"""Bybit's answers about the past, for a simulated venue: newest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from marketprism_adapters.venues.bybit.past import INTERVALS
from marketprism_adapters.venues.bybit.simulate import BybitDialect
from marketprism_adapters.venues.kit.dialect import Reply
from marketprism_adapters.venues.kit.simulated_past import PastPage, SimulatedPast
from marketprism_domain.values import Interval

_OURS = {theirs: ours for ours, theirs in INTERVALS.items()}


class BybitPast:
    """Fulfils `PastDialect` for `spot` or `linear`."""

    def __init__(self, category: str, bases: Sequence[str] = ("BTC",)) -> None:
        self.market = category
        self._dialect = BybitDialect(category, bases)
        self.pasts: Mapping[str, SimulatedPast] = {pair.native: SimulatedPast(pair) for pair in self._dialect.pairs}

    def answer(self, path: str, query: Mapping[str, str]) -> PastPage | Reply | None:
        """Klines, funding rates, open interest; the instrument list as it is live."""
        name = path.rpartition("/v5/market/")[2]
        if name == "instruments-info":
            return self._dialect.get(path, query, {}, old=False)
        if name not in ("kline", "funding/history", "open-interest"):
            return None
        past = self.pasts.get(query.get("symbol", ""))
        if past is None:
            return Reply(200, {"retCode": 10001, "retMsg": "params error: symbol invalid", "result": {}})
        limit, now = int(query.get("limit", "200")), str(past.now_ms())
        native = past.pair.native
        if name == "kline":
            step = Interval.parse(_OURS[query["interval"]]).seconds * 1_000
            bars = past.bars(step, int(query.get("start", "0")), int(query.get("end", now)))
            rows: list[object] = [
                [str(bar.opened_ms), bar.open, bar.high, bar.low, bar.close, bar.volume, bar.turnover] for bar in bars
            ]
        else:
            first, last = int(query.get("startTime", "0")), int(query.get("endTime", now))
            if name == "open-interest":
                rows = [{"openInterest": text, "timestamp": str(at)} for at, text in past.interests(first, last)]
            else:
                rows = [
                    {"symbol": native, "fundingRate": rate, "fundingRateTimestamp": str(at)}
                    for at, rate in past.rates(first, last)
                ]

        def wrapped(found: list[object]) -> dict[str, object]:
            result = {"category": self.market, "symbol": native, "list": found}
            return {"retCode": 0, "retMsg": "OK", "result": result}

        return PastPage(rows[::-1][:limit], wrapped)


__all__ = ["BybitPast"]
