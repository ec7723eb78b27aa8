"""Deribit's answers about the past, for a simulated venue. Numbers are JSON numbers with the digits of their texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from marketprism_adapters.venues.deribit.simulate import DeribitDialect
from marketprism_adapters.venues.deribit.terms import length_ms
from marketprism_adapters.venues.kit.dialect import Reply
from marketprism_adapters.venues.kit.simulated_market import SimulatedTrade
from marketprism_adapters.venues.kit.simulated_past import PastPage, SimulatedPast

_COLUMNS = ("ticks", "open", "high", "low", "close", "volume", "cost")
_NAMES = (
    "get_tradingview_chart_data",
    "get_last_trades_by_instrument",
    "get_last_trades_by_instrument_and_time",
    "get_funding_rate_history",
)


class DeribitPast:
    """Fulfils `PastDialect`."""

    market = "deribit"

    def __init__(self, bases: Sequence[str] = ("BTC",)) -> None:
        self._dialect = DeribitDialect(bases)
        self.pasts: Mapping[str, SimulatedPast] = {pair.native: SimulatedPast(pair) for pair in self._dialect.pairs}

    def answer(self, path: str, query: Mapping[str, str]) -> PastPage | Reply | None:
        """Charts, trades by time and by number, hourly funding; the instrument list as it is live."""
        name = path.rsplit("/", 1)[-1]
        if name == "get_instruments":
            listed = self._dialect.get(path, query, {}, old=False)
            listing = [{**row, "creation_timestamp": self._listed_ms(row)} for row in listed.body["result"]]
            return Reply(200, {"jsonrpc": "2.0", "result": listing})
        if name not in _NAMES:
            return None
        past = self.pasts.get(query.get("instrument_name", ""))
        if past is None:
            return Reply(400, {"jsonrpc": "2.0", "error": {"code": -32602, "message": "Invalid params"}})
        if name == "get_last_trades_by_instrument":
            first = int(query["start_seq"])
            last = min(int(query["end_seq"]), first + int(query.get("count", "10")) - 1)
            return PastPage([self._trade(past, each) for each in past.trades(first, last)], _trades)
        first, last = int(query["start_timestamp"]), int(query["end_timestamp"])
        if name == "get_last_trades_by_instrument_and_time":
            begin, count = past.first_id(first), int(query.get("count", "10"))
            found = [each for each in past.trades(begin, begin + count - 1) if each.ts_ms <= last]
            return PastPage([self._trade(past, each) for each in found], _trades)
        if name == "get_funding_rate_history":
            rows: list[object] = [
                {"timestamp": at, "interest_8h": _raw(rate), "interest_1h": _raw(rate), "index_price": _raw("60000.5")}
                for at, rate in past.rates(first, last, 3_600_000)
            ]
            return PastPage(rows[:744], lambda found: {"jsonrpc": "2.0", "result": found})
        bars = past.bars(length_ms(query["resolution"]), first, last)[:5_000]
        rows = [
            [bar.opened_ms, *map(_raw, (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.turnover))]
            for bar in bars
        ]
        return PastPage(rows, _chart)

    def _listed_ms(self, row: Mapping[str, str]) -> int:
        return self.pasts[row["instrument_name"]].listed_ms

    @staticmethod
    def _trade(past: SimulatedPast, each: SimulatedTrade) -> dict[str, object]:
        return {
            "trade_seq": each.trade_id,
            "trade_id": str(each.trade_id),
            "timestamp": each.ts_ms,
            "price": _raw(each.price),
            "instrument_name": past.pair.native,
            "amount": _raw(each.quantity),
            "direction": "sell" if each.sell else "buy",
            "mark_price": _raw(each.price),
            "index_price": _raw(each.price),
        }


def _raw(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


def _trades(rows: list[object]) -> dict[str, object]:
    return {"jsonrpc": "2.0", "result": {"trades": rows, "has_more": False}}


def _chart(rows: list[object]) -> dict[str, object]:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(_COLUMNS)
    made = {name: list(column) for name, column in zip(_COLUMNS, columns, strict=True)}
    return {"jsonrpc": "2.0", "result": {**made, "status": "ok" if rows else "no_data"}}


__all__ = ["DeribitPast"]
