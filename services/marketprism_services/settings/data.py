"""The data service: how many tasks it does at once, how long finished jobs stay, and where it asks for the past."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from marketprism_services.settings.section import Section


class DataSettings(Section):
    """The data service. `workers` tasks are done at once by an instance. Finished jobs are forgotten after `keep_days`.
    `rest_urls` has another host for a market; `archive` is where archives of venues are, a URL or a folder.
    With `daily_job` the scheduler has a job that checks and repairs the day before. Files are read
    below `import_folder`, written below `export_folder`, and nowhere without these."""

    workers: int = Field(2, ge=1, le=64)
    keep_days: int = Field(30, ge=1, le=3_650)
    rest_urls: dict[str, str] = Field(default_factory=dict)
    archive: str = ""
    address: str = ""
    import_folder: Path | None = None
    export_folder: Path | None = None
    daily_job: bool = False


__all__ = ["DataSettings"]
