"""`secret:<name>` in place of a secret: what is stored names it, the process that needs it finds it on its own machine.

Looked for in this order: the variable `MARKETPRISM_SECRET_<NAME>`, the file `/run/secrets/<name>`, as Docker and
Kubernetes mount it, and `<data_dir>/secrets/<name>`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from marketprism_services.settings import secret_files
from marketprism_services.settings.errors import SettingsError
from marketprism_services.settings.variables import SECRET_PREFIX

REFERENCE = "secret:"
MOUNTED = Path("/run/secrets")
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]|\.(?!\.)){0,63}")


def is_reference(value: object) -> bool:
    """Whether a value names a secret, well or badly."""
    return isinstance(value, str) and value.startswith(REFERENCE)


def name_in(setting: str, value: str) -> str:
    """The name that a reference has.

    Raises:
        SettingsError: no name of a secret.
    """
    name = value.removeprefix(REFERENCE)
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"setting {setting}: expected secret: and a name of at most 64 small letters, digits, _ . and -, "
            f"was {value[:100]!r}"
        )
    return name


def resolve(setting: str, value: str, data_dir: Path) -> str:
    """The secret that a reference names. It reads files.

    Raises:
        SettingsError: it is nowhere, or its file cannot be read; nothing of a secret is in the text.
    """
    name = name_in(setting, value)
    variable = f"{SECRET_PREFIX}{re.sub('[.-]', '_', name).upper()}"
    if given := os.environ.get(variable):
        return given
    for folder in (MOUNTED, data_dir / "secrets"):
        if (path := folder / name).exists():
            return secret_files.text_of(f"setting {setting}", str(path))
    places = f"{variable}, {MOUNTED / name} or {data_dir / 'secrets' / name}"
    raise SettingsError(f"setting {setting}: expected the secret {name} in {places}, was in none of them")


__all__ = ["REFERENCE", "is_reference", "name_in", "resolve"]
