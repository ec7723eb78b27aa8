"""Stored ticks of an instrument as columns, page after page, in the order of the log they came by; and the sections
that the venue overruled meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pyarrow as pa

from marketprism_application.columns.tick_columns import COLUMNS, TickColumns
from marketprism_application.contracts.kinds import EVENT, TICK
from marketprism_application.contracts.questions import MAX_LIMIT, Latest, Records
from marketprism_application.ports.reading import StoreReader
from marketprism_application.queries.paging import all_pages
from marketprism_domain.events.sessions import TradingHoursOverruled
from marketprism_domain.instruments.exchange_codes import is_chinese
from marketprism_domain.instruments.names import product_of
from marketprism_domain.sessions.sessions import SessionChange
from marketprism_domain.sessions.trading_days import NANOS_PER_DAY

_PAGES = 10
_FIELDS = tuple(dict.fromkeys((*TICK.page_key, *COLUMNS.names)))
_OF_EVENTS = tuple(dict.fromkeys((*EVENT.page_key, "name", "data")))


async def newest_of(reader: StoreReader, symbol: str, venue: str | None = None) -> dict[str, int]:
    """The time of the newest tick at each venue that has ticks of the instrument, or at the one."""
    rows = (await reader.answer(Latest(TICK.name, (symbol,)))).to_pylist()
    return {str(row["venue"]): int(row["ts_event"]) for row in rows if venue in (None, row["venue"])}


async def tick_columns(
    reader: StoreReader, symbol: str, venue: str, ts_from: int | None, ts_to: int | None, rows: int = MAX_LIMIT
) -> AsyncIterator[TickColumns]:
    """Ticks with their time in [ts_from, ts_to), read by `rows` a page and given by ten pages: columns take some
    milliseconds to begin, so that they want many.

    A store has them by their time. One that came late stands, by its epoch and number, behind ticks that are later:
    it goes on to the page whose ticks it came with.
    """
    question = Records(TICK.name, symbol, venue, ts_from, ts_to, limit=rows, fields=_FIELDS)
    held: pa.Table | None = None
    ready: list[pa.Table] = []
    async for page in all_pages(reader.answer, question):
        found = page.select(COLUMNS.names).replace_schema_metadata(None)
        if held is not None:
            staying, moving = _parted(held, found)
            ready.append(staying)
            if sum(each.num_rows for each in ready) >= _PAGES * rows:
                yield await asyncio.to_thread(TickColumns.of, venue, symbol, pa.concat_tables(ready))
                ready = []
            found = pa.concat_tables([moving, found])
        held = found
    if held is not None:
        ready.append(held)
    if any(each.num_rows for each in ready):
        yield await asyncio.to_thread(TickColumns.of, venue, symbol, pa.concat_tables(ready))


def _parted(page: pa.Table, following: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The ticks of a page, and those of them that came behind one of the next page."""
    epoch, seq = (page.column(name).to_numpy() for name in ("epoch", "seq"))
    epochs, seqs = (following.column(name).to_numpy() for name in ("epoch", "seq"))
    first = int(epochs.min())
    number = int(seqs[epochs == first].min())
    moves = (epoch > first) | ((epoch == first) & (seq > number))
    if (
        not bool(moves.any()) or 2 * int(moves.sum()) > page.num_rows
    ):  # of a log whose numbers began again, none is late
        return page, page.slice(0, 0)
    return page.filter(pa.array(~moves)), page.filter(pa.array(moves))


class _Section(msgspec.Struct, frozen=True):
    """What of the event's own fields says which section it is; the venue is that of its record."""

    product: str
    trading_day: str
    ts_open: int
    ts_close: int


async def session_changes(
    ask: Callable[[Records], Awaitable[pa.Table]], venue: str, symbol: str, ts_from: int | None
) -> list[SessionChange]:
    """Sections of the instrument's product that the venue overruled on days from an instant on, in the order told.

    An event is stored when it is told: live within the section, by a replay at any time after it.
    """
    if not is_chinese(venue):
        return []
    product = product_of(symbol).lower()
    begin = None if ts_from is None else max(0, ts_from - NANOS_PER_DAY)
    # Events of a product are of no instrument: their symbol is empty.
    question = Records(EVENT.name, "", venue, begin, limit=MAX_LIMIT, fields=_OF_EVENTS)
    changes = []
    async for page in all_pages(ask, question):
        for row in page.select(["name", "data"]).to_pylist():
            change = _change_of(venue, row["data"]) if row["name"] == TradingHoursOverruled.__name__ else None
            if change is not None and change.product.lower() == product:
                changes.append(change)
    return changes


def _change_of(venue: str, data: str) -> SessionChange | None:
    """The section that an event tells of, None where it is not one that can be."""
    try:
        told = msgspec.json.decode(data, type=_Section)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if told.ts_close <= told.ts_open:
        return None
    return SessionChange(venue, told.product, told.trading_day, told.ts_open, told.ts_close)


__all__ = ["newest_of", "session_changes", "tick_columns"]
