"""Secrets that lie in files, as Docker and Kubernetes mount them: a variable with `_FILE` names the file.

`MARKETPRISM_CTP__PASSWORD_FILE=/run/secrets/ctp` gives `ctp.password` what the file holds. Each setting has it whose
type says that it may be secret: `Secret`, `Url`, and lists of them. There is no list of names.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

import structlog

from marketprism_sdk.urls import Secret, Url
from marketprism_services.settings.errors import SettingsError
from marketprism_services.settings.shape import type_at
from marketprism_services.settings.variables import PREFIX, is_setting

log = structlog.get_logger()

SUFFIX = "_file"
_MOST_BYTES = 64 * 1024


def may_be_secret(kind: Any) -> bool:
    """Whether a setting of this type is a secret, or a URL, which may hold one."""
    if get_origin(kind) is tuple:
        kind = get_args(kind)[0]
    return isinstance(kind, type) and issubclass(kind, Secret | Url)


def text_of(name: str, given: str) -> str:
    """What the file that the variable `name` names holds, without the end of its line.

    Raises:
        SettingsError: it is missing, empty, too large, no text, or cannot be read. The text has nothing of its content.
    """
    if not given or "\0" in given:
        raise SettingsError(f"{name}: expected the path of a file with a secret, was {given!r}")
    path = Path(given)
    try:
        # A pipe without a writer would hold the start up for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise SettingsError(f"{name}: expected a file with a secret, {path} is none")
            with open(descriptor, "rb", closefd=False) as file:
                content = file.read(_MOST_BYTES + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise SettingsError(f"{name}: expected a file that can be read, was {path}: {error.strerror}") from error
    if len(content) > _MOST_BYTES:
        raise SettingsError(f"{name}: expected at most {_MOST_BYTES} bytes in {path}, were more")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:  # its text has a byte of the secret
        raise SettingsError(f"{name}: expected UTF-8 in {path}, was something else") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text.strip():
        raise SettingsError(f"{name}: expected a secret in {path}, was an empty file")
    if "\n" in text or "\r" in text or "\0" in text:
        raise SettingsError(f"{name}: expected one line in {path}, were several")
    return text


def path_of(settings: type, path: Sequence[str]) -> list[str] | None:
    """Path of the secret setting whose file is named by a variable with `path`; None where that is no such variable."""
    setting = [*path[:-1], path[-1].removesuffix(SUFFIX)]
    if setting == list(path) or type_at(settings, path) is not None:
        return None
    return setting if may_be_secret(type_at(settings, setting)) else None


def warn_of_open_files(settings: type) -> None:
    """A line in the log for each file with a secret that every user of the machine may read. It is for whoever has
    configured the log, which the settings say: they are read before."""
    for name, given in sorted(os.environ.items()):
        if not is_setting(name) or path_of(settings, name.removeprefix(PREFIX).lower().split("__")) is None:
            continue
        with contextlib.suppress(OSError):  # it was read a moment ago; who took it away since needs no warning
            mode = Path(given).stat().st_mode
            if mode & stat.S_IROTH:
                log.warning("secret.file_open_to_others", variable=name, path=given, mode=f"{mode & 0o777:04o}")
