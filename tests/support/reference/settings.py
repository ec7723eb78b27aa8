"""`docs/settings.md`: every setting with its type, default, unit, range, variable and meaning."""

from __future__ import annotations

import functools
import json
import re
import types
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel

from marketprism_sdk.urls import Secret, Url
from marketprism_services.settings.modes import leaves, mode_of
from marketprism_services.settings.settings import Settings
from marketprism_services.settings.shape import fields_of, type_at
from marketprism_services.settings.variables import variable
from tests.support.reference.markdown import code, table

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "deploy/config/marketprism.toml"

# Bounds that depend on one another are no numbers that a class could list.
RELATIONS = {
    "lease_s": "more than 2 × heartbeat_s, at most 3600",
    "heartbeat_s": "more than probe_s, less than lease_s ÷ 2",
    "probe_s": "more than 0, less than heartbeat_s",
    "probe_timeout_s": "more than 0, less than lease_s",
    "probes": "1 or more",
    "hook_s": "more than 0, at most 3600",
    "retry_first_s": "more than 0, at most retry_longest_s",
    "retry_longest_s": "retry_first_s to 3600",
    "retry_limit": "0 or more",
}
_UNITS = {
    "_s": "seconds",
    "_ms": "milliseconds",
    "_percent": "percent",
    "_days": "days",
    "_gb": "GB (10⁹ bytes)",
    "_mb": "MB (10⁶ bytes)",
}
_OWN_UNITS = {
    "capture.rotate_mb": "MiB (2²⁰ bytes)",
    "capture.buffer_mb": "MiB (2²⁰ bytes)",
    "capture.keep_gb": "GiB (2³⁰ bytes)",
    "query.per_second": "a second",
    "rules.stale_s_by_venue": "seconds",
    "store.keep_days": "days",
}


class SettingRow(NamedTuple):
    """A setting: where it is, and the columns of its row."""

    path: tuple[str, ...]
    kind: str
    default: str
    unit: str
    range: str
    meaning: str

    @property
    def name(self) -> str:
        return ".".join(self.path)


def rows() -> list[SettingRow]:
    """Every setting in the order of the classes."""
    return [
        SettingRow(
            path,
            _type(type_at(Settings, path)),
            _default(path),
            _unit(path),
            range_of(path),
            meanings().get(".".join(path), ""),
        )
        for path in leaves()
    ]


@functools.cache
def meanings() -> dict[str, str]:
    """The comment of each setting and of each section in the example file, by its name."""
    found: dict[str, str] = {}
    section = ""
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if head := re.match(r"\[([\w.]+)\]\s*(?:# (.*))?$", line):
            section = head[1]
            found[section] = head[2] or ""
        elif own := re.match(r"(?:# )?(\w+) = .*?\s# (.*)$", line):
            found.setdefault(f"{section}.{own[1]}" if section else own[1], own[2])
        elif section and (more := re.match(r"\s+# (.*)$", line)):
            found[section] += f" {more[1]}"
    return found


def meanings_file() -> str:
    """`settings/meanings/en.toml`: what people read of each setting beside its name."""
    found = meanings()
    lines = [
        f"{json.dumps('.'.join(path))} = {json.dumps(found['.'.join(path)], ensure_ascii=False)}" for path in leaves()
    ]
    head = "# Made by `make docs` of the comments of deploy/config/marketprism.toml."
    return "\n".join((head, "", "[meanings]", *lines, ""))


def range_of(path: tuple[str, ...]) -> str:
    """The values that are allowed, where they are not all of the type."""
    if path[-1] in RELATIONS:
        return RELATIONS[path[-1]]
    if (bounds := bounds_of(path)) is not None:
        lowest, highest = (f"{Decimal(repr(bound)).normalize():f}" for bound in bounds)
        return f"{lowest} to {highest}"
    limits = _limits(path)
    kind = type_at(Settings, path)
    if get_origin(kind) is Literal:
        return " or ".join(map(str, get_args(kind)))
    return ", ".join(limits)


def bounds_of(path: tuple[str, ...]) -> tuple[float, float] | None:
    """The lowest and the highest value, as the owner of the setting has them."""
    owner = type_at(Settings, path[:-1]) if path[:-1] else Settings
    for kind in owner.__mro__:
        bounds = vars(kind).get("BOUNDS", {})
        if path[-1] in bounds:
            lowest, highest = bounds[path[-1]]
            return lowest, highest
    return None


