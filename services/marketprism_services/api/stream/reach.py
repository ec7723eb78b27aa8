"""How far a stream reaches. That it ends before a message which it had is not believed at once: a leader that was cut
off from the other members answers with its old end until it gives up, which may take ten seconds.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import leader_info

_LOOKS, _AGAIN_S = 12, 1.0


class Reach(NamedTuple):
    """A stream as its leader has it: when it was made, its first sequence and its last."""

    created: str
    first: int
    last: int


async def reach_of(connection: NatsConnection, stream: str, within_s: float) -> Reach:
    """The stream now. Raises as `leader_info`."""
    info = await leader_info(connection, stream, within_s)
    state = info["state"]
    return Reach(str(info["created"]), int(state["first_seq"]), int(state["last_seq"]))


async def settled_reach(connection: NatsConnection, stream: str, seq: int, within_s: float) -> Reach:
    """The stream, looked at again for longer than an old leader answers while it ends before `seq`; at each look
    `within_s` is waited for an answer. Raises as `leader_info`."""
    reach = await reach_of(connection, stream, within_s)
    created = reach.created
    for _ in range(_LOOKS):
        if reach.last >= seq or reach.created != created:
            break
        await asyncio.sleep(_AGAIN_S)
        reach = await reach_of(connection, stream, within_s)
    return reach
