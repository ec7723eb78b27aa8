"""Units of systemd: read, and judged by what a service in production has to have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

Unit = Mapping[str, Mapping[str, Sequence[str]]]
"""The values of each name of each section, in order; an empty value takes back those before it."""

_SECONDS = {"": 1, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600}
_BYTES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
# What a service may have beside this, its drop-in says.
HARDENED = {
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "AmbientCapabilities": "",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "ProtectClock": "yes",
    "ProtectControlGroups": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes",
    "SystemCallArchitectures": "native",
    "UMask": "0077",
    "LimitCORE": "0",
}
_NEEDED = ("User", "StateDirectory", "ReadWritePaths", "MemoryMax", "TasksMax", "LimitNOFILE", "SystemCallFilter")
_FILES = 65_536  # docs/deployment/systemd.md: connections of the API gateway and files of the store


def read(text: str) -> Unit:
    """A unit, or a drop-in, from its text.

    Raises:
        ValueError: a line is neither a section, a comment nor a value.
    """
    sections: dict[str, dict[str, list[str]]] = {}
    current: dict[str, list[str]] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line[0] in "#;":
            continue
        if section := re.fullmatch(r"\[(\w+)\]", line):
            current = sections.setdefault(section[1], {})
        elif (value := re.fullmatch(r"(\w+)=(.*)", line)) and current is not None:
            current.setdefault(value[1], []).append(value[2])
        else:
            raise ValueError(f"line {number}: expected [Section] or Name=value, was {line!r}")
    return sections


def of_file(path: Path) -> Unit:
    return read(path.read_text(encoding="utf-8"))


def last(unit: Unit, section: str, name: str) -> str | None:
    values = unit.get(section, {}).get(name)
    return values[-1] if values else None


def seconds(text: str) -> float:
    number, word = re.fullmatch(r"([\d.]+)(\w*)", text).groups()  # type: ignore[union-attr]
    return float(number) * _SECONDS[word]


def size(text: str) -> int:
    number, word = re.fullmatch(r"(\d+)([KMG])", text).groups()  # type: ignore[union-attr]
    return int(number) * _BYTES[word]


def problems(unit: Unit, drain_s: float) -> Iterator[str]:
    """What a service's unit lacks for production."""
    service = unit.get("Service", {})

    def value(name: str) -> str | None:
        return last(unit, "Service", name)

    for name, wanted in HARDENED.items():
        if value(name) != wanted:
            yield f"{name}: expected {wanted!r}, was {value(name)!r}"
    for name in _NEEDED:
        if not value(name):
            yield f"{name}: expected a value, was none"
    if value("User") == "root":
        yield "User: expected one without rights, was 'root'"
    if value("Restart") not in ("on-failure", "always"):
        yield f"Restart: expected on-failure, was {value('Restart')!r}"
    for name in ("StartLimitIntervalSec", "StartLimitBurst"):
        if not int(last(unit, "Unit", name) or 0):
            yield f"{name}: expected a limit, was {last(unit, 'Unit', name)!r}"
    if int(value("LimitNOFILE") or 0) < _FILES:
        yield f"LimitNOFILE: expected {_FILES} at least, was {value('LimitNOFILE')!r}"
    if (found := seconds(value("TimeoutStopSec") or "0")) <= drain_s:
        yield f"TimeoutStopSec: expected longer than drain_s, {drain_s:g} s, was {found:g}"
    writable = {path for line in service.get("ReadWritePaths", ()) for path in line.split()}
    if writable - {f"/var/lib/{value('StateDirectory')}"}:
        yield f"ReadWritePaths: expected the state directory alone, was {' '.join(sorted(writable))}"
    if any("PASSWORD=" in line or "SECRET" in line or "TOKEN=" in line for line in service.get("Environment", ())):
        yield "Environment: expected no secret, which every user can read there; LoadCredential gives it as a file"


__all__ = ["HARDENED", "Unit", "last", "of_file", "problems", "read", "seconds", "size"]
