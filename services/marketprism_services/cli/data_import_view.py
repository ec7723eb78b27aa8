"""What `marketprism data import` shows: what it found, how far it is, what became of the rows."""

from __future__ import annotations

import sys
from types import TracebackType

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from marketprism_application.history.importing import ImportResult
from marketprism_application.history.targets import ImportTarget
from marketprism_application.integrity.rendering import plain_report
from marketprism_domain.integrity.report import IntegrityReport
from marketprism_services.cli.clocks import Zone
from marketprism_services.cli.data_view import show_report
from marketprism_services.cli.language.catalogue import spoken
from marketprism_services.cli.options import err, out
from marketprism_services.cli.tables import Look, show_table


class ImportProgress:
    """A line that says how far an import is, where there is a terminal."""

    def __init__(self) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self._progress = Progress(*columns, console=err, transient=True, disable=not sys.stderr.isatty())
        self._task = self._progress.add_task("", total=None)

    def __enter__(self) -> ImportProgress:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, name: str, result: ImportResult) -> None:
        """So many rows of a file are done."""
        text = spoken().translate(f"{name}: {result.rows} rows, {result.stored} new, {result.same} there")
        self._progress.update(self._task, description=text)


def show_found(path: str, report: IntegrityReport, target: ImportTarget, zone: Zone) -> None:
    """A series of a file, what it becomes, and what the check of it found."""
    out.print(f"{path}: {target.source.partition(':')[2]}", highlight=False, markup=False, soft_wrap=True)
    _line(f"to be stored as {target.kind.name} of {target.venue}.{target.symbol}")
    show_report(report, zone)


def show_result(name: str, target: ImportTarget, result: ImportResult, zone: Zone, *, dry: bool) -> None:
    """What became of the rows of a series; of a dry run, what would."""
    row = {
        "file": name,
        "rows": result.rows,
        "new" if dry else "stored": result.stored,
        "replaced": result.replaced,
        "there": result.same,
        "conflicting": result.conflicts,
        "left_out": result.left_out,
        "repeated": result.repeated,
    }
    show_table(out, [row], tuple(row), Look(drop=("repeated", "left_out")))
    if result.sample:
        rows = [
            {
                "time": zone.text(each.ts),
                "row": each.row,
                "field": each.field,
                "stored": each.stored,
                "file": each.of_file,
            }
            for each in result.sample
        ]
        show_table(out, rows, ("time", "row", "field", "stored", "file"), Look("rows that differ from what is stored"))
    if result.present is not None:
        span = f"{zone.text(result.ts_first)[:16]} - {zone.text(result.ts_last)[:16]}, {spoken().translate(zone.name)}"
        what = f"{target.venue}.{target.symbol} {target.interval or target.kind.name}"
        _line(f"{what}: {result.present} rows are stored of {span}")
    if result.missing:
        text = (
            f"{result.missing} rows are not in the store: it keeps rows for store.keep_days, and "
            "`marketprism dead-letters list` has what it refused"
        )
        err.print(text, style="red", highlight=False, markup=False, soft_wrap=True)


def plain_import(
    path: str,
    facts: dict[str, object],
    report: IntegrityReport,
    target: ImportTarget,
    result: ImportResult | None,
) -> dict[str, object]:
    """A series of a file as values that JSON has."""
    done = None
    if result is not None:
        done = {
            "rows": result.rows,
            "stored": result.stored,
            "replaced": result.replaced,
            "same": result.same,
            "conflicts": result.conflicts,
            "left_out": result.left_out,
            "repeated": result.repeated,
            "present": result.present,
            "missing": result.missing,
            "ts_first": result.ts_first,
            "ts_last": result.ts_last,
            "sample": [each._asdict() for each in result.sample],
        }
    series = {"kind": target.kind.name, "venue": target.venue, "symbol": target.symbol, "interval": target.interval}
    return {"path": path, **facts, "series": series, "check": plain_report(report), "result": done}


def _line(text: str) -> None:
    out.print(text, highlight=False, markup=False, soft_wrap=True)


__all__ = ["ImportProgress", "plain_import", "show_found", "show_result"]
