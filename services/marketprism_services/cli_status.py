"""Commands for operators: status, dead letters."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import pyarrow as pa
import typer

from marketprism_client import MarketClient, QueryFailed
from marketprism_sdk.commands import dead_letters, redrive
from marketprism_sdk.errors import SdkError, StreamError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.cli import DataDir, NatsUrl, app, err, out
from marketprism_services.cli_read import url_of
from marketprism_services.exits import Exit, Stop
from marketprism_services.overview import Overview, overview, ranges
from marketprism_services.render import table_of

letters = typer.Typer(help="Commands that could not be done.", no_args_is_help=True)
app.add_typer(letters, name="dead-letters")
T = TypeVar("T")


def _with(url: str, work: Callable[[NatsConnection], Awaitable[T]]) -> T:
    async def go() -> T:
        connection = await NatsConnection.open(url, name="status")
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(go())


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Services and their health, leaders and epochs, partitions, lag, and what is stored."""
    url = url_of(data_dir, nats_url)
    seen = _with(url, overview)
    if not seen.instances:
        raise Stop(Exit.FAILED, "no service is running here; start one with `marketprism up`")
    lag, stored, silent = asyncio.run(_pipeline(url))
    if as_json:
        print(json.dumps({**seen.as_dict(), "pipeline": lag, "stored": stored}, indent=1, default=str))
        return
    _print_services(seen)
    for group, wrong in seen.sources.items():
        err.print(f"source of {group}: {wrong}", style="yellow", highlight=False, markup=False)
    for problem in seen.problems:
        err.print(f"problem: {problem}", style="red", highlight=False, markup=False)
    behind = lag.get("behind") or {}
    out.print(f"behind: {sum(behind.values())} messages" if behind else "behind: nothing", highlight=False)
    if seen.dead_letters:
        out.print(f"dead letters: {seen.dead_letters} (marketprism dead-letters list)", style="yellow")
    for text in silent:
        err.print(f"not known: {text}", style="yellow", highlight=False, markup=False)
    if stored:
        columns = ("venue", "symbol", "ticks", "bars", "ts_first", "ts_last")
        out.print(table_of(pa.Table.from_pylist(stored), columns, title="stored"))


def _print_services(seen: Overview) -> None:
    held: dict[str, int] = {}
    for owners in seen.shards.values():
        for holder, partitions in owners.items():
            held[holder] = len(partitions)
    rows = [
        {
            "service": record.service,
            "status": str(record.metadata.get("connection") or record.status),
            "health": seen.health.get(record.instance, ""),
            "epoch": str(record.metadata.get("epoch", "")),
            "partitions": str(held.get(record.instance, "")),
            "instance": record.instance,
        }
        for record in seen.instances
    ]
    out.print(table_of(pa.Table.from_pylist(rows), tuple(rows[0]), title="services"))
    leaders = [
        {"group": key, "leader": str(of["holder"]), "epoch": str(of["epoch"]), "state": str(of["state"])}
        for key, of in seen.leaders.items()
    ]
    if leaders:
        out.print(table_of(pa.Table.from_pylist(leaders), tuple(leaders[0]), title="leaders"))
    shards = [
        {"service": service, "owner": holder, "partitions": ranges(partitions)}
        for service, owners in seen.shards.items()
        for holder, partitions in owners.items()
    ]
    shards += [
        {"service": service, "owner": "nobody", "partitions": ranges(free)} for service, free in seen.unowned.items()
    ]
    if shards:
        out.print(table_of(pa.Table.from_pylist(shards), tuple(shards[0]), title="partitions"))


async def _pipeline(url: str) -> tuple[dict[str, Any], list[dict[str, Any]], list[str]]:
    """Lag and stored symbols, as far as those who know them answer."""
    lag: dict[str, Any] = {}
    stored: list[dict[str, Any]] = []
    silent: list[str] = []
    async with MarketClient(url) as market:
        try:
            lag = await market._calls.call("monitor", "status")
        except SdkError as error:
            silent.append(f"lag: {error}")
        try:
            stored = (await market.symbols()).to_pylist()
        except (SdkError, QueryFailed) as error:
            silent.append(f"what is stored: {error}")
    return lag, stored, silent


@letters.command("list")
def list_letters(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Commands that could not be done, with the reason."""
    found = _with(url_of(data_dir, nats_url), _letters)
    rows = [
        {
            "seq": str(seq),
            "command": letter.subject,
            "issuer": letter.command.issuer if letter.command else "",
            "attempts": str(letter.attempts),
            "reason": letter.reason,
        }
        for seq, letter in found
    ]
    if as_json:
        for row in rows:
            print(json.dumps(row))
        return
    if not rows:
        out.print("no dead letters")
        return
    out.print(table_of(pa.Table.from_pylist(rows), tuple(rows[0]), title="dead letters", last=100))


async def _letters(connection: NatsConnection) -> list[Any]:
    try:
        return await dead_letters(connection)
    except StreamError as error:
        if error.retryable:
            raise
        return []  # there is no queue before the first service that takes commands


@letters.command("redrive")
def redrive_letter(
    seq: Annotated[int, typer.Argument(help="Number of the letter, as `list` shows it.")],
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Put a command back on its queue."""
    _with(url_of(data_dir, nats_url), lambda connection: redrive(connection, seq))
    out.print(f"letter {seq} is on its queue again")
