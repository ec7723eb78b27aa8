"""A process that makes backups one after the other, to be killed: `python -m tests.chaos.backup_child FOLDER`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from marketprism_adapters.clickhouse.row_copies import SqlRowCopies
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.cold.folder import FolderStore
from marketprism_application.backups.catalogue import BackupCatalogue
from marketprism_application.contracts.kinds import TRADE
from tests.support.archive import fill
from tests.support.backups import BackupScene, Heard, engine_at


async def main(folder: Path) -> None:
    """Each backup has rows that the one before had not."""
    async with engine_at(folder / "db") as engine:
        catalogue = BackupCatalogue(FolderStore(folder / "place"))
        scene = BackupScene(engine, SqlRowCopies(engine, "chdb", 50), None, catalogue, folder / "staging", Heard())
        print("making", flush=True)
        for seed in range(1_000):
            await fill(SqlStore(engine), seed, [TRADE], days=5)
            await scene.make()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
