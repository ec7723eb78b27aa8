"""What a stage remembered of a partition at some time in the past: its checkpoints and snapshots stay in its stream."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import last_of_each
from marketprism_sdk.streams._stage_types import Checkpoint, StageSettings, chunk_of, is_checkpoint


class PastState(NamedTuple):
    """`state` is what the processor of a partition had made of the input up to `in_seq`, None where a part of it is
    gone; empty where it had taken nothing. `created` is when the input was made that the sequence is of."""

    in_seq: int
    state: bytes | None
    created: str


async def state_before(
    connection: NatsConnection, settings: StageSettings, partition: int, before_ts: int
) -> PastState | None:
    """The last snapshot of a partition that was committed before a time (nanoseconds UTC by the server's clock); None
    where none was.

    Checkpoint and snapshot are of one batch, so that what lies before a checkpoint is the snapshot that it names.

    Raises:
        StreamError: refused. DeadlineExceeded, NotConnected: no answer.
    """
    stream, subject = settings.output_stream, settings.subject(partition, "ck")
    found = (await last_of_each(connection, stream, [subject], before_ts=before_ts)).get(subject)
    if found is None or not is_checkpoint(found.data):
        return None
    checkpoint = msgspec.msgpack.decode(found.data, type=Checkpoint)
    if not checkpoint.snap_chunks:
        return PastState(0, b"", checkpoint.created)
    names = [f"{settings.subject(partition, 'snap')}.{number}" for number in range(checkpoint.snap_chunks)]
    held = await last_of_each(connection, stream, names, found.seq)
    chunks = [chunk_of(held[name].data, checkpoint.snap_in_seq) if name in held else None for name in names]
    state = None if None in chunks else b"".join(chunk for chunk in chunks if chunk is not None)
    return PastState(checkpoint.snap_in_seq, state, checkpoint.created)


__all__ = ["PastState", "state_before"]
