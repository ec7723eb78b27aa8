"""What `up` writes below `<data_dir>/run` for its services and for other commands, and what it hands over unwritten.

The settings are a file that anybody may be shown: what is secret in them is not there. The services get it in their
environment, which nobody but their user can read and which ends with them. One file holds a secret, for commands that
look for the pipeline of a data directory: the URL of NATS, if it has a password.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from marketprism_application.errors import DataDirError
from marketprism_sdk.nats.access import NatsAccess
from marketprism_sdk.private_files import private_folder, write_private
from marketprism_sdk.urls import Secret, Url
from marketprism_services.platform.known_files import SECRET_URL, URL, known_access, known_url
from marketprism_services.settings.layers import names_in_environment
from marketprism_services.settings.settings import Settings
from marketprism_services.settings.shape import values_of
from marketprism_services.settings.variables import PINNED, variable


class HandedOver(NamedTuple):
    """A file of settings without secrets, and the variables that hold those, and name the settings that no central
    configuration changes: those that the environment of this process gives."""

    config: Path
    environment: dict[str, str]


def write(settings: Settings) -> HandedOver:
    """Write the run files of a pipeline.

    Raises:
        DataDirError: they cannot be written.
    """
    try:
        return _write(settings)
    except OSError as error:
        raise DataDirError.of(settings.data_dir, error) from error


def _write(settings: Settings) -> HandedOver:
    folder = private_folder(settings.data_dir / "run")
    config = folder / "settings.json"
    write_private(config, _json(settings, _bare))
    url = settings.nats.url or Url("")
    write_private(folder / URL, url.bare())
    if url.secret:
        write_private(folder / SECRET_URL, url.reveal())
    else:
        (folder / SECRET_URL).unlink(missing_ok=True)
    secrets = {variable(path): value for path, value in secrets_of(settings)}
    pinned = names_in_environment()
    return HandedOver(config, secrets | ({PINNED: ",".join(pinned)} if pinned else {}))


def write_whole(path: Path, settings: Settings) -> None:
    """Write settings with their secrets to a file of their owner's, for processes that are started by its name alone.

    Raises:
        OSError: it cannot be written.
    """
    write_private(path, _json(settings, lambda _, text: text))


def access_to(url: Url, user: str, settings: Settings, data_dir: Path) -> NatsAccess:
    """Who a process shows itself as at the address: what the settings say, else, where it is the server that `up` has
    started on the data directory, its user there."""
    given = settings.nats.access(user)
    if given.named or url.secret:
        return given
    known = known_url(data_dir)
    own = known_access(data_dir, user) if known is not None and known.bare() == url.bare() else None
    return own or given


def secrets_of(settings: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    """Path and text of every setting that is secret by its type, or by being a URL with a user in it."""
    for name, value in values_of(settings):
        yield from _secrets_in(value, (name,))


def _secrets_in(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, Secret):
        if value:
            yield path, value.reveal()
    elif isinstance(value, str):
        if Url(value).secret:
            yield path, Url(value).reveal()
    elif isinstance(value, tuple):
        for number, each in enumerate(value):
            yield from _secrets_in(each, (*path, str(number)))
    else:
        for inner, text in secrets_of(value):
            yield (*path, *inner), text


def _json(settings: Settings, shown: Callable[[Any, str], str]) -> str:
    """Settings with what is shown of each secret in its place. They are values, not settings any more: without its
    password, that of a user is one that the class refuses."""
    values = settings.model_dump(mode="json")
    for place, text in secrets_of(settings):
        inner: Any = values
        for name in place[:-1]:
            inner = inner[int(name)] if isinstance(inner, list) else inner[name]
        last = int(place[-1]) if isinstance(inner, list) else place[-1]
        inner[last] = shown(inner[last], text)
    return json.dumps(values, indent=1)


def _bare(written: str, text: str) -> str:
    """Nothing of a secret, which is written as stars alone, and of a URL what is no secret."""
    return "" if not written.strip("*") else Url(text).bare()
