"""What is shown of the central configuration: settings, versions, and who has which."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import msgspec

from marketprism_application.contracts.config_records import (
    ChangeReport,
    ConfigDifference,
    ConfigRecord,
    InstanceStanding,
    SettingRow,
)
from marketprism_services.cli.clocks import UTC_TIME
from marketprism_services.cli.language.console import harmless
from marketprism_services.cli.options import out
from marketprism_services.cli.tables import Look, show_table
from marketprism_services.settings.central import CentralKey

_NONE = "-"


def say(text: str) -> None:
    """A sentence as it is, in the user's language."""
    out.print(" ".join(text.splitlines()), highlight=False, markup=False, soft_wrap=True)


def as_json(record: object) -> str:
    """One line of JSON."""
    return json.dumps(msgspec.to_builtins(record), ensure_ascii=False)


def text_of(value: object) -> str:
    """A value as it is given to `set`; `-` for none."""
    if value is None:
        return _NONE
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def changes_of(changes: Mapping[str, tuple[object, object]]) -> str:
    """Each change as `name: old → new`, with whom it is for where that is not everybody."""
    return ", ".join(f"{key}: {text_of(old)} → {text_of(new)}" for key, (old, new) in changes.items())


def show_settings(version: int, rows: Sequence[SettingRow]) -> None:
    """A table of settings, one with central values for several in several rows."""
    shown = [
        {
            "setting": row.name,
            "default": text_of(row.default),
            "central": text_of(value),
            "target": target,
            "changed": row.applies,
        }
        for row in rows
        for target, value in (row.central or {"": None}).items()
    ]
    title = f"settings, version {version} of the central configuration"
    show_table(out, shown, tuple(shown[0]), Look(title, last=len(shown), drop=("default",)))
    if len(rows) == 1 and rows[0].why_fixed:
        say(f"{rows[0].name} cannot be set centrally: {rows[0].why_fixed}")


def show_report(report: ChangeReport) -> None:
    """What became of a change."""
    if not report.changes:
        say(f"nothing to change; version {report.version} is in force")
        return
    changes = changes_of(report.changes)
    if report.dry_run:
        say(f"would be taken: {changes}")
    else:
        say(f"version {report.version}: {changes}")
    for names, keys in _together(report.applied):
        say(f"applied at once by {keys}: {names}")
    for names, keys in _together(report.pending):
        say(f"waits for a restart of {keys}: {names}")
    for names, keys in _together(report.pinned):
        say(f"given otherwise at {keys}, by its environment or an option: {names}")
    for key, why in sorted(report.silent.items()):
        say(f"{key} was passed over: {why}")
    for key, why in sorted(report.unconfirmed.items()):
        say(f"{key} has not taken it: {why}")
    if report.rolled_back:
        say(f"version {report.rolled_back} takes it back")


def _together(by_key: Mapping[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    """(settings, instances) of those instances that have the same settings."""
    found: dict[tuple[str, ...], list[str]] = {}
    for key, names in sorted(by_key.items()):
        found.setdefault(names, []).append(key)
    return [(", ".join(names), ", ".join(keys)) for names, keys in found.items()]


def show_difference(found: ConfigDifference) -> None:
    """A table of what differs."""
    rows = [
        {"setting": key.name, "target": key.target, "before": text_of(old), "after": text_of(new)}
        for text, (old, new) in found.changes.items()
        for key in (CentralKey.of(text),)
    ]
    title = f"from version {found.first} to {found.last}"
    show_table(out, rows, tuple(rows[0]), Look(title, last=len(rows)))


def show_history(records: Sequence[ConfigRecord]) -> None:
    """A table of versions."""
    rows = [
        {
            "version": str(each.version),
            "time": when(each.ts),
            "who": each.actor,
            "changes": changes_of(each.changes),
            "reason": each.reason,
        }
        for each in records
    ]
    show_table(out, rows, tuple(rows[0]), Look("versions, UTC", last=len(rows), drop=("reason",)))


def show_instances(found: Sequence[InstanceStanding]) -> None:
    """A table of instances."""
    rows = [
        {
            "service": each.service,
            "instance": each.instance,
            "version": str(each.version),
            "restart": ", ".join(each.pending),
            "pinned": ", ".join(each.pinned),
            "refused": each.refused,
        }
        for each in found
    ]
    show_table(out, rows, tuple(rows[0]), Look("instances", last=len(rows), drop=("pinned",)))


def line_of(record: ConfigRecord) -> str:
    """A version on one line."""
    text = f"{when(record.ts)}  {record.version}  {record.actor}  {changes_of(record.changes)}  ({record.reason})"
    return harmless(text)


def when(ts: int) -> str:
    """An instant as a person reads it, UTC."""
    return UTC_TIME.text(ts)


__all__ = [
    "as_json",
    "changes_of",
    "line_of",
    "say",
    "show_difference",
    "show_history",
    "show_instances",
    "show_report",
    "show_settings",
    "text_of",
    "when",
]
