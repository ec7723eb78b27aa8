"""What one process is given: its file below the central layer, its environment and its options above it."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from marketprism_services.settings.loading import from_environment, from_file, merge
from marketprism_services.settings.modes import leaves
from marketprism_services.settings.settings import Settings, validated
from marketprism_services.settings.variables import PINNED

NOTHING: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True)
class Layers:
    """Values by section: those of the file, and those that stand above whatever is set centrally, each over the one
    before it. They are merged in one go: a member of a list that a variable names is one of the file's list."""

    file: dict[str, object] = field(default_factory=dict)
    above: tuple[dict[str, object], ...] = ()

    @classmethod
    def read(cls, config: Path | None = None, overrides: dict[str, object] | None = None) -> Layers:
        """The layers of this process; of `up` a service also gets which settings of its file are pinned.

        Raises:
            SettingsError: a file or a variable cannot be read.
        """
        values = {} if config is None else from_file(config)
        pinned: dict[str, object] = {}
        for name in filter(None, os.environ.get(PINNED, "").split(",")):
            path = name.split(".")
            if (found := at(values, path)) is not None:
                put(pinned, path, copy.deepcopy(found))
        return cls(values, (pinned, from_environment(Settings), overrides or {}))

    def settings(self, central: Mapping[str, object] = NOTHING) -> Settings:
        """Defaults, file, central values by name, environment and options, merged.

        Raises:
            SettingsError: with every wrong name or value on a line of its own.
        """
        values = copy.deepcopy(self.file)
        for name, value in central.items():
            put(values, name.split("."), copy.deepcopy(value))
        for layer in self.above:
            merge(values, copy.deepcopy(layer))
        return validated(values)

    @cached_property
    def origins(self) -> Mapping[str, str]:
        """From where a setting is given otherwise than centrally, by its name: `file`, `environment` or `option`. What
        `up` was given by its environment is its services' too. A file is below what is set centrally."""
        found = dict.fromkeys(names_given(self.file), "file")
        for number, layer in enumerate(self.above):
            found.update(dict.fromkeys(names_given(layer), "option" if number > 1 else "environment"))
        return found

    @cached_property
    def pinned(self) -> frozenset[str]:
        """Names of the settings that no central value changes here."""
        return frozenset(name for layer in self.above for name in names_given(layer))


def at(values: Mapping[str, object], path: Iterable[str]) -> object:
    """What values by section have at a path, None for nothing."""
    found: object = values
    for part in path:
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def put(values: dict[str, object], path: list[str], value: object) -> None:
    """Set what values by section have at a path, whatever is there."""
    for part in path[:-1]:
        inner = values.get(part)
        if not isinstance(inner, dict):
            inner = values[part] = {}
        values = inner
    values[path[-1]] = value


def names_given(values: Mapping[str, object]) -> Iterator[str]:
    """Names of the settings to which values by section give something, of tables and lists also a part."""
    return (".".join(path) for path in leaves() if at(values, path) is not None)


def names_in_environment() -> list[str]:
    """Names of the settings that the variables of this process give a value. Raises SettingsError."""
    return list(names_given(from_environment(Settings)))


__all__ = ["NOTHING", "Layers", "at", "names_in_environment"]
