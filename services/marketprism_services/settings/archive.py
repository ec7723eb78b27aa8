"""Which rows are archived, when, and where their files lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from marketprism_application.archiving.layout import ARCHIVABLE
from marketprism_application.archiving.planning import LEAST_DAYS
from marketprism_domain.errors import InvalidValue
from marketprism_domain.values import Bounds, check_bounds
from marketprism_services.settings.place import PlaceSettings

_PATTERN = frozenset("*?{}[]")


@dataclass(frozen=True, kw_only=True)
class ArchiveSettings(PlaceSettings):
    """The archive: `place` is a folder that is there, or the http(s) URL of a bucket of an S3-compatible store with a
    path below it; empty: nothing is archived. Rows of a table are moved once their day or month is so many `days` old.

    `retain_days` deletes archived rows that are older, by the job `storage.retain`; 0 keeps them for ever.

    Raises:
        InvalidValue: names the field.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    BOUNDS: ClassVar[Bounds] = {
        "retain_days": (0, 36_500),
        "slice_rows": (1_000, 100_000_000),
        "row_group_rows": (1_000, 10_000_000),
        "zstd_level": (1, 19),
        "drop_grace_s": (0, 3_600),
        **PlaceSettings.PLACE_BOUNDS,
    }

    days: Mapping[str, int] = field(default_factory=dict)
    retain_days: int = 0
    slice_rows: int = 1_000_000
    row_group_rows: int = 131_072
    zstd_level: int = 3
    drop_grace_s: float = 0.0

    def __post_init__(self) -> None:
        check_bounds(self, ArchiveSettings.BOUNDS)
        for table, days in self.days.items():
            if table not in ARCHIVABLE:
                raise InvalidValue("archive.days", f"one of {', '.join(sorted(ARCHIVABLE))}", table)
            if days < LEAST_DAYS:
                raise InvalidValue(f"archive.days.{table}", f"at least {LEAST_DAYS}", days)
        if _PATTERN & set(self.place):
            raise InvalidValue("archive.place", "a path without any of * ? { } [ ]", self.place)
        self.check_place("archive")
        if self.retain_days and self.days and self.retain_days <= max(self.days.values()):
            raise InvalidValue("archive.retain_days", f"more than {max(self.days.values())}, or 0", self.retain_days)


__all__ = ["ArchiveSettings"]
