"""The command line of the light installation, which has no settings: what it needs of them, by the variables that the
whole one knows by the same names."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from marketprism_sdk.errors import InvalidSetting
from marketprism_sdk.nats.access import NatsAccess
from marketprism_sdk.urls import Secret, Url
from marketprism_services.platform.exits import Exit, Stop
from marketprism_services.platform.nats_place import NatsPlace
from marketprism_services.settings.extras import is_there

if TYPE_CHECKING:
    from collections.abc import Mapping

_NATS = "MARKETPRISM_NATS__"
_URL = f"{_NATS}URL"
_HOMES = ("MARKETPRISM_DATA_DIR", "MARKETPRISM_HOME")


def has_settings() -> bool:
    """Whether settings can be loaded here."""
    return is_there("pydantic")


def refuse_file(config: Path | None) -> None:
    """Raises Stop, exit code 2: a settings file is named, which only the whole installation reads."""
    if config is not None:
        needed = "pip install 'marketprism[server]'"
        text = f"--config {config}: expected an installation that reads settings files: {needed}"
        raise Stop(Exit.USAGE, text)


def data_dir_of(given: Path | None, environ: Mapping[str, str]) -> Path:
    """Where the data of a pipeline on this machine would live. Raises Stop: there is no home directory."""
    path = given or Path(next((environ[name] for name in _HOMES if environ.get(name)), "~/.marketprism"))
    try:
        return path.expanduser().absolute()
    except RuntimeError:
        text = f"data_dir: expected a home directory for {path}, there is none: give --data-dir or MARKETPRISM_HOME"
        raise Stop(Exit.USAGE, text) from None


def place_of(data_dir: Path | None, nats_url: str | None) -> NatsPlace:
    """NATS as the option, the environment or the pipeline of a data directory names it.

    Raises:
        Stop: exit code 2, a variable is wrong; names it.
    """
    try:
        access = access_of(os.environ)
    except (InvalidSetting, ValueError) as error:
        raise Stop(Exit.USAGE, f"setting nats.{error}") from error
    given = nats_url or os.environ.get(_URL) or ""
    folder = data_dir_of(data_dir, os.environ)
    return NatsPlace.without_settings(Url(given) if given else None, access, folder, "nats://127.0.0.1:4222")


def access_of(environ: Mapping[str, str]) -> NatsAccess:
    """Who this is to NATS: `MARKETPRISM_NATS__USER`, `…__PASSWORD` and what else `NatsAccess` has.

    Raises:
        InvalidSetting: names the field.
    """
    given: dict[str, Any] = {}
    for field in dataclasses.fields(NatsAccess):
        if text := environ.get(f"{_NATS}{field.name.upper()}"):
            make = Secret if "Secret" in str(field.type) else Path if "Path" in str(field.type) else str
            given[field.name] = make(text)
    return NatsAccess(**given)


__all__ = ["access_of", "data_dir_of", "has_settings", "place_of", "refuse_file"]
