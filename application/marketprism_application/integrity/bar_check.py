"""A check of a series of bars: every group over its columns, part by part, and the report of all parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from marketprism_application.integrity import ledger, movement, presence, shape, stamps, steps, witnesses
from marketprism_application.integrity.bar_rows import BarRows, Index, joined
from marketprism_application.integrity.catalogue import BARS, GROUPS
from marketprism_application.integrity.exact_numbers import Flags
from marketprism_application.integrity.expected_grid import NOWHERE, Grid
from marketprism_application.integrity.findings import defect, of_rows
from marketprism_application.integrity.inputs import Inputs
from marketprism_application.integrity.placing import Placed, by_opening, placed
from marketprism_domain.integrity.expectation import Expectation, ExpectedDay
from marketprism_domain.integrity.report import CheckRun, DayCoverage, Defect, IntegrityReport, Severity
from marketprism_domain.values import Interval

PART_BARS = 250_000
BESIDE_ROWS = 420  # rows before a part and behind it by which the usual move of its prices is known
_IDLE = "flat bars without volume while another contract of the product traded"
_BY_DAY = ("stale",)  # a run of these ends with its day, wherever parts meet


@dataclass
class Found:
    """What was found of one part of a series."""

    bounds: tuple[int, int]
    expected: int = 0
    present: int = 0
    missing: int = 0
    empty: int = 0
    unexpected: int = 0
    duplicate: int = 0
    repeated: int = 0
    rows: int = 0
    defects: list[Defect] = field(default_factory=list)
    coverage: list[DayCoverage] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)  # of groups that did not run
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Beside:
    """Rows of the parts before and behind one, by time; `first` is the number of this part's first row."""

    before: BarRows | None = None
    after: BarRows | None = None
    first: int = 0


def check_bars(
    rows: BarRows, expectation: Expectation, inputs: Inputs, *, stamped: str = "open", beside: Beside | None = None
) -> Found:
    """Every group of checks over one part of a series, whose trading days are whole.

    `stamped`: the time that a row bears, "open" or "close", or "" where the calendar has to tell.
    """
    grid = Grid.of(expectation).without(inputs.known_holes)
    interval = Interval.parse(expectation.dataset.interval)
    bounds = (int(grid.ts_open[0]), int(grid.ts_close[-1])) if len(grid) else (0, 0)
    found = Found(bounds, rows=len(rows))
    known = by_opening(rows, grid, stamped if interval.unit not in "dw" else "open", interval.nanos)
    found.remarks.extend(known.remarks)
    there = placed(known.rows, grid)
    found.defects.extend((*known.defects, *there.defects))
    _presence(found, there, expectation, grid, interval.nanos)
    found.defects.extend(presence.known_holes(there, grid, inputs.known_holes))
    settled = there.rows.taken(there.settled)
    at = there.at[there.settled]
    _content(found, settled, at, grid, inputs)
    _movement(found, settled, at, grid, inputs, beside or Beside())
    _witnesses(found, settled, at, grid, inputs, expectation)
    _origin(found, there)
    _coverage(found, there, grid)
    return found


def check_in_parts(rows: BarRows, expectation: Expectation, inputs: Inputs, part_bars: int = PART_BARS) -> list[Found]:
    """As `check_bars` of rows in order that open when they say, some hundred thousand bars at a time: what a check
    needs beside the rows is several times as large as they are."""
    if len(rows) <= part_bars:
        return [check_bars(rows, expectation, inputs)]
    found: list[Found] = []
    days = list(_parts_of(expectation, part_bars))
    ends = [part[0].runs[0].ts_first for part in days[1:]]
    cuts = [0, *(int(np.searchsorted(rows.ts, end)) for end in ends), len(rows)]
    for number, part in enumerate(days):
        first, last = cuts[number], cuts[number + 1]
        before = rows.taken(slice(max(0, first - BESIDE_ROWS), first))
        after = rows.taken(slice(last, last + BESIDE_ROWS))
        beside = Beside(before, after, first)
        own = replace(expectation, days=tuple(part))
        found.append(check_bars(rows.taken(slice(first, last)), own, inputs, beside=beside))
    return found


def _parts_of(expectation: Expectation, part_bars: int) -> Iterator[list[ExpectedDay]]:
    """The days in parts of at least so many bars."""
    part: list[ExpectedDay] = []
    bars = 0
    for day in expectation.days:
        part.append(day)
        bars += sum(run.bars for run in day.runs)
        if bars >= part_bars:
            yield part
            part, bars = [], 0
    if part:
        yield part


def _presence(found: Found, there: Placed, expectation: Expectation, grid: Grid, length: int) -> None:
    absent = presence.absent(there, grid)
    found.expected = int(grid.required.sum())
    found.present = found.expected - len(absent)
    if expectation.dense:
        found.missing = len(absent)
        found.defects.extend(presence.missing(there, grid))
    else:
        found.empty = len(absent)
        found.reasons["missing"] = "the series is sparse: a bar without a trade is not made"
    found.unexpected = int((there.at == NOWHERE).sum())
    found.defects.extend(presence.unexpected(there, length, grid))
    found.duplicate = len(there.conflicting) + len(there.repeated)
    found.repeated = len(there.repeated)
    found.defects.extend(presence.duplicate(there, grid, length))


