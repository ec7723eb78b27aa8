"""How long a batch may take: longer where little comes, and no longer than ever as soon as more does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from marketprism_adapters.memory.ledger import MemoryLedger
from marketprism_adapters.memory.progress import MemoryProgress, ProgressCell
from marketprism_adapters.memory.store import MemoryStore
from marketprism_adapters.memory.stream import MemoryMessage, MemoryRanges, MemoryStream
from marketprism_application.contracts.kinds import DataKind
from marketprism_application.contracts.packed import PACKED_VERSION, Packed, encode_packed
from marketprism_application.ports.storage import EncodedRows, StreamRange
from marketprism_application.storage.writer import StreamWriter, WriterHooks, WriterSettings
from tests.fakes.ticks import at, tick


class Arriving(MemoryRanges):
    """A tick a message, each at its second; time passes only here."""

    def __init__(self, seconds: Sequence[float]) -> None:
        made = MemoryStream()
        for n in range(len(seconds)):
            row = tick(at("2025-03-03 09:00:00") + n * 10**6, 100, n + 1)._replace(seq=n + 1)
            made.append("market.packed.3", encode_packed(Packed(PACKED_VERSION, "x", 0, 0, (row,))))
        super().__init__(made)
        self._seconds = list(seconds)
        self.now_s = 0.0
        self.asked: list[float] = []

    async def next(self, max_messages: int, max_wait_s: float) -> Sequence[MemoryMessage]:
        await asyncio.sleep(0)
        self.asked.append(max_wait_s)
        if not self._seconds:
            if self.asked[-8:] == [5.0] * 8:
                raise asyncio.CancelledError
        elif self._seconds[0] <= self.now_s + max_wait_s:
            self.now_s = max(self.now_s, self._seconds.pop(0))
            return await super().next(1, 0.0)
        self.now_s += max_wait_s
        return []


class Batches(WriterHooks):
    def __init__(self) -> None:
        self.rows: list[int] = []

    def batch(self, rows: int, seconds: float, dead: int) -> None:
        self.rows.append(rows)


class SlowStore(MemoryStore):
    """Every insert takes so long, whatever is in it."""

    def __init__(self, source: Arriving, seconds: float) -> None:
        super().__init__()
        self._source, self._seconds = source, seconds

    async def insert_encoded(
        self, kind: DataKind, groups: Sequence[EncodedRows], covered: StreamRange, epoch: int
    ) -> int:
        done = self._source.now_s + self._seconds
        while self._source.now_s < done:  # the next batch is read meanwhile, and time passes there
            await asyncio.sleep(0)
        return await super().insert_encoded(kind, groups, covered, epoch)


async def batches_of(source: Arriving, settings: WriterSettings, insert_s: float = 0.0) -> list[int]:
    """Rows of each batch until nothing comes any more."""
    hooks = Batches()
    store, progress = SlowStore(source, insert_s), MemoryProgress(ProgressCell())
    writer = StreamWriter(
        "MARKET_TICKS", source, progress, store, MemoryLedger(), settings, hooks, now_s=lambda: source.now_s
    )
    try:
        await writer.run(1)
    except asyncio.CancelledError:
        return hooks.rows
    raise AssertionError("it goes on for ever")


async def test_where_little_comes_a_batch_takes_longer_and_longer_up_to_a_limit() -> None:
    ten_a_second = [n / 10 + 0.001 for n in range(200)]
    found = await batches_of(Arriving(ten_a_second), WriterSettings())
    assert sum(found) == 200
    assert found[:3] == [6, 11, 20]
    assert set(found[3:-1]) <= {40, 41}


async def test_as_soon_as_more_comes_it_takes_no_longer_than_ever() -> None:
    little, much = [n / 10 + 0.001 for n in range(100)], [10 + n / 1_000 for n in range(1_000)]
    found = await batches_of(Arriving(little + much), WriterSettings(batch_rows=200, batch_ms=100))
    assert sum(found) == 1_100
    begun = next(n for n, rows in enumerate(found) if rows > 30)
    assert set(found[begun + 1 : begun + 6]) <= {100, 101}


async def test_in_between_a_batch_closes_when_it_is_half_full() -> None:
    two_hundred_a_second = [n / 200 + 0.001 for n in range(3_000)]
    found = await batches_of(Arriving(two_hundred_a_second), WriterSettings())
    assert sum(found) == 3_000
    assert found[:2] == [101, 201]
    assert set(found[3:-1]) == {500}


async def test_behind_a_pause_it_is_soon_again() -> None:
    ten_a_second, later = [n / 10 + 0.001 for n in range(200)], [30 + n / 10 for n in range(20)]
    found = await batches_of(Arriving(ten_a_second + later), WriterSettings())
    assert found == [6, 11, 20, 41, 41, 41, 40, 6, 11, 3]


@pytest.mark.long
async def test_a_full_batch_gathers_more_until_an_insert_is_a_quarter_of_the_time_and_no_longer_than_it_may_take() -> (
    None
):
    thousand_a_second = [n / 1_000 for n in range(3_000)]
    for insert_s, rows in ((0.0, 10), (0.02, 80), (0.04, 100), (0.3, 300)):
        found = await batches_of(
            Arriving(thousand_a_second), WriterSettings(batch_rows=10, batch_ms=100, quiet_ms=0), insert_s
        )
        assert sum(found) == 3_000
        assert all(rows <= each <= 1.2 * rows for each in found[3:-2]), (insert_s, found)


async def test_without_a_longer_time_it_is_always_the_same() -> None:
    ten_a_second = [n / 10 + 0.001 for n in range(50)]
    for settings in (WriterSettings(quiet_ms=0), WriterSettings().always_soon()):
        assert max(await batches_of(Arriving(ten_a_second), settings)) == 6


async def test_a_stream_in_which_nothing_comes_is_looked_at_less_and_less() -> None:
    source = Arriving([])
    await batches_of(source, WriterSettings())
    assert source.asked[:4] == [1.0, 2.0, 4.0, 5.0]
