"""Which kind of data a pipeline holds, real or simulated: NATS remembers it from the first rows that are read, imported
or downloaded, in the key `data` of the bucket `pipeline_contents` (ADR 39, ADR 67)."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.source_positions import positions_in
from marketprism_application.errors import MixedData
from marketprism_sdk.errors import KeyExists, RevisionConflict
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_services.wiring.source_names import LIVE

log = structlog.get_logger()

REAL, SIMULATED = "real", "simulated"
BUCKET, KEY = "pipeline_contents", "data"
SIM = "sim"


async def held(connection: NatsConnection) -> str:
    """`real` or `simulated`, empty where nothing tells: what is remembered, else what the sources of before say.

    Raises:
        SdkError: NATS does not answer.
    """
    entry = await NatsKeyValue.existing(connection, BUCKET).get(KEY)
    remembered = entry.value.decode(errors="replace") if entry is not None else ""
    return remembered if remembered in (REAL, SIMULATED) else _kind_of(await _sources(connection))


async def claim(connection: NatsConnection, data: str, replicas: int = 1) -> str:
    """What the pipeline holds: `data` from now on where nothing told yet, else what it held before. Where nothing is
    remembered its sources tell; where they cannot, who comes first decides. What does not fit has written nothing.

    Raises:
        SdkError: NATS does not take it.
    """
    while True:
        entry = await NatsKeyValue.existing(connection, BUCKET).get(KEY)
        remembered = entry.value.decode(errors="replace") if entry is not None else ""
        known = remembered in (REAL, SIMULATED)  # another value is somebody else's: what the sources say holds
        sources = [] if known else await _sources(connection)
        there = remembered if known else _kind_of(sources)
        if known or there not in ("", data):
            return there
        bucket = await NatsKeyValue.open(connection, BUCKET, replicas=replicas)
        try:
            if entry is None:
                await bucket.create(KEY, data.encode())
            else:
                await bucket.update(KEY, data.encode(), entry.revision)
        except (KeyExists, RevisionConflict):  # somebody else begins at the same moment: look what it wrote
            continue
        if sources and not there:
            log.warning("contents.assumed", where=f"pipeline at {connection.url}", data=data)
        return data


async def admit(connection: NatsConnection, data: str, what: str, replicas: int = 1) -> None:
    """From now on the pipeline holds rows of this kind; `what` names them where it does not take them.

    Raises:
        MixedData: it holds rows of the other kind. SdkError: NATS does not take it.
    """
    refuse_other(await claim(connection, data, replicas), data, what, connection)


def refuse_other(there: str, data: str, what: str, connection: NatsConnection) -> None:
    """Raises MixedData where a pipeline holds rows `there` is the kind of, and these are of the other."""
    if there not in ("", data):
        raise MixedData(
            f"{what}: expected {there} rows, as the pipeline at {connection.url} holds, were {data}; "
            f"give them a pipeline of their own"
        )


async def _sources(connection: NatsConnection) -> list[str]:
    """The names of the sources that a pipeline has read."""
    entries = await NatsKeyValue(connection, streams.SOURCE_POSITIONS).entries_if_there()
    return [position.source for position in positions_in(entries) if not position.group]


def _kind_of(names: Sequence[str]) -> str:
    """What kind of data sources of these names gave: empty for none, and where a name does not tell.

    A counter and a venue are called the same whether it is the real one or a simulation.
    """
    kinds = {name.partition(":")[0] for name in names}
    if kinds - {SIM} - set(LIVE):
        return REAL
    return SIMULATED if kinds == {SIM} else ""


__all__ = ["BUCKET", "KEY", "REAL", "SIM", "SIMULATED", "admit", "claim", "held", "refuse_other"]
