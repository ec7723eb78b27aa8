"""Downloads into a store: a storage over chDB and NATS, sinks and journals of it, and what lies there."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import pyarrow as pa

from marketprism_adapters.nats.download_journal import NatsDownloadJournal
from marketprism_adapters.nats.downloaded_ranges import NatsDownloadedRanges
from marketprism_adapters.nats.gap_ledger import NatsGapLedger
from marketprism_adapters.nats.history_log import NatsHistoryLog
from marketprism_adapters.remote.reader import RemoteReader
from marketprism_application.contracts.kinds import KINDS
from marketprism_application.contracts.questions import MAX_LIMIT, Records, key_of
from marketprism_application.downloads.engine import Download, Progress
from marketprism_application.history.store_sink import StoreSink
from marketprism_application.ports.history import History
from marketprism_application.ports.reading import StoreReader
from marketprism_domain.integrity.dataset import Dataset
from marketprism_sdk.messaging import LeaderClient, NatsBus, RpcClient
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue

BUCKET = "data_jobs"


async def any_rows() -> None:
    """A pipeline that takes rows of every kind."""


class StoreDoor(NamedTuple):
    """What a worker has of a store: who answers, where it writes, and what it writes down."""

    connection: NatsConnection
    reader: StoreReader
    sink: StoreSink
    journal: NatsDownloadJournal


async def door_of(connection: NatsConnection, *, replaces: bool = False) -> StoreDoor:
    """The door of a worker by its own connection."""
    bucket = await NatsKeyValue.open(connection, BUCKET)
    leader = LeaderClient(RpcClient(NatsBus(connection)), "storage")
    reader = RemoteReader(partial(leader.call_raw, "arrow", timeout_s=30.0, idempotent=True))
    sink = StoreSink(
        reader,
        NatsHistoryLog(connection, any_rows),
        NatsGapLedger(connection),
        NatsDownloadedRanges(bucket),
        replaces=replaces,
    )
    return StoreDoor(connection, reader, sink, NatsDownloadJournal(bucket))


async def downloaded_into(
    door: StoreDoor, history: History, dataset: Dataset, *, mode: str = "missing", workers: int = 3, worker: str = "one"
) -> Progress:
    """A whole download into the store."""
    engine = Download(history, door.sink, door.journal, worker=worker, workers=workers)
    return await engine.run(dataset, await engine.plan(dataset, mode))


async def rows_of(reader: StoreReader, dataset: Dataset) -> pa.Table:
    """All stored rows of a dataset, without when they were published."""
    kind = KINDS[dataset.kind]
    pages: list[pa.Table] = []
    after: tuple[int | str, ...] | None = None
    while True:
        question = Records(
            kind.name,
            dataset.symbol,
            dataset.venue,
            dataset.ts_from,
            dataset.ts_to,
            dataset.interval or None,
            MAX_LIMIT,
            after=after,
        )
        page = await reader.answer(question)
        pages.append(page.replace_schema_metadata(None))
        if page.num_rows < MAX_LIMIT:
            return pa.concat_tables(pages).drop_columns(["ts_pub"])
        after = key_of(kind, page)
