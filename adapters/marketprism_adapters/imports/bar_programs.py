"""Files that trading programs write: vnpy, TqSdk, freqtrade, Lean; one function a program."""

from __future__ import annotations

import re
from datetime import date

from marketprism_adapters.imports.layout import Layout, Sample, positions
from marketprism_domain.sessions.trading_days import EPOCH

_PRICES = ("open", "high", "low", "close")
_OF_VNPY = {**{name: f"{name}_price" for name in _PRICES}, "volume": "volume"}
_LEAN = re.compile(r"(?:(\d{4})(\d{2})(\d{2})_)?([a-z0-9]+)(?:_minute)?_trade(?:_perp)?\.csv")


def vnpy(sample: Sample) -> Layout | None:
    """Bars as vnpy and its relatives write them: `symbol, exchange, datetime, open …`, or `open_price …` with one name
    of symbol and exchange. Which end of a bar the time is differs among them."""
    at = positions(sample.names)
    named = {"symbol", "exchange"} <= at.keys() or {"local_symbol", "vt_symbol"} & at.keys()
    if (
        not named
        or "datetime" not in at
        or not ({"open", "close"} <= at.keys() or {"open_price", "close_price"} <= at.keys())
    ):
        return None
    fields = {"ts_open": "datetime"}
    for name in (*_PRICES, "volume"):
        column = name if name in at else f"{name}_price"
        if column not in at:
            return None
        fields[name] = column
    fields |= {name: name for name in ("turnover", "open_interest") if name in at}
    own = {cleaned: sample.names[place] for cleaned, place in at.items()}
    whole = next((own[name] for name in ("vt_symbol", "local_symbol") if name in at), "")
    return Layout(
        "vnpy",
        "bar",
        sample.names,
        {field: own[column] for field, column in fields.items()},
        symbols=own["symbol"] if "symbol" in at else whole,
        venues=own.get("exchange", ""),
        intervals=own.get("interval", ""),
    )


def tqsdk(sample: Sample) -> Layout | None:
    """Bars of TqSdk's downloader: open-stamped, in nanoseconds, one for each minute of a session; the instrument stands
    before the name of each column."""
    names = [name.rpartition(".") for name in sample.names]
    bare = {last.strip().lower(): sample.names[at] for at, (_, _, last) in enumerate(names)}
    time = next((bare[name] for name in ("datetime_nano", "datetime_ns") if name in bare), None)
    if time is None or not {*_PRICES, "volume", "close_oi"} <= bare.keys():
        return None
    fields = {"ts_open": time, **{name: bare[name] for name in (*_PRICES, "volume")}, "open_interest": bare["close_oi"]}
    native = next((head for head, point, last in names if point and last.lower() == "close"), "")
    return Layout("tqsdk", "bar", sample.names, fields, native=native, symbol=native, dense=True, stamped="open")


def freqtrade(sample: Sample) -> Layout | None:
    """Bars and trades of freqtrade: `date, open, high, low, close, volume`; a minute without a trade has no bar. A file
    of funding rates has them in `open`, and nothing else."""
    at = positions(sample.names)
    if list(at) == ["volume", "close", "low", "high", "open", "date"] or set(at) == {"date", *_PRICES, "volume"}:
        times = sample.column(at["date"])
        if not all(_is_zoned(text) for text in times[:20]):
            return None
        own = {name: sample.names[place] for name, place in at.items()}
        if _is_rate(sample, at):
            return Layout(
                "freqtrade", "funding_rate", sample.names, {"ts_event": own["date"], "rate": own["open"]}, zone="UTC"
            )
        fields = {"ts_open": own["date"], **{name: own[name] for name in (*_PRICES, "volume")}}
        return Layout("freqtrade", "bar", sample.names, fields, dense=False, stamped="open", zone="UTC")
    if {"timestamp", "id", "side", "price", "amount", "cost"} <= at.keys():
        fields = {"ts_event": "timestamp", "trade_id": "id", "price": "price", "quantity": "amount", "side": "side"}
        return Layout("freqtrade", "trade", sample.names, fields, zone="UTC")
    return None


def _is_zoned(text: str) -> bool:
    text = text.strip()
    return (text.isdecimal() and len(text) == 13) or text.endswith(("+00:00", "Z", "+0000"))


def _is_rate(sample: Sample, at: dict[str, int]) -> bool:
    zero = all(_zero(cell) for name in ("high", "low", "close", "volume") for cell in sample.column(at[name])[:50])
    return bool(sample.rows) and zero and any(not _zero(cell) for cell in sample.column(at["open"])[:50])


def _zero(cell: str) -> bool:
    try:
        return float(cell) == 0
    except ValueError:
        return False


def lean(sample: Sample) -> Layout | None:
    """Bars of trades of Lean: milliseconds of the day that the member's name has, prices, volume; without a header."""
    found = _LEAN.search(sample.member.rpartition("/")[2])
    if found is None or sample.names or sample.width != 6 or not sample.rows:
        return None
    columns = ("time", *_PRICES, "volume")
    fields = {"ts_open": "time", **{name: name for name in (*_PRICES, "volume")}}
    base = None
    if found[1]:
        if not all(row[0].strip().isdecimal() for row in sample.rows[:20]):
            return None
        base = (date(int(found[1]), int(found[2]), int(found[3])) - EPOCH).days
    return Layout(
        "lean", "bar", columns, fields, header=False, base_day=base, native=found[4].upper(), stamped="open", zone="UTC"
    )
