"""What the NATS servers say of our account: connections, subscriptions, messages, and readers that were too slow.

Each server of a cluster answers for itself. The system account of a server says more, memory and processor too; who
asks as a user of his own account needs neither its credentials nor a port for HTTP.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from nats.aio.msg import Msg

from marketprism_sdk.nats.connection import NatsConnection

SUBJECT = "$SYS.REQ.ACCOUNT.PING.STATZ"
_ANSWER_S = 0.5  # of servers of one cluster


class ServerLoad(NamedTuple):
    """Of one server, for our account. `slow_consumers`, `received` and `sent` are counted since it was started."""

    name: str
    connections: int
    subscriptions: int
    slow_consumers: int
    received: int
    sent: int


async def server_loads(connection: NatsConnection, answer_s: float = _ANSWER_S) -> list[ServerLoad]:
    """One for each server that answers within `answer_s` seconds, by name.

    Raises:
        NotConnected: NATS is away.
    """
    found: dict[str, ServerLoad] = {}

    def take(message: Msg) -> None:
        if (load := _read(message.data)) is not None:
            found[load.name] = load

    inbox = connection.inbox()
    stop = await connection.subscribe(inbox, take)
    try:
        await connection.publish(SUBJECT, b"", reply=inbox)
        await asyncio.sleep(answer_s)
    finally:
        await stop()
    return [found[name] for name in sorted(found)]


def _read(payload: bytes) -> ServerLoad | None:
    """None where it is no such answer, as of a server that has nothing to say of the account."""
    try:
        answer = json.loads(payload)
        accounts: list[Mapping[str, Any]] = answer["data"]["account_statz"]
        return ServerLoad(
            str(answer["server"]["name"]),
            sum(int(each["conns"]) for each in accounts),
            sum(int(each["num_subscriptions"]) for each in accounts),
            sum(int(each["slow_consumers"]) for each in accounts),
            sum(int(each["received"]["msgs"]) for each in accounts),
            sum(int(each["sent"]["msgs"]) for each in accounts),
        )
    except (ValueError, KeyError, TypeError):
        return None


__all__ = ["SUBJECT", "ServerLoad", "server_loads"]
