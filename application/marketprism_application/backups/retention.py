"""Which backups stay: the newest of each of the last days, weeks and months, and the newest of all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from marketprism_application.contracts.backup_records import BackupManifest, SealedObject
from marketprism_domain.values import Bounds, check_bounds

_SPANS: Mapping[str, Callable[[datetime], object]] = {
    "daily": lambda when: when.date(),
    "weekly": lambda when: when.isocalendar()[:2],
    "monthly": lambda when: (when.year, when.month),
}


@dataclass(frozen=True, kw_only=True)
class KeepRules:
    """Of how many days, ISO weeks and months (UTC) that have one, the newest backup stays.

    Raises:
        InvalidValue: names the field.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    BOUNDS: ClassVar[Bounds] = {"daily": (1, 3_660), "weekly": (0, 520), "monthly": (0, 120)}

    daily: int = 7
    weekly: int = 4
    monthly: int = 12

    def __post_init__(self) -> None:
        check_bounds(self, KeepRules.BOUNDS)


def staying(begun: Mapping[str, int], rules: KeepRules) -> set[str]:
    """Ids of the backups that stay, by when each was begun, nanoseconds UTC; the newest is always among them."""
    newest_first = sorted(begun, key=lambda each: (begun[each], each), reverse=True)
    stay = set(newest_first[:1])
    for name, span_of in _SPANS.items():
        spans: dict[object, str] = {}
        for each in newest_first:
            spans.setdefault(span_of(datetime.fromtimestamp(begun[each] / 1e9, UTC)), each)
        stay |= set(list(spans.values())[: getattr(rules, name)])
    return stay


def unnamed(objects: Iterable[str], manifests: Iterable[BackupManifest]) -> list[str]:
    """Paths of objects that no manifest names, in their order."""
    named: set[SealedObject] = set()
    for manifest in manifests:
        named.update(manifest.objects)
    paths = {stored.path for stored in named}
    return [path for path in objects if path not in paths]


__all__ = ["KeepRules", "staying", "unnamed"]
