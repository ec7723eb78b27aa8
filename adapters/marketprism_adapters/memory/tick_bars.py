"""Bars made of ticks in memory: what `clickhouse.sql.tick_bars` asks an engine for, by the same rules."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from decimal import Decimal, localcontext
from typing import Any, NamedTuple

import pyarrow as pa

from marketprism_application.contracts.questions import BarsOfTicks
from marketprism_application.queries.bars_from_ticks import COLUMNS
from marketprism_domain.marketdata.tick import Tick

_MINUTE_NS = 60_000_000_000
_EDGE_NS = 3_600_000_000_000  # as the engine's statement has it: ticks behind the last section are chosen by phase
_PHASES = ("auction", "continuous", "section_end")
_EXACT_DIGITS = 60
_ZERO = Decimal(0)


class _Placed(NamedTuple):
    """A tick that counts: its totals of the day, its session time, and the minute (or shorter window) it is in."""

    tick: Tick
    last: Decimal
    volume: Decimal
    turnover: Decimal | None
    elapsed: int
    step_at: int


class _Trade(NamedTuple):
    """What a tick that carries a trade adds to its window."""

    began: Decimal
    high: Decimal
    low: Decimal
    volume: Decimal
    turnover: Decimal


def bars_of_ticks(ticks: Iterable[Tick], question: BarsOfTicks) -> pa.Table:
    """One row per window with a trade, in order of time: `queries.bars_from_ticks.COLUMNS`."""
    if not question.sections:
        return COLUMNS.empty_table()
    width = question.width_ns
    with localcontext(prec=_EXACT_DIGITS):
        rows = []
        for day, placed in _days(_counting(ticks, question), question).items():
            trades = _trades(placed)
            first_trade: dict[int, int] = {}
            for index in trades:
                first_trade.setdefault(placed[index].step_at, placed[index].tick.seq)
            windows: dict[int, list[int]] = {}
            for index, each in enumerate(placed):
                if each.step_at in first_trade and each.tick.seq >= first_trade[each.step_at]:
                    windows.setdefault(each.elapsed // width if width else 0, []).append(index)
            rows += [
                _bar(day, [placed[n] for n in window], [(placed[n], trades[n]) for n in window if n in trades])
                for window in windows.values()
            ]
    return pa.Table.from_pylist(sorted(rows, key=lambda row: row["start"]), COLUMNS)


def _counting(ticks: Iterable[Tick], question: BarsOfTicks) -> list[Tick]:
    """Ticks that bars are made of, in order of their sequence."""
    begin, end = question.sections[0][0], question.sections[-1][2] + _EDGE_NS
    found = [
        tick
        for tick in ticks
        if (tick.symbol, tick.venue) == (question.symbol, question.venue)
        and begin <= tick.ts_event < end
        and counts(tick)
    ]
    return sorted(found, key=lambda tick: tick.seq)


def counts(tick: Tick) -> bool:
    """Whether bars are made of the tick."""
    traded = tick.volume if tick.traded is None else tick.traded
    return tick.phase in _PHASES and tick.verdict != "stale" and tick.last is not None and bool(traded)


def _days(ticks: Sequence[Tick], question: BarsOfTicks) -> dict[str, list[_Placed]]:
    """By the day of their section; of trades the totals are the sums of those before."""
    sections = sorted(question.sections)
    auctions = [section[0] for section in sections]
    step = min(question.width_ns or _MINUTE_NS, _MINUTE_NS)
    sums: dict[str, tuple[Decimal, Decimal]] = {}
    found: dict[str, list[_Placed]] = {}
    for tick in ticks:
        volume, turnover = sums.get(tick.trading_day, (_ZERO, _ZERO))
        volume, turnover = volume + (tick.traded or 0), turnover + (tick.traded_turnover or 0)
        sums[tick.trading_day] = (volume, turnover)
        _, opened, closed, before, day = sections[bisect_right(auctions, tick.ts_event) - 1]
        inside = min(max(tick.ts_event, opened), closed - 1) - opened
        totals = (tick.volume or _ZERO, tick.turnover) if tick.traded is None else (volume, turnover)
        placed = _Placed(tick, tick.last or _ZERO, *totals, inside + before, opened + inside - inside % step)
        found.setdefault(day, []).append(placed)
    return found


def _trades(placed: Sequence[_Placed]) -> dict[int, _Trade]:
    """By its place in the day, each tick that carries a trade: the volume or the price moved since the tick before."""
    found: dict[int, _Trade] = {}
    before: _Placed | None = None
    trade: _Placed | None = None
    for index, each in enumerate(placed):
        if before is None or each.volume != before.volume or each.last != before.last:
            tick, last = each.tick, each.last
            began = last if trade is not None or tick.open is None else tick.open
            was_high, was_low = (None, None) if trade is None else (trade.tick.high, trade.tick.low)
            above = tick.high is not None and tick.high > last and (was_high is None or tick.high > was_high)
            below = tick.low is not None and tick.low < last and (was_low is None or tick.low < was_low)
            money = None if each.turnover is None else each.turnover - ((trade.turnover if trade else None) or 0)
            found[index] = _Trade(
                began,
                max(began, (tick.high or _ZERO) if above else last),
                min(began, (tick.low or _ZERO) if below else last),
                each.volume - (before.volume if before is not None else 0),
                money or _ZERO,
            )
            trade = each
        before = each
    return found


def _bar(day: str, placed: Sequence[_Placed], trades: Sequence[tuple[_Placed, _Trade]]) -> dict[str, Any]:
    """A row of a window's ticks, and of those of them that carry a trade, both in order of their sequence."""
    newest = placed[-1].tick
    interest = [each.tick.open_interest for each in placed if each.tick.open_interest]
    gains = [trade for _, trade in trades]
    return {
        "trading_day": day,
        "start": min(each.step_at for each in placed),
        "open": gains[0].began,
        "high": max(trade.high for trade in gains),
        "low": min(trade.low for trade in gains),
        "close": trades[-1][0].last,
        "volume": sum((trade.volume for trade in gains), _ZERO),
        "turnover": sum((trade.turnover for trade in gains), _ZERO),
        "open_interest": interest[-1] if interest else None,
        "ticks": len(placed),
        "source": newest.source,
        "epoch": newest.epoch,
        "ts_recv": newest.ts_recv,
        "ts_pub": newest.ts_pub,
    }
