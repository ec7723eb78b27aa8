"""What of an answer may be seen by whoever asked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from marketprism_application.access.entitlements import ANY_KIND, Entitlement
from marketprism_application.access.principal import Principal
from marketprism_application.contracts.book_view import BookRequest
from marketprism_application.contracts.failures import Code
from marketprism_application.contracts.kinds import ORDERBOOK, DataKind
from marketprism_application.contracts.questions import Question, Search, Visible
from marketprism_application.contracts.rows import SIDES
from marketprism_application.errors import ApplicationError
from marketprism_domain.instruments.written_names import is_pattern

if TYPE_CHECKING:
    import pyarrow as pa

_DAY_S = 86_400


class NotEntitled(ApplicationError):
    """What was named may not be seen."""

    code = Code.NOT_ENTITLED


def check_named(who: Principal, symbols: str, kind: DataKind | None) -> None:
    """Whether each named instrument may be seen at some venue; of a pattern what may be seen is shown.

    Raises:
        NotEntitled: one may not.
    """
    if who.entitlements.is_unbounded:
        return
    of = kind.name if kind is not None else ANY_KIND
    for symbol in symbols.split(","):
        if not is_pattern(symbol) and not any(
            each.covers_kind(of) and each.covers_symbol(symbol) for each in who.entitlements.granted
        ):
            raise NotEntitled(f"symbol: expected one that {who.id} may see, was {symbol[:80]!r}")


def asked_by(who: Principal, question: Question) -> Question:
    """The question, bounded to what may be seen where its answer is a choice: the first few of what may not be seen
    would leave nothing of it."""
    if not isinstance(question, Search) or who.entitlements.is_unbounded:
        return question
    visible = tuple(Visible(each.venues, each.symbols) for each in who.entitlements.granted)
    return msgspec.structs.replace(question, visible=visible)


def entitled(table: pa.Table, who: Principal, kind: DataKind | None) -> pa.Table:
    """Rows that may be seen, in their order, with the metadata of the table: the next page follows all the same."""
    if who.entitlements.is_unbounded or "symbol" not in table.column_names:
        return table
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

    of = kind.name if kind is not None else ANY_KIND
    symbols = _texts(table, "symbol")
    venues = _texts(table, "venue") if "venue" in table.column_names else [ANY_KIND] * len(symbols)
    field = kind.time_field if kind is not None else ""
    times = table.column(field).to_pylist() if field in table.column_names else [None] * len(symbols)
    now_s = time.time()
    seen = [
        _may(who.entitlements.of(venue, symbol, of), ts, now_s)
        for venue, symbol, ts in zip(venues, symbols, times, strict=True)
    ]
    found = table.filter(pa.array(seen, pa.bool_()))
    return _shallow(found, who, of)


def may_see(who: Principal, venue: str, symbol: str, kind: DataKind, ts: int) -> bool:
    """Whether one record of this time, nanoseconds UTC, may be seen now."""
    return who.entitlements.is_unbounded or _may(who.entitlements.of(venue, symbol, kind.name), ts, time.time())


def bounded_book(who: Principal, asked: BookRequest) -> BookRequest:
    """The request for a live book, with no more levels than may be seen.

    Raises:
        NotEntitled: the book may not be seen, or not as it stands now.
    """
    granted = who.entitlements.of(asked.venue.partition("-")[0], asked.symbol, ORDERBOOK.name)
    if granted is None or granted.delay_s is not None:
        raise NotEntitled(f"orderbook: expected one that {who.id} may see, was {asked.venue}.{asked.symbol}"[:200])
    if granted.depth is None:
        return asked
    return msgspec.structs.replace(asked, depth=min(asked.depth or granted.depth, granted.depth))


def _may(granted: Entitlement | None, ts: int | None, now_s: float) -> bool:
    if granted is None:
        return False
    if ts is None:
        return True
    age_s = now_s - ts / 1e9
    return (granted.delay_s is None or age_s >= granted.delay_s) and (
        granted.history_days is None or age_s <= granted.history_days * _DAY_S
    )


def _texts(table: pa.Table, column: str) -> list[str]:
    return [str(value) for value in table.column(column).to_pylist()]


def _shallow(table: pa.Table, who: Principal, kind: str) -> pa.Table:
    """Books with no more levels than may be seen."""
    sides = [side for side in SIDES if side in table.column_names]
    if not sides or all(each.depth is None for each in who.entitlements.granted):
        return table
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

    venues, symbols = _texts(table, "venue"), _texts(table, "symbol")
    granted = [who.entitlements.of(venue, symbol, kind) for venue, symbol in zip(venues, symbols, strict=True)]
    depths = [0 if each is None else each.depth for each in granted]
    for side in sides:
        column = table.column(side)
        cut = [
            levels if depth is None or levels is None else levels[:depth]
            for levels, depth in zip(column.to_pylist(), depths, strict=True)
        ]
        table = table.set_column(table.column_names.index(side), side, pa.array(cut, column.type))
    return table
