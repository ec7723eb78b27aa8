"""Pages of stored records: each says whether there is another."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec

from marketprism_application.contracts.kinds import KINDS, DataKind
from marketprism_application.contracts.questions import MAX_LIMIT, Instruments, Key, Records, continued, key_of, next_of
from marketprism_application.contracts.rows import Row
from marketprism_application.errors import AnswerTooLargeError
from marketprism_application.ports.reading import StoreReader

if TYPE_CHECKING:
    import pyarrow as pa


async def page(reader: StoreReader, query: Records) -> pa.Table:
    """The page that is asked for; marked (`questions.next_of`) where the store holds more.

    One row more than is wanted is asked for; where that is more than an answer may have, what follows a full page is
    looked for by itself. A page whose bytes are more than an answer may have is a shorter one that is marked.

    Raises:
        StoreError: as the reader. AnswerTooLargeError: of the newest rows, or of one row alone.
    """
    while True:
        try:
            return await _page(reader, query)
        except AnswerTooLargeError as error:
            query = _halved(query, error)


def _halved(query: Records, error: AnswerTooLargeError) -> Records:
    """The question for half as many rows, of one whose answer was too large.

    Raises:
        AnswerTooLargeError: where fewer rows would be another answer: the newest ones, or one row alone.
    """
    if query.last or query.limit == 1:
        raise error
    return msgspec.structs.replace(query, limit=query.limit // 2)


async def _page(reader: StoreReader, query: Records) -> pa.Table:
    kind, limit = KINDS[query.kind], query.limit
    if limit < MAX_LIMIT:
        found = await reader.answer(msgspec.structs.replace(query, limit=limit + 1))
        if found.num_rows <= limit:
            return found
        return continued(found.slice(1), None) if query.last else _ended(kind, found.slice(0, limit))
    found = await reader.answer(query)
    if found.num_rows < limit:
        return found
    if not query.last:
        behind = msgspec.structs.replace(query, after=key_of(kind, found), limit=1)
        return _ended(kind, found) if (await reader.answer(behind)).num_rows else found
    first = found.column(kind.time_field)[0].as_py()
    alike = sum(ts == first for ts in found.column(kind.time_field).to_pylist())
    before = msgspec.structs.replace(query, ts_to=first + 1, limit=min(alike + 1, MAX_LIMIT))
    return continued(found, None) if (await reader.answer(before)).num_rows > alike else found


def _ended(kind: DataKind, found: pa.Table) -> pa.Table:
    return continued(found, key_of(kind, found))


async def pages(reader: StoreReader, query: Records) -> AsyncIterator[pa.Table]:
    """Every page from the query's on, oldest first; the last one may be empty."""
    while True:
        try:
            found = await reader.answer(query)
        except AnswerTooLargeError as error:
            query = _halved(query, error)
            continue
        yield found
        if found.num_rows < query.limit:
            return
        query = msgspec.structs.replace(query, after=key_of(KINDS[query.kind], found))


async def all_pages(ask: Callable[[Records], Awaitable[pa.Table]], question: Records) -> AsyncIterator[pa.Table]:
    """Every page of rows of an answer, oldest first, of whoever marks that there is more and of who does not."""
    while True:
        page = await ask(question)
        if page.num_rows:
            yield page
        after = next_of(page)
        if after is None and page.num_rows >= question.limit:
            after = key_of(KINDS[question.kind], page)
        if after is None:
            return
        # What lies behind the last row begins with its time: the store looks no further back.
        question = msgspec.structs.replace(question, after=after, ts_from=int(after[0]))


def is_behind(kind: DataKind, row: Row, key: Key) -> bool:
    """Whether a row comes after all those whose page key begins like `key`."""
    return tuple(row[name] for name in kind.page_key[: len(key)]) > tuple(key)


def paged(kind: DataKind, rows: list[Row], schema: pa.Schema, query: Records, *, more: bool) -> pa.Table:
    """The page of rows that were made, in whatever order they are; `more`: there are more behind the last of them, or,
    for the newest, before the first."""
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

    rows.sort(key=lambda row: tuple(row[name] for name in kind.read_order))
    if query.after is not None:
        rows = [row for row in rows if is_behind(kind, row, query.after)]
    more = more or len(rows) > query.limit
    rows = rows[-query.limit :] if query.last else rows[: query.limit]
    found = pa.Table.from_pylist(rows, schema)
    if not more or not rows:
        return found
    return continued(found, None) if query.last else _ended(kind, found)


def up_to(kind: DataKind, table: pa.Table, key: Key) -> pa.Table:
    """The rows of one instrument's page that do not come after `key`, a whole page key."""
    keys = list(zip(*(table.column(name).to_pylist() for name in kind.page_key), strict=True))
    return table.slice(0, bisect_right(keys, tuple(key)))


def of_venue(table: pa.Table, venue: str) -> pa.Table:
    """The rows of one venue."""
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)
    import pyarrow.compute as pc  # noqa: PLC0415 (heavy: only who has a table)

    return table.filter(pc.equal(table.column("venue"), pa.scalar(venue)))


async def page_of_instruments(reader: StoreReader, question: Instruments) -> pa.Table:
    """The terms that are asked for; marked where there are more behind them.

    Raises:
        StoreError: as the reader.
    """
    limit = question.search.limit
    wanted = min(limit + 1, MAX_LIMIT)
    found = await reader.answer(msgspec.structs.replace(question, search=question.search._replace(limit=wanted)))
    if found.num_rows < limit or (wanted > limit and found.num_rows == limit):
        return found
    shown = found.slice(0, limit)
    key = (str(shown.column("venue")[-1]), str(shown.column("symbol")[-1]))
    if wanted == limit:
        behind = msgspec.structs.replace(question, search=question.search._replace(limit=1), after=key)
        if not (await reader.answer(behind)).num_rows:
            return shown
    return continued(shown, key)
