"""A process that archives all of a store, to be killed: `python -m tests.chaos.archive_child FOLDER NATS_URL`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from marketprism_adapters.nats.archive_log import ArchiveLog
from marketprism_sdk.nats.connection import NatsConnection
from tests.support.archive import scene_of


async def main(folder: Path, url: str) -> None:
    """Move every unit, slowly enough that each step can be hit."""
    connection = await NatsConnection.open(url)
    async with scene_of(folder, log=await ArchiveLog.open(connection)) as scene:
        print("moving", flush=True)
        await scene.move_all()
        for record in list(scene.known.records.values()):
            await scene.mover.move(*record.key)
    await connection.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
