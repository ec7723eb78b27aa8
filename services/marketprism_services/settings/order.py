"""The order service: where tables of one's own are."""

from __future__ import annotations

from pathlib import Path

from marketprism_services.settings.section import Section


class OrderSettings(Section):
    """The order service. `tables` is a folder of table files (`*.toml`, `*.json`), read at the start: of two rows for
    one instrument and day those of the folder are taken."""

    tables: Path | None = None


__all__ = ["OrderSettings"]
