"""What a stream holds now, read to its end."""

from __future__ import annotations

from collections.abc import Sequence

from marketprism_sdk.errors import DeadlineExceeded
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import StoredMessage
from marketprism_sdk.nats.pull import PullConsumer


async def read_stream(
    connection: NatsConnection, stream: str, filters: Sequence[str], *, start_ns: int = 0, within_s: float = 10.0
) -> list[StoredMessage]:
    """What a stream holds of some subjects now, in order; from when it was stored, if that is given.

    Raises:
        StreamError: there is no such stream. DeadlineExceeded: nothing came for `within_s`, and more was there.
    """
    consumer = PullConsumer(connection, stream, filters, start_ns=start_ns, batch=1_000)
    found: list[StoredMessage] = []
    try:
        await consumer.open()
        wanted = consumer.pending
        while len(found) < wanted and (not found or found[-1].pending):
            messages = await consumer.fetch(10_000, within_s)
            if not messages:
                raise DeadlineExceeded(
                    f"stream {stream}: {len(found)} of {wanted} messages came, then none in {within_s:g} s"
                )
            found += messages
    finally:
        await consumer.close()
    return found
