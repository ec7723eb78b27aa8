"""Questions about many instruments at once, as `questions` has those about one."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

MOST_INSTRUMENTS = 200  # of an answer
MOST_DAYS = 400  # of the calendar, from the first to the last


class OfMany(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="method"):
    """What questions about many instruments have: those that `symbol` means (one, several with commas between, a
    pattern), of a venue and a product; empty is each one.

    `limit` instruments, by venue and symbol, behind `after` of the page before; `next_of` the answer says whether there
    are more. Whoever asks leaves `names` alone: the read side puts in it what it asks the store for.
    """

    symbol: str = "*"
    venue: str | None = None
    product: str = ""
    from_day: str | None = None
    to_day: str | None = None
    ts_from: int | None = None
    ts_to: int | None = None
    limit: int = MOST_INSTRUMENTS
    after: tuple[str, str] | None = None
    names: tuple[str, ...] = ()


class Coverage(OfMany, frozen=True, tag="coverage"):
    """Of each instrument and trading day how much of it is there: `queries.coverage.COLUMNS`; of minute bars and the
    gap ledger, not of ticks.

    Without `from_day` it begins at the newest `days` days that have a bar, and has only instruments of which there is
    something; without `to_day` it ends today, or at the newest of these days where that is long ago. From the store:
    `queries.coverage.STORED`, a row where there is anything.
    """

    days: int = 20


class GapLedger(OfMany, frozen=True, tag="gap_ledger"):
    """Holes of many instruments, the newest first: `queries.gap_ledger.COLUMNS`; from the store those of the kind.

    `limit` is rows here, and `before` the key of the last row of the page before: ts_from, symbol, venue, cause, kind.
    An empty cause is each; `kind` "" is of ticks and bars, None each.
    """

    cause: str = ""
    kind: str | None = None
    before: tuple[int, str, str, str, str] | None = None


class QualityOverview(OfMany, frozen=True, tag="quality_overview"):
    """Quality windows of many instruments, summed up over spans of `width_ns`: `queries.quality_overview.COLUMNS`.

    Without `ts_from` those of the last day that has any.
    """

    width_ns: int = 900 * 10**9


OverviewQuestion: TypeAlias = Coverage | GapLedger | QualityOverview
