"""Longer bars of repaired minutes, by the code that makes them of live ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pyarrow as pa

from marketprism_application.contracts.questions import Records
from marketprism_application.history.kinds import HISTORY_KINDS
from marketprism_application.integrity.expected_grid import Grid
from marketprism_application.ports.reading import StoreReader
from marketprism_application.repairing.building import RowMaker
from marketprism_application.repairing.ranges import Ranges, between
from marketprism_application.repairing.rows import Row, Rows, by_time, differing, is_of_ours, stored_bars
from marketprism_domain.bars.cascade import Cascade, Gaps, Minute, Window, minute_window
from marketprism_domain.bars.state import DEFAULT_INTERVALS
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.integrity.expectation import Alignment, ExpectationRules, expectation_of
from marketprism_domain.sessions.calendar import Schedule
from marketprism_domain.values import Interval

_OF_MINUTES = (
    *("open", "high", "low", "close", "volume", "turnover", "open_interest"),
    *("ticks", "source", "epoch", "ts_recv", "ts_pub"),
)
_WEEK_NS = 8 * 86_400 * 10**9
_NEAR_NS = 2_000 * 60 * 10**9
_MINUTE = "1m"
INTERVALS = tuple(dict.fromkeys((*DEFAULT_INTERVALS[1:], "10m", "6h", "8h", "12h")))


@dataclass(frozen=True)
class LongerBars:
    """Of one interval the bars that are to be stored, and of those that are there already what stands of them now."""

    dataset: Dataset
    rows: pa.Table
    former: Rows


class LongerMaker:
    """Makes longer bars of the minutes of one series again. `alignment` is how the pipeline counts them."""

    def __init__(self, reader: StoreReader, dataset: Dataset, schedule: Schedule, alignment: Alignment) -> None:
        self._reader, self._dataset, self._schedule, self._alignment = reader, dataset, schedule, alignment

    async def bars(self, patch: Rows, gaps: Gaps, source: str, now_ns: int) -> list[LongerBars]:
        """The longer bars that hold one of these minutes, and that differ from what is stored, shortest first.

        One is made again where every minute of it is there, or where what is stored was made of the minutes as they
        stood before: an imported bar of a day, of which some minutes are stored, stays.

        Raises:
            StoreError: as the reader does.
        """
        dataset = self._dataset
        if not is_of_ours(dataset.kind) or dataset.interval != _MINUTE or not patch:
            return []
        found: list[LongerBars] = []
        for name in INTERVALS:
            cascade = Cascade((name,), self._schedule, by_clock=self._alignment == "clock")
            windows = self._windows(cascade, name, patch)
            around = replace(
                dataset,
                interval=name,
                ts_from=windows[0].ts_open - _WEEK_NS,
                ts_to=windows[-1].ts_close + _WEEK_NS,
            )
            question = Records(
                dataset.kind, dataset.symbol, dataset.venue, around.ts_from, around.ts_to, name, 1, fields=("ts_open",)
            )
            if not (await self._reader.answer(question)).num_rows:
                continue
            longer = await self._of(around, cascade, windows, patch, gaps, source, now_ns)
            if longer.rows.num_rows:
                found.append(longer)
        return found

    def _windows(self, cascade: Cascade, name: str, patch: Rows) -> list[Window]:
        interval = Interval.parse(name)
        found: dict[int, Window] = {}
        for ts in patch:
            session = self._schedule.place(ts).session
            if session is not None:
                window = cascade.window(interval, minute_window(session, ts))
                found[window.ts_open] = window
        return [found[ts] for ts in sorted(found)]

    async def _of(
        self,
        around: Dataset,
        cascade: Cascade,
        windows: Sequence[Window],
        patch: Rows,
        gaps: Gaps,
        source: str,
        now_ns: int,
    ) -> LongerBars:
        rows: Rows = {}
        former: Rows = {}
        closes: dict[int, int] = {}
        compared = HISTORY_KINDS[self._dataset.kind].compared
        minutes, longer = await self._read(around.interval, windows)
        times = np.array(sorted({*minutes, *patch}), dtype=np.int64)
        for window in windows:
            inside = between(times, window.ts_open, window.ts_close).tolist()
            before = {ts: minutes[ts] for ts in inside if ts in minutes}
            after = before | {ts: patch[ts] for ts in inside if ts in patch}
            made = self._bar(cascade, window, after, gaps)
            stands = longer.get(window.ts_open)
            if made is None or (stands is not None and not differing(stands, made, compared)):
                continue
            was = self._bar(cascade, window, before, gaps) if before else None
            is_of_minutes = stands is not None and was is not None and not differing(stands, was, compared)
            if not is_of_minutes and not self._is_whole(window, after):
                continue
            rows[window.ts_open], closes[window.ts_open] = made, window.ts_close
            if stands is not None:
                former[window.ts_open] = stands
        maker = RowMaker(around, self._schedule, gaps, source, now_ns)
        return LongerBars(around, maker.table(rows, {}, closes), former)

    async def _read(self, interval: str, windows: Sequence[Window]) -> tuple[Rows, Rows]:
        """The minutes and the longer bars that are stored in some windows, by ranges that lie near one another."""
        minutes: Rows = {}
        longer: Rows = {}
        for ts_from, ts_to in Ranges(((each.ts_open, each.ts_close) for each in windows), _NEAR_NS):
            span = replace(self._dataset, ts_from=ts_from, ts_to=ts_to)
            minutes |= by_time(await stored_bars(self._reader, span))
            longer |= by_time(await stored_bars(self._reader, replace(span, interval=interval)))
        return minutes, longer

    def _bar(self, cascade: Cascade, window: Window, minutes: Rows, gaps: Gaps) -> Row | None:
        """The bar of a window out of its minutes, as the aggregator makes it; None without any."""
        closed = [bar for minute in self._minutes(minutes) for _, bar in cascade.add(minute, gaps)]
        closed += [bar for _, bar in cascade.close_until(window.ts_close)]
        cascade.restore(type(cascade.state())())
        found = next((bar for bar in closed if bar.window.ts_open == window.ts_open), None)
        if found is None:
            return None
        return {
            "ts_open": found.window.ts_open,
            "ts_close": found.window.ts_close,
            "trading_day": found.window.trading_day,
            **{name: getattr(found, name) for name in ("open", "high", "low", "close", "volume", "turnover", "ticks")},
            "open_interest": found.open_interest,
            "gap": found.gap,
        }

    @staticmethod
    def _minutes(rows: Rows) -> Iterator[Minute]:
        for ts in sorted(rows):
            row = rows[ts]
            window = Window(ts, cast("int", row["ts_close"]), str(row["trading_day"]))
            values = {name: row[name] for name in _OF_MINUTES}
            yield Minute(window, gap=bool(row["gap"]), revision=0, **values)  # type: ignore[arg-type]

    def _is_whole(self, window: Window, minutes: Rows) -> bool:
        """Whether every minute that the calendar has in a window is there."""
        span = replace(self._dataset, ts_from=window.ts_open, ts_to=window.ts_close)
        rules = ExpectationRules(dense=True, now_ns=span.ts_to + _WEEK_NS, alignment=self._alignment)
        grid = Grid.of(expectation_of(span, self._schedule, rules))
        return bool(np.isin(grid.ts_open[grid.required], np.array(list(minutes), dtype=np.int64)).all())


__all__ = ["INTERVALS", "LongerBars", "LongerMaker"]
