"""What a series of a file becomes in the store, and which cannot be stored."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from marketprism_application.contracts.kinds import DataKind
from marketprism_application.errors import QueryError
from marketprism_application.history.kinds import HISTORY_KINDS, HistoryKind, kind_of_bars
from marketprism_application.ports.history_log import SeriesKey
from marketprism_application.ports.imports import WITH_INTERVAL, FileFacts, FileSeries
from marketprism_domain.instruments.exchange_codes import is_chinese


@dataclass(frozen=True)
class ImportTarget:
    """Where the rows of a file go: `source` names the format that they come from, `size` is that of a contract where
    the file counts contracts."""

    what: HistoryKind
    venue: str
    symbol: str
    interval: str
    source: str
    size: Decimal | None = None

    @property
    def kind(self) -> DataKind:
        """The kind that the rows are stored as."""
        return self.what.kind

    @property
    def key(self) -> SeriesKey:
        """The stored series that the rows belong to."""
        return SeriesKey(self.kind.name, self.venue, self.symbol, self.interval)


def target_of(facts: FileFacts, series: FileSeries, kind: str = "", size: Decimal | None = None) -> ImportTarget:
    """The target of a series of a file. `kind` says whether bars are the venue's own (kline) or anybody's (bar);
    without, those that a venue made are klines.

    Raises:
        QueryError: a series that the store does not take, or something of it that nobody says.
    """
    wanted = (kind or kind_of_bars(facts)) if series.kind in WITH_INTERVAL else series.kind
    what = HISTORY_KINDS.get(wanted)
    if what is None:
        raise QueryError(f"kind: expected one of {', '.join(HISTORY_KINDS)} to be stored, was {wanted}")
    for name, value in (("venue", series.venue), ("symbol", series.symbol)):
        if not value:
            raise QueryError(f"{name}: expected that of the file's rows, which do not name it; give --{name}")
    if wanted in WITH_INTERVAL and not series.interval:
        raise QueryError("interval: expected one of the bars, which their times do not tell; give --interval")
    if "closed" in what.kind.fields and is_chinese(series.venue):
        raise QueryError(f"kind: expected bar, for {series.venue} sends no bars of its own, was {wanted}")
    if size is None and series.in_contracts:
        raise QueryError(
            f"contract size: expected one, for {series.symbol} is counted in contracts there; give --contract-size"
        )
    return ImportTarget(what, series.venue, series.symbol, series.interval, f"import:{facts.format}", size)


__all__ = ["ImportTarget", "target_of"]
