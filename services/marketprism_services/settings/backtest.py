"""The backtest service: which strategies it runs, how many at once, and what each may take of the machine."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from marketprism_services.settings.section import Section


class BacktestSettings(Section):
    """The backtest service. `packages` are those whose strategies may be named; they are on Python's path or below
    `strategies`. `workers` runs are done at once by an instance, each in a child that may take `memory_mb` beside its
    rows and `cpu_s` a run, and is ended where there is no event for `eventless_s`. A user may have `most_rows` rows x
    runs under way. `rows_mb` of rows are kept on disk."""

    packages: tuple[str, ...] = ("examples",)
    strategies: Path | None = None
    allow_upload: bool = False
    workers: int = Field(2, ge=1, le=256)
    memory_mb: int = Field(1_024, ge=64, le=262_144)
    cpu_s: float = Field(3_600.0, ge=1, le=604_800)
    eventless_s: float = Field(60.0, ge=1, le=3_600)
    task_s: float = Field(10.0, ge=1, le=600)
    most_rows: float = Field(5e9, ge=1e3, le=1e15)
    rows_mb: int = Field(4_096, ge=16, le=10_000_000)


__all__ = ["BacktestSettings"]
