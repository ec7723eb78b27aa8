"""`marketprism backup`: what backups there are, made, checked, restored, and thinned out."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from marketprism_services.cli.backup_place import Identity, Place, at_place, named, print_json, run
from marketprism_services.cli.backup_restore import drill, restore
from marketprism_services.cli.jobs_of_storage import done_by_storage
from marketprism_services.cli.options import Config, DataDir, NatsUrl, err, out
from marketprism_services.cli.tables import Look, show_table
from marketprism_services.cli.words import count_of
from marketprism_services.platform.exits import Exit, Stop

if TYPE_CHECKING:
    from marketprism_application.contracts.backup_records import BackupManifest

backup = typer.Typer(
    help="Encrypted copies of everything: made, listed, checked, restored and drilled.", no_args_is_help=True
)
backup.command()(restore)
backup.command()(drill)
Which = Annotated[str, typer.Argument(help="Id of a backup, or latest.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@backup.command()
def keygen(
    output: Annotated[Path, typer.Option("--out", help="File that is made for the secret key.")],
) -> None:
    """Make a key: the secret half into a file that only you can read, the public half is printed."""
    from marketprism_adapters.cold.age import new_identity  # noqa: PLC0415 (only who encrypts)

    identity, recipient = named(new_identity)
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise Stop(Exit.USAGE, f"--out: expected a file that is not there yet, was {output}") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{identity}\n")
    print(recipient)


@backup.command()
def create(data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """Make a backup now; the storage that leads does it."""
    done_by_storage("backup", {}, data_dir, nats_url, "backups (backup.place)")


@backup.command("list")
def list_backups(place: Place = None, as_json: AsJson = False, config: Config = None, data_dir: DataDir = None) -> None:
    """Every backup at the place, the oldest first."""
    _, catalogue = at_place(place, config, data_dir)
    manifests, wrong = run(catalogue.all())
    if as_json:
        rows = [summary_of(manifest) for manifest in manifests]
        print_json({"place": catalogue.place.place, "backups": rows, "wrong": wrong})
        return
    out.print(f"backups: {catalogue.place.place}", highlight=False, markup=False)
    if not manifests and not wrong:
        out.print("there is no backup")
    rows = [
        {
            "backup": manifest.id,
            "ended": _when(manifest.ended),
            "partitions": len(manifest.parts),
            "rows": manifest.rows,
            "streams": len(manifest.streams),
            "bytes": manifest.bytes,
            "written": manifest.written_bytes,
        }
        for manifest in manifests
    ]
    if rows:
        show_table(out, rows, tuple(rows[0]), Look("backups", drop=("written", "partitions"), last=len(rows)))
    for reason in wrong.values():
        err.print(reason, style="yellow", highlight=False, markup=False, soft_wrap=True)


@backup.command()
def show(which: Which = "latest", place: Place = None, config: Config = None, data_dir: DataDir = None) -> None:
    """What is in a backup, as one JSON object: the manifest, which holds nothing secret."""
    _, catalogue = at_place(place, config, data_dir)
    manifest = run(catalogue.find(which))
    print(msgspec.json.format(msgspec.json.encode(manifest), indent=1).decode())


@backup.command()
def verify(
    which: Which = "latest",
    place: Place = None,
    identity: Identity = None,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Read every object of a backup back and compare it with the manifest; with the key, decrypt it too."""
    from tempfile import TemporaryDirectory  # noqa: PLC0415 (only here)

    from marketprism_application.backups.checking import FetchedObjects  # noqa: PLC0415 (as above)
    from marketprism_services.wiring.backup import opener_of  # noqa: PLC0415 (only who decrypts)

    settings, catalogue = at_place(place, config, data_dir)
    opener = None
    if identity is not None or settings.identity:
        opener = named(lambda: opener_of(settings, identity))
    manifest = run(catalogue.find(which))
    with TemporaryDirectory(prefix="marketprism-verify-") as folder:
        objects = FetchedObjects(catalogue, manifest, Path(folder))
        checked = run(objects.check(opener, manifest.objects, keep=False))
    how = "as written, and can be decrypted" if checked.opened else "as written; not decrypted, since no key was given"
    out.print(
        f"{checked.backup}: {count_of(checked.objects, 'object')}, {checked.bytes / 1e6:.1f} MB: {how}", highlight=False
    )


@backup.command()
def prune(
    days: Annotated[int, typer.Option(help="Days; 0: as in the settings.", min=0)] = 0,
    weeks: Annotated[int, typer.Option(help="Weeks; 0: as in the settings.", min=0)] = 0,
    months: Annotated[int, typer.Option(help="Months; 0: as in the settings.", min=0)] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Delete backups that are not to stay, and what no other one needs; the storage that leads does it."""
    body: dict[str, object] = {"days": days, "weeks": weeks, "months": months, "dry_run": dry_run}
    done_by_storage("prune_backups", body, data_dir, nats_url, "backups (backup.place)")


def summary_of(manifest: BackupManifest) -> dict[str, object]:
    """A backup in few words."""
    return {
        "backup": manifest.id,
        "begun": manifest.begun,
        "ended": manifest.ended,
        "product": manifest.product,
        "schema": manifest.schema,
        "partitions": len(manifest.parts),
        "rows": manifest.rows,
        "streams": len(manifest.streams),
        "bytes": manifest.bytes,
        "written_bytes": manifest.written_bytes,
    }


def _when(ts: int) -> str:
    return f"{datetime.fromtimestamp(ts / 1e9, UTC):%Y-%m-%d %H:%M:%S}"


__all__ = ["backup", "summary_of"]
