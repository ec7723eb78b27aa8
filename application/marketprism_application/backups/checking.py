"""Whether a backup is what was written: every object is there, has its bytes, and opens with the identity at hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from marketprism_application.backups.catalogue import BackupCatalogue, absent
from marketprism_application.contracts.backup_records import BackupManifest, SealedObject
from marketprism_application.errors import BackupDamaged
from marketprism_application.files.digest import sha256_of
from marketprism_application.ports.backup import Opener

_PIECE = 1 << 20


class Checked(msgspec.Struct):
    """What was looked at: objects and their bytes; `opened` says whether they were decrypted too."""

    backup: str
    objects: int = 0
    bytes: int = 0
    opened: bool = False


def names_of(manifest: BackupManifest) -> dict[SealedObject, str]:
    """What each object of a set holds, as people know it."""
    found: dict[SealedObject, str] = {}
    for part in manifest.parts:
        found[part.stored] = f"{part.table} {part.partition}"
    for stream in manifest.streams:
        found[stream.stored] = f"stream {stream.stream}"
    for file in manifest.settings:
        found[file.stored] = f"settings {file.name}"
    for unit in manifest.archived:
        found |= {stored: f"archived {path}" for path, _, stored in unit.files}
    return found


class FetchedObjects:
    """Objects of a set, fetched to a folder of this machine and looked at there.

    Raises (everywhere):
        BackupDamaged: one is missing, or is not what was written; the text names it and what it holds.
        WrongKey: the identity does not open it. ColdStoreError: the place is away. OSError: no room here.
    """

    def __init__(self, catalogue: BackupCatalogue, manifest: BackupManifest, folder: Path) -> None:
        self._catalogue = catalogue
        self._manifest = manifest
        self._folder = folder
        self._names = names_of(manifest)

    async def check_there(self) -> None:
        """That every object is at the place, with as many bytes as it had."""
        if missing := absent(self._manifest, await self._catalogue.objects()):
            held = next(name for stored, name in self._names.items() if stored.path == missing[0])
            more = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
            place = self._catalogue.place.place
            raise BackupDamaged(
                f"backup {self._manifest.id}: {held}: expected {missing[0]} at {place}, it is not there as it was{more}"
            )

    async def fetch(self, stored: SealedObject) -> Path:
        """A local copy of an object, whose bytes are those that were written."""
        local = self._folder / f"{stored.sha256}.age"
        if not await asyncio.to_thread(local.exists):
            fetched = local.with_suffix(".fetching")
            await self._catalogue.place.fetch(stored.path, fetched)
            found = await asyncio.to_thread(sha256_of, fetched)
            if found != stored.sha256:
                await asyncio.to_thread(fetched.unlink)
                raise BackupDamaged(
                    f"backup {self._manifest.id}: {self._names[stored]}: expected {stored.path} with the digest "
                    f"{stored.sha256[:16]}…, was {found[:16]}…"
                )
            await asyncio.to_thread(fetched.replace, local)
        return local

    async def check(
        self,
        opener: Opener | None,
        objects: Iterable[SealedObject],
        *,
        keep: bool,
        on_object: Callable[[str, int], None] = lambda _name, _size: None,
    ) -> Checked:
        """Look at objects, all of them before anything is done with one; `keep` leaves them in the folder."""
        await self.check_there()
        done = Checked(self._manifest.id, opened=opener is not None)
        for stored in objects:
            local = await self.fetch(stored)
            if opener is not None:
                await opener.open(local, None)
            if not keep:
                await asyncio.to_thread(local.unlink)
            done.objects, done.bytes = done.objects + 1, done.bytes + stored.bytes
            on_object(self._names[stored], stored.bytes)
        return done

    @asynccontextmanager
    async def opened(self, opener: Opener, stored: SealedObject) -> AsyncIterator[Path]:
        """What an object holds, as a local file that is gone afterwards."""
        sealed = await self.fetch(stored)
        plain = self._folder / f"{stored.sha256}.plain"
        try:
            await opener.open(sealed, plain)
            yield plain
        finally:
            await asyncio.to_thread(plain.unlink, missing_ok=True)

    async def drop(self, stored: SealedObject) -> None:
        """Nothing needs the local copy any more."""
        await asyncio.to_thread((self._folder / f"{stored.sha256}.age").unlink, missing_ok=True)


__all__ = ["Checked", "FetchedObjects", "names_of"]
