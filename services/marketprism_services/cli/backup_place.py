"""Where the commands about backups find them, and how what is refused ends a command."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
import typer

from marketprism_application.errors import ApplicationError, BackupDamaged, WrongKey
from marketprism_domain.errors import InvalidValue
from marketprism_services.cli.options import settings_of
from marketprism_services.platform.exits import Exit, Stop, code_of

if TYPE_CHECKING:
    from marketprism_application.backups.catalogue import BackupCatalogue
    from marketprism_services.settings.backup import BackupSettings

T = TypeVar("T")
Place = Annotated[
    str | None,
    typer.Option(
        "--place",
        help="Where backups lie: a folder, or http://host:port/bucket/path with MARKETPRISM_BACKUP__ACCESS_KEY and "
        "MARKETPRISM_BACKUP__SECRET_KEY. Without, backup.place.",
    ),
]
Identity = Annotated[
    Path | None, typer.Option("--identity", help="File with the secret key. Without, backup.identity.")
]


def at_place(place: str | None, config: Path | None, data_dir: Path | None) -> tuple[BackupSettings, BackupCatalogue]:
    """The settings of backups, and the sets at their place or another one. Raises Stop."""
    from marketprism_services.wiring.backup import catalogue_of, with_place  # noqa: PLC0415 (loads the settings)

    settings = named(lambda: with_place(settings_of(config, data_dir), place))
    return settings, named(lambda: catalogue_of(settings))


def run(work: Coroutine[object, object, T]) -> T:
    """What comes of some work with backups. Raises Stop: named, with an exit code of its own."""
    return named(lambda: asyncio.run(work))


def named(work: Callable[[], T]) -> T:
    """What comes of some work; what is refused ends the command with its name and its text."""
    try:
        return work()
    except InvalidValue as error:
        raise Stop(Exit.USAGE, str(error)) from error
    except ApplicationError as error:
        code = Exit.INPUT if isinstance(error, BackupDamaged | WrongKey) else code_of(error) or Exit.STORE
        raise Stop(code, str(error)) from error


def print_json(value: object) -> None:
    """One JSON object on the output."""
    print(msgspec.json.format(msgspec.json.encode(value), indent=1).decode())


__all__ = ["Identity", "Place", "at_place", "named", "print_json", "run"]