def _content(found: Found, rows: BarRows, at: Index, grid: Grid, inputs: Inputs) -> None:
    def add(code: str, wrong: Flags, *fields: str) -> None:
        found.defects.extend(of_rows(code, rows, at, grid, wrong, *fields))

    add("ohlc", shape.broken_ohlc(rows, may_be_negative=inputs.may_be_negative))
    ticks = any(period.price_tick for period in inputs.terms)
    amounts = any(period.quantity_step for period in inputs.terms)
    if ticks:
        add("off_tick", steps.off_tick(rows, inputs.terms))
    if amounts:
        add("off_step", steps.off_quantity(rows, inputs.terms))
    if not ticks:
        found.reasons["step"] = "no terms of the instrument: its price step is not known"
    _amounts(found, rows, inputs, add)
    if inputs.limits:
        add("outside_limits", steps.outside_limits(rows, at, grid, inputs.limits))
    else:
        found.reasons["limits"] = "no price limits of the days"
    if rows.open_interest is None:
        found.reasons["open_interest"] = "the rows have no open interest"
    else:
        add("oi_negative", shape.negative_interest(rows), "open_interest")
    if inputs.gaps is None or rows.gap is None:
        found.reasons["gaps"] = "no gap ledger: only what is stored has one"
    else:
        flags = ledger.gap_flags(rows, at, grid, inputs.gaps)
        add("gap_overlap", flags.unflagged)
        add("gap_unknown", flags.unknown)


def _amounts(found: Found, rows: BarRows, inputs: Inputs, add: Callable[..., None]) -> None:
    if rows.turnover is None:
        found.reasons["vwap"] = "the rows have no turnover"
    elif inputs.may_be_negative:
        found.reasons["vwap"] = "prices may be below zero, an average says nothing"
    elif not any(period.multiplier for period in inputs.terms):
        found.reasons["vwap"] = "the size of the contract is not known"
    else:
        wrong = shape.vwap_outside(rows, inputs.terms)
        if wrong.sum() * 2 > (rows.volume.units > 0).sum():
            found.reasons["vwap"] = "turnover and volume fit one another in hardly any row: they have other units"
            wrong = np.zeros(len(rows), dtype=np.bool_)
        add("vwap_outside", wrong, "open", "high", "low", "close", "volume", "turnover")


def _movement(found: Found, rows: BarRows, at: Index, grid: Grid, inputs: Inputs, beside: Beside) -> None:
    parts = [part for part in (beside.before, rows, beside.after) if part is not None and len(part)]
    if inputs.may_be_negative:
        found.reasons["jump"] = "prices may be below zero, they have no returns"
    elif parts:
        whole = joined(parts)
        lead = len(beside.before) if beside.before is not None else 0
        length = int(grid.ts_close[0] - grid.ts_open[0]) if len(grid) else 0
        closes = whole.ts + length
        closes[lead : lead + len(rows)] = grid.ts_close[at]
        seen = movement.jumps(whole, closes, inputs.terms, inputs.figures, beside.first - lead)
        own = slice(lead, lead + len(rows))
        found.defects.extend(of_rows("jump", rows, at, grid, seen.spikes[own]))
        found.defects.extend(of_rows("leap", rows, at, grid, seen.leaps[own]))
    for first, last in movement.stale(rows, at, grid, inputs.figures):
        found.defects.extend(of_rows("stale", rows, at, grid, np.arange(first, last + 1)))
    for first, last in movement.idle(rows, at, grid, inputs.product, inputs.figures):
        found.defects.extend(of_rows("stale", rows, at, grid, np.arange(first, last + 1), text=_IDLE))


def _witnesses(found: Found, rows: BarRows, at: Index, grid: Grid, inputs: Inputs, expectation: Expectation) -> None:
    def take(compared: witnesses.Compared, group: str, nothing: str) -> None:
        found.defects.extend(compared.defects)
        absent = [each for each in compared.defects if each.code in ("missing_bar", "missing_range")]
        if not expectation.dense:
            found.missing += sum(each.total for each in absent)
            found.empty -= sum(each.total for each in absent)
        else:
            found.defects[:] = [each for each in found.defects if each not in absent or not each.text]
        if not compared.compared:
            found.reasons[group] = nothing

    if inputs.day_bars is None:
        found.reasons["day_sums"] = "no bars of days to add up to"
    elif expectation.dataset.interval in ("1d", "1w"):
        found.reasons["day_sums"] = "the bars are not of parts of a day"
    else:
        days = daily_grid(grid)
        sums = witnesses.day_sums(rows, at, grid, _whole_days(at, grid, expectation), inputs.day_bars, days)
        take(sums, "day_sums", "no day is whole and has a bar of the day")
    if inputs.klines is None:
        found.reasons["klines"] = "no klines of the venue"
    else:
        theirs = witnesses.klines(rows, at, grid, inputs.klines, known_holes=inputs.known_holes)
        take(theirs, "klines", "no kline of these times")
    if inputs.trades is None:
        found.reasons["trades"] = "no trades"
    else:
        covered = witnesses.traded_span(inputs.trades, grid)
        made = witnesses.bars_of_trades(inputs.trades, covered)
        inside = np.isin(made.ts, covered.ts_open[covered.required])
        take(
            witnesses.klines(rows, at, grid, made.taken(inside), code="trade_mismatch", known_holes=inputs.known_holes),
            "trades",
            "no trade lies in these times",
        )


