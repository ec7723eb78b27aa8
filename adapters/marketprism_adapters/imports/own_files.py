"""Files that this product writes: the columns of an answer, in CSV, Parquet, Arrow or Feather."""

from __future__ import annotations

from marketprism_adapters.imports.layout import Layout, Sample, positions

_KEYS = {"venue", "symbol", "ts_event"}
_BAR = ("ts_open", "open", "high", "low", "close", "volume")
_MORE = ("turnover", "open_interest", "trades", "taker_buy_volume")
_EVENTS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("trade", ("trade_id", "price", "quantity", "side"), ("first_id", "last_id")),
    ("funding_rate", ("rate", "ts_funding", "settled"), ()),
    ("open_interest", ("open_interest", "contracts", "value"), ()),
)


def recognise(sample: Sample) -> Layout | None:
    """How a file of ours is read; None where it is none, or has a kind that is not read from files."""
    at = positions(sample.names)
    if {"venue", "symbol", "interval", "ts_close", *_BAR} <= at.keys():
        fields = {name: name for name in (*_BAR, *_MORE) if name in at}
        own_bars = "closed" in at
        return Layout(
            *("marketprism", "bar", sample.names, fields),
            symbols="symbol",
            venues="venue",
            intervals="interval",
            dense=own_bars,
            stamped="open",
            own_bars=own_bars,
            own_names=True,
            zone="UTC",
        )
    if not at.keys() >= _KEYS:
        return None
    for kind, needed, more in _EVENTS:
        if at.keys() >= set(needed):
            read = [name for name in (*needed, *more) if name in at and name in _READ[kind]]
            fields = {"ts_event": "ts_event", **{name: name for name in read}}
            return Layout(
                *("marketprism", kind, sample.names, fields),
                symbols="symbol",
                venues="venue",
                own_names=True,
                zone="UTC",
            )
    return None


_READ = {
    "trade": {"trade_id", "price", "quantity", "side", "first_id", "last_id"},
    "funding_rate": {"rate"},
    "open_interest": {"open_interest"},
}
