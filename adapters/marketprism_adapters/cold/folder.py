"""Archived files in a folder: of this machine, or mounted from another one."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from marketprism_application.errors import ColdStoreError
from marketprism_application.ports.archive import ColdAddress, Stored
from marketprism_sdk.durable_files import UNFINISHED, place_file
from marketprism_sdk.errors import reason_of

T = TypeVar("T")


class FolderStore:
    """Fulfils `ColdStore`. The folder has to be there: one that is not mounted must not be taken for an empty one.
    `what` is what errors call it."""

    def __init__(self, folder: Path, what: str = "archive") -> None:
        self._folder = folder
        self._what = what
        self.place = str(folder)

    async def put(self, path: str, local: Path) -> None:
        """Copy beside its name, write through, rename."""

        def work() -> None:
            def fill(target: Path) -> None:
                shutil.copyfile(local, target)

            self._put(path, fill)

        await self._run(path, work)

    async def write(self, path: str, data: bytes) -> None:
        """As `put` does, from memory."""

        def fill(target: Path) -> None:
            target.write_bytes(data)

        await self._run(path, lambda: self._put(path, fill))

    async def fetch(self, path: str, local: Path) -> None:
        """A plain copy of the file."""
        await self._run(path, lambda: shutil.copyfile(self._there() / path, local))

    async def read(self, path: str) -> bytes:
        """All bytes of the file."""

        def work() -> bytes:
            return (self._there() / path).read_bytes()

        return await self._run(path, work)

    async def names(self, below: str = "") -> Sequence[Stored]:
        """By a walk through the folders."""

        def work() -> list[Stored]:
            root = self._there()
            start = root / below if below else root
            files = [path for path in start.rglob("*") if path.is_file() and not path.name.startswith(".")]
            return sorted(Stored(path.relative_to(root).as_posix(), path.stat().st_size) for path in files)

        return await self._run(below, work)

    async def remove(self, path: str) -> None:
        """Unlink the file, and its folder where that is empty then."""

        def work() -> None:
            target = self._there() / path
            target.unlink(missing_ok=True)
            if target.parent.is_dir():
                for left in target.parent.glob(f"{UNFINISHED}*"):
                    left.unlink(missing_ok=True)
                if not any(target.parent.iterdir()):
                    target.parent.rmdir()

        await self._run(path, work)

    def address(self, path: str) -> ColdAddress:
        """The absolute path of the file."""
        return ColdAddress(str(self._folder / path))

    def _there(self) -> Path:
        if not self._folder.is_dir():
            raise ColdStoreError(
                f"{self._what} {self.place}: expected a folder that is there, was none", retryable=True
            )
        return self._folder

    def _put(self, path: str, fill: Callable[[Path], None]) -> None:
        place_file(self._there() / path, fill)

    async def _run(self, path: str, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except OSError as error:
            raise ColdStoreError(f"{self._what} {self.place}: {path}: {reason_of(error)}", retryable=True) from error


__all__ = ["FolderStore"]