def _limits(path: tuple[str, ...]) -> list[str]:
    owner = type_at(Settings, path[:-1]) if path[:-1] else Settings
    if not (isinstance(owner, type) and issubclass(owner, BaseModel)):
        return []
    words = {"ge": "{:g} or more", "gt": "more than {:g}", "le": "at most {:g}", "lt": "less than {:g}"}
    return [
        text.format(getattr(limit, name))
        for limit in owner.model_fields[path[-1]].metadata
        for name, text in words.items()
        if getattr(limit, name, None) is not None
    ]


def _unit(path: tuple[str, ...]) -> str:
    if (own := _OWN_UNITS.get(".".join(path))) is not None:
        return own
    return next((unit for end, unit in _UNITS.items() if path[-1].endswith(end)), "")


def _type(kind: Any) -> str:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _type(next(each for each in arguments if each is not type(None)))
    if origin is tuple:
        return "list of tables" if fields_of(arguments[0]) else f"list of {_type(arguments[0])}s"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"table of {_type(arguments[1])}s"
    if origin is Literal:
        return "text"
    names = {bool: "true or false", int: "whole number", float: "number", str: "text", Path: "path"}
    return {Url: "URL", Secret: "secret text"}.get(kind) or names[kind]


def _default(path: tuple[str, ...]) -> str:
    if path == ("data_dir",):
        return "~/.marketprism"
    value: Any = Settings()
    for part in path:
        value = getattr(value, part)
    if value is None:
        return ""
    if isinstance(value, tuple | Mapping):
        return json.dumps(value)
    if isinstance(value, bool):
        return str(value).lower()
    return value.reveal() if isinstance(value, Url | Secret) else str(value)


def sections_of(found: Sequence[SettingRow]) -> dict[str, list[SettingRow]]:
    """The settings of each section, "" for those above all sections."""
    sections: dict[str, list[SettingRow]] = {}
    for row in found:
        sections.setdefault(".".join(row.path[:-1]), []).append(row)
    return sections


def settings_page() -> str:
    """The page."""
    found = meanings()
    parts = [
        "# Settings",
        "Defaults, then a file (`--config marketprism.toml`), then what is set centrally with\n"
        "[`marketprism config`](configuration.md), then variables of the environment, then options of the command: each stands above\n"
        "the one before. The column *Changed* says when a central value applies: at once, at a restart of the process, or that it\n"
        "cannot be set centrally. An unknown name or a value out of range stops the program with a text that names it.\n"
        "[deploy/config/marketprism.toml](../deploy/config/marketprism.toml) is a file with all of them.\n\n"
        "A list in a variable has commas between its members (`MARKETPRISM_BARS__INTERVALS=1m,5m`); a member of a table has its name\n"
        "behind two more underscores (`MARKETPRISM_STORE__KEEP_DAYS__MARKET_TICKS=365`), or the table is JSON\n"
        '(`MARKETPRISM_DATA__REST_URLS={"binance-usdm": "http://127.0.0.1:9000"}`); one of a list has its number\n'
        "(`MARKETPRISM_CTP__OTHERS__0__PASSWORD`). A variable whose default is empty here is not set by default. No secret is ever\n"
        "written to a file, a log or an error text.\n\n"
        "A secret text or a URL may lie in a file, as Docker and Kubernetes mount secrets: the variable with `_FILE` behind its name\n"
        "(`MARKETPRISM_CTP__PASSWORD_FILE=/run/secrets/ctp`) names the file, whose one line is the value. A file that is missing,\n"
        "empty or not readable stops the program, and so does a value beside it; one that every user may read is a warning.\n\n"
        "This page is made of the code by `make docs`.",
    ]
    for section, own in sections_of(rows()).items():
        parts.append(f"## `[{section}]`" if section else "## At the top of the file")
        if section and found.get(section):
            parts.append(f"{found[section][0].upper()}{found[section][1:]}.")
        parts.append(
            table(
                ("Name", "Type", "Default", "Unit", "Range", "Meaning", "Changed", "Variable"),
                [
                    (
                        code(row.path[-1]),
                        row.kind,
                        code(row.default),
                        row.unit,
                        row.range,
                        row.meaning,
                        mode_of(row.name).value,
                        code(variable(row.path)),
                    )
                    for row in own
                ],
            )
        )
    return "\n\n".join(parts) + "\n"
