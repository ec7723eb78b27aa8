"""What is compared where bars are made in two ways."""

from __future__ import annotations

# Everything but the key and what says who made a bar, when and of what.
FIELDS = (
    "ts_close",
    "trading_day",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "turnover",
    "open_interest",
    "ticks",
    "gap",
)
