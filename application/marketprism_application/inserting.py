"""The rows of a range into the store: again while it is away, in parts where they are many, the poisoned ones aside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from marketprism_application.contracts.codec import ContractError, decode_row, split_packed, to_row
from marketprism_application.contracts.kinds import KINDS, TICK, DataKind
from marketprism_application.errors import StoreError
from marketprism_application.ports import DeadRow, EncodedRows, MarketStore, Place, StreamRange
from marketprism_application.stored_rows import PACKED_PREFIX, RangeMessage, Rows, decode_messages, venue_kind_of

# A part's rows are part of what its token means: a change of this number is a change of every token.
PART_ROWS = 100_000
_PARALLEL = 2
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0


class Inserter:
    """Inserts ranges of one stream. `on_retry(attempt, pause_s, reason)` hears of each failed try."""

    def __init__(self, stream: str, store: MarketStore, on_retry: Callable[[int, float, str], None]) -> None:
        self._stream = stream
        self._store = store
        self._on_retry = on_retry

    async def insert(self, messages: Sequence[RangeMessage], covered: StreamRange, epoch: int) -> tuple[int, int]:
        """Every row of the messages; returns how many rows there were and how many of them were set aside."""
        dead: list[DeadRow] = []
        quick, others = await self._insert_encoded(messages, covered, epoch, dead)
        decoded = decode_messages(self._stream, others)
        dead += decoded.dead
        for name, rows in decoded.by_kind.items():
            await self._insert(KINDS[name], rows, covered, epoch, dead)
        if dead:
            await self._until_done(lambda: self._store.bury(dead))
        return quick + decoded.total, len(dead)

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
            await self._until_done(lambda: self._store.insert_encoded(kind, part, covered, epoch))
        except StoreError:
            # Some row is not what it should be. Decoded one by one, it is found; the others keep the part's token.
            found = Rows([], [])
            for group in part:
                for index, raw in enumerate(group.rows, group.first):
                    try:
                        found.rows.append(decode_row(kind, raw))
                        found.places.append(Place(group.seq, index))
                    except ContractError as error:
                        dead.append(DeadRow(self._stream, group.seq, index, str(error), bytes(raw)))
            if found.rows:
                await self._insert(kind, found, covered, epoch, dead)

    async def _insert(self, kind: DataKind, rows: Rows, covered: StreamRange, epoch: int, dead: list[DeadRow]) -> None:
        try:
            await self._until_done(lambda: self._store.insert(kind, rows.rows, rows.places, covered, epoch))
        except StoreError:
            # Some row is poison: one at a time, each under a token of its own, finds which.
            for row, place in zip(rows.rows, rows.places, strict=True):
                single = StreamRange(covered.stream, f"{covered.created}:{place.offset}", place.seq, place.seq)
                await self._insert_one(kind, row, place, single, epoch, dead)

    async def _insert_one(
        self, kind: DataKind, row: Any, place: Place, covered: StreamRange, epoch: int, dead: list[DeadRow]
    ) -> None:
        try:
            await self._until_done(lambda: self._store.insert(kind, [row], [place], covered, epoch))
        except StoreError as error:
            dead.append(DeadRow(self._stream, place.seq, place.offset, str(error), msgspec.msgpack.encode(row)))

    async def _until_done(self, work: Callable[[], Any]) -> None:
        """Again and again while the store is away; other errors are the caller's."""
        attempt = 0
        while True:
            try:
                await work()
            except StoreError as error:
                if not error.retryable:
                    raise
                attempt += 1
                pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(attempt - 1, 30))
                self._on_retry(attempt, pause_s, str(error))
                await asyncio.sleep(pause_s)
            else:
                return


def _encoded_of(message: RangeMessage) -> tuple[DataKind | None, Sequence[bytes | msgspec.Raw]]:
    """The rows of a message as they are encoded; no kind where that cannot be had without looking into it."""
    try:
        if message.subject.startswith(PACKED_PREFIX):
            return TICK, split_packed(message.data)
        kind = venue_kind_of(message.subject)
        return kind, () if kind is None else (to_row(kind, message.data),)
    except ContractError:
        return None, ()
