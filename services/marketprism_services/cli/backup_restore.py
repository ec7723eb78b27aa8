"""`marketprism backup restore` and `drill`: with the services down, from the place itself."""

from __future__ import annotations

import shutil
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from marketprism_services.cli.backup_place import Identity, Place, at_place, named, print_json, run
from marketprism_services.cli.options import Config, DataDir, NatsUrl, err, out, settings_of
from marketprism_services.cli.words import count_of
from marketprism_services.platform.exits import Exit, Stop

if TYPE_CHECKING:
    from marketprism_application.backups.catalogue import BackupCatalogue
    from marketprism_application.backups.restoring import Comparison
    from marketprism_sdk.nats.connection import NatsConnection
    from marketprism_services.platform.restoring import RestoreReport
    from marketprism_services.settings.backup import BackupSettings
    from marketprism_services.settings.settings import Settings

_PARTS = ("store", "nats", "settings")


class _Wanted(NamedTuple):
    """What to restore of which set, and how to say where it is."""

    which: str
    identity: Path | None
    parts: tuple[str, ...] = _PARTS
    until: int = 0
    streams_from: str | None = None
    archive: bool = False
    silent: bool = False


def restore(
    which: Annotated[str, typer.Argument(help="Id of a backup, or latest.")] = "latest",
    place: Place = None,
    identity: Identity = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Only the store, nats or settings; may be given several times.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            help="The store as it was at a time, 2025-03-03T15:00 in UTC or with an offset: rows behind the backup "
            "come from streams.",
        ),
    ] = None,
    streams_from: Annotated[
        str | None,
        typer.Option("--streams-from", help="With --at: URL of a NATS that has the streams. Without, a later backup."),
    ] = None,
    archive: Annotated[
        bool, typer.Option("--archive", help="Put archived files back that the backup has, at archive.place.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    config: Config = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Restore a backup into an empty data directory, or an empty store and NATS; everything is checked before."""
    parts = tuple(only) if only else _PARTS
    for part in parts:
        if part not in _PARTS:
            raise Stop(Exit.USAGE, f"--only: expected some of {', '.join(_PARTS)}, was {part[:40]}")
    backup, catalogue = at_place(place, config, data_dir)
    settings = settings_of(config, data_dir, nats_url)
    until = _time_of(at) if at is not None else 0
    wanted = _Wanted(which, identity, parts, until, streams_from, archive, as_json)
    report = _restored(settings, backup, catalogue, wanted)
    _end(report, as_json, settings.data_dir)


def drill(
    which: Annotated[str, typer.Argument(help="Id of a backup, or latest.")] = "latest",
    place: Place = None,
    identity: Identity = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    config: Config = None,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="Folder that is made for it, and deleted behind it.")
    ] = None,
) -> None:
    """Restore a backup into a scratch folder, compare everything with the manifest, and delete the folder again."""
    backup, catalogue = at_place(place, config, None)
    made = data_dir or Path(mkdtemp(prefix="marketprism-drill-"))
    if data_dir is not None and data_dir.exists() and any(data_dir.iterdir()):
        raise Stop(Exit.STORE, f"data directory {data_dir}: expected it to be empty, it is not")
    try:
        settings = settings_of(config, made)
        report = _restored(settings, backup, catalogue, _Wanted(which, identity, silent=as_json))
    finally:
        shutil.rmtree(made, ignore_errors=True)
    _end(report, as_json, None)


def _restored(settings: Settings, backup: BackupSettings, catalogue: BackupCatalogue, wanted: _Wanted) -> RestoreReport:
    from marketprism_services.platform import restoring  # noqa: PLC0415 (loads engines)
    from marketprism_services.wiring.archive import place_of  # noqa: PLC0415 (as above)
    from marketprism_services.wiring.backup import opener_of  # noqa: PLC0415 (as above)

    opener = named(lambda: opener_of(backup, wanted.identity))
    if wanted.archive and not settings.archive.place:
        raise Stop(Exit.USAGE, "--archive: expected archive.place, was none")

    async def work() -> RestoreReport:
        async with AsyncExitStack() as stack:
            order = restoring.RestoreOrder(
                wanted.which,
                wanted.parts,
                wanted.until,
                await _streams_at(stack, settings, wanted.streams_from),
                place_of(settings.archive) if wanted.archive else None,
            )
            progress = restoring.Progress() if wanted.silent else _Spoken()
            return await restoring.restore(settings, catalogue, opener, order, progress)

    return run(work())


