"""The rows of a range into the store: again while it is away, in parts where they are many, the bad ones aside."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec

from marketprism_application.contracts.codec import ContractError, decode_row, to_row
from marketprism_application.contracts.history import PREFIX as HISTORY_PREFIX
from marketprism_application.contracts.history import decode_block
from marketprism_application.contracts.kinds import KINDS, TICK, DataKind
from marketprism_application.contracts.packed import split_packed
from marketprism_application.errors import RowError, SchemaError, StoreError
from marketprism_application.ports.storage import (
    DeadRow,
    EncodedRows,
    MarketStore,
    RangeMessage,
    StreamPlace,
    StreamRange,
)
from marketprism_application.storage.decoding import PACKED_PREFIX, Rows, decode_messages, venue_kind_of

# A part's rows are part of what its token means: a change of this number is a change of every token.
PART_ROWS = 100_000
_PARALLEL = 2
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
# So many rows, or this share of them, may be refused by the engine; each good row restores its share.
_FEW, _BAD_SHARE = 10.0, 0.01
T = TypeVar("T")


class Inserter:
    """Inserts ranges of one stream.

    `on_retry(attempt, pause_s, reason)` hears of each failed try, `on_back` of a success after some. `turn` is waited
    for before each block of history: what comes live goes first.
    """

    def __init__(
        self,
        stream: str,
        store: MarketStore,
        on_retry: Callable[[int, float, str], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        on_back: Callable[[], None] = lambda: None,
        turn: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._turn = turn
        self._stream = stream
        self._store = store
        self._on_retry = on_retry
        self._sleep = sleep
        self._on_back = on_back
        self._few = _FEW

    async def insert(self, messages: Sequence[RangeMessage], covered: StreamRange, epoch: int) -> tuple[int, int]:
        """Every row of the messages; returns how many rows there were and how many of them were set aside."""
        dead: list[DeadRow] = []
        past = [message for message in messages if message.subject.startswith(HISTORY_PREFIX)]
        if past:
            messages = [message for message in messages if not message.subject.startswith(HISTORY_PREFIX)]
        old = sum([await self._insert_block(message, covered, epoch, dead) for message in past])
        quick, others = await self._insert_encoded(messages, covered, epoch, dead)
        decoded = decode_messages(self._stream, others)
        dead += decoded.dead
        for name, rows in decoded.by_kind.items():
            await self._insert(KINDS[name], rows, covered, epoch, dead)
        if dead:
            await self.until_done(lambda: self._store.bury(dead), whatever=True)
        self._few = min(_FEW, self._few + (quick + decoded.total - len(dead)) * _BAD_SHARE)
        return old + quick + decoded.total, len(dead)

    async def _insert_block(self, message: RangeMessage, covered: StreamRange, epoch: int, dead: list[DeadRow]) -> int:
        """The rows of a block of history, under a token of its own; one that no table takes is set aside whole, for its
        rows were looked at before they were sent. Returns how many there were."""
        name = f"{covered.created.partition('@')[0]}@{message.ts}"
        own = StreamRange(covered.stream, name, message.seq, message.seq)
        if self._turn is not None:
            await self._turn()
        try:
            block = await asyncio.to_thread(decode_block, message.subject, message.data)
            seq = block.stored_seq(message.seq)
            insert = self._store.insert_columns
            return await self.until_done(lambda: insert(block.kind, block.rows, seq, own, epoch))
        except (ContractError, RowError) as error:
            dead.append(DeadRow(self._stream, message.seq, 0, str(error), message.data, subject=message.subject))
            return 1

    async def _insert_encoded(
        self, messages: Sequence[RangeMessage], covered: StreamRange, epoch: int, dead: list[DeadRow]
    ) -> tuple[int, Sequence[RangeMessage]]:
        """Packed ticks, and messages of venues, as the bytes that they are; returns how many rows there were, and the
        messages that are something else.

        They go in parts of some PART_ROWS rows, cut between messages, several at once; a part's token names the range
        and the part, so a writer that repeats the range makes the same parts.
        """
        parts: dict[str, list[list[EncodedRows]]] = {}
        left: dict[str, int] = {}
        others: list[RangeMessage] = []
        count = 0
        for message in messages:
            kind, rows = _encoded_of(message)
            if kind is None:
                others.append(message)
                continue
            of_kind = parts.setdefault(kind.name, [])
            if left.get(kind.name, 0) <= 0:
                of_kind.append([])
                left[kind.name] = PART_ROWS
            of_kind[-1].append(EncodedRows(message.seq, rows))
            count += len(rows)
            left[kind.name] -= len(rows)
        room = asyncio.Semaphore(_PARALLEL)

        async def insert(kind: DataKind, number: int, part: list[EncodedRows]) -> None:
            name = f"{covered.created}/{number}" if number else covered.created
            async with room:
                await self._insert_part(
                    kind, part, StreamRange(covered.stream, name, covered.first, covered.last), epoch, dead
                )

        inserts = [
            asyncio.ensure_future(insert(KINDS[name], number, part))
            for name, of_kind in parts.items()
            for number, part in enumerate(of_kind)
        ]
        try:
            await asyncio.gather(*inserts)
        finally:
            for task in inserts:
                task.cancel()
        return count, others

    async def _insert_part(
        self, kind: DataKind, part: Sequence[EncodedRows], covered: StreamRange, epoch: int, dead: list[DeadRow]
    ) -> None:
        try:
            await self.until_done(lambda: self._store.insert_encoded(kind, part, covered, epoch))
        except RowError:
            # Some row is not what it should be. Decoded one by one, it is found; the others keep the part's token.
            found = Rows([], [])
            for group in part:
                for index, raw in enumerate(group.rows, group.first):
                    try:
                        found.rows.append(decode_row(kind, raw))
                        found.places.append(StreamPlace(group.seq, index))
                    except ContractError as error:
                        dead.append(DeadRow(self._stream, group.seq, index, str(error), bytes(raw), kind.name))
            if found.rows:
                await self._insert(kind, found, covered, epoch, dead)

    async def _insert(self, kind: DataKind, rows: Rows, covered: StreamRange, epoch: int, dead: list[DeadRow]) -> None:
        """The whole; where some row of it is refused, halves of halves until it is alone.

        Few rows can be bad. When the engine refuses more, its table is not what it should be, and that is the store's
        fault: nothing is set aside, and the whole is tried again until somebody has mended it.
        """
        search = _Search(max(self._few, len(rows.rows) * _BAD_SHARE))
        attempt = 0
        while True:
            try:
                await self._whole_or_apart(kind, rows, covered, epoch, search)
                break
            except _TooManyRefused as error:
                attempt += 1
                await self._pause(attempt, f"{kind.table}: {error}")
                search.again()
        if attempt:
            self._on_back()
        dead += search.refused
        self._few = max(0.0, self._few - search.by_engine)

    async def _whole_or_apart(
        self, kind: DataKind, rows: Rows, covered: StreamRange, epoch: int, search: _Search
    ) -> None:
        if not search.inserted:  # what went in by parts goes in by the same parts again
            try:
                await self.until_done(lambda: self._store.insert(kind, rows.rows, rows.places, covered, epoch))
            except RowError:
                pass
            else:
                return
        await self._apart(kind, rows, covered, epoch, search)

    async def _apart(self, kind: DataKind, rows: Rows, covered: StreamRange, epoch: int, search: _Search) -> None:
        """Insert what can be inserted of rows of which some were refused; each part has a token of its own."""
        middle = len(rows.rows) // 2
        for part in (Rows(rows.rows[:middle], rows.places[:middle]), Rows(rows.rows[middle:], rows.places[middle:])):
            if part.rows:
                await self._insert_part_of(kind, part, covered, epoch, search)

    async def _insert_part_of(
        self, kind: DataKind, part: Rows, covered: StreamRange, epoch: int, search: _Search
    ) -> None:
        first, last = part.places[0], part.places[-1]
        alone = len(part.rows) == 1
        name = f"{first.offset}" if alone else f"{first.offset}-{last.offset}"
        own = StreamRange(covered.stream, f"{covered.created}:{name}", first.seq, last.seq)
        try:
            await self.until_done(lambda: self._store.insert(kind, part.rows, part.places, own, epoch))
        except RowError as error:
            if not alone:
                await self._apart(kind, part, covered, epoch, search)
                return
            payload = msgspec.msgpack.encode(part.rows[0])
            letter = DeadRow(self._stream, first.seq, first.offset, str(error), payload, kind.name)
            search.refuse(letter, by_engine=bool(error.engine_code))
        else:
            search.inserted += len(part.rows)

    async def until_done(self, work: Callable[[], Awaitable[T]], *, whatever: bool = False) -> T:
        """The result of `work`, tried again for as long as the store is away.

        A SchemaError is the caller's, and a RowError where not `whatever` is to be tried again.
        """
        attempt = 0
        while True:
            try:
                result = await work()
            except RowError as error:
                if not whatever:
                    raise
                reason = str(error)
            except SchemaError:
                raise
            except StoreError as error:
                reason = str(error)
            except Exception as error:  # noqa: BLE001 (what nobody has thought of is told and tried again, too)
                reason = f"{type(error).__name__}: {error}"
            else:
                if attempt:
                    self._on_back()
                return result
            attempt += 1
            await self._pause(attempt, reason)

    async def _pause(self, attempt: int, reason: str) -> None:
        pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(attempt - 1, 30))
        self._on_retry(attempt, pause_s, reason)
        await self._sleep(pause_s)


class _TooManyRefused(Exception):
    """More rows are refused than can be bad by themselves."""


class _Search:
    """What is found out about rows of which some are refused; `most` may be refused by the engine."""

    def __init__(self, most: float) -> None:
        self.refused: list[DeadRow] = []
        self.by_engine = 0
        self.inserted = 0
        self._most = most

    def again(self) -> None:
        """Begin anew; what was inserted stays so."""
        self.refused, self.by_engine = [], 0

    def refuse(self, row: DeadRow, *, by_engine: bool) -> None:
        """Set one aside. What this program itself finds wrong with a number is so in any table, without a limit."""
        self.refused.append(row)
        self.by_engine += by_engine
        if self.by_engine > self._most:
            raise _TooManyRefused(
                f"more than {self._most:g} rows refused at once: the table must be wrong, not the rows: {row.reason}"
            )


def _encoded_of(message: RangeMessage) -> tuple[DataKind | None, Sequence[bytes | msgspec.Raw]]:
    """The rows of a message as they are encoded; no kind where that cannot be had without looking into it."""
    try:
        if message.subject.startswith(PACKED_PREFIX):
            return TICK, split_packed(message.data)
        kind = venue_kind_of(message.subject)
        return kind, () if kind is None else (to_row(kind, message.data),)
    except ContractError:
        return None, ()
