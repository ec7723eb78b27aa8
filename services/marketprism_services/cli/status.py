"""`marketprism status`: what runs, and how it is."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer

from marketprism_adapters.calendars import chinese_trading_days, shortage_of
from marketprism_adapters.nats import streams
from marketprism_adapters.nats.pipeline_probe import PipelineProbe, Progress
from marketprism_adapters.remote.tally import RemoteTally
from marketprism_application.monitoring.reconciliation import Problem
from marketprism_client import MarketClient, QueryFailed
from marketprism_domain.sessions.trading_days import china_date
from marketprism_sdk.errors import NoResponders, SdkError, reason_of
from marketprism_sdk.messaging import LeaderClient, NatsBus, RpcClient
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_services.cli.clocks import Tz, zone_of_venues
from marketprism_services.cli.options import (
    DataDir,
    NatsUrl,
    connected,
    err,
    nats_of,
    out,
    settings_in_use,
    storage_leader,
)
from marketprism_services.cli.tables import Look, show_table
from marketprism_services.cli.words import count_of
from marketprism_services.monitor.absences import LEADER, SERVICE, lacks_of
from marketprism_services.monitor.overview import Overview, overview, ranges
from marketprism_services.monitor.pipeline_audit import problems_now
from marketprism_services.platform.exits import Exit, Stop
from marketprism_services.platform.known_files import known_section
from marketprism_services.platform.nats_place import NatsPlace
from marketprism_services.settings.errors import SettingsError
from marketprism_services.settings.settings import load

log = structlog.get_logger()

_MONITOR_S = 3.0
_STORED = ("venue", "symbol", "ticks", "bars", "ts_first", "ts_last")


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    tz: Tz = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Services and their health, leaders and epochs, partitions, lag, and what is stored.

    Ends with 1 when something is not as it should be: a leader that is lost, an instance that is gone or unhealthy, a
    service of which none runs, what stands still or is missing, by stage, partition and instrument.
    """
    zone_of_venues([], tz)  # a zone that does not exist is refused before anything else
    nats = nats_of(data_dir, nats_url)
    seen = connected(nats, overview)
    if not seen.instances:
        raise Stop(Exit.FAILED, "no service is running here; start one with `marketprism up`")
    lag, stored, silent = asyncio.run(_pipeline(nats))
    store = connected(nats, _store)
    # Who is not there was looked for a moment ago: later than the monitor has.
    audited = [text for text in lag.get("problems", []) if not text.startswith((f"{LEADER} ", f"{SERVICE} "))]
    problems = [*seen.problems, *_not_there(seen), *audited]
    if str(store.get("health", "")).startswith("unhealthy"):
        problems.append(f"store is {store['health']}")
    if as_json:
        warnings = [*seen.degraded, *(text for text in (_calendar(data_dir),) if text)]
        found = {**seen.as_dict(), "problems": problems, "warnings": warnings, "pipeline": lag, "stored": stored}
        found["store"] = store
        print(json.dumps(found, indent=1, default=str))
    else:
        _print_services(seen)
        _print_pipeline(seen, lag, store, silent)
        if stored:
            zone = zone_of_venues([str(row["venue"]) for row in stored], tz)
            show_table(out, stored, _STORED, Look(f"stored, {zone.name}", zone, len(stored)))
        for warning in (*seen.degraded, *(text for text in (_calendar(data_dir),) if text)):
            err.print(f"warning: {warning}", style="yellow", highlight=False, markup=False)
        for problem in problems:
            err.print(f"wrong: {problem}", style="red", highlight=False, markup=False)
    if problems:
        raise typer.Exit(Exit.FAILED)


def _calendar(data_dir: Path | None) -> str | None:
    """That the calendar ends soon, by the settings of the pipeline that runs on the data directory."""
    settings = settings_in_use(None, data_dir, say=False)
    try:
        settings = load(None, {"calendar": known_section(settings.data_dir, "calendar")})
    except SettingsError as error:  # a pipeline of another version, whose calendar has other names
        return f"the calendar of the pipeline that ran last is not known here: {error}"
    return shortage_of(chinese_trading_days(settings.calendar), china_date(time.time_ns()))


