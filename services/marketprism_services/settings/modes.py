"""When a setting that is changed centrally applies: at once, at the next start, or never. One row decides.

A name is a setting (`log.level`) or a section with everything below it (`nats`). What no row names applies at a
restart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from functools import cache
from typing import Literal, get_args, get_origin

from marketprism_sdk.urls import Secret
from marketprism_services.settings.secret_files import may_be_secret
from marketprism_services.settings.services import SERVICES
from marketprism_services.settings.settings import Settings
from marketprism_services.settings.shape import fields_of, is_list, type_at

_SECRET_WORDS = ("password", "secret", "token", "seed", "auth_code")


class Mode(Enum):
    """When a central value applies."""

    LIVE = "at once"
    RESTART = "at a restart"
    FIXED = "not centrally"


# Each has an applier in the wiring of the services that use it; `log` and none other is the process's own.
LIVE = (
    "api.access_log",
    "api.compress",
    "api.in_flight",
    "api.per_second",
    "log.format",
    "log.level",
    "notify.quiet_hours",
    "query.cache_mb",
    "scheduler.most_running",
    "trace.every",
)
_PLACE = "it says where a process lives, which it has to know before it can ask anybody"
_DOOR = "who may come in is not decided by who may operate; set it where the API gateway is started"
_DATA = "it decides where rows lie and what tables look like; what is stored would not be found"
FIXED: Mapping[str, str] = {
    "data_dir": _PLACE,
    "drain_s": "a process needs it before it has asked anybody",
    "nats": _PLACE,
    "http": _PLACE,
    "streams": "partitions and streams are the same for everything that has ever been written",
    "source": "a gateway is started for its source, and another gateway for another one",
    "ctp.others": "it is a list of logins; set it where the gateway is started",
    "sopt.others": "it is a list of logins; set it where the gateway is started",
    "calendar": "a trading day is the same in every process and in every replay",
    "bars": "the same ticks give the same bars, live and in every replay, whoever counts them",
    "rules": "validation rules have changes of their own, which are tried first: use `marketprism rules`",
    "store.engine": _DATA,
    "store.url": _DATA,
    "store.read_url": _DATA,
    "store.cluster": _DATA,
    "store.quorum": _DATA,
    "store.partition_by": _DATA,
    "store.tls": _DATA,
    "store.schema_at_most": "whether the way back stays open is decided where storage is upgraded",
    "backup": "whoever says for whom backups are encrypted can read everything; set it where storage is started",
    "api.auth": _DOOR,
    "api.insecure": _DOOR,
    "api.trusted_proxies": _DOOR,
    "api.proxy_header": _DOOR,
    "api.cors_origins": _DOOR,
    "api.oidc": _DOOR,
    "notify.apprise": "it is a list of addresses with secrets; set it where the notifier is started",
}
_USED_BY: Mapping[str, tuple[str, ...]] = {
    section: tuple(row.name for row in SERVICES if section in row.sections)
    for section in sorted({section for row in SERVICES for section in row.sections})
}


@cache
def leaves() -> tuple[tuple[str, ...], ...]:
    """Path of every setting that is no section, in the order of the classes."""
    return tuple(_below(Settings, ()))


def _below(kind: object, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name in fields_of(kind):
        inner = type_at(kind, (name,))
        if fields_of(inner):
            yield from _below(inner, (*path, name))
        else:
            yield (*path, name)


def mode_of(name: str) -> Mode:
    """When a setting applies that is changed centrally, by its name with dots."""
    if _row_of(name, FIXED):
        return Mode.FIXED
    return Mode.LIVE if name in LIVE else Mode.RESTART


def why_fixed(name: str) -> str:
    """Why a setting cannot be changed centrally; empty where it can."""
    return FIXED.get(_row_of(name, FIXED), "")


def is_used_by(name: str, service: str) -> bool:
    """Whether a process of the service uses the setting. A service that is none of ours uses what all do."""
    row = _row_of(name, _USED_BY)
    return not row or service in _USED_BY[row]


def is_secret(name: str) -> bool:
    """Whether a setting is a secret by its type or its name."""
    path = name.split(".")
    kind = type_at(Settings, path)
    of_type = isinstance(kind, type) and issubclass(kind, Secret)
    return of_type or any(word in path[-1] for word in _SECRET_WORDS)


def may_hold_secret(name: str) -> bool:
    """Whether a value of the setting may be a secret, or a URL with one in it."""
    return is_secret(name) or may_be_secret(type_at(Settings, name.split(".")))


def options_of(name: str) -> tuple[str, ...]:
    """All values that a setting may have, as texts; empty where they are not few."""
    kind = type_at(Settings, name.split("."))
    if kind is bool:
        return ("true", "false")
    return tuple(map(str, get_args(kind))) if get_origin(kind) is Literal else ()


def takes_list(name: str) -> bool:
    """Whether a text for it is split at its commas."""
    return is_list(type_at(Settings, name.split(".")))


def _row_of(name: str, rows: Sequence[str] | Mapping[str, object]) -> str:
    """The row that names the setting or a section around it, empty for none."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        if (row := ".".join(parts[:count])) in rows:
            return row
    return ""


__all__ = [
    "FIXED",
    "LIVE",
    "Mode",
    "is_secret",
    "is_used_by",
    "leaves",
    "may_hold_secret",
    "mode_of",
    "options_of",
    "takes_list",
    "why_fixed",
]
