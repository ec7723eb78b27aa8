"""Stored rows into the files of a format: asked for page by page, written in a thread beside the loop that asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pyarrow as pa

from marketprism_adapters.exports.series import Exported, ExportFormat, ExportSeries
from marketprism_application.contracts.kinds import KINDS
from marketprism_application.contracts.questions import Records, next_of

Ask = Callable[[Records], Awaitable[pa.Table]]
_PAGE = 20_000
_PAGE_OF_LEVELS = 5_000  # a row of books and ticks is some five hundred bytes


def kinds_of(chosen: ExportFormat, kind: str = "") -> Sequence[str]:
    """The kinds that are written without one being named, or that one."""
    return (kind,) if kind else chosen.kinds if chosen.together else chosen.kinds[:1]


async def export_series(
    ask: Ask,
    chosen: ExportFormat,
    series: ExportSeries,
    kinds: Sequence[str],
    span: tuple[int | None, int | None],
    folder: Path,
) -> Exported:
    """Write the rows of a series in [from, to), nanoseconds UTC, below a folder.

    Raises:
        QueryError, SourceError: as the format does. What `ask` raises.
    """
    loop = asyncio.get_running_loop()
    rows = {each: _in_thread(_pages(ask, series, each, span), loop) for each in kinds}
    return await asyncio.to_thread(chosen.write, series, rows, folder)


def _in_thread(pages: AsyncIterator[pa.Table], loop: asyncio.AbstractEventLoop) -> Iterator[pa.Table]:
    """The pages as whoever writes files takes them, one after the other."""

    async def following() -> pa.Table | None:
        return await anext(pages, None)

    while (page := asyncio.run_coroutine_threadsafe(following(), loop).result()) is not None:
        yield page


async def _pages(
    ask: Ask, series: ExportSeries, name: str, span: tuple[int | None, int | None]
) -> AsyncIterator[pa.Table]:
    """Every row of a kind, oldest first; of klines those that are closed."""
    kind = KINDS[name]
    limit = _PAGE_OF_LEVELS if "bids" in kind.fields else _PAGE
    own = series.interval if kind.has_interval else None
    question = Records(name, series.symbol, series.venue, *span, own, limit)
    while True:
        page = await ask(question)
        after = next_of(page)
        yield page.filter(page.column("closed")) if "closed" in kind.fields else page
        if after is None:
            return
        question = msgspec.structs.replace(question, after=after, ts_from=int(after[0]))


__all__ = ["export_series", "kinds_of"]