def _not_there(seen: Overview) -> list[str]:
    """Services of which none runs: nobody is left who could take over from a lost leader, or do without whom a pipeline
    lacks something."""
    lost = {key.partition(".")[0] for key, leader in seen.leaders.items() if leader["state"] == "lost"}
    there = {record.service for record in seen.instances if seen.health.get(record.instance) != "gone"}
    lacks = lacks_of(there)
    orphaned = [f"no {service} runs: nobody can take over" for service in sorted(lost - there - lacks.keys())]
    return orphaned + [
        f"no {service} runs: {lack}; start one with `marketprism run {service}`" for service, lack in lacks.items()
    ]


def _print_pipeline(seen: Overview, lag: dict[str, Any], store: dict[str, Any], silent: list[str]) -> None:
    for group, wrong in seen.sources.items():
        err.print(f"source of {group}: {wrong}", style="yellow", highlight=False, markup=False)
    behind = lag.get("behind") or {}
    out.print(f"behind: {count_of(sum(behind.values()), 'message')}" if behind else "behind: nothing", highlight=False)
    if store.get("health", "healthy") != "healthy":
        err.print(f"store is {store['health']}", style="yellow", highlight=False, markup=False)
    if store.get("dead_rows"):
        out.print(f"dead rows: {store['dead_rows']} (marketprism dead-letters list)", style="yellow")
    if seen.dead_letters:
        out.print(f"dead letters: {seen.dead_letters} (marketprism dead-letters list)", style="yellow")
    for text in silent:
        err.print(f"not known: {text}", style="yellow", highlight=False, markup=False)


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
    show_table(out, rows, tuple(rows[0]), Look("services", last=len(rows), drop=("partitions",)))
    leaders = [
        {"group": key, "leader": str(of["holder"]), "epoch": str(of["epoch"]), "state": str(of["state"])}
        for key, of in seen.leaders.items()
    ]
    if leaders:
        show_table(out, leaders, tuple(leaders[0]), Look("leaders", last=len(leaders)))
    shards = [
        {"service": service, "owner": holder, "partitions": ranges(partitions)}
        for service, owners in seen.shards.items()
        for holder, partitions in owners.items()
    ]
    shards += [
        {"service": service, "owner": "nobody", "partitions": ranges(free)} for service, free in seen.unowned.items()
    ]
    if shards:
        show_table(out, shards, tuple(shards[0]), Look("partitions", last=len(shards)))


async def _store(connection: NatsConnection) -> dict[str, Any]:
    """What the storage that leads says of its store, the error where none does."""
    try:
        found: dict[str, Any] = await storage_leader(connection).call("store_status", timeout_s=5.0)
    except NoResponders:
        return {"health": "not known: no storage answers"}
    except SdkError as error:
        return {"health": f"not known: {reason_of(error)}"}
    return found


async def _pipeline(nats: NatsPlace) -> tuple[dict[str, Any], list[dict[str, Any]], list[str]]:
    """Lag and stored symbols, as far as those who know them answer."""
    lag: dict[str, Any] = {}
    stored: list[dict[str, Any]] = []
    silent: list[str] = []
    async with nats.client() as market:
        lag = await _lag(market, nats, silent)
        try:
            stored = (await market.symbols()).to_pylist()
        except (SdkError, QueryFailed) as error:
            silent.append(f"what is stored: {reason_of(error)}")
    return lag, stored, silent


async def _lag(market: MarketClient, nats: NatsPlace, silent: list[str]) -> dict[str, Any]:
    """What the monitor says; where there is none, what two looks find."""
    try:
        found = await market.monitor(timeout_s=_MONITOR_S)
    except SdkError as error:
        log.debug("monitor.unreachable", error=str(error))
    else:
        return found
    try:
        problems, progress = await _look_twice(nats)
    except SdkError as error:
        silent.append(f"lag: {reason_of(error)}")
        return {}
    behind = {stage: lag for stage, lag in progress.behind.items() if lag}
    return {"behind": behind, "problems": [problem.text for problem in problems]}


async def _look_twice(nats: NatsPlace) -> tuple[list[Problem], Progress]:
    connection = await nats.open("status")
    try:
        positions, ranges = (
            NatsKeyValue(connection, name) for name in (streams.SOURCE_POSITIONS, streams.STORE_RANGES)
        )
        tally = RemoteTally(LeaderClient(RpcClient(NatsBus(connection)), "storage"))
        return await problems_now(PipelineProbe(connection, positions, ranges), tally)
    finally:
        await connection.close()
