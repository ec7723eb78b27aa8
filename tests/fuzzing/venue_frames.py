"""A frame of each stream of each venue, made from the types that decode them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from marketprism_adapters.venues.binance import frames as binance
from marketprism_adapters.venues.bybit import frames as bybit
from marketprism_adapters.venues.deribit import frames as deribit
from marketprism_adapters.venues.okx import frames as okx
from tests.fuzzing.examples import NOW_MS, example

_LEVELS = [["1.5", "2"], ["1.4", "0"]]
_OF_BINANCE: Mapping[str, tuple[type[Any], str]] = {
    "aggTrade": (binance.AggTrade, "aggTrade"),
    "trade": (binance.RawTrade, "trade"),
    "depth@100ms": (binance.Depth, "depthUpdate"),
    "bookTicker": (binance.BookTicker, "bookTicker"),
    "markPrice@1s": (binance.MarkPrice, "markPriceUpdate"),
    "ticker": (binance.DayTicker, "24hrTicker"),
    "kline_1m": (binance.Kline, "kline"),
    "forceOrder": (binance.ForceOrder, "forceOrder"),
    "depth5": (binance.PartialDepth, ""),
}
_OF_OKX: Mapping[str, type[Any]] = {
    "trades": okx.Trade,
    "option-trades": okx.OptionTrade,
    "tickers": okx.Ticker,
    "funding-rate": okx.Funding,
    "open-interest": okx.Interest,
    "liquidation-orders": okx.Liquidations,
    "mark-price": okx.Mark,
    "opt-summary": okx.Greeks,
    "books": okx.Book,
    "books5": okx.Book,
    "bbo-tbt": okx.Book,
}
_OF_DERIBIT: Mapping[str, Any] = {
    "trades.{}.100ms": list[deribit.Trade],
    "book.{}.100ms": deribit.Book,
    "book.{}.none.10.100ms": deribit.GroupedBook,
    "ticker.{}.100ms": deribit.Ticker,
    "quote.{}": deribit.Quote,
    "chart.trades.{}.1": deribit.Chart,
}


def of_market(market: str, native: str) -> list[bytes]:
    """Frames of a market, of the instrument with the venue's own name."""
    venue = market.partition("-")[0]
    made = {"binance": _binance, "okx": _okx, "bybit": _bybit, "deribit": _deribit}.get(venue)
    return [msgspec.json.encode(frame) for frame in made(native)] if made is not None else []


def _binance(native: str) -> Iterator[Any]:
    for stream, (made, event) in _OF_BINANCE.items():
        data = _with(example(made), {"s": native, "S": "BUY", "i": "1m", "b": _LEVELS, "a": _LEVELS, "U": 5, "u": 7})
        if event not in ("depthUpdate",):
            data = _with(data, {"b": "1.5", "a": "1.6"} if event != "aggTrade" else {"a": 7, "f": 5, "l": 9})
        if event == "trade" or not event:
            data = _with(data, {"t": 9, "bids": _LEVELS, "asks": _LEVELS})
        yield {"stream": f"{native.lower()}@{stream}", "data": ({"e": event} if event else {}) | data}
        yield {"e": event, "E": NOW_MS} | data
    yield {"result": None, "id": 1}
    yield {"error": {"code": 2, "msg": "Invalid request"}, "id": 1}


def _okx(native: str) -> Iterator[Any]:
    for channel, made in _OF_OKX.items():
        data = _with(
            example(made),
            {
                "instId": native,
                "side": "buy",
                "ts": str(NOW_MS),
                "tradeId": "77",
                "count": "1",
                "bids": _LEVELS,
                "asks": _LEVELS,
                "seqId": 9,
                "prevSeqId": 7,
            },
        )
        yield {"arg": {"channel": channel, "instId": native}, "action": "snapshot", "data": [data]}
    candle = [str(NOW_MS), "1", "2", "0.5", "1.5", "10", "20", "30", "1"]
    yield {"arg": {"channel": "candle1m", "instId": native}, "data": [candle]}
    yield {"event": "subscribe", "arg": {"channel": "trades", "instId": native}, "connId": "a"}
    yield {"event": "error", "code": "60012", "msg": "Invalid request", "connId": "a"}


def _bybit(native: str) -> Iterator[Any]:
    trade = _with(example(bybit.Trade), {"s": native, "S": "Buy", "seq": 99, "i": "7"})
    book = _with(example(bybit.Book), {"s": native, "b": _LEVELS, "a": _LEVELS, "u": 9, "seq": 99})
    ticker = _with(example(bybit.Ticker), {"symbol": native, "nextFundingTime": str(NOW_MS)})
    for topic, data in (
        (f"publicTrade.{native}", [trade]),
        (f"orderbook.50.{native}", book),
        (f"tickers.{native}", ticker),
    ):
        for kind in ("snapshot", "delta"):
            yield {"topic": topic, "type": kind, "ts": NOW_MS, "cts": NOW_MS, "cs": 9, "data": data}
    yield {"success": True, "ret_msg": "", "op": "subscribe", "req_id": "1"}


def _deribit(native: str) -> Iterator[Any]:
    for channel, made in _OF_DERIBIT.items():
        data = example(made)
        more = {
            "instrument_name": native,
            "direction": "buy",
            "type": "snapshot",
            "bids": [["new", 1.5, 2]],
            "asks": [["new", 1.6, 2]],
            "change_id": 9,
            "prev_change_id": 8,
        }
        data = [_with(each, more) for each in data] if isinstance(data, list) else _with(data, more)
        for each in data if isinstance(data, list) else [data]:
            each.update({name: 1.25 for name, value in each.items() if value == "1"})
        params = {"channel": channel.format(native), "data": data}
        yield {"jsonrpc": "2.0", "method": "subscription", "params": params}
    yield {"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": "test_request"}}
    yield {"jsonrpc": "2.0", "id": 1, "result": [f"quote.{native}"]}


def _with(data: Any, changes: Mapping[str, Any]) -> Any:
    """The example with those of some values that it has, also below it."""
    found = {}
    for name, value in data.items():
        if name in changes and not isinstance(value, dict):
            found[name] = changes[name]
        elif isinstance(value, dict):
            found[name] = _with(value, changes)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            found[name] = [_with(each, changes) for each in value]
        else:
            found[name] = value
    return found
