"""Which cold files a question can need: by instrument, time and trading day, from the manifests alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from marketprism_application.contracts.archive_records import ColdCopy, ColdFile
from marketprism_application.contracts.bar_questions import MinuteSpans
from marketprism_application.contracts.kinds import DataKind
from marketprism_application.contracts.overview_questions import Coverage, GapLedger, QualityOverview
from marketprism_application.contracts.questions import (
    BarsOfTicks,
    Daily,
    Latest,
    Records,
    Statistics,
    StoreQuestion,
)

_EDGE_NS = 3_600_000_000_000  # ticks of a section may come so long after its end


class Reach(NamedTuple):
    """What a question is about; None is no bound. Times as [ts_from, ts_to) of the kind's time field, days included."""

    symbols: frozenset[str] | None = None
    ts_from: int | None = None
    ts_to: int | None = None
    from_day: str | None = None
    to_day: str | None = None

    @property
    def is_bounded(self) -> bool:
        """Whether it has an earliest time or day."""
        return self.ts_from is not None or self.from_day is not None


def reach_of(question: StoreQuestion) -> Reach:
    """The bounds of a question."""
    match question:
        case Records():
            ts_from = question.ts_from
            if question.after and not question.last:
                ts_from = max(int(question.after[0]), ts_from or 0)
            return Reach(frozenset({question.symbol}), ts_from, question.ts_to, question.from_day, question.to_day)
        case Latest():
            return Reach(frozenset(question.symbols))
        case Daily() | Statistics() | MinuteSpans():
            symbols = frozenset({question.symbol})
            return Reach(symbols, question.ts_from, question.ts_to, question.from_day, question.to_day)
        case BarsOfTicks():
            if not question.sections:
                return Reach(frozenset())
            return Reach(frozenset({question.symbol}), question.sections[0][0], question.sections[-1][2] + _EDGE_NS)
        case Coverage() | GapLedger() | QualityOverview():
            names = frozenset(question.names) if question.names else None
            days = (question.from_day, question.to_day) if not isinstance(question, QualityOverview) else (None, None)
            return Reach(names, question.ts_from, question.ts_to, *days)
        case _:
            return Reach()


def overlaps(reach: Reach, first: int, last: int) -> bool:
    """Whether anything between two times, both included, is in reach."""
    return (reach.ts_from is None or last >= reach.ts_from) and (reach.ts_to is None or first < reach.ts_to)


def spans_of(copy: ColdCopy, reach: Reach) -> tuple[int, int] | None:
    """First and last time at which a copy can have a row that is in reach; None where it has none."""
    if not copy.files:
        return None
    spans: Iterable[tuple[int, int]] = [(copy.ts_first, copy.ts_last)]
    if reach.symbols is not None and copy.instruments:
        spans = [(each.ts_first, each.ts_last) for each in copy.instruments if each.symbol in reach.symbols]
    spans = [span for span in spans if overlaps(reach, *span)]
    return (min(first for first, _ in spans), max(last for _, last in spans)) if spans else None


def rows_in(copy: ColdCopy, reach: Reach) -> int:
    """At most so many rows of a copy are of the instruments that are in reach."""
    if reach.symbols is None or not copy.instruments:
        return copy.rows
    return sum(each.rows for each in copy.instruments if each.symbol in reach.symbols)


def may_hold(kind: DataKind, copy: ColdCopy, reach: Reach) -> bool:
    """Whether a copy can have a row that is in reach."""
    if "trading_day" in kind.fields:
        first, last = copy.days
        if (reach.from_day is not None and last < reach.from_day) or (
            reach.to_day is not None and first > reach.to_day
        ):
            return False
    return spans_of(copy, reach) is not None


def files_in(copy: ColdCopy, reach: Reach) -> list[ColdFile]:
    """The files of a copy that can have a row that is in reach."""
    symbols = reach.symbols
    return [
        file
        for file in copy.files
        if overlaps(reach, file.ts_first, file.ts_last)
        and (symbols is None or any(file.first <= symbol <= file.last for symbol in symbols))
    ]


__all__ = ["Reach", "files_in", "may_hold", "overlaps", "reach_of", "rows_in", "spans_of"]
