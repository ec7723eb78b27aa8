"""Alerts about backups: none that is new enough, one that is spoilt, a drill that failed or was not done."""

from __future__ import annotations

from marketprism_services.monitoring.alert import Alert, Runbook, Scene, Severity, risen, rising

_PAGE, _TICKET = Severity.PAGE, Severity.TICKET
_WHO = 'service="storage",instance="storage-1"'
_BACKUP = "marketprism_backup_last_success_seconds"
_DRILL = "marketprism_restore_drill_last_success_seconds"
_BACKUP_SERIES, _DRILL_SERIES = f"{_BACKUP}{{{_WHO}}}", f"{_DRILL}{{{_WHO}}}"
_BACKUP_S, _DRILL_S = 30 * 3_600, 15 * 86_400  # a day and a fortnight, with some room

BACKUPS = (
    Alert(
        "BackupOld",
        _PAGE,
        f"time() - max({_BACKUP}) > {_BACKUP_S}",
        "5m",
        "There is no backup of the last 30 hours",
        Runbook(
            "What was stored since the newest backup is lost with the machine, as far as the streams do not have it.",
            (
                "`marketprism jobs runs backup`: why the newest runs failed; log of storage, `backup.failed`.",
                "`marketprism backup list`: is the place there, has it room?",
            ),
            (
                "Mend what the reason names (place, room, key), then `marketprism backup create`.",
                "No scheduler runs: `marketprism run scheduler`, or `up --jobs`. See [backups](../backup.md).",
            ),
        ),
        (
            Scene({_BACKUP_SERIES: "0x40"}, "8m", 0),  # the clock of a scene begins at 0: nothing is 30 h old yet
            Scene({_BACKUP_SERIES: "-108300x60"}, "9m"),
            Scene({_BACKUP_SERIES: "-100000x60"}, "9m", 0),
        ),
        "storage",
    ),
    Alert(
        "BackupSpoilt",
        _PAGE,
        risen("marketprism_backup_verify_failures_total", by="service, instance"),
        "0s",
        "A backup is not what was written",
        Runbook(
            "An object at the place of backups is missing or has other bytes: this backup, and others that name the "
            "object, cannot be restored whole.",
            ("`marketprism backup verify <id>` names the object and what it holds; log of storage, `backup.differs`.",),
            (
                "Look at the disk or the store of the place. Take the object away: the next backup writes it anew.",
                "`marketprism backup create`, then `marketprism backup verify`.",
            ),
        ),
        rising("marketprism_backup_verify_failures_total", _WHO),
        "storage",
    ),
    Alert(
        "RestoreDrillFailed",
        _PAGE,
        risen("marketprism_restore_drill_failures_total", by="service, instance"),
        "0s",
        "A backup could not be restored in a drill",
        Runbook(
            "The newest backup was restored into a scratch folder, and something was not as it had been, or it could "
            "not be restored at all.",
            (
                "`marketprism jobs runs restore-drill --json`: what differs, or the error.",
                "`marketprism backup drill <id>` does it again, with a line for each part.",
            ),
            (
                "A wrong key: the public half of the drill's identity has to be among the recipients of `[backup]`.",
                "No room in the data directory for a second store: make some.",
                "Rows that differ: make another backup and drill that one; keep both.",
            ),
        ),
        rising("marketprism_restore_drill_failures_total", _WHO),
        "storage",
    ),
    Alert(
        "RestoreDrillOld",
        _TICKET,
        f"time() - max({_DRILL}) > {_DRILL_S}",
        "1h",
        "No backup was restored in a drill for 15 days",
        Runbook(
            "Nobody knows whether the newest backups can be restored, and how long it takes.",
            ("`marketprism jobs runs restore-drill`: was it run, and what came of it?",),
            ("`marketprism jobs run restore-drill --wait`.",),
        ),
        (
            Scene({_DRILL_SERIES: "-1300000x300"}, "70m"),
            Scene({_DRILL_SERIES: "-1000000x300"}, "70m", 0),
        ),
        "storage",
    ),
)

__all__ = ["BACKUPS"]
