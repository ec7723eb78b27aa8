"""A small disk for a server, so that it can be full: a file system in memory where one may be mounted."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
from pathlib import Path

from marketprism_adapters.clickhouse.server import ClickHouseEngine

_SIZE_MB = 1_024
_SETTING = "min_free_disk_bytes_to_perform_insert"


class SmallDisk:
    """`folder` lies on a file system of its own where this process may mount one; `mounted` says whether it does.

    Where it may not, the server is told to keep more room free than there is, which refuses its inserts as well.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mounted = False

    async def make(self) -> None:
        """Mount it, if that is allowed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        mount = shutil.which("mount")
        if mount is not None:
            command = [mount, "-t", "tmpfs", "-o", f"size={_SIZE_MB}m", "tmpfs", str(self.folder)]
            done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)
            self.mounted = done.returncode == 0

    async def fill(self, url: str) -> None:
        """No room from now on."""
        if self.mounted:
            await asyncio.to_thread(self._take_all)
        else:
            await self._keep_free(url, 1 << 60)

    def _take_all(self) -> None:
        block = bytes(1 << 20)
        with contextlib.suppress(OSError), (self.folder / "ballast").open("wb", buffering=0) as file:
            while file.write(block):
                pass

    async def clear(self, url: str) -> None:
        """Make room on the disk again."""
        if self.mounted:
            await asyncio.to_thread(lambda: (self.folder / "ballast").unlink(missing_ok=True))
        else:
            await self._keep_free(url, 0)

    async def _keep_free(self, url: str, size: int) -> None:
        engine = await ClickHouseEngine.open(url)
        try:
            for table in ("market_ticks", "market_bars"):
                await engine.execute(f"ALTER TABLE market.{table} MODIFY SETTING {_SETTING} = {size}")
        finally:
            await engine.close()

    async def remove(self) -> None:
        """Unmount the disk, where it was mounted."""
        if self.mounted:
            command = [str(shutil.which("umount")), "-l", str(self.folder)]
            await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)
