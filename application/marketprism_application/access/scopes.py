"""What can be allowed, by name, and the roles that come with the product."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Scope(StrEnum):
    """A permission. Every route, command and channel names the one that it needs."""

    READ = "md:read"  # the newest, books, lists of instruments
    STREAM = "md:stream"  # WebSocket and server-sent events
    HISTORY = "md:history"  # pages of stored records
    EXPORT = "md:export"  # streamed documents, whole tables
    BACKTEST = "backtest:run"
    CALCULATE = "calc:run"
    DOWNLOAD = "download:run"
    SYSTEM = "sys:read"  # services, streams, events, dead letters
    OPERATE = "sys:operate"  # commands, dead letters that are sent again
    RULES = "rules:write"  # validation rules
    KEYS = "keys:self"  # own keys and sessions
    ACCESS = "admin:access"  # users, keys, roles, limits
    AUDIT = "audit:read"
    METRICS = "metrics:read"


_VIEWER = frozenset({Scope.READ, Scope.STREAM, Scope.HISTORY, Scope.SYSTEM, Scope.KEYS})
_QUANT = _VIEWER | {Scope.EXPORT, Scope.BACKTEST, Scope.CALCULATE, Scope.DOWNLOAD}
_OPERATOR = _QUANT | {Scope.OPERATE, Scope.RULES, Scope.METRICS}

# Roles of one's own stand beside these in the store of access.
ROLES: Mapping[str, frozenset[Scope]] = {
    "viewer": _VIEWER,
    "quant": _QUANT,
    "operator": _OPERATOR,
    "admin": frozenset(Scope),
}
