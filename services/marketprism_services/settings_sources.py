"""Where settings come from: a file and the environment."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Any

from marketprism_services.exits import Exit, Stop

PREFIX = "MARKETPRISM_"
# Environment names with our prefix that are not settings: they steer tests and the Makefile.
_NOT_SETTINGS = {
    "MARKETPRISM_FIXTURES",
    "MARKETPRISM_HOME",
    "MARKETPRISM_CLICKHOUSE_URL",
    "MARKETPRISM_READER_PASSWORD",
}


def from_file(path: Path) -> dict[str, Any]:
    """Values of a TOML or JSON file.

    Raises:
        Stop: it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
        values: dict[str, Any] = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        return values
    except OSError as error:
        raise Stop(Exit.USAGE, f"settings file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise Stop(Exit.USAGE, f"settings file {path}: expected TOML or JSON: {error}") from error


def from_environment() -> dict[str, Any]:
    """Values of the variables with our prefix."""
    values: dict[str, Any] = {}
    for name, text in os.environ.items():
        if not name.startswith(PREFIX) or name in _NOT_SETTINGS:
            continue
        path = name.removeprefix(PREFIX).lower().split("__")
        target = values
        for part in path[:-1]:
            target = target.setdefault(part, {})
        target[path[-1]] = _typed(path, text)
    return values


def _typed(path: list[str], text: str) -> Any:
    # pydantic converts all other text; lists and the free-form rules have no type to convert by.
    if path[-1] == "intervals" or path[-1] in ("md_fronts", "td_fronts", "instruments", "kinds"):
        return [part.strip() for part in text.split(",")]
    if path[0] == "rules" and len(path) > 1:
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            return text
    return text


def merge(base: dict[str, Any], extra: dict[str, Any]) -> None:
    """Lay values over others, section by section; None changes nothing."""
    for key, value in extra.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            merge(base[key], value)
        elif value is not None:
            base[key] = value
