"""A range that was left open and is no longer what it was: nothing of what follows is taken for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from marketprism_adapters.memory.ledger import MemoryLedger
from marketprism_adapters.memory.progress import MemoryProgress, ProgressCell
from marketprism_adapters.memory.store import MemoryStore
from marketprism_adapters.memory.stream import MemoryMessage, MemoryRanges, MemoryStream
from marketprism_application.contracts.kinds import TICK
from marketprism_application.contracts.packed import PACKED_VERSION, Packed, encode_packed
from marketprism_application.contracts.questions import Records
from marketprism_application.ports.storage import StoreMark, StreamBounds
from marketprism_application.storage.writer import Progress, StreamWriter, WriterHooks, WriterSettings
from tests.fakes.ticks import at, tick


def message(seq: int, row: int | None = None, ts: int = 1) -> MemoryMessage:
    number = seq if row is None else row
    one = tick(at("2025-03-03 09:00:00") + number * 10**9, 100, 1)._replace(seq=number)
    return MemoryMessage("market.packed.1", seq, encode_packed(Packed(PACKED_VERSION, "x", 0, 0, (one,))), ts)


class Stream(MemoryRanges):
    """Messages that are there from the start, and those that are there once it was read."""

    def __init__(self, messages: Sequence[MemoryMessage], first: int, *, later_first: int | None = None) -> None:
        log = MemoryStream("made")
        for one in messages:
            log.append(one.subject, one.data, ts=one.ts, seq=one.seq)
        log.purge(first)
        super().__init__(log)
        self._later_first = later_first or first
        self._empty = 0

    async def next(self, max_messages: int, max_wait_s: float) -> Sequence[MemoryMessage]:
        self.stream.purge(self._later_first)
        found = await super().next(max_messages, min(max_wait_s, 0.0001))
        self._empty = 0 if found else self._empty + 1
        if self._empty > 200:
            raise asyncio.CancelledError
        return found


class Kept(WriterHooks):
    """The watermark, and what was named as lost."""

    def __init__(self) -> None:
        self.cell = ProgressCell()
        self.lost: list[tuple[int, int]] = []

    @property
    def progress(self) -> Progress | None:
        return self.cell.progress

    @progress.setter
    def progress(self, progress: Progress | None) -> None:
        self.cell.put(progress)

    async def truncated(self, wanted: int, bounds: StreamBounds) -> None:
        self.lost.append((wanted, bounds.first))


async def run(stream: Stream, kept: Kept, store: MemoryStore, ledger: MemoryLedger) -> None:
    writer = StreamWriter("MARKET_TICKS", stream, MemoryProgress(kept.cell), store, ledger, WriterSettings(10, 0), kept)
    with pytest.raises(asyncio.CancelledError):
        await writer.run(1)


async def rows(store: MemoryStore) -> list[int]:
    return [int(n) for n in (await store.answer(Records("tick", "rb2505"))).column("seq").to_pylist()]


@pytest.mark.parametrize("inserted", [True, False])
@pytest.mark.parametrize(
    ("first", "later_first"), [(15, 15), (1, 15), (8, 8), (1, 8)], ids=["gone", "going", "half gone", "half going"]
)
async def test_what_follows_an_open_range_that_aged_out_is_stored_under_its_own_name(
    inserted: bool, first: int, later_first: int
) -> None:
    kept, store, ledger = Kept(), MemoryStore(), MemoryLedger()
    if inserted:
        await run(Stream([message(n) for n in range(1, 11)], 1), kept, store, ledger)
        ledger.watermarks.clear()
    await ledger.record("MARKET_TICKS", "made", StoreMark(0))
    kept.progress = Progress("made", 1, 1, 10, 0, "memory")
    await run(Stream([message(n) for n in range(1, 26)], first, later_first=later_first), kept, store, ledger)
    there = await rows(store)
    assert [n for n in there if n > 10] == list(range(max(11, later_first), 26))
    assert [n for n in there if n <= 10] == list(range(1 if inserted else min(later_first, 11), 11))
    assert kept.lost
    assert kept.progress is not None
    assert kept.progress.watermark == 25


async def test_a_stream_that_lost_its_end_gives_its_sequences_again_and_nothing_is_taken_for_a_repeat() -> None:
    kept, store, ledger = Kept(), MemoryStore(), MemoryLedger()
    await run(Stream([message(n) for n in range(1, 11)], 1), kept, store, ledger)
    await run(Stream([message(n) for n in range(1, 9)], 1), kept, store, ledger)
    again = [*(message(n) for n in range(1, 9)), message(9, 109), message(10, 110)]
    await run(Stream(again, 1), kept, store, ledger)
    assert await rows(store) == [*range(1, 11), 109, 110]
    assert kept.lost == []


@pytest.mark.parametrize("last", [0, 10], ids=["the intent was lost too", "a range is open"])
async def test_a_range_of_the_same_sequences_with_other_messages_is_not_taken_for_a_repeat(last: int) -> None:
    """Killed between the insert and the record; the stream lost its end, and had another before anybody looked."""
    kept, store, ledger = Kept(), MemoryStore(), MemoryLedger()
    await run(Stream([message(n) for n in range(1, 11)], 1), kept, store, ledger)
    await ledger.record("MARKET_TICKS", "made", StoreMark(0))
    kept.progress = Progress("made", 1, 1 if last else 0, last, 0, "memory")
    again = [*(message(n) for n in range(1, 9)), message(9, 109, ts=2), message(10, 110, ts=2)]
    await run(Stream(again, 1), kept, store, ledger)
    assert await rows(store) == [*range(1, 11), 109, 110]


async def test_what_was_read_before_a_rebuild_is_inserted_and_not_taken_for_a_repeat() -> None:
    kept, store, ledger = Kept(), MemoryStore(), MemoryLedger()
    stream = [message(n) for n in range(1, 11)]
    await run(Stream(stream, 1), kept, store, ledger)
    store._tables[TICK.name].clear()  # somebody has emptied the table; the engine still knows the tokens
    kept.progress = Progress("made", fill="asked")
    await run(Stream(stream, 1), kept, store, ledger)
    assert await rows(store) == list(range(1, 11))
