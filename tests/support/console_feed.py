"""What the pages are shown: records on the subjects of a pipeline, as the services publish them that write their kind."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from marketprism_adapters.nats.streams import ensure_venue
from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.kinds import BAR, GAP, TICK, DataKind
from marketprism_application.contracts.subjects import subject_of
from marketprism_sdk.nats.access import NatsAccess
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import publish_ack
from marketprism_services.platform.known_files import known_access, known_url

Records = Sequence[tuple[DataKind, Any]]
_WRITERS = {TICK: "validator", BAR: "aggregator", GAP: "validator"}  # everything else is a gateway's
_AT_ONCE = 200


def publish(data: Path, records: Records) -> None:
    """Publish records to the NATS of a data directory, and wait until its streams have them. Crypto records are OKX's."""
    with ThreadPoolExecutor(1) as thread:  # the browser's driver has a loop in this one
        thread.submit(_run, data, records, 0).result()


@contextmanager
def publishing(data: Path, records: Records, per_second: float) -> Iterator[Future[None]]:
    """As `publish`, beside what the test does: so many a second, each behind the one before. The end waits for all."""
    with ThreadPoolExecutor(1) as thread:
        ended = thread.submit(_run, data, records, per_second)
        yield ended
        ended.result()


def _run(data: Path, records: Records, per_second: float) -> None:
    accesses = {user: known_access(data, user) for user in ("gateway", *_WRITERS.values())}
    asyncio.run(_publish(str(known_url(data)), accesses, records, per_second))


async def _publish(url: str, accesses: dict[str, NatsAccess | None], records: Records, per_second: float) -> None:
    connections = {
        user: await NatsConnection.open(url, name="feed", access=access) for user, access in accesses.items()
    }

    async def send(kind: DataKind, record: Any) -> None:
        connection = connections[_WRITERS.get(kind, "gateway")]
        await publish_ack(connection, subject_of(kind, record), encode(kind, record))

    await ensure_venue(connections["gateway"], "okx")
    if per_second:
        for kind, record in records:
            await send(kind, record)
            await asyncio.sleep(1 / per_second)
    else:
        for start in range(0, len(records), _AT_ONCE):
            await asyncio.gather(*(send(kind, record) for kind, record in records[start : start + _AT_ONCE]))
    for each in connections.values():
        await each.close()


__all__ = ["Records", "publish", "publishing"]
