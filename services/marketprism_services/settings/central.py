"""Central values: under which keys they are, for whom each holds, and which may be set at all.

A key is the name of a setting, alone or with whom it is for: `log.level`, `log.level@gateway`,
`log.level@gateway.<instance>`. The narrowest holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from marketprism_application.contracts.nearest import nearest
from marketprism_sdk.urls import HIDDEN, Url
from marketprism_services.settings import secret_references
from marketprism_services.settings.errors import SettingsError
from marketprism_services.settings.layers import Layers, at
from marketprism_services.settings.modes import (
    Mode,
    is_secret,
    is_used_by,
    leaves,
    may_hold_secret,
    mode_of,
    takes_list,
    why_fixed,
)
from marketprism_services.settings.services import SERVICES
from marketprism_services.settings.settings import Settings

Values = Mapping[str, object]  # by key, or by name


class CentralKey(NamedTuple):
    """A setting and whom its value is for: all, the instances of a service, or one of them."""

    name: str
    service: str = ""
    instance: str = ""

    @classmethod
    def of(cls, text: str) -> CentralKey:
        """A key as it is written."""
        name, _, target = text.partition("@")
        service, _, instance = target.partition(".")
        return cls(name, service, instance)

    def __str__(self) -> str:
        return f"{self.name}@{self.target}" if self.service else self.name

    @property
    def target(self) -> str:
        """Whom it is for: `all`, a service, or `<service>.<instance>`."""
        if not self.service:
            return "all"
        return f"{self.service}.{self.instance}" if self.instance else self.service

    def is_wider_than(self, other: CentralKey) -> bool:
        """Whether it is of the same setting, for all that the other is for and more."""
        if self == other or self.name != other.name:
            return False
        return not self.service or (self.service == other.service and not self.instance)

    def holds_for(self, service: str, instance: str) -> bool:
        """Whether a process is meant; without an instance one that has no name yet."""
        return self.service in ("", service) and self.instance in ("", instance)


def values_for(values: Values, service: str, instance: str) -> dict[str, object]:
    """Value of each setting for one process, by name."""
    found: dict[str, object] = {}
    keys = sorted(map(CentralKey.of, values), key=lambda key: (bool(key.instance), bool(key.service)))
    for key in keys:
        if key.holds_for(service, instance):
            found[key.name] = values[str(key)]
    return found


def known_names() -> list[str]:
    """Every setting there is."""
    return [".".join(path) for path in leaves()]


def check_name(name: str) -> None:
    """Raises SettingsError: there is no such setting, or it cannot be changed centrally."""
    known = known_names()
    if name not in known:
        if inner := [each for each in known if each.startswith(f"{name}.")]:
            raise SettingsError(f"setting {name}: expected one of this section ({', '.join(inner)}), was the section")
        if close := nearest(name, known, 1):
            raise SettingsError(f"setting {name[:80]}: there is no such setting; did you mean {close[0]!r}?")
        raise SettingsError(f"setting {name[:80]}: there is no such setting; `config get --all` lists them")
    if why := why_fixed(name):
        raise SettingsError(f"setting {name}: expected one that can be set centrally: {why}")


def check_key(key: CentralKey) -> None:
    """Raises SettingsError: no setting, a fixed one, no such service, or one that does not use it."""
    check_name(key.name)
    services = [row.name for row in SERVICES]
    if not key.service:
        return
    if key.service not in services:
        raise SettingsError(f"service: expected one of {', '.join(services)}, was {key.service[:60]!r}")
    if not is_used_by(key.name, key.service):
        using = ", ".join(each for each in services if is_used_by(key.name, each))
        raise SettingsError(f"setting {key.name}: expected a service that uses it ({using}), was {key.service}")
    if key.instance and mode_of(key.name) is not Mode.LIVE:
        raise SettingsError(
            f"setting {key.name}: expected a service or all, for it applies at a restart, and an instance has another "
            f"name after it, was {key.target}"
        )


def checked_value(name: str, value: object) -> object:
    """A value as it is stored: of a secret its reference, of a list no text with commas.

    Raises:
        SettingsError: a secret that is no reference, a reference where no secret is, or nothing.
    """
    if value is None:
        raise SettingsError(f"setting {name}: expected a value, was none; `config unset` takes a central value out")
    if secret_references.is_reference(value):
        if not may_hold_secret(name):
            raise SettingsError(f"setting {name}: expected a value, was a reference to a secret, which it is not")
        secret_references.name_in(name, str(value))
    elif is_secret(name) or (may_hold_secret(name) and Url(str(value)).secret):
        raise SettingsError(f"setting {name}: expected secret:<name>, for no secret is stored centrally, was {HIDDEN}")
    if takes_list(name) and isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def check_together(values: Values) -> dict[str, object]:
    """Every value by key as its setting has it (`"5"` is 5), over the defaults alone and for whomever there is one.

    Raises:
        SettingsError: with every wrong value on a line of its own.
    """
    targets = {("", "")} | {(key.service, key.instance) for key in map(CentralKey.of, values)}
    found: dict[str, object] = {}
    for service, instance in sorted(targets):
        merged = values_for(values, service, instance)
        settings = Layers().settings({name: _without_reference(name, value) for name, value in merged.items()})
        dump = settings.model_dump(mode="json")
        for name, value in merged.items():
            key = str(CentralKey(name, service, instance))
            if key in values:
                is_reference = secret_references.is_reference(value)
                found[key] = value if is_reference else at(dump, name.split("."))
    return dict(sorted(found.items()))


def _without_reference(name: str, value: object) -> object:
    """What a setting may be checked with where its secret is not at hand."""
    if secret_references.is_reference(value) and not is_secret(name):
        return "https://secret.invalid/"
    return value


def differences(before: Values, after: Values) -> dict[str, tuple[object, object]]:
    """(before, after) of each key whose value differs, None for none."""
    keys = sorted({*before, *after})
    return {key: (before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)}


def differing(one: Settings, other: Settings) -> list[str]:
    """Names of the settings that are not the same."""
    return [".".join(path) for path in leaves() if value_of(one, path) != value_of(other, path)]


def value_of(settings: object, path: Sequence[str]) -> object:
    """What settings have at a path."""
    for part in path:
        settings = getattr(settings, part)
    return settings


def shown(settings: Settings, names: Iterable[str]) -> dict[str, object]:
    """Values by name, as people may see them: of a secret only whether there is one."""
    dump = settings.model_dump(mode="json")
    found = {name: at(dump, name.split(".")) for name in names}
    return {name: HIDDEN if value and is_secret(name) else value for name, value in found.items()}


__all__ = [
    "CentralKey",
    "Values",
    "check_key",
    "check_name",
    "check_together",
    "checked_value",
    "differences",
    "differing",
    "known_names",
    "shown",
    "value_of",
    "values_for",
]
