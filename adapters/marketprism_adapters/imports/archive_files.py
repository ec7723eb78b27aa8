"""Files of a venue's public archive (`venues/binance/archive.py`): klines, trades, funding rates, open interest."""

from __future__ import annotations

from dataclasses import replace

from marketprism_adapters.imports.intervals import interval_of_ns
from marketprism_adapters.imports.layout import Layout, Sample, positions
from marketprism_adapters.imports.market_names import ARCHIVE_COIN, ARCHIVE_PERPETUAL, ARCHIVE_SPOT, instrument_of
from marketprism_adapters.venues.binance import archive

_BAR = {
    "ts_open": "open_time",
    "open": "open",
    "high": "high",
    "low": "low",
    "close": "close",
    "volume": "volume",
    "turnover": "quote_volume",
    "trades": "count",
    "taker_buy_volume": "taker_buy_volume",
}
_FLAGS = {"true", "false"}


def recognise(sample: Sample) -> Layout | None:
    """How a file of the archive is read; None where it is none."""
    names = positions(sample.names)
    found = _klines(sample, names) or _trades(sample, names) or _rates(sample, names) or _quotes(sample, names)
    if found is None:
        return None
    return _named(found, sample)


def _klines(sample: Sample, names: dict[str, int]) -> Layout | None:
    if names:
        if not {"open_time", "close_time", "quote_volume", "count"} <= names.keys() or sample.width != 12:
            return None
    elif sample.width != 12 or not sample.rows or not _is_kline(sample.rows[0]):
        return None
    columns = archive.KLINES
    interval = ""
    if sample.rows and _is_kline(sample.rows[0]):
        row = sample.rows[0]
        length = int(row[6]) - int(row[0]) + 1
        unit = 10**6 if len(row[0].strip()) <= 13 else 10**3
        interval = interval_of_ns(length * unit) or ""
    return Layout(
        archive.NAME,
        "bar",
        columns,
        _BAR,
        header=bool(names),
        interval=interval,
        dense=True,
        stamped="open",
        own_bars=True,
    )


def _is_kline(row: tuple[str, ...]) -> bool:
    first, last = row[0].strip(), row[6].strip()
    return first.isdecimal() and last.isdecimal() and len(first) in (13, 16) and int(last) > int(first)


def _trades(sample: Sample, names: dict[str, int]) -> Layout | None:
    if names:
        if {"agg_trade_id", "transact_time", "is_buyer_maker"} <= names.keys():
            return _aggregated(sample.width, header=True)
        if {"id", "qty", "time", "is_buyer_maker"} <= names.keys():
            return _single(sample.width, header=True)
        return None
    if not sample.rows or sample.width not in (6, 7, 8):
        return None
    row = [cell.strip() for cell in sample.rows[0]]
    flags = [at for at, cell in enumerate(row) if cell.lower() in _FLAGS]
    if flags in ([6, 7], [6]):
        return _aggregated(sample.width, header=False)
    if flags in ([5, 6], [5]):
        return _single(sample.width, header=False)
    return None


def _aggregated(width: int, *, header: bool) -> Layout:
    fields = {
        "trade_id": "agg_trade_id",
        "price": "price",
        "quantity": "quantity",
        "first_id": "first_trade_id",
        "last_id": "last_trade_id",
        "ts_event": "transact_time",
    }
    columns = archive.AGG_TRADES[:width]
    return Layout(archive.NAME, "trade", columns, fields, header=header, maker_flag="is_buyer_maker")


def _single(width: int, *, header: bool) -> Layout:
    fields = {"trade_id": "id", "price": "price", "quantity": "qty", "ts_event": "time"}
    return Layout(archive.NAME, "trade", archive.TRADES[:width], fields, header=header, maker_flag="is_buyer_maker")


def _rates(sample: Sample, names: dict[str, int]) -> Layout | None:
    if set(archive.FUNDING) <= names.keys():
        fields = {"ts_event": "calc_time", "rate": "last_funding_rate"}
        return Layout(archive.NAME, "funding_rate", sample.names, fields)
    if set(archive.METRICS_NEEDED) <= names.keys():
        fields = {"ts_event": "create_time", "open_interest": "sum_open_interest"}
        return Layout(
            archive.NAME, "open_interest", sample.names, fields, native=_first(sample, names["symbol"]), zone="UTC"
        )
    return None


def _quotes(sample: Sample, names: dict[str, int]) -> Layout | None:
    if not set(archive.BOOK_TICKER) <= names.keys():
        return None
    fields = {
        "ts_event": "transaction_time",
        "bid_price": "best_bid_price",
        "bid_quantity": "best_bid_qty",
        "ask_price": "best_ask_price",
        "ask_quantity": "best_ask_qty",
        "number": "update_id",
    }
    return Layout(archive.NAME, "book_top", sample.names, fields)


def _first(sample: Sample, at: int) -> str:
    return next((cell.strip() for cell in sample.column(at)), "")


def _named(layout: Layout, sample: Sample) -> Layout:
    """With the instrument, and the market that files of such columns are of."""
    member = archive.member_of(sample.member)
    native = layout.native or (member.native if member else "")
    contracts = layout.header or "rate" in layout.fields or "open_interest" in layout.fields
    market = ARCHIVE_SPOT
    if native.partition("_")[0].endswith("USD") and "_" in native:
        market = ARCHIVE_COIN
    elif contracts or (layout.maker_flag and layout.columns[-1] != archive.LAST_OF_SPOT):
        market = ARCHIVE_PERPETUAL
    named = instrument_of(market, native) if native else None
    remark = f"read as a file of {market}: --venue says otherwise"
    symbol = named.symbol if named else ""
    return replace(layout, venue=market, symbol=symbol, native=native, remarks=(remark,), checksum=True)
