"""What is stored: series, and how much of each trading day of one is there."""

from __future__ import annotations

import time
from collections.abc import Sequence
from fnmatch import fnmatchcase

import msgspec
import numpy as np

from marketprism_application.contracts.kinds import BAR, KINDS
from marketprism_application.contracts.questions import MAX_LIMIT, Records
from marketprism_application.data_jobs.planning import BadRequest
from marketprism_application.errors import ApplicationError, UnknownSymbolError
from marketprism_application.integrity.file_check import CheckAsked
from marketprism_application.integrity.rendering import plain_report
from marketprism_application.integrity.stored_check import StoredCheck, StoredSeries
from marketprism_application.queries.paging import all_pages
from marketprism_domain.instruments.written_names import venue_named
from marketprism_domain.integrity.dataset import Dataset
from marketprism_sdk.errors import RemoteError
from marketprism_services.data.stored import Stored
from marketprism_services.wiring.seen import Seen

_MOST_NS = 400 * 86_400 * 10**9
_MOST_SERIES = 1_000


class CoverageAsked(msgspec.Struct, rename={"ts_from": "from", "ts_to": "to"}):
    """A stored series in [from, to), nanoseconds UTC; the newest 400 days without."""

    symbol: str
    venue: str = ""
    kind: str = ""
    interval: str = ""
    ts_from: int | None = None
    ts_to: int | None = None


class SeriesAsked(msgspec.Struct):
    """Stored series that fit a pattern, behind `after` (`<kind>.<venue>.<symbol>.<interval>`)."""

    pattern: str = ""
    venue: str = ""
    limit: int = 100
    after: str = ""


class Overview:
    """Answers raise RemoteError with INVALID_PARAMETER or NOT_FOUND, and what the read side raises."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored

    async def coverage(self, asked: CoverageAsked, seen: Seen) -> dict[str, object]:
        """Bars that are there and missing by trading day; ranges without a hole."""
        kind = asked.kind or BAR.name
        try:
            if kind not in KINDS or not KINDS[kind].has_interval:
                raise BadRequest("kind", "bar or kline", kind, (BAR.name, "kline"))
            now = time.time_ns()
            ts_to = min(now, asked.ts_to or now)
            ts_from = max(asked.ts_from or 0, ts_to - _MOST_NS)
            if asked.ts_from is not None and asked.ts_from >= ts_to:
                raise BadRequest("to", f"after from ({asked.ts_from})", asked.ts_to)
            interval = asked.interval or "1m"
            venue = venue_named(asked.venue).partition("-")[0] if asked.venue else None
            held = await self._stored.holder(kind, asked.symbol, venue, interval)
            if held is None:
                index = await self._stored.names()
                name = index.resolve(asked.symbol, venue)
                held = (venue or name.venue or min(index.venues_of(name.symbol)), name.symbol)
            seen.check(*held, kind)
            series = StoredSeries(kind, *held, interval)
            first = ts_from if asked.ts_from is not None else None
            want = CheckAsked(now, first, ts_to if asked.ts_to is not None else None, confirmed=True)
            report = await StoredCheck(self._stored.ask, series, self._stored.calendar, want).report()
        except UnknownSymbolError as error:
            raise RemoteError("NOT_FOUND", str(error), {"field": "symbol"}) from error
        except ApplicationError as error:
            raise RemoteError(error.code, str(error), dict(error.details), retryable=error.retryable) from error
        plain = plain_report(report)
        holes = sorted((d.ts_from, d.ts_to) for d in report.defects if d.code in ("missing_bar", "missing_range"))
        spans, begin = list[tuple[int, int]](), report.dataset.ts_from
        for ts_begin, ts_end in [*holes, (report.dataset.ts_to, report.dataset.ts_to)]:
            if ts_begin > begin:
                spans.append((begin, ts_begin))
            begin = max(begin, ts_end)
        try:
            counts = await self._counts(report.dataset, spans)
        except ApplicationError as error:
            raise RemoteError(error.code, str(error), dict(error.details), retryable=error.retryable) from error
        ranges = [
            {"ts_from": ts_begin, "ts_to": ts_end, "bars": bars}
            for (ts_begin, ts_end), bars in zip(spans, counts, strict=True)
        ]
        return {
            **{name: plain[name] for name in ("dataset", "expected", "present", "missing")},
            "days": [{**day._asdict(), "state": day.state} for day in report.coverage],
            "ranges": ranges,
        }

    async def _counts(self, dataset: Dataset, spans: Sequence[tuple[int, int]]) -> list[int]:
        """How many bars each range has, of ranges in order."""
        kind = KINDS[dataset.kind]
        fields = tuple(dict.fromkeys((*kind.page_key, *(name for name in ("closed",) if name in kind.fields))))
        question = Records(
            *(dataset.kind, dataset.symbol, dataset.venue, dataset.ts_from, dataset.ts_to, dataset.interval),
            limit=MAX_LIMIT,
            fields=fields,
        )
        begins, ends = (np.array([span[at] for span in spans], dtype=np.int64) for at in (0, 1))
        counts = np.zeros(len(spans), dtype=np.int64)
        async for page in all_pages(self._stored.ask, question):
            ended = page.filter(page.column("closed")) if "closed" in page.column_names else page
            times = ended.column("ts_open").to_numpy()
            counts += np.searchsorted(times, ends) - np.searchsorted(times, begins)
        return [int(each) for each in counts]

    async def series(self, asked: SeriesAsked, seen: Seen) -> list[dict[str, object]]:
        """Stored series of bars and klines, by their key."""
        venue = venue_named(asked.venue).partition("-")[0] if asked.venue else ""
        found = []
        for row in await self._stored.series():
            if not seen.allows(row.venue, row.symbol, row.kind):
                continue
            if venue not in ("", row.venue) or (asked.pattern and not fnmatchcase(row.symbol, asked.pattern)):
                continue
            key = f"{row.kind}.{row.venue}.{row.symbol}.{row.interval}"
            if key > asked.after:
                found.append((key, row))
        found.sort(key=lambda each: each[0])
        return [
            {
                "kind": row.kind,
                "venue": row.venue,
                "symbol": row.symbol,
                "interval": row.interval,
                "first": row.ts_first,
                "last": row.ts_last,
                "rows": row.rows,
            }
            for _, row in found[: max(1, min(asked.limit, _MOST_SERIES))]
        ]


__all__ = ["CoverageAsked", "Overview", "SeriesAsked"]
