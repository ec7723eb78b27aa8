"""Which variables of the environment are settings, by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

PREFIX = "MARKETPRISM_"
SECRET_PREFIX = f"{PREFIX}SECRET_"  # secrets that central settings refer to by their names
PINNED = f"{PREFIX}PINNED"  # settings that `up` was given by its environment, for the services that it starts
# Environment names with our prefix that are not settings: they steer tests, the Makefile and the command line.
_NOT_SETTINGS = {
    "MARKETPRISM_FIXTURES",
    "MARKETPRISM_HOME",
    "MARKETPRISM_LANG",
    "MARKETPRISM_CLICKHOUSE_URL",
    "MARKETPRISM_READER_PASSWORD",
    PINNED,
}


def without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of an environment that are not settings: for a child that gets its settings in another way."""
    return {name: value for name, value in environment.items() if not is_setting(name)}


def variable(path: Sequence[str]) -> str:
    """Name of the variable that sets what is at a path of the settings."""
    return PREFIX + "__".join(path).upper()


def is_setting(name: str) -> bool:
    """Whether a variable of that name gives a value to a setting."""
    return name.startswith(PREFIX) and not name.startswith(SECRET_PREFIX) and name not in _NOT_SETTINGS
