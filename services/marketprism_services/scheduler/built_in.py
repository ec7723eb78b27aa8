"""Jobs that every installation has, and those of what it has set up; `marketprism jobs` pauses, changes or removes
them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from marketprism_application.contracts.schedule_records import JobDocument
from marketprism_services.settings.settings import Settings

BUILT_IN_JOBS: Mapping[str, JobDocument] = MappingProxyType(
    {
        "health-sweep": JobDocument(
            "every 5m",
            "monitor.health_sweep",
            catch_up="none",
            timeout="1m",
            note="Every service, leader and stream, the store's disks and all certificates are looked at.",
        ),
        "liquidation-burst": JobDocument(
            "every 1m",
            "monitor.check_liquidations",
            catch_up="none",
            timeout="50s",
            note="The liquidations of the last minute at each venue are compared with those of the hour before.",
        ),
        "funding-check": JobDocument(
            "every 8h +30s",
            "monitor.check_funding",
            catch_up="all",
            catch_up_window="16h",
            attempts=3,
            retry_pause="1m",
            note="Each perpetual has a funding rate for every instant at which funding was exchanged.",
        ),
        "open-interest-check": JobDocument(
            "every 15m +1m",
            "monitor.check_open_interest",
            note="The open interest of each instrument that has any is not older than half an hour.",
        ),
        "calendar-check": JobDocument(
            "cron 0 6 * * * Asia/Shanghai",
            "monitor.check_calendar",
            note="The closed days of the exchanges are announced for long enough.",
        ),
        "instruments-check": JobDocument(
            "cron 30 8 * * 1-5 Asia/Shanghai",
            "monitor.check_instruments",
            attempts=3,
            note="Every gateway that leads has read its list of instruments within a day.",
        ),
    }
)

ARCHIVE_JOBS: Mapping[str, JobDocument] = MappingProxyType(
    {
        "archive": JobDocument(
            "cron 30 4 * * * Asia/Shanghai",
            "storage.archive",
            timeout="6h",
            note="Partitions that are old enough are moved to the archive.",
        ),
        "archive-retain": JobDocument(
            "after",
            "storage.retain",
            after=["archive"],
            timeout="1h",
            note="Archived partitions that are too old are deleted, but for those that are held.",
        ),
    }
)
BACKUP_JOBS: Mapping[str, JobDocument] = MappingProxyType(
    {
        "backup": JobDocument(
            "cron 10 5 * * * Asia/Shanghai",
            "storage.backup",
            attempts=3,
            retry_pause="10m",
            timeout="12h",
            note="The store, streams, buckets and settings are copied, encrypted.",
        ),
        "backup-prune": JobDocument(
            "after",
            "storage.prune_backups",
            after=["backup"],
            timeout="1h",
            note="Backups that are not to stay are deleted, the newest never.",
        ),
        "backup-verify": JobDocument(
            "after",
            "storage.verify_backup",
            after=["backup-prune"],
            timeout="6h",
            note="Every object of the newest backup is read back.",
        ),
    }
)
DATA_JOBS: Mapping[str, JobDocument] = MappingProxyType(
    {
        "data-daily": JobDocument(
            "cron 40 8 * * * Asia/Shanghai",
            "data.daily",
            attempts=3,
            retry_pause="10m",
            timeout="10m",
            note="The day before of every stored series is checked, judged, and repaired where it is ours.",
        ),
    }
)
DRILL_JOBS: Mapping[str, JobDocument] = MappingProxyType(
    {
        "restore-drill": JobDocument(
            "cron 30 12 * * 6 Asia/Shanghai",
            "storage.restore_drill",
            timeout="12h",
            note="The newest backup is restored into a scratch folder, and everything in it compared.",
        ),
    }
)


def built_in_jobs(settings: Settings) -> Mapping[str, JobDocument]:
    """The jobs of an installation with these settings: those of the archive where it has a place, those of backups
    where they have one, the drill where the key is known too, and the daily one of the data service if it is wanted."""
    jobs = dict(BUILT_IN_JOBS)
    if settings.archive.place:
        jobs |= ARCHIVE_JOBS
    if settings.backup.place:
        jobs |= BACKUP_JOBS
        jobs |= DRILL_JOBS if settings.backup.identity else {}
    if settings.data.daily_job:
        jobs |= DATA_JOBS
    return jobs


__all__ = ["ARCHIVE_JOBS", "BACKUP_JOBS", "BUILT_IN_JOBS", "DATA_JOBS", "DRILL_JOBS", "built_in_jobs"]
