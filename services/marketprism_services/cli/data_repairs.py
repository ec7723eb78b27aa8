"""`marketprism data recheck`, `verdicts` and `repair`: whose the defects of a check are, and what is ours mended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from marketprism_application.contracts.data_answers import DatasetShown, RepairReport, Verdicts
from marketprism_application.contracts.data_jobs import JobStage
from marketprism_client import MarketClient
from marketprism_services.cli.clocks import Tz, Zone, zone_of_venues
from marketprism_services.cli.data_client import ask_data, followed
from marketprism_services.cli.data_jobs import AsJson, plain
from marketprism_services.cli.data_jobs_view import JobView, line
from marketprism_services.cli.data_repair_view import show_plans, show_repair, show_verdicts
from marketprism_services.cli.options import DataDir, NatsUrl, nats_of
from marketprism_services.platform.exits import Exit, Stop

CheckId = Annotated[str, typer.Argument(metavar="ID", help="A check: its job, as `data check --job` shows it.")]


def recheck(
    check: CheckId,
    witness: Annotated[
        list[str] | None,
        typer.Option(help="Whom to ask: kline, archive, trade, ticks; repeated; without, all that can be asked."),
    ] = None,
    as_json: AsJson = False,
    tz: Tz = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Ask witnesses about every defect of a check: whether it is ours or the venue's."""
    view = JobView(silent=as_json)

    async def work(market: MarketClient) -> Verdicts:
        job = await market.data.start_recheck(check, witnesses=witness or ())
        await followed(job, view)
        await job.wait()
        return await market.data.verdicts(check)

    _show(ask_data(nats_of(data_dir, nats_url), work, view), tz, as_json=as_json)


def verdicts(
    check: CheckId, as_json: AsJson = False, tz: Tz = None, data_dir: DataDir = None, nats_url: NatsUrl = None
) -> None:
    """Whose the defects of a check are, as the last recheck has judged."""
    found = ask_data(nats_of(data_dir, nats_url), lambda market: market.data.verdicts(check))
    _show(found, tz, as_json=as_json)


def repair(
    check: CheckId,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what it takes, and stop.")] = False,
    as_json: AsJson = False,
    tz: Tz = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Repair what a check found, as far as it is ours: as new revisions, which another check proves.

    The plan and its cost are shown first. Exit 0 where no defect is left, 3 where some are, 1 where it failed.
    """
    nats, view = nats_of(data_dir, nats_url), JobView(silent=as_json)

    async def done(market: MarketClient, *, dry: bool) -> RepairReport:
        job = await market.data.start_repair(check, dry_run=dry)
        await followed(job, view)
        return await market.data.repaired(job)

    found = ask_data(nats, lambda market: done(market, dry=True), view)
    zone = _zone([each.dataset for each in found.series], tz)
    if not as_json and found.job.stage is JobStage.DONE:
        show_plans(found, zone)
    if not dry_run and found.job.stage is JobStage.DONE:
        found = ask_data(nats, lambda market: done(market, dry=False), view)
    if as_json:
        print(plain(found))
    elif not dry_run or found.job.stage is not JobStage.DONE:
        show_repair(found, zone)
    if found.job.stage is not JobStage.DONE:
        why = found.job.error or "; ".join(each.error for each in found.series if each.error)
        raise Stop(Exit.FAILED, f"repair {found.id}: expected it to be done, was {found.job.stage.value}: {why}")
    if any(each.undone or each.error for each in found.series):
        raise typer.Exit(Exit.FAILED)
    if found.defects_left:
        raise typer.Exit(Exit.INPUT)


def _zone(datasets: Sequence[DatasetShown | None], tz: str | None) -> Zone:
    """The zone of the series' times: China's where all are of its exchanges."""
    return zone_of_venues({each.venue for each in datasets if each is not None} or {"other"}, tz)


def _show(found: Verdicts, tz: str | None, *, as_json: bool) -> None:
    if as_json:
        print(plain(found))
    else:
        show_verdicts(found, _zone([each.dataset for each in found.reports], tz))
        if found.counts.get("ours"):
            line("what is ours can be repaired: `marketprism data repair`")


__all__ = ["recheck", "repair", "verdicts"]
