"""Which place archived files lie at, by the settings."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from marketprism_adapters.cold.folder import FolderStore
from marketprism_adapters.cold.s3 import S3Store
from marketprism_application.ports.archive import ColdStore
from marketprism_services.settings.archive import ArchiveSettings
from marketprism_services.settings.errors import SettingsError
from marketprism_services.settings.place import PlaceSettings
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.store import EngineSource, archive_engines_of


class ArchiveWiring(NamedTuple):
    """What the storage service archives with. `hot_days` are those after which the store itself deletes rows, by
    table; `server` answers over hot and archived rows where the store is one, which sees no file of this machine."""

    settings: ArchiveSettings
    place: ColdStore
    staging: Path
    hot_days: dict[str, int]
    server: EngineSource | None = None


def archive_of(settings: Settings) -> ArchiveWiring | None:
    """The archive; None where there is none.

    Raises:
        SettingsError: the store cannot be archived as it is set.
    """
    archive = settings.archive
    if not archive.place:
        return None
    if settings.store.engine == "clickhouse" and not archive.is_s3:
        raise SettingsError(
            "archive.place: expected the URL of a bucket with store.engine clickhouse, since the server reads and "
            f"writes the files, was {archive.place}"
        )
    if settings.store.cluster:
        raise SettingsError(
            f"archive.place: expected one server, since shards of a cluster cannot be archived, was store.cluster "
            f"{settings.store.cluster}"
        )
    hot_days = dict(settings.store.keep_days)
    for table, days in archive.days.items():
        if hot_days.get(table, days + 1) <= days:
            raise SettingsError(
                f"store.keep_days.{table}: expected more than archive.days.{table} ({days}), was {hot_days[table]}"
            )
    staging = settings.data_dir / "archive-staging"
    return ArchiveWiring(archive, place_of(archive), staging, hot_days, archive_engines_of(settings))


def place_of(archive: PlaceSettings, what: str = "archive") -> ColdStore:
    """The place of the settings, not asked yet; `what` is what errors call it."""
    if not archive.is_s3:
        return FolderStore(Path(archive.place).expanduser().absolute(), what)
    parts = urlsplit(archive.place)
    bucket, _, prefix = parts.path.strip("/").partition("/")
    return S3Store(
        f"{parts.scheme}://{parts.netloc}",
        bucket,
        prefix,
        archive.access_key,
        archive.secret_key.reveal(),
        region=archive.region,
        timeout_s=archive.place_timeout_s,
        what=what,
    )


__all__ = ["ArchiveWiring", "archive_of", "place_of"]
