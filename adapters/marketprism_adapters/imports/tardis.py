"""CSV of tardis: `exchange, symbol, timestamp, local_timestamp, …`, times in microseconds."""

from __future__ import annotations

from marketprism_adapters.imports.layout import Layout, Sample, positions

_KINDS: tuple[tuple[str, dict[str, str]], ...] = (
    ("orderbook", {"snapshot": "is_snapshot", "side": "side", "price": "price", "quantity": "amount"}),
    ("trade", {"trade_id": "id", "side": "side", "price": "price", "quantity": "amount"}),
    (
        "book_top",
        {
            "ask_quantity": "ask_amount",
            "ask_price": "ask_price",
            "bid_price": "bid_price",
            "bid_quantity": "bid_amount",
        },
    ),
    ("open_interest", {"open_interest": "open_interest"}),
)


def recognise(sample: Sample) -> Layout | None:
    """How a file of tardis is read: trades, best prices, books, or the open interest of derivative tickers."""
    at = positions(sample.names)
    if not {"exchange", "symbol", "timestamp", "local_timestamp"} <= at.keys():
        return None
    for kind, fields in _KINDS:
        if set(fields.values()) <= at.keys():
            return Layout(
                "tardis",
                kind,
                sample.names,
                {"ts_event": "timestamp", **fields},
                symbols="symbol",
                venues="exchange",
                zone="UTC",
            )
    return None
