"""Backups: are some made, how old is the newest, was one ever restored, and do they lie elsewhere."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec

from marketprism_application.errors import ApplicationError
from marketprism_sdk.errors import reason_of
from marketprism_services.cli.doctor.finding import Finding, Grade, judged, warning, wrong
from marketprism_services.cli.doctor.production.disks import existing
from marketprism_services.settings.settings import Settings
from marketprism_services.storage.restore_drill import LAST_DRILL, DrillRecord
from marketprism_services.wiring.backup import catalogue_of

_OLD_H, _TOO_OLD_H = 30.0, 72.0
_DRILL_DAYS = 15.0


async def look(settings: Settings) -> list[Finding]:
    """At the place of the settings. A cluster's are made by its own BACKUP, which nobody here sees."""
    backup = settings.backup
    if not backup.place:
        todo = "[backup] place and recipients: docs/backup.md"
        if settings.store.cluster:
            text = "none by this program: a cluster is backed up by its own BACKUP"
            return [
                warning(
                    "existing backups", text, "BACKUP of the cluster, each day", "ask system.backups of the cluster"
                )
            ]
        return [wrong("existing backups", "none are made", "one each day, elsewhere", todo)]
    found = []
    if not backup.is_s3 and await asyncio.to_thread(_same_disk, Path(backup.place), settings.data_dir):
        todo = "a folder of another machine, or a bucket"
        text = f"{backup.place} is on the disk of the data"
        found.append(wrong("place of backups", text, "another disk, better another house", todo))
    try:
        catalogue = catalogue_of(backup)
        newest = await catalogue.newest()
        drills = {stored.path for stored in await catalogue.place.names("drills")}
        drill = msgspec.json.decode(await catalogue.place.read(LAST_DRILL), type=DrillRecord) if drills else None
    except (ApplicationError, msgspec.MsgspecError) as error:
        todo = "`marketprism backup list` says the same; mend the place, or its user"
        return [*found, wrong("existing backups", reason_of(error), "a place that answers", todo)]
    now = time.time_ns()
    found.append(age(None if newest is None else (now - newest.ended) / 3.6e12))
    found.append(drilled(None if drill is None or not drill.last_good else (now - drill.last_good) / 8.64e13))
    return found


def age(hours: float | None) -> Finding:
    """Of the newest whole backup; None where there is none."""
    todo = "`marketprism jobs runs backup` says why; `marketprism backup create` makes one now"
    if hours is None:
        return wrong("existing backups", "there is none that is whole", "one each day", todo)
    grade: Grade = "ok" if hours <= _OLD_H else "warning" if hours <= _TOO_OLD_H else "wrong"
    return judged(grade, "newest backup", f"{hours:.1f} hours old", "30 hours at most", todo)


def drilled(days: float | None) -> Finding:
    """Since a backup was restored in a drill; None where none ever was."""
    todo = "`marketprism backup drill` restores the newest one into a scratch folder, and compares"
    if days is None:
        return wrong("restore drill", "no backup was ever restored", "one in 15 days", todo)
    grade: Grade = "ok" if days <= _DRILL_DAYS else "warning"
    return judged(grade, "restore drill", f"{days:.1f} days ago", "one in 15 days", todo)


def _same_disk(place: Path, data: Path) -> bool:
    return existing(place).stat().st_dev == existing(data).stat().st_dev


__all__ = ["age", "drilled", "look"]
