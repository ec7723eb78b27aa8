"""What has been read is let go with its last name; it does not wait for the collector of cycles.

The collector comes seldom on purpose. Whoever looks at streams all day would keep tens of megabytes of messages that
nobody has any more.
"""

from __future__ import annotations

import gc

from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import Held, last_of_each, next_of, some_of
from marketprism_sdk.nats.jetstream import ensure_stream, publish_ack


async def test_messages_that_nobody_has_any_more_are_gone_without_the_collector(
    connection: NatsConnection, unique: str
) -> None:
    await ensure_stream(
        connection, {"name": unique, "subjects": [f"{unique}.x"], "storage": "memory", "allow_direct": True}
    )
    for _ in range(20):
        await publish_ack(connection, f"{unique}.x", b"1")
    gc.collect()
    others = {id(each): each for each in gc.get_objects() if isinstance(each, Held)}  # of tests before
    gc.disable()
    try:
        for _ in range(5):
            assert len(await some_of(connection, unique, f"{unique}.x", 1, 10)) == 10
            assert len(await last_of_each(connection, unique, [f"{unique}.x"])) == 1
            assert await next_of(connection, unique, f"{unique}.x", 1) is not None
        assert [each for each in gc.get_objects() if isinstance(each, Held) and id(each) not in others] == []
    finally:
        gc.enable()
