"""What backups are made with, and restored from, by the settings."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from marketprism_adapters.cold.age import AgeOpener, AgeSealer
from marketprism_application.backups.catalogue import BackupCatalogue
from marketprism_application.errors import BackupError
from marketprism_application.ports.archive import ColdStore
from marketprism_sdk.urls import Secret, Url
from marketprism_services.settings import secret_files
from marketprism_services.settings.backup import BackupSettings
from marketprism_services.settings.errors import SettingsError
from marketprism_services.settings.extras import install_command, is_there
from marketprism_services.settings.settings import Settings
from marketprism_services.settings.shape import values_of
from marketprism_services.settings.variables import PREFIX, is_setting
from marketprism_services.wiring.archive import place_of

_PACKAGE = "pyrage"


class BackupWiring(NamedTuple):
    """What the storage service makes backups with. `files` are the settings in force, without what is secret;
    `secret_files` the paths of files with secrets, which are not copied."""

    settings: BackupSettings
    catalogue: BackupCatalogue
    sealer: AgeSealer
    staging: Path
    engine: str
    files: Mapping[str, bytes]
    secret_files: tuple[str, ...]
    archive_place: str
    cold: ColdStore | None


def backup_of(settings: Settings) -> BackupWiring | None:
    """How backups are made; None where none are.

    Raises:
        SettingsError: they cannot be made as things are set.
    """
    backup = settings.backup
    if not backup.place:
        return None
    check_package()
    if settings.store.cluster:
        raise SettingsError(
            f"backup.place: expected a store of one server with it, was the cluster {settings.store.cluster}: "
            "a cluster is backed up by its own BACKUP"
        )
    try:
        sealer = AgeSealer(backup.recipients)
    except BackupError as error:
        raise SettingsError(str(error)) from error
    return BackupWiring(
        backup,
        catalogue_of(backup),
        sealer,
        settings.data_dir / "backup-staging",
        settings.store.engine,
        files_of(settings),
        secret_files_of(),
        place_of(settings.archive).place if settings.archive.place else "",
        place_of(settings.archive) if backup.archive and settings.archive.place else None,
    )


def check_package() -> None:
    """Whether what encrypts is here. Raises SettingsError: says how to get it."""
    if not is_there(_PACKAGE):
        raise SettingsError(
            f"backup: expected the package pyrage, which encrypts, found none: {install_command(_PACKAGE)}"
        )


def catalogue_of(backup: BackupSettings) -> BackupCatalogue:
    """The sets of the place of the settings.

    Raises:
        SettingsError: there is no place.
    """
    if not backup.place:
        raise SettingsError("backup.place: expected a folder or the URL of a bucket (--place), was none")
    return BackupCatalogue(place_of(backup, "backup"))


def with_place(settings: Settings, place: str | None) -> BackupSettings:
    """The settings of backups with another place, where one is given. Raises InvalidValue."""
    return settings.backup if place is None else replace(settings.backup, place=place)


def opener_of(backup: BackupSettings, file: Path | None) -> AgeOpener:
    """What decrypts: with a file of identities, else with the one of the settings.

    Raises:
        WrongKey: there is none, or it is none. BackupError: the package is missing.
    """
    if file is not None:
        return AgeOpener.of_file(file)
    return AgeOpener([backup.identity.reveal()] if backup.identity else [])


def files_of(settings: Settings) -> dict[str, bytes]:
    """The settings in force, as a file that `--config` takes, without what is secret; and the scheduler's own file."""
    values = _bare(settings.model_dump(mode="json"), settings)
    found = {"settings.json": json.dumps(values, indent=1).encode()}
    if (jobs := settings.scheduler.file) is not None and jobs.is_file():
        found["jobs.toml"] = jobs.read_bytes()
    return found


def secret_files_of() -> tuple[str, ...]:
    """The variables of this process that name files with secrets, and the files."""
    return tuple(
        f"{name}={path}"
        for name, path in sorted(os.environ.items())
        if is_setting(name)
        and secret_files.path_of(Settings, name.removeprefix(PREFIX).lower().split("__")) is not None
    )


def _bare(written: object, value: object) -> object:
    """What was written of a setting, with nothing where it is secret."""
    if isinstance(value, Secret):
        return ""
    if isinstance(value, str):
        return Url(value).bare() if Url(value).secret else written
    if isinstance(value, tuple) and isinstance(written, list):
        return [_bare(inner, each) for inner, each in zip(written, value, strict=True)]
    if isinstance(written, dict):
        return {**written, **{name: _bare(written[name], inner) for name, inner in values_of(value) if name in written}}
    return written


__all__ = [
    "BackupWiring",
    "backup_of",
    "catalogue_of",
    "check_package",
    "files_of",
    "opener_of",
    "secret_files_of",
    "with_place",
]
