"""HistoryLog on JetStream: whoever writes a series is alone, begins behind what was published, and is not too quick."""

from __future__ import annotations

import asyncio

import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.history_log import NatsHistoryLog
from marketprism_adapters.nats.stream_ranges import KvProgress
from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.history import encode_block, history_subject
from marketprism_application.contracts.kinds import BAR
from marketprism_application.contracts.subjects import subject_of
from marketprism_application.errors import ImportTaken, StorageSilent
from marketprism_application.ports.history_log import HistoryLog, SeriesKey
from marketprism_application.ports.storage import Progress
from marketprism_application.queries.arrow_tables import table_of
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import publish_ack, stream_info
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.stream_reading import read_stream
from tests.contract.test_codec import SAMPLES
from tests.support.store_downloads import any_rows

RECORD = SAMPLES["bar"]
SERIES = SeriesKey("bar", RECORD.venue, RECORD.symbol, RECORD.interval)
SUBJECT = history_subject(BAR, RECORD.venue, RECORD.symbol)
BLOCK = encode_block(table_of(BAR, [RECORD]), replaces=False)


@pytest.fixture
async def ranges(connection: NatsConnection) -> NatsKeyValue:
    await streams.ensure_streams(connection)
    return await NatsKeyValue.open(connection, streams.STORE_RANGES)


async def stored(ranges: NatsKeyValue, stream: str, connection: NatsConnection) -> None:
    """As the storage says it: everything that is there."""
    info = await stream_info(connection, stream)
    progress = KvProgress(ranges, stream)
    await progress.load()
    await progress.save(Progress(info["created"], 1, watermark=int(info["state"]["last_seq"])))


async def test_it_joins_behind_what_is_published_and_settles_when_all_is_stored(
    connection: NatsConnection, ranges: NatsKeyValue
) -> None:
    await publish_ack(connection, subject_of(BAR, RECORD), encode(BAR, RECORD))
    log: HistoryLog = NatsHistoryLog(connection, any_rows, patience_s=0.2)
    with pytest.raises(StorageSilent, match="took nothing of MARKET_BARS for 0"):
        await log.join(SERIES)
    await stored(ranges, streams.BARS, connection)
    await stored(ranges, streams.HISTORY, connection)
    await log.join(SERIES)
    assert log.block_bytes > 100_000
    await log.publish(BLOCK)
    await log.publish(BLOCK)
    settling = asyncio.create_task(log.settled())
    await asyncio.sleep(0.05)
    assert not settling.done()
    await stored(ranges, streams.HISTORY, connection)
    await settling
    found = await read_stream(connection, streams.HISTORY, [SUBJECT])
    assert [message.data for message in found][-2:] == [BLOCK, BLOCK]


async def test_of_two_that_write_one_series_the_second_is_refused(
    connection: NatsConnection, ranges: NatsKeyValue
) -> None:
    for stream in (streams.BARS, streams.HISTORY):
        await stored(ranges, stream, connection)
    first, second = NatsHistoryLog(connection, any_rows), NatsHistoryLog(connection, any_rows)
    await first.join(SERIES)
    await second.join(SERIES)
    await first.publish(BLOCK)
    with pytest.raises(ImportTaken, match="somebody else imports rows of it"):
        await second.publish(encode_block(table_of(BAR, [RECORD, RECORD]), replaces=False))
    await stored(ranges, streams.HISTORY, connection)
    await second.join(SERIES)
    await second.publish(BLOCK)


async def test_more_than_the_stream_may_hold_waits_for_the_storage(
    connection: NatsConnection, ranges: NatsKeyValue
) -> None:
    for stream in (streams.BARS, streams.HISTORY):
        await stored(ranges, stream, connection)
    log = NatsHistoryLog(connection, any_rows, patience_s=0.3)
    await log.join(SERIES)
    large = BLOCK + bytes(log.block_bytes - len(BLOCK))

    async def publish_all() -> None:
        for _ in range(100):
            await log.publish(large)

    with pytest.raises(StorageSilent, match="took nothing of MARKET_HISTORY"):
        await publish_all()
    info = await stream_info(connection, streams.HISTORY)
    assert info["state"]["bytes"] < info["config"]["max_bytes"] / 2
