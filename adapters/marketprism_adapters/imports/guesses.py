"""A table of bars or trades of nobody in particular: which column is which, by what people call them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from marketprism_adapters.imports.layout import Layout, Sample, cleaned, positions
from marketprism_application.contracts.nearest import did_you_mean
from marketprism_application.errors import SourceError
from marketprism_application.ports.imports import ROWS, TIME_OF

_NAMES: Mapping[str, str] = {
    "time": "ts_open ts_event open_time opentime begintime begin_time datetime_nano datetime_ns datetime timestamp "
    "time date ts trade_time bob date_time trading_time trading_date trade_date tradingday trading_day eob 时间 日期 "
    "交易时间 交易日期",
    "open": "open open_price openprice o 开盘价 开盘",
    "high": "high high_price highprice h max 最高价 最高",
    "low": "low low_price lowprice l min 最低价 最低",
    "close": "close close_price closeprice c last 收盘价 收盘",
    "volume": "volume vol v base_volume total_volume 成交量",
    "turnover": "turnover amount quote_volume quote_asset_volume total_turnover money value 成交额 成交金额",
    "open_interest": "open_interest openinterest close_oi oi endopenint hold 持仓量",
    "trades": "trades count number_of_trades num_trades trade_count",
    "taker_buy_volume": "taker_buy_volume taker_buy_base taker_buy_base_asset_volume",
    "price": "price last_price lastprice",
    "quantity": "quantity qty size amount volume last_volume",
    "trade_id": "trade_id id tid tradeid",
    "side": "side direction",
}
_WORDS = {field: names.split() for field, names in _NAMES.items()}
_CLOCK = ("time", "时间")
_DAYS = ("date", "trading_date", "trade_date", "tradingday", "trading_day", "日期", "交易日期")
_SYMBOLS = (
    "symbol",
    "instrument_id",
    "instrumentid",
    "instrument",
    "code",
    "ticker",
    "合约",
    "合约代码",
    "vt_symbol",
    "order_book_id",
)
_VENUES = ("exchange", "venue", "exchange_id", "exchangeid", "交易所")
_BAR_NEEDS, _TRADE_NEEDS = ("open", "high", "low", "close"), ("price", "quantity")
_BARE = ("ts_open", "open", "high", "low", "close", "volume", "turnover", "open_interest")


def generic(sample: Sample, given: Mapping[str, str]) -> Layout | None:
    """A layout by the names of columns, with those that are `given` by field; None where there are no bars or trades.

    Raises:
        SourceError: a given field or column that there is not.
    """
    if sample.names:
        layout = _by_names(sample, given)
    elif given:
        numbered = sample._replace(names=numbered_columns(sample.width))
        layout = _by_names(numbered, given)
        layout = None if layout is None else replace(layout, header=False)
    else:
        layout = _bare(sample)
    return None if layout is None else replace(layout, guessed=True)


def numbered_columns(width: int) -> tuple[str, ...]:
    """Names of the columns of a table that has none: `column_1`, `column_2` …"""
    return tuple(f"column_{number + 1}" for number in range(width))


def _as_written(layout: Layout) -> Layout:
    """The layout with its columns by the names that the file has for them: `Timestamp` of `timestamp`."""
    own = {cleaned(name): name for name in reversed(layout.columns)}

    def written(column: str) -> str:
        return column if not column or column in layout.columns else own.get(column, column)

    names = ("symbols", "venues", "intervals", "maker_flag", "second_time")
    return replace(
        layout,
        fields={field: written(column) for field, column in layout.fields.items()},
        **{name: written(getattr(layout, name)) for name in names},  # type: ignore[arg-type]  # columns, all of them
    )


def with_columns(layout: Layout, given: Mapping[str, str]) -> Layout:
    """A layout in which fields have the columns that are given.

    Raises:
        SourceError: a field that the kind does not have, or a column that the file does not have.
    """
    check_columns(given, layout.columns)
    layout = _as_written(layout)
    fields = dict(layout.fields)
    known = [name for name in ROWS[layout.kind].names if name not in ("row", "digits")]
    for name, column in given.items():
        field = TIME_OF[layout.kind] if name == "time" else name
        if field not in known:
            raise SourceError(f"--map {name}: expected one of {', '.join(known)}{did_you_mean(name, known)}")
        fields[field] = column
    return replace(layout, fields=fields)


def check_columns(given: Mapping[str, str], columns: Sequence[str]) -> None:
    """That there are the columns that are given.

    Raises:
        SourceError: names the first that there is not.
    """
    for name, column in given.items():
        if column not in columns:
            near = did_you_mean(column, columns)
            raise SourceError(f"--map {name}={column}: expected one of {', '.join(columns)}{near}")


def _by_names(sample: Sample, given: Mapping[str, str]) -> Layout | None:
    at = positions(sample.names)
    own = {name: sample.names[place] for name, place in at.items()}

    def column(field: str) -> str | None:
        if field in given:
            return given[field]
        return next((own[word] for word in _WORDS[field] if word in own), None)

    time = given.get("time") or given.get("ts_open") or given.get("ts_event") or column("time")
    day, clock = (next((own[word] for word in words if word in own), None) for words in (_DAYS, _CLOCK))
    if not given and day is not None and clock is not None and _only_clock(sample, clock):
        time = day
    prices = {name: found for name in _BAR_NEEDS if (found := column(name)) is not None}
    if time is None:
        return None
    second = ""
    if positions([time]).keys() & set(_DAYS) and _has_no_clock(sample, time):
        second = next((own[word] for word in _CLOCK if word in own and own[word] != time), "")
    if len(prices) == len(_BAR_NEEDS):
        volume = column("volume") or _other_volume(own)
        if volume is None:
            return None
        more = ("turnover", "open_interest", "trades", "taker_buy_volume")
        fields = {"ts_open": time, **prices, "volume": volume}
        fields |= {name: found for name in more if (found := column(name)) is not None and found != volume}
        begins = positions([time]).keys() & {"open_time", "begintime", "begin_time", "bob", "ts_open"}
        stamped = "open" if begins else "close" if positions([time]).keys() & {"eob"} else ""
        return _named(Layout("table", "bar", sample.names, fields, stamped=stamped, second_time=second), own)
    trade = {name: found for name in _TRADE_NEEDS if (found := column(name)) is not None}
    if len(trade) == len(_TRADE_NEEDS) and not _is_snapshot(own):
        fields = {"ts_event": time, **trade}
        fields |= {name: found for name in ("trade_id", "side") if (found := column(name)) is not None}
        return _named(Layout("table", "trade", sample.names, fields, second_time=second), own)
    return None


def _is_snapshot(own: Mapping[str, str]) -> bool:
    """Whether rows have both sides of a book: they are snapshots, whose volume is that of the day."""
    return all(any(name.startswith(side) for name in own) for side in ("bid", "ask"))


def _named(layout: Layout, own: Mapping[str, str]) -> Layout:
    """With the columns that name instruments."""
    symbols, venues = (next((own[word] for word in words if word in own), "") for words in (_SYMBOLS, _VENUES))
    return replace(layout, symbols=symbols, venues=venues)


def _other_volume(own: Mapping[str, str]) -> str | None:
    return own.get("amount") or own.get("qty")


def _has_no_clock(sample: Sample, name: str) -> bool:
    return all(":" not in cell for cell in sample.column(sample.names.index(name))[:20])


def _only_clock(sample: Sample, name: str) -> bool:
    return all(":" in cell and len(cell.strip()) <= 15 for cell in sample.column(sample.names.index(name))[:20])


def _bare(sample: Sample) -> Layout | None:
    """A table without a header: a time, four prices of which the second is the highest and the third the lowest, then
    volume."""
    if not 6 <= sample.width <= 8 or not sample.rows:
        return None
    try:
        prices = [[float(cell) for cell in row[1:6]] for row in sample.rows[:200]]
    except (ValueError, IndexError):
        return None
    if not all(len(row) == 5 and row[1] >= max(row[0], row[3]) and row[2] <= min(row[0], row[3]) for row in prices):
        return None
    columns = _BARE[: sample.width]
    return Layout("table", "bar", columns, {name: name for name in columns[:6]}, header=False)
