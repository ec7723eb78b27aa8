"""EventRecord: a domain event as it is published and stored."""

from __future__ import annotations

from typing import NamedTuple


class EventRecord(NamedTuple):
    """One domain event; `data` holds its own fields as text, numbers or flags."""

    venue: str
    symbol: str
    source: str
    epoch: int
    seq: int
    ts_event: int
    ts_recv: int
    ts_pub: int
    name: str
    event_id: str
    data: dict[str, str | int | float | bool | None]