async def _streams_at(stack: AsyncExitStack, settings: Settings, url: str | None) -> NatsConnection | None:
    if url is None:
        return None
    from marketprism_sdk.nats.connection import NatsConnection  # noqa: PLC0415 (only who connects)
    from marketprism_sdk.urls import Url  # noqa: PLC0415 (as above)
    from marketprism_services.platform.nats_place import OPERATOR  # noqa: PLC0415 (as above)
    from marketprism_services.platform.run_files import access_to  # noqa: PLC0415 (as above)

    access = access_to(Url(url), OPERATOR, settings, settings.data_dir)
    connection = await NatsConnection.open(Url(url), name="restore", access=access)
    stack.push_async_callback(connection.close)
    return connection


class _Spoken:
    """Says what is being done, a line each part."""

    def __init__(self) -> None:
        self._checked = self._bytes = 0
        self._begun = time.monotonic()

    def on_checked(self, name: str, size: int) -> None:
        """Counted; a line every second."""
        self._checked += 1
        self._bytes += size
        if time.monotonic() - self._begun > 1:
            self._begun = time.monotonic()
            err.print(
                f"checked {self._checked}, {self._bytes / 1e6:.1f} MB: {name}",
                style="dim",
                highlight=False,
                markup=False,
            )

    def on_restored(self, comparison: Comparison) -> None:
        """As it is to be, and as it is."""
        if comparison.same:
            out.print(f"equal    {comparison.what}: {comparison.found:,}", highlight=False, markup=False)
            return
        text = f"differs  {comparison.what}: expected {comparison.expected:,}, was {comparison.found:,}"
        out.print(text, style="red", highlight=False, markup=False)


def _end(report: RestoreReport, as_json: bool, data_dir: Path | None) -> None:
    """Say what came of it. Raises Stop: something differs."""
    if as_json:
        print_json({**_fields(report), "good": report.good})
    else:
        _show(report, data_dir)
    if not report.good:
        raise Stop(Exit.FAILED, f"backup {report.backup}: {len(report.wrong)} of {report.compared} parts differ")


def _fields(report: RestoreReport) -> dict[str, object]:
    return {name: getattr(report, name) for name in report.__struct_fields__}


def _show(report: RestoreReport, data_dir: Path | None) -> None:
    for rows_of in report.applied:
        when = datetime.fromtimestamp(rows_of.ts / 1e9, UTC)
        out.print(
            f"added    {rows_of.stream}: {count_of(rows_of.rows, 'row')} up to {when:%Y-%m-%d %H:%M:%S}",
            highlight=False,
        )
    for note in report.notes:
        out.print(f"note     {note}", style="yellow", highlight=False, markup=False)
    rows = count_of(report.rows, "row")
    out.print(
        f"{report.backup}: {rows}, {report.bytes / 1e6:.1f} MB, {report.seconds:.1f} s, of these "
        f"{report.check_seconds:.1f} s to check it; it is {report.behind_seconds:.0f} s old",
        highlight=False,
    )
    if report.secret_files:
        out.print("files with secrets, which are not in a backup:", highlight=False)
        for each in report.secret_files:
            out.print(f"  {each}", highlight=False, markup=False)
    if data_dir is not None and report.good:
        out.print(f"`marketprism up --data-dir {data_dir}` goes on from here", highlight=False, markup=False)


def _time_of(text: str) -> int:
    """Nanoseconds UTC of a time. Raises Stop."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise Stop(Exit.USAGE, f"--at: expected a time, 2025-03-03T15:00, was {text[:40]!r}") from None
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1e9)


__all__ = ["drill", "restore"]
