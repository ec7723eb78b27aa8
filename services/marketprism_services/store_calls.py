"""The storage that leads, asked by its instance: any other would have to refuse."""

from __future__ import annotations

from typing import Any

from marketprism_sdk.election import decode_lease
from marketprism_sdk.errors import NoResponders
from marketprism_sdk.messaging import NatsBus, RpcClient
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue

_TIMEOUT_S = 20.0


async def ask_storage(
    connection: NatsConnection, method: str, request: Any = None, *, timeout_s: float = _TIMEOUT_S
) -> Any:
    """Its answer.

    Raises:
        NoResponders: no storage leads, or the one that did is gone. What the storage raised; DeadlineExceeded.
    """
    holder = ""
    for entry in await NatsKeyValue(connection, "service_leaders").entries_if_there():
        record = decode_lease(entry) if entry.key == "storage.default" else None
        if record is not None:
            holder = record.holder
    if not holder:
        raise NoResponders("storage: expected one that leads, there is none")
    return await RpcClient(NatsBus(connection)).call("storage", method, request, timeout_s=timeout_s, instance=holder)


__all__ = ["ask_storage"]
