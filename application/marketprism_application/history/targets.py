"""What a series of a file becomes in the store, and which cannot be stored."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from marketprism_application.contracts.kinds import BAR, FUNDING_RATE, KINDS, KLINE, OPEN_INTEREST, TRADE, DataKind
from marketprism_application.errors import QueryError
from marketprism_application.ports.history import SeriesKey
from marketprism_domain.instruments.exchange_codes import is_chinese

if TYPE_CHECKING:
    from marketprism_application.ports.imports import FileFacts, FileSeries

STORABLE = (BAR.name, KLINE.name, TRADE.name, FUNDING_RATE.name, OPEN_INTEREST.name)
_IN_CONTRACTS = {"okx": ("-PERP",), "deribit": ("-PERP",)}


@dataclass(frozen=True)
class ImportTarget:
    """Where the rows of a file go: `source` names the format that they come from, `size` is that of a contract where
    the file counts contracts."""

    kind: DataKind
    venue: str
    symbol: str
    interval: str
    source: str
    size: Decimal | None = None

    @property
    def key(self) -> SeriesKey:
        """The series."""
        return SeriesKey(self.kind.name, self.venue, self.symbol, self.interval)


def target_of(facts: FileFacts, series: FileSeries, kind: str = "", size: Decimal | None = None) -> ImportTarget:
    """The target of a series of a file. `kind` says whether bars are the venue's own (kline) or anybody's (bar);
    without, those that a venue made are klines.

    Raises:
        QueryError: a series that the store does not take, or something of it that nobody says.
    """
    wanted = kind or series.kind
    if series.kind == BAR.name:
        wanted = kind or (KLINE.name if facts.format == "binance-vision" else BAR.name)
    if wanted not in STORABLE:
        raise QueryError(f"kind: expected one of {', '.join(STORABLE)} to be stored, was {wanted}")
    if (wanted in (BAR.name, KLINE.name)) != (series.kind == BAR.name):
        raise QueryError(f"kind: expected that of the file's rows ({series.kind}), was {wanted}")
    if wanted == KLINE.name and is_chinese(series.venue):
        raise QueryError(f"kind: expected bar, for {series.venue} sends no bars of its own, was kline")
    for name, value in (("venue", series.venue), ("symbol", series.symbol)):
        if not value:
            raise QueryError(f"{name}: expected that of the file's rows, which do not name it; give --{name}")
    if KINDS[wanted].has_interval and not series.interval:
        raise QueryError("interval: expected one of the bars, which their times do not tell; give --interval")
    if size is None and wanted != FUNDING_RATE.name and counts_contracts(facts, series):
        raise QueryError(
            f"contract size: expected one, for {series.symbol} is counted in contracts there; give --contract-size"
        )
    return ImportTarget(KINDS[wanted], series.venue, series.symbol, series.interval, f"import:{facts.format}", size)


def counts_contracts(facts: FileFacts, series: FileSeries) -> bool:
    """Whether amounts of a file are numbers of contracts, which the store does not have."""
    if is_chinese(series.venue):
        return False
    inverse = series.symbol.endswith("-USD-PERP") or (series.venue != "deribit" and "-USD-2" in series.symbol)
    if facts.format == "tardis":
        return inverse or series.symbol.endswith(_IN_CONTRACTS.get(series.venue, ("\0",)))
    return inverse and series.venue == "binance"


__all__ = ["STORABLE", "ImportTarget", "counts_contracts", "target_of"]
