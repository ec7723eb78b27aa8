"""Jobs: which there are beside those that people define, and how many run at once."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from marketprism_services.settings.section import Section


class SchedulerSettings(Section):
    """The scheduler. `file` is a TOML file with a table `jobs.<name>` for each job of this installation; it is read at
    the start. `most_running` runs are under way at once, of all jobs."""

    built_in: bool = True
    file: Path | None = None
    most_running: int = Field(64, ge=1, le=1_000)


__all__ = ["SchedulerSettings"]
