"""What the streams hold of a simulated venue against what it traded."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from marketprism_adapters.nats import streams
from marketprism_adapters.venues.kit.simulated_market import SimulatedBook, SimulatedTrade
from marketprism_application.contracts.codec import decode
from marketprism_application.contracts.kinds import BAR, GAP, TRADE
from marketprism_application.contracts.packed import decode_packed
from marketprism_application.contracts.subjects import escape
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.stream_reading import read_stream
from marketprism_services.chaos.report import Report

_MS = 1_000_000
_MINUTE_MS = 60_000
_OF_TICKS = ("", "tick", TRADE.name)


async def audit(connection: NatsConnection, token: str, books: Mapping[str, SimulatedBook], report: Report) -> None:
    """Fill in `lost`, `duplicated` and `wrong`; what lies in a gap of the ledger is missing, not lost."""
    gaps = [decode(GAP, each.data) for each in await read_stream(connection, streams.EVENTS, ["market.gap.>"])]
    subject = TRADE.subject.format(venue=escape(token), symbol="*")
    trades = [decode(TRADE, each.data) for each in await read_stream(connection, streams.DATA, [subject])]
    packed = [decode_packed(each.data) for each in await read_stream(connection, streams.TICKS, ["market.packed.*"])]
    ticks = [tick for each in packed for tick in each.ticks if tick.traded]
    bars = [decode(BAR, each.data) for each in await read_stream(connection, streams.BARS, ["market.bar.>"])]
    named = 0
    for symbol, book in books.items():
        holes = [gap for gap in gaps if gap.symbol == symbol and gap.kind in _OF_TICKS]
        told = [trade.seq for trade in trades if trade.symbol == symbol]
        made = [each for each in book.prints if told and told[0] <= each.trade_id]
        for ids in (told, [tick.source_seq for tick in ticks if tick.symbol == symbol]):
            named += count_missing(ids, made, holes, report)
        newest = {bar.ts_open // _MS: bar for bar in bars if bar.symbol == symbol}
        report.wrong += wrong_bars(newest, made, book.pair.contract_size)
    report.records = len(trades)
    report.notes.append(f"{len(ticks)} ticks of trades, {named} missing in gaps that are named, {len(bars)} bars")


def count_missing(ids: Sequence[int], made: Sequence[SimulatedTrade], holes: Sequence[Any], report: Report) -> int:
    """How many are missing by name; the rest of what is missing is lost."""
    times = Counter(ids)
    report.duplicated += sum(times.values()) - len(times)
    report.wrong += sum(later < before for before, later in itertools.pairwise(ids))
    missing = [each for each in made if each.trade_id not in times]
    inside = [each for each in missing if any(gap.ts_from <= each.ts_ms * _MS <= gap.ts_to for gap in holes)]
    report.lost += len(missing) - len(inside)
    return len(inside)


def wrong_bars(bars: Mapping[int, Any], made: Sequence[SimulatedTrade], contract_size: int = 1) -> int:
    """How many whole minutes have a bar that is not the sum, the first and the last of its trades, and that says
    nothing of a gap."""
    minutes: dict[int, list[SimulatedTrade]] = {}
    for each in made:
        minutes.setdefault(each.ts_ms // _MINUTE_MS * _MINUTE_MS, []).append(each)
    wrong = 0
    for minute in sorted(minutes)[1:-1]:
        trades, bar = minutes[minute], bars.get(minute)
        if bar is None:
            wrong += 1
        elif not bar.gap:
            volume = contract_size * sum((Decimal(each.quantity) for each in trades), Decimal(0))
            wrong += (bar.volume, bar.open, bar.close) != (volume, Decimal(trades[0].price), Decimal(trades[-1].price))
    return wrong
