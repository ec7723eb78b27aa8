"""The sets at a place: which there are, each manifest as it was written, and what no set needs any more.

Whoever begins a backup leaves a mark, and takes it away when the manifest is written. While there is a fresh one,
nothing is swept: the objects that its backup has written are named by no manifest yet, also where another process
makes it. A backup that took longer than a mark counts is not finished.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from marketprism_application.backups.retention import KeepRules, staying, unnamed
from marketprism_application.contracts.backup_records import FORMAT, BackupManifest
from marketprism_application.errors import BackupDamaged, BackupError, BackupMissing
from marketprism_application.ports.archive import ColdStore

_FOLDER, _OBJECTS, _MANIFEST, _MARK = "backups", "objects", "manifest.json", "begun"
LONGEST_S = 86_400.0  # a backup that takes longer could lose what it has written to another's sweep
_STAMP = "%Y%m%dT%H%M%S%fZ"  # with milliseconds: names of sets are in the order of time


class Format(msgspec.Struct):
    """What of a manifest is looked at first: another format may have other fields."""

    format: int = 0


class Pruned(msgspec.Struct):
    """Sets that were deleted, and objects and bytes that no set needed; `waiting` is the backup that is being made."""

    sets: list[str] = []
    objects: int = 0
    bytes: int = 0
    waiting: str = ""


def digest_of(written: Mapping[str, object]) -> str:
    """Over everything that a manifest says, as it lies there, but for this digest; whatever version wrote it."""
    bare = {name: value for name, value in written.items() if name != "digest"}
    return hashlib.sha256(msgspec.json.encode(bare, order="sorted")).hexdigest()


def new_id(now_ns: int) -> str:
    """The id of a backup that begins now: the time, and something that no other one has."""
    milliseconds = now_ns // 1_000_000
    when = datetime.fromtimestamp(milliseconds // 1_000, UTC)
    return f"{when:%Y%m%dT%H%M%S}{milliseconds % 1_000:03d}Z-{secrets.token_hex(3)}"


def begun_of(backup: str) -> int:
    """When a backup was begun, by its id, nanoseconds UTC; 0 of a name that is none."""
    try:
        when = datetime.strptime(backup.partition("-")[0], _STAMP).replace(tzinfo=UTC)
        return round(when.timestamp() * 1_000) * 1_000_000
    except ValueError:
        return 0


class BackupCatalogue:
    """The sets of a place.

    Raises (everywhere):
        ColdStoreError: the place is away, full, or refuses.
    """

    def __init__(self, place: ColdStore, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self.place = place
        self._clock_ns = clock_ns

    async def ids(self) -> list[str]:
        """Every set that is finished, the oldest first."""
        return sorted(await self._with(_MANIFEST))

    async def unfinished(self) -> list[str]:
        """Sets that were begun and have no manifest."""
        return sorted(await self._with(_MARK) - await self._with(_MANIFEST))

    async def _with(self, name: str) -> set[str]:
        return {
            parts[1]
            for stored in await self.place.names(_FOLDER)
            if len(parts := stored.path.split("/")) == 3 and parts[2] == name
        }

    async def read(self, backup: str) -> BackupManifest:
        """The manifest of a set.

        Raises:
            BackupDamaged: it is not what was written. BackupError: a newer version wrote it.
        """
        where = f"backup {backup}"
        data = await self.place.read(f"{_FOLDER}/{backup}/{_MANIFEST}")
        try:
            found = msgspec.json.decode(data, type=Format)
            if found.format > FORMAT:
                raise BackupError(f"{where}: expected a manifest of format {FORMAT} or older, was {found.format}")
            manifest = msgspec.json.decode(data, type=BackupManifest)
            digest = digest_of(msgspec.json.decode(data, type=dict[str, object]))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise BackupDamaged(f"{where}: expected a whole manifest, was {len(data)} bytes: {error}") from error
        if digest != manifest.digest or manifest.id != backup:
            raise BackupDamaged(f"{where}: expected the manifest that was written, its digest differs")
        return manifest

    async def find(self, which: str) -> BackupManifest:
        """A set by its id, or the newest one that is whole as `latest`.

        Raises:
            BackupMissing: there is none. BackupDamaged, BackupError: as `read`, of one that is named.
        """
        ids = await self.ids()
        if which != "latest":
            if which not in ids:
                there = f"one of {', '.join(ids[-5:])}" if ids else "a finished backup"
                raise BackupMissing(f"backup: expected {there} at {self.place.place}, was {which[:80]!r}")
            return await self.read(which)
        found = await self.newest()
        if found is None:
            raise BackupMissing(f"backup: expected a finished backup at {self.place.place}, found none")
        return found

    async def newest(self) -> BackupManifest | None:
        """The newest set whose manifest is whole, None without one."""
        for backup in reversed(await self.ids()):
            try:
                return await self.read(backup)
            except BackupError:
                continue
        return None

    async def all(self) -> tuple[list[BackupManifest], dict[str, str]]:
        """Every manifest that is whole, the oldest first, and why others are not, by id."""
        found, wrong = [], {}
        for backup in await self.ids():
            try:
                found.append(await self.read(backup))
            except BackupError as error:
                wrong[backup] = str(error)
        return found, wrong

    async def objects(self) -> dict[str, int]:
        """Bytes of every object at the place, by its path."""
        return {stored.path: stored.bytes for stored in await self.place.names(_OBJECTS)}

    async def begin(self) -> str:
        """Leave the mark of a backup; its id."""
        backup = new_id(self._clock_ns())
        await self.place.write(f"{_FOLDER}/{backup}/{_MARK}", b"begun\n")
        return backup

    async def finish(self, manifest: BackupManifest) -> BackupManifest:
        """Write the manifest of a backup whose objects are all there.

        Raises:
            BackupError: it took too long, or an object is not there; the set stays unfinished.
        """
        if self._clock_ns() - begun_of(manifest.id) > LONGEST_S * 1e9:
            raise BackupError(f"backup {manifest.id}: expected to be made within {LONGEST_S / 3600:g} h, took longer")
        if missing := absent(manifest, await self.objects()):
            raise BackupError(f"backup {manifest.id}: expected {missing[0]} at {self.place.place}, it is not there")
        whole = msgspec.structs.replace(manifest, digest=digest_of(msgspec.to_builtins(manifest)))
        await self.place.write(f"{_FOLDER}/{whole.id}/{_MANIFEST}", msgspec.json.encode(whole))
        await self.place.remove(f"{_FOLDER}/{whole.id}/{_MARK}")
        return whole

    async def prune(self, rules: KeepRules, *, dry_run: bool = False) -> Pruned:
        """Delete sets that the rules let go, then objects that no other set names; manifests go first.

        A manifest that cannot be read may name any object: then nothing is deleted.

        Raises:
            BackupDamaged, BackupError: a manifest cannot be read.
        """
        ids = await self.ids()
        manifests = {backup: await self.read(backup) for backup in ids}
        stay = staying({backup: manifest.begun for backup, manifest in manifests.items()}, rules)
        pruned = Pruned(sets=[backup for backup in ids if backup not in stay])
        fresh = await self._fresh()
        sizes = await self.objects()
        leftover = [] if fresh else unnamed(sizes, [manifests[backup] for backup in ids if backup in stay])
        pruned.objects, pruned.bytes = len(leftover), sum(sizes[path] for path in leftover)
        pruned.waiting = fresh[0] if fresh else ""
        if dry_run:
            return pruned
        for backup in pruned.sets:
            await self.place.remove(f"{_FOLDER}/{backup}/{_MANIFEST}")
        for backup in await self.unfinished():
            if backup not in fresh:
                await self.place.remove(f"{_FOLDER}/{backup}/{_MARK}")
        for path in leftover:
            await self.place.remove(path)
        return pruned

    async def _fresh(self) -> Sequence[str]:
        """Backups that may be under way."""
        now = self._clock_ns()
        return [each for each in await self.unfinished() if now - begun_of(each) <= LONGEST_S * 1e9]


def absent(manifest: BackupManifest, there: dict[str, int]) -> list[str]:
    """Paths of objects that a set needs and that are not there, or have another size."""
    return [stored.path for stored in manifest.objects if there.get(stored.path) != stored.bytes]


__all__ = ["LONGEST_S", "BackupCatalogue", "Pruned", "absent", "begun_of", "digest_of", "new_id"]
