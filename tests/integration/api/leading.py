"""A service that leads or stands by, in a process of its own: `python -m tests.integration.api.leading <url> <name>`."""

from __future__ import annotations

import asyncio
import sys

from marketprism_sdk.election import LeaseSettings
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import SingleActiveService, run


async def main(stop: asyncio.Event) -> int:
    url, name = sys.argv[1:3]
    connection = await NatsConnection.open(url, name=name)
    try:
        lease = LeaseSettings(lease_s=1.0, heartbeat_s=0.2)
        return await SingleActiveService(name, connection, group="main", lease=lease).run(stop)
    finally:
        await connection.close()


if __name__ == "__main__":
    sys.exit(run(main))
