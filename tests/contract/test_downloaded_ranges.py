"""DownloadedRanges: which times of a series were had, by units of storage, whoever wrote them and however often."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from marketprism_adapters.nats.downloaded_ranges import NatsDownloadedRanges
from marketprism_application.contracts.kinds import FUNDING_RATE, TRADE
from marketprism_application.errors import StoreError
from marketprism_application.ports.downloads import DownloadedRange, DownloadedRanges
from marketprism_domain.integrity.dataset import Dataset
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from tests.support.downloads import DAY, LISTED

HOUR = DAY // 24
TRADES = Dataset(TRADE.name, "binance", "BTC-USDT", "", LISTED, LISTED + DAY)


@pytest.fixture
async def bucket(nats_url: str, unique: str) -> AsyncIterator[NatsKeyValue]:
    connection = await NatsConnection.open(nats_url)
    yield await NatsKeyValue.open(connection, unique)
    await connection.close()


def hours(begin: int, end: int, rows: int = 1) -> DownloadedRange:
    """A range of so many hours from the listing on."""
    return DownloadedRange(LISTED + begin * HOUR, LISTED + end * HOUR, rows, LISTED + begin * HOUR, LISTED + end * HOUR)


async def test_ranges_are_put_beside_one_another(bucket: NatsKeyValue) -> None:
    it: DownloadedRanges = NatsDownloadedRanges(bucket)
    assert list(await it.ranges(TRADES)) == []
    await it.add(TRADES, [hours(2, 4, 10), hours(6, 8, 0)._replace(first=0, last=0)])
    await it.add(TRADES, [hours(4, 6, 5)])
    # What touches is one, with the rows of all and their first and last.
    assert list(await it.ranges(TRADES)) == [
        DownloadedRange(*hours(2, 8)[:2], 15, LISTED + 2 * HOUR, LISTED + 6 * HOUR)
    ]
    await it.add(TRADES, [hours(3, 5, 7)])  # lies in it: its rows were counted
    assert [each.rows for each in await it.ranges(TRADES)] == [15]
    await it.add(TRADES, [hours(7, 9, 3)])  # nobody knows how many of its rows were counted
    assert list(await it.ranges(TRADES)) == [hours(7, 9, 3)]
    await it.add(TRADES, [hours(23, 24, 1), hours(24, 25, 1)])  # another day is lost by itself
    assert list(await it.ranges(TRADES)) == [hours(7, 9, 3), hours(23, 24), hours(24, 25)]


async def test_series_and_years_are_apart(bucket: NatsKeyValue) -> None:
    it = NatsDownloadedRanges(bucket)
    later = DownloadedRange(LISTED + 500 * DAY, LISTED + 501 * DAY)
    await it.add(TRADES, [hours(0, 1), later])
    await it.add(replace(TRADES, kind=FUNDING_RATE.name), [hours(0, 2)])
    await it.add(replace(TRADES, symbol="ETH-USDT"), [hours(0, 3)])
    assert list(await it.ranges(TRADES)) == [hours(0, 1), later]
    assert len(await bucket.entries()) == 4


async def test_several_that_write_at_once_lose_nothing(bucket: NatsKeyValue) -> None:
    writers = [NatsDownloadedRanges(bucket) for _ in range(5)]
    await asyncio.gather(*(it.add(TRADES, [hours(2 * n, 2 * n + 1)]) for n, it in enumerate(writers)))
    assert list(await writers[0].ranges(TRADES)) == [hours(2 * n, 2 * n + 1) for n in range(5)]


async def test_ten_years_of_days_are_small(bucket: NatsKeyValue) -> None:
    it = NatsDownloadedRanges(bucket)
    days = [DownloadedRange(LISTED + n * DAY, LISTED + (n + 1) * DAY, 10**6, LISTED + n * DAY, 1) for n in range(3_650)]
    await it.add(TRADES, days)
    assert list(await it.ranges(TRADES)) == days
    assert max(len(entry.value) for entry in await bucket.entries()) < 20_000


async def test_a_record_that_is_none_is_named(bucket: NatsKeyValue) -> None:
    it = NatsDownloadedRanges(bucket)
    await it.add(TRADES, [hours(0, 1)])
    (entry,) = await bucket.entries()
    await bucket.put(entry.key, b"\x00")
    with pytest.raises(StoreError, match="expected ranges of a series"):
        await it.ranges(TRADES)
