"""TradingTables of files: those of this package, and those of a folder of the user's own, which are newer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import cast

import msgspec

from marketprism_adapters.trading_tables.documents import (
    LISTS,
    Document,
    Row,
    document_of,
    read_document,
)
from marketprism_application.errors import DefinitionError
from marketprism_application.ports.trading_tables import (
    Dated,
    FeeLevel,
    GrowingRates,
    MarketRules,
    Source,
    TableRow,
    TableTerms,
)
from marketprism_domain.trading.chinese_futures import MarginRate
from marketprism_domain.trading.margin_tiers import MarginTiers

_KEPT = 4_096
_VARIABLE = re.compile(r"\*|\?|\[[^\]]*\]")


class FileTables:
    """Rows of documents, later ones before earlier ones of the same day and symbol."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self._documents: dict[str, list[Document]] = {}
        for document in documents:
            self._documents.setdefault(document.venue, []).append(document)
        # Imported lists have a row for each of hundreds of instruments and of many days: those are found by name.
        self._named: dict[tuple[str, str], dict[str, list[tuple[int, Row]]]] = {}
        self._patterns: dict[tuple[str, str], list[tuple[int, Row]]] = {}
        for venue, of_venue in self._documents.items():
            for place, document in enumerate(of_venue):
                for name in LISTS:
                    for row in getattr(document, name):
                        self._index(venue, name, place, row)
        # An instrument is asked for again and again: what was found for it on a day is kept.
        self._found = lru_cache(_KEPT)(self._find)

    @classmethod
    def read(cls, folder: Path | None = None) -> FileTables:
        """The tables of the package and of a folder (`*.toml`, `*.json`); reads files.

        Raises:
            DefinitionError: a file is no table; names it and the field.
        """
        inside = sorted(files("marketprism_adapters.trading_tables").joinpath("tables").iterdir(), key=lambda e: e.name)
        documents = [document_of(each.read_bytes(), each.name) for each in inside if each.name.endswith(".toml")]
        if folder is not None:
            if not folder.is_dir():
                raise DefinitionError(f"order.tables: expected a folder, was {str(folder)!r}")
            paths = sorted(path for path in folder.iterdir() if path.suffix in (".toml", ".json"))
            documents += [read_document(path) for path in paths]
        return cls(documents)

    def with_documents(self, documents: Iterable[Document]) -> FileTables:
        """These tables, and more documents before them."""
        return FileTables([*(each for of in self._documents.values() for each in of), *documents])

    def _index(self, venue: str, name: str, place: int, row: Row) -> None:
        key = (venue, name)
        if any(_VARIABLE.search(symbol) for symbol in row.symbols):
            self._patterns.setdefault(key, []).append((place, row))
            return
        named = self._named.setdefault(key, {})
        for symbol in row.symbols:
            named.setdefault(symbol, []).append((place, row))

    def venues(self) -> tuple[str, ...]:
        """Names of the venues that have tables, in order."""
        return tuple(sorted(self._documents))

    def market(self, venue: str, symbol: str, on: date) -> Dated[MarketRules] | None:
        """The rules of the market that an instrument is traded at."""
        return cast("Dated[MarketRules] | None", self._found(venue, ("market",), symbol, on, ""))

    def terms(self, venue: str, symbol: str, on: date) -> Dated[TableTerms] | None:
        """Terms of a contract."""
        return cast("Dated[TableTerms] | None", self._found(venue, ("terms",), symbol, on, ""))

    def margins(self, venue: str, symbol: str, on: date) -> Dated[MarginTiers | GrowingRates | MarginRate] | None:
        """Margin of an instrument: tiers, growing rates, or the one rate of a Chinese future."""
        found = self._found(venue, ("tiers", "growing", "rates"), symbol, on, "")
        return cast("Dated[MarginTiers | GrowingRates | MarginRate] | None", found)

    def fees(self, venue: str, symbol: str, on: date, level: str = "") -> Dated[FeeLevel] | None:
        """Fees at a level, the lowest one without."""
        return cast("Dated[FeeLevel] | None", self._found(venue, ("fees",), symbol, on, level))

    def limits(self, venue: str, symbol: str, on: date) -> Dated[Decimal] | None:
        """The share of the settlement before by which a future's price may move in a day."""
        return cast("Dated[Decimal] | None", self._found(venue, ("limits",), symbol, on, ""))

    def rows(self, venue: str) -> Sequence[TableRow]:
        """Every row of a venue, by table."""
        return [
            TableRow(_source(_SHOWN.get(name, name), venue, row), row.symbols, _values(row))
            for name in LISTS
            for document in self._documents.get(venue, ())
            for row in getattr(document, name)
        ]

    def _find(self, venue: str, lists: tuple[str, ...], symbol: str, on: date, level: str) -> Dated[object] | None:
        fitting = [
            (exactness, place, row)
            for each in lists
            for place, row in (
                *self._named.get((venue, each), {}).get(symbol, ()),
                *self._patterns.get((venue, each), ()),
            )
            if (exactness := _exactness(row, symbol)) and (not level or row.level == level)
        ]
        if not fitting:
            return None
        most = max(exactness for exactness, _, _ in fitting)
        rows = [(place, row) for exactness, place, row in fitting if exactness == most]
        before = [(place, row) for place, row in rows if row.as_of <= on]
        day = max(row.as_of for _, row in before) if before else min(row.as_of for _, row in rows)
        of_day = [(place, row) for place, row in rows if row.as_of == day]
        last = max(place for place, _ in of_day)
        row = next(row for place, row in of_day if place == last)  # of levels the lowest, which stands first
        return Dated(row.value(), _source(_SHOWN.get(lists[-1], lists[-1]), venue, row))


_SHOWN = {"tiers": "margins", "growing": "margins", "rates": "margins"}


def _exactness(row: Row, symbol: str) -> int:
    """0 where a row is not of a symbol; the more of its pattern is fixed, the more, and most for the symbol itself."""
    fixed = (len(_VARIABLE.sub("", each)) for each in row.symbols if fnmatchcase(symbol, each))
    return 1 + max(fixed, default=-1)


def _source(name: str, venue: str, row: Row) -> Source:
    return Source(f"{name}/{venue}", row.source, row.as_of)


def _values(row: Row) -> dict[str, object]:
    found = msgspec.to_builtins(row)
    return {name: each for name, each in found.items() if name not in ("symbols", "as_of", "source")}


__all__ = ["FileTables"]
