"""What the NATS servers say of our account: connections, subscriptions, messages, and readers that were too slow.

Each server of a cluster answers for itself. The system account of a server says more, memory and processor too; who
asks as a user of his own account needs neither its credentials nor a port for HTTP.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import msgspec

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

    def take(payload: bytes) -> None:
        if (load := _read(payload)) is not None:
            found[load.name] = load

    inbox = connection.inbox()
    stop = await connection.subscribe(inbox, lambda message: take(message.data))
    try:
        await connection.publish(SUBJECT, b"", reply=inbox)
        await asyncio.sleep(answer_s)
    finally:
        await stop()
    return [found[name] for name in sorted(found)]


class _Count(msgspec.Struct):
    msgs: int = 0


class _Account(msgspec.Struct):
    conns: int
    num_subscriptions: int
    slow_consumers: int
    received: _Count
    sent: _Count


class _Figures(msgspec.Struct):
    account_statz: list[_Account] = []


class _Server(msgspec.Struct):
    name: str


class _Answer(msgspec.Struct):
    server: _Server
    data: _Figures


def _read(payload: bytes) -> ServerLoad | None:
    """None where it is no such answer, as of a server that has nothing to say of the account."""
    try:
        answer = msgspec.json.decode(payload, type=_Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    accounts = answer.data.account_statz
    return ServerLoad(
        answer.server.name,
        sum(each.conns for each in accounts),
        sum(each.num_subscriptions for each in accounts),
        sum(each.slow_consumers for each in accounts),
        sum(each.received.msgs for each in accounts),
        sum(each.sent.msgs for each in accounts),
    )


__all__ = ["SUBJECT", "ServerLoad", "server_loads"]
