"""Files on the service's own machine: imports below `data.import_folder`, exports below `data.export_folder`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC
from decimal import Decimal, InvalidOperation
from pathlib import Path
from zoneinfo import ZoneInfo

from marketprism_adapters.exports.registry import EXPORTS
from marketprism_adapters.exports.series import ExportSeries
from marketprism_adapters.exports.writing import export_series, kinds_of
from marketprism_adapters.imports.registry import open_rows_file
from marketprism_application.contracts.data_jobs import ExportRequest, ImportRequest, TaskProgress, TaskRecord
from marketprism_application.contracts.failures import Code
from marketprism_application.data_jobs.planning import BadRequest
from marketprism_application.errors import ApplicationError, QueryError
from marketprism_application.history.file_rows import rows_of
from marketprism_application.history.file_series import FileMeaning, FoundSeries, series_of_file
from marketprism_application.history.importing import Importer, ImportResult
from marketprism_application.integrity.file_check import CheckAsked
from marketprism_application.integrity.rendering import plain_facts
from marketprism_application.ports.imports import FileHints
from marketprism_domain.instruments.exchange_codes import is_chinese
from marketprism_sdk.errors import RemoteError
from marketprism_services.data.stored import Stored
from marketprism_services.wiring.pipeline_contents import REAL, SIMULATED

Progress = Callable[[TaskProgress, float], None]
Count = Callable[[str, int], None]


class FilePlaces:
    """The two folders; None for one that is not set up. Checks raise RemoteError: FORBIDDEN where it is not, else
    INVALID_PARAMETER by the field."""

    def __init__(self, imports: Path | None, exports: Path | None) -> None:
        self._imports, self._exports = imports, exports

    async def file(self, request: ImportRequest) -> Path:
        """The file of an import."""
        return await asyncio.to_thread(self._file, request)

    def _file(self, request: ImportRequest) -> Path:
        path = _inside(self._imports, request.path, "path", "data.import_folder")
        if not path.is_file():
            raise _refused("path", "a file below the folder of imports", request.path)
        _size(request)
        return path

    async def folder(self, request: ExportRequest) -> Path:
        """The folder of an export, which need not be there yet."""
        return await asyncio.to_thread(self._folder, request)

    def _folder(self, request: ExportRequest) -> Path:
        path = _inside(self._exports, request.folder, "folder", "data.export_folder")
        if path.exists() and not path.is_dir():
            raise _refused("folder", "a folder below that of exports", request.folder)
        chosen = EXPORTS.get(request.target)
        if chosen is None:
            raise _bad(BadRequest("target", f"one of {', '.join(EXPORTS)}", request.target, tuple(EXPORTS)))
        if request.kind and request.kind not in chosen.kinds:
            raise _bad(BadRequest("kind", f"one of {', '.join(chosen.kinds)}", request.kind, chosen.kinds))
        return path


class FileActions:
    """Does imports and exports. Methods raise ApplicationError and RemoteError, as the places and the store do."""

    def __init__(self, stored: Stored, places: FilePlaces) -> None:
        self._stored, self._places = stored, places

    async def imported(self, request: ImportRequest, progress: Progress, count: Count) -> dict[str, object]:
        """Store the rows of a file, or say what would be: by series, with the columns as they were read. `count` is
        called with the kind of rows, and how many were stored."""
        path = await self._places.file(request)
        size = _size(request)
        hints = FileHints(request.venue, request.symbol, request.interval, "", dict(request.mapping))
        asked = CheckAsked(time.time_ns(), confirmed=True)
        meaning = FileMeaning(hints, lambda _: asked, request.kind, size)

        def looked_at() -> list[FoundSeries]:
            return series_of_file(request.path, open_rows_file(path, hints), meaning, self._stored.calendar)

        found = await asyncio.to_thread(looked_at)
        guessed = any(each.file.facts.guessed for each in found)
        if guessed and not request.dry_run and not request.mapping:
            raise QueryError("mapping: expected field=column of each, for the columns were guessed by their names")
        for each in found:
            each.refuse_faults()
            if not each.refused:
                await self._one(each, asked, request, progress, count)
        return {
            "guessed": guessed,
            "columns": plain_facts(found[0].file.facts)["columns"] if found else {},
            "format": found[0].file.facts.format if found else "",
            "series": [_facts(each) for each in found],
            "rows": sum(each.result.stored + each.result.replaced for each in found if each.result is not None),
        }

    async def _one(
        self, found: FoundSeries, asked: CheckAsked, request: ImportRequest, progress: Progress, count: Count
    ) -> None:
        counted = 0

        def show(result: ImportResult) -> None:
            nonlocal counted
            stored = 0 if request.dry_run else result.stored + result.replaced
            count(found.target.kind.name, stored - counted)
            counted = stored
            progress(TaskProgress(1, 0, result.rows), 0.0)

        log = None if request.dry_run else self._stored.log(data_of_file(request), request.path)
        importer = Importer(self._stored.reader, log, show)
        parts = rows_of(found.file, found.series, found.target, self._stored.calendar, replace(asked, confirmed=True))
        can_replace = request.replace and found.target.what.has_revisions
        found.result = await importer.run(found.target.key, parts, replace=can_replace)

    async def exported(self, task: TaskRecord, request: ExportRequest) -> dict[str, object]:
        """Write the rows of a series as files."""
        folder = await self._places.folder(request)
        chosen = EXPORTS[request.target]
        zone = await asyncio.to_thread(ZoneInfo, "Asia/Shanghai") if is_chinese(task.venue) else UTC
        series = ExportSeries(task.venue, task.symbol, task.interval or "1m", task.symbol, zone)
        span = task.ts_from or None, task.ts_to or None
        done = await export_series(self._stored.ask, chosen, series, kinds_of(chosen, request.kind), span, folder)
        return {
            "rows": dict(done.rows),
            "files": len(done.files),
            "first_files": [str(each.relative_to(folder)) for each in done.files[:10]],
            "remarks": list(done.remarks),
        }


def data_of_file(request: ImportRequest) -> str:
    """What the rows of a file are: real, unless whoever imports it says otherwise."""
    return SIMULATED if request.simulated else REAL


def _facts(found: FoundSeries) -> dict[str, object]:
    target, report, result = found.target, found.report, found.result
    facts: dict[str, object] = {
        "kind": target.kind.name,
        "venue": target.venue,
        "symbol": target.symbol,
        "interval": target.interval,
        "ts_from": report.dataset.ts_from,
        "ts_to": report.dataset.ts_to,
        "rows": report.rows,
        "missing": report.missing,
        "defects": len(report.defects),
        "refused": found.refused,
    }
    if result is not None:
        names = ("stored", "replaced", "same", "conflicts", "left_out", "repeated")
        facts |= {name: getattr(result, name) for name in names}
    return facts


def _inside(folder: Path | None, text: str, field: str, setting: str) -> Path:
    """A path below a folder, also once links are followed."""
    if folder is None:
        raise RemoteError(Code.FORBIDDEN, f"{field}: expected {setting} to be set, it is empty", {"field": field})
    root = folder.expanduser().resolve()
    try:
        path = (root / text).resolve()
    except (OSError, ValueError) as error:
        raise _refused(field, f"a path below {setting}", text) from error
    if not text or path == root or not path.is_relative_to(root):
        raise _refused(field, f"a path below {setting}", text)
    return path


def _size(request: ImportRequest) -> Decimal | None:
    try:
        size = Decimal(request.contract_size) if request.contract_size else None
    except InvalidOperation:
        size = Decimal(0)
    if size is not None and (not size.is_finite() or size <= 0):
        raise _refused("contract_size", "a number above zero", request.contract_size)
    return size


def _refused(field: str, expected: str, value: str) -> RemoteError:
    return _bad(BadRequest(field, expected, value))


def _bad(error: ApplicationError) -> RemoteError:
    return RemoteError(error.code, str(error), dict(error.details))


__all__ = ["FileActions", "FilePlaces", "data_of_file"]
