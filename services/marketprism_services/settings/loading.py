"""Where settings come from: a file and the environment."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Any

from marketprism_services.settings import secret_files
from marketprism_services.settings.errors import SettingsError
from marketprism_services.settings.shape import is_list, is_table, type_at
from marketprism_services.settings.variables import PREFIX, is_setting, variable


def from_file(path: Path) -> dict[str, Any]:
    """Values of a TOML or JSON file.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
        values: dict[str, Any] = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        return values
    except OSError as error:
        raise SettingsError(f"settings file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"settings file {path}: expected TOML or JSON: {error}") from error


def from_environment(settings: type) -> dict[str, Any]:
    """Values of the variables with our prefix; `MARKETPRISM_CTP__OTHERS__0__PASSWORD` is of the first of a list.

    A text is split at its commas where the class of the settings has a list, and is JSON where it has a table, whose
    names need not be those that a variable may have. A variable of a secret with `_FILE` names the file that holds it.

    Raises:
        SettingsError: a variable gives a value to what another one gives a value or members, one of a table is no JSON,
            or a file cannot be read.
    """
    values: dict[str, Any] = {}
    tables: set[int] = set()
    for name, given in sorted(os.environ.items()):
        if not is_setting(name):
            continue
        text = given
        path = name.removeprefix(PREFIX).lower().split("__")
        if (secret := secret_files.path_of(settings, path)) is not None:
            if variable(secret) in os.environ:
                raise SettingsError(f"{name}: expected either it or {variable(secret)}, found both")
            path, text = secret, secret_files.text_of(name, given)
        target = values
        for part in path[:-1]:
            target = target.setdefault(part, {})
            if not isinstance(target, dict) or id(target) in tables:
                raise SettingsError(
                    f"{name}: expected either one variable for {part!r} or variables for its parts, found both"
                )
        kind = type_at(settings, path)
        if is_table(kind):
            value: object = _table(name, text)
            tables.add(id(value))
        else:  # pydantic converts all other text to what the setting is
            value = [part.strip() for part in text.split(",")] if is_list(kind) else text
        target[path[-1]] = value
    return values


def _table(name: str, text: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise SettingsError(f"{name}: expected JSON: {error}") from error
    if not isinstance(found, dict):
        raise SettingsError(f"{name}: expected a JSON object, was {text[:80]!r}")
    return found


def merge(base: dict[str, Any], extra: dict[str, Any]) -> None:
    """Lay values over others, section by section and members of a list by their number; None changes nothing.

    Raises:
        SettingsError: a number that the list does not have.
    """
    for key, value in extra.items():
        present = base.get(key)
        if isinstance(value, dict) and value and all(name.isdecimal() for name in value):
            base[key] = _merged(key, list(present or ()), value)
        elif isinstance(value, dict):
            base[key] = present if isinstance(present, dict) else {}
            merge(base[key], value)
        elif value is not None:
            base[key] = value


def _merged(name: str, members: list[Any], by_number: dict[str, Any]) -> list[Any]:
    for number, value in sorted((int(text), value) for text, value in by_number.items()):
        if number > len(members):
            raise SettingsError(f"setting {name}.{number}: expected a number up to {len(members)}, was {number}")
        if number == len(members):
            members.append(value)
        elif isinstance(value, dict) and isinstance(members[number], dict):
            members[number] = {**members[number]}
            merge(members[number], value)
        else:
            members[number] = value
    return members
