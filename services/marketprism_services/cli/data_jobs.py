"""`marketprism data jobs` and what is done with one: followed, cancelled; `data download --store`, which begins one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from marketprism_application.contracts.data_jobs import JobShown, JobStage
from marketprism_client import MarketClient
from marketprism_domain.instruments.written_names import is_pattern
from marketprism_services.cli.clocks import UTC_TIME, Tz, Zone, zone_named
from marketprism_services.cli.data_client import ask_data, followed
from marketprism_services.cli.data_jobs_view import JobView, line, show_job, show_jobs, stage_of
from marketprism_services.cli.data_options import one_of
from marketprism_services.cli.language.catalogue import spoken
from marketprism_services.cli.options import DataDir, NatsUrl, nats_of
from marketprism_services.platform.exits import Exit, Stop

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
JobId = Annotated[str, typer.Argument(metavar="ID", help="A job, as `data jobs` has it.")]
SOURCES = ("auto", "rest", "archive")
_ACTIONS = ("download", "check", "recheck", "repair", "import", "export", "daily")


def jobs(
    job: Annotated[str, typer.Argument(metavar="ID", help="One job, with its series; without, the newest.")] = "",
    watch: Annotated[bool, typer.Option("--watch", help="Follow it until it has ended.")] = False,
    action: Annotated[
        str, typer.Option(help="Only of one action: download, check, recheck, repair, import, export or daily.")
    ] = "",
    state: Annotated[str, typer.Option(help="Only in one state: running, done, failed …")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Most jobs, newest first.")] = 30,
    as_json: AsJson = False,
    tz: Tz = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Jobs of the data service: how far they are, and how they ended. Fails where the job that is asked for has."""
    if watch and not job:
        raise Stop(Exit.USAGE, "--watch: expected the ID of a job, was none")
    if action and action not in _ACTIONS:
        raise Stop(Exit.USAGE, one_of("--action", action, _ACTIONS))
    if state and state not in set(JobStage):
        raise Stop(Exit.USAGE, one_of("--state", state, tuple(JobStage)))
    zone = zone_named(tz) if tz else UTC_TIME
    nats, view = nats_of(data_dir, nats_url), JobView(silent=as_json)
    if not job:
        found = ask_data(nats, lambda market: market.data.jobs(action=action, state=state, limit=limit))
        if as_json:
            print(plain(found))
        else:
            show_jobs(found, zone)
        return

    async def one(market: MarketClient) -> JobShown:
        of = await market.data.job(job)
        return await followed(of, view) if watch else of.shown

    end(ask_data(nats, one, view), zone, as_json=as_json)


def cancel(job: JobId, data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """End a job of the data service; what it has done stays."""
    found = ask_data(nats_of(data_dir, nats_url), lambda market: market.data.cancel(job))
    stage = spoken().translate(stage_of(found.stage))
    line(f"job {found.id}: {stage}" if found.stage.is_final else f"job {found.id} is asked to end")


@dataclass(frozen=True)
class StoreDownload:
    """A download into the store, as it was asked for; `symbol` is a name, several with commas, or a pattern."""

    symbol: str
    venue: str
    kind: str
    interval: str
    ts_from: int | None
    ts_to: int | None
    mode: str
    source: str
    confirm: bool


def download_into_store(
    wanted: StoreDownload, zone: Zone, data_dir: Path | None, nats_url: str | None, *, as_json: bool
) -> None:
    """A download as a job of the data service, followed until it has ended."""
    view = JobView(silent=as_json)

    async def work(market: MarketClient) -> JobShown:
        of_list = is_pattern(wanted.symbol)
        job = await market.data.download(
            () if of_list else wanted.symbol,
            wanted.ts_from,
            wanted.ts_to,
            pattern=wanted.symbol if of_list else "",
            venue=wanted.venue,
            kind=wanted.kind,
            interval=wanted.interval,
            mode=wanted.mode,
            source=wanted.source,
            confirm=wanted.confirm,
        )
        return await followed(job, view)

    end(ask_data(nats_of(data_dir, nats_url), work, view), zone, as_json=as_json)


def end(job: JobShown, zone: Zone, *, as_json: bool) -> None:
    """Show a job; the command fails where it has, and ends with 3 where the venue has holes."""
    if as_json:
        print(plain(job))
    else:
        show_job(job, zone)
    if job.stage in (JobStage.FAILED, JobStage.CANCELLED):
        raise typer.Exit(Exit.FAILED)
    if any(each.result.get("holes") for each in job.series):
        raise typer.Exit(Exit.INPUT)


def plain(value: object) -> str:
    """A record as JSON."""
    return json.dumps(msgspec.to_builtins(value), indent=1, ensure_ascii=False)


__all__ = ["SOURCES", "AsJson", "JobId", "StoreDownload", "cancel", "download_into_store", "end", "jobs", "plain"]
