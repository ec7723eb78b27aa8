"""`marketprism store`: which store it is, how far it is, and how it is filled again."""

from __future__ import annotations

import json
import secrets
from typing import Annotated, Any

import typer

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.stream_ranges import bounds_of, set_back
from marketprism_application.storage.writer import Progress
from marketprism_sdk.errors import NoResponders, NotActive, SdkError, StreamError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.values import decode_or_none
from marketprism_services.cli.language.catalogue import spoken
from marketprism_services.cli.options import DataDir, NatsUrl, connected, err, nats_of, out, storage_leader
from marketprism_services.cli.tables import Look, show_table
from marketprism_services.platform.exits import Exit, Stop

_ANSWER_S = 20.0

store = typer.Typer(help="The store: its identity, how far it is, filling it again.", no_args_is_help=True)


@store.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """The store's identity, its disks, and by stream what it holds, what is stored, and what is behind."""
    found = connected(nats_of(data_dir, nats_url), _read)
    if as_json:
        print(json.dumps(found, indent=1))
        return
    leader = found["leader"]
    out.print(f"store: {leader.get('store') or 'not known'}", highlight=False)
    for text in leader.get("errors", ()):
        err.print(f"storage: {text}", style="yellow", highlight=False, markup=False)
    if leader.get("health", "healthy") != "healthy":
        err.print(str(leader["health"]), style="yellow", highlight=False, markup=False)
    if leader.get("dead_rows"):
        out.print(f"dead rows: {leader['dead_rows']} (marketprism dead-letters list)", style="yellow", highlight=False)
    columns = ("stream", "first_message", "last_message", "watermark", "of_store", "note")
    if found["streams"]:
        rows = [{**row, "first_message": row["first"], "last_message": row["last"]} for row in found["streams"]]
        show_table(out, rows, columns, Look("streams", drop=("of_store", "first_message")))
    if disks := leader.get("disks"):
        found_on = [{"disk": name, **disk, "room": _room(disk)} for name, disk in disks.items()]
        show_table(out, found_on, ("disk", "parts", "bytes", "room"), Look("disks"))


def _room(disk: dict[str, int]) -> str:
    """The share that is free; empty of an object store, which has no end."""
    return f"{disk['free_bytes'] / disk['total_bytes']:.0%}" if disk["total_bytes"] else ""


async def _read(connection: NatsConnection) -> dict[str, Any]:
    try:
        leader: dict[str, Any] = await storage_leader(connection).call("store_status", timeout_s=_ANSWER_S)
    except SdkError as error:
        leader = {"errors": [str(error)]}
    marks = {entry.key: entry for entry in await NatsKeyValue(connection, streams.STORE_RANGES).entries_if_there()}
    rows = []
    for stream in streams.STORED:
        try:
            bounds = await bounds_of(connection, stream)
        except StreamError as error:
            leader.setdefault("errors", []).append(str(error))
            continue
        progress = decode_or_none(marks.get(stream), Progress)
        note = "" if progress is not None else "watermark unreadable" if stream in marks else "no watermark"
        if progress is not None and progress.created != bounds.created:
            note = "watermark of a former stream"
        elif progress is not None and progress.watermark > bounds.last:
            note = "watermark beyond the stream"
        elif progress is not None and bounds.first > progress.watermark + 1:
            note = f"{bounds.first - progress.watermark - 1} gone unstored"
        elif stream in leader.get("refilling", {}):
            note = "filling again"
        rows.append(
            {
                "stream": stream,
                "first": bounds.first,
                "last": bounds.last,
                "watermark": progress.watermark if progress is not None else None,
                "of_store": progress.store if progress is not None else "",
                "note": note,
            }
        )
    return {"leader": leader, "streams": rows}


@store.command()
def rebuild(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Read everything that the streams hold into the store again; rows that are there stay, each once."""
    if not yes and not typer.confirm(spoken().translate("read all streams into the store again?")):
        raise Stop(Exit.INTERRUPTED, "store rebuild: nothing was changed")
    done = connected(nats_of(data_dir, nats_url), _rebuild)
    out.print(done, highlight=False)


async def _rebuild(connection: NatsConnection) -> str:
    """By the storage that leads; where there is none, the next one finds its watermarks set back."""
    try:
        found = await storage_leader(connection).call("rebuild_store", timeout_s=_ANSWER_S)
    except (NoResponders, NotActive):
        kv = NatsKeyValue(connection, streams.STORE_RANGES)
        for stream in streams.STORED:
            await set_back(kv, stream, connection, secrets.token_hex(4))
        return "no storage leads; the next one reads all streams from their beginning"
    return f"the storage reads {', '.join(found)} from their beginning; `marketprism store status` shows how far it is"