def daily_grid(grid: Grid) -> Grid:
    """A grid of whole days, with the days of one of shorter bars."""
    starts = grid.day_starts
    ends = np.r_[starts[1:], len(grid)] - 1 if len(starts) else starts
    days = Grid(
        grid.ts_open[starts],
        grid.ts_close[ends],
        grid.day[starts],
        np.ones(len(starts), dtype=np.bool_),
        grid.days,
    )
    return days.with_daily_aliases()


def _whole_days(at: Index, grid: Grid, expectation: Expectation) -> Flags:
    """Which days have all their bars; of a sparse series each that has any, for what it lacks had no trade."""
    there = np.zeros(len(grid), dtype=np.bool_)
    there[at] = True
    lacking = (grid.required & ~there) if expectation.dense else np.zeros(len(grid), dtype=np.bool_)
    whole = np.ones(len(grid.days), dtype=np.bool_)
    whole[np.unique(grid.day[lacking])] = False
    return whole


def _origin(found: Found, there: Placed) -> None:
    rows = there.rows
    if rows.digits is None or not rows.digits.any():
        found.reasons["time_unit"] = "times are not numbers of a unit"
    else:
        found.defects.extend(stamps.mixed_units(rows.ts, rows.digits, rows.sample))


def _coverage(found: Found, there: Placed, grid: Grid) -> None:
    expected = np.bincount(grid.day[grid.required], minlength=len(grid.days))
    present = np.bincount(grid.day[grid.required & there.present], minlength=len(grid.days))
    found.coverage.extend(
        DayCoverage(day, int(due), int(there_are))
        for day, due, there_are in zip(grid.days, expected.tolist(), present.tolist(), strict=True)
    )


def report_of(
    expectation: Expectation, parts: Iterable[Found], faults: Iterable[tuple[str, str]] | None
) -> IntegrityReport:
    """The report of a series by its parts in order. `faults` of its file, code and text; None: there is no file."""
    found = list(parts)
    defects = list(_linked(found))
    for code, text in faults or ():
        span = expectation.dataset.span
        defects.append(defect(code, (span.ts_from, span.ts_to), 1, text=text))
    defects.sort(key=lambda each: (each.ts_from, each.code))
    reasons: dict[str, str] = {}
    for group in {name for part in found for name in part.reasons}:
        if all(group in part.reasons for part in found):
            reasons[group] = next(part.reasons[group] for part in found)
    if faults is None:
        reasons["checksum"] = "no file: only a file has a sum"
    checks = tuple(
        CheckRun(
            group.name, BARS in group.kinds and group.name not in reasons, _reason(group.kinds, reasons.get(group.name))
        )
        for group in GROUPS
    )
    return IntegrityReport(
        expectation.dataset,
        expectation.dense,
        expected=sum(part.expected for part in found),
        present=sum(part.present for part in found),
        missing=sum(part.missing for part in found),
        empty=sum(part.empty for part in found),
        unexpected=sum(part.unexpected for part in found),
        duplicate=sum(part.duplicate for part in found),
        repeated=sum(part.repeated for part in found),
        rows=sum(part.rows for part in found),
        defects=tuple(each for each in defects if each.severity is not Severity.NOTICE),
        notices=tuple(each for each in defects if each.severity is Severity.NOTICE),
        checks=checks,
        coverage=tuple(day for part in found for day in part.coverage),
        remarks=tuple(dict.fromkeys(remark for part in found for remark in part.remarks)),
    )


def _reason(kinds: tuple[str, ...], reason: str | None) -> str:
    if BARS not in kinds:
        return "not a check of bars"
    return reason or ""


def _linked(parts: list[Found]) -> Iterator[Defect]:
    """The defects of all parts, those that one part ends with and the next begins with as one."""
    waiting: dict[tuple[str, str], Defect] = {}
    for number, part in enumerate(parts):
        begins, ends = part.bounds
        following: dict[tuple[str, str], Defect] = {}
        for each in part.defects:
            key = ("missing" if each.code.startswith("missing") else each.code, each.text)
            if each.ts_from == begins and key in waiting:
                before = waiting.pop(key)
                code = "missing_range" if key[0] == "missing" else each.code
                each = before._replace(  # noqa: PLW2901 (it is the whole of both from here on)
                    code=code,
                    ts_to=each.ts_to,
                    total=before.total + each.total,
                    rows=(*before.rows, *each.rows)[:10],
                )
            if each.ts_to == ends and each.code not in _BY_DAY and number + 1 < len(parts):
                following[key] = each
            else:
                yield each
        yield from waiting.values()
        waiting = following
    yield from waiting.values()
