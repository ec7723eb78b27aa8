"""`marketprism up`: every service on this machine."""

from __future__ import annotations

import os
import re
from typing import Annotated

import typer

from marketprism_services.cli.options import Config, DataDir, NatsUrl, settings_of
from marketprism_services.platform.descriptors import check_limit
from marketprism_services.platform.exits import Exit, Stop
from marketprism_services.platform.launcher import launcher
from marketprism_services.platform.units import EACH

_EACH = "each"  # as 0 does: a process for every service
_SOURCES = (
    "What is read; without, or with none, nothing: what is stored is served. Recordings are replay:FILE,FILE or "
    "capture:FOLDER, simulated ticks sim or sim:seed=7,days=1,faults=all, a counter its name, a crypto venue like "
    "<market>:BTC-USDT+ETH-USDT."
)


def _all_sources() -> str:
    from marketprism_adapters.sources.registry import SOURCES  # noqa: PLC0415 (to read it holds up every start)

    return f"{_SOURCES} Names: none, {', '.join(SOURCES)}."


HELP = {"source": _all_sources}  # of options, made when it is asked for


def up(
    source: Annotated[str | None, typer.Option(help=_SOURCES)] = None,
    speed: Annotated[str | None, typer.Option(help="max, or a factor of real time like 1 or 60.")] = None,
    once: Annotated[
        bool, typer.Option("--once", help="End when everything is stored; exit 0 only if nothing was lost or doubled.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end (with --once).")] = False,
    nats_port: Annotated[int | None, typer.Option(help="Port of the embedded NATS server.")] = None,
    clickhouse: Annotated[
        str | None, typer.Option(help="`server` starts a ClickHouse of this machine's own; a URL uses one that runs.")
    ] = None,
    monitoring: Annotated[
        bool, typer.Option("--monitoring", help="Start this machine's Prometheus and Alertmanager, and the notifier.")
    ] = False,
    jobs: Annotated[bool, typer.Option("--jobs", help="Start the scheduler, which runs jobs.")] = False,
    orders: Annotated[bool, typer.Option("--orders", help="Start the order service, which calculates orders.")] = False,
    data: Annotated[
        bool, typer.Option("--data", help="Start the data service, which downloads, checks and repairs.")
    ] = False,
    backtests: Annotated[
        bool, typer.Option("--backtests", help="Start the backtest service, which runs strategies.")
    ] = False,
    processes: Annotated[
        str | None,
        typer.Option(help="Processes that the services share, or each; without, as many as the cores are worth."),
    ] = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
    config: Config = None,
) -> None:
    """Run every service on this machine, with a nats-server and a store of their own."""
    if as_json and not once:
        raise Stop(Exit.USAGE, "--json: expected --once with it; without an end there is no result")
    shared_by = _number_of(processes)
    check_limit()  # before what inherits it
    # Loads what the services need while this process loads its own part and looks at the source.
    starting = launcher()
    from marketprism_services.cli.up_view import run_up  # noqa: PLC0415
    from marketprism_services.platform.data_contents import directory_of  # noqa: PLC0415
    from marketprism_services.platform.local_stack import Extent  # noqa: PLC0415
    from marketprism_services.settings.sections import NO_SOURCE  # noqa: PLC0415

    settings = settings_of(
        config,
        data_dir,
        nats_url,
        nats={"url": nats_url, "port": nats_port},
        source={"spec": source, "speed": speed},
        store=_store_of(clickhouse),
    )
    if once and settings.source.spec == NO_SOURCE:
        raise Stop(Exit.USAGE, "--once: expected a --source that has an end, there is none to read")
    settings = settings.model_copy(update={"data_dir": directory_of(settings)})
    extent = Extent(monitoring, jobs, orders, backtests, data, shared_by)
    raise typer.Exit(run_up(settings, starting, extent, once=once, as_json=as_json))


def _number_of(processes: str | None) -> int | None:
    """How many processes `--processes` means; None for as many as `up` takes itself."""
    if processes is None:
        return None
    if processes == _EACH:
        return EACH
    if not re.fullmatch("[0-9]{1,4}", processes):
        raise Stop(Exit.USAGE, f"--processes: expected a number of processes, or each, was {processes!r}")
    return int(processes)


def _store_of(clickhouse: str | None) -> dict[str, str | None]:
    """Settings of the store that `--clickhouse` means; the environment names a server as well."""
    from marketprism_services.settings.sections import LOCAL_SERVER  # noqa: PLC0415

    wanted = clickhouse or os.environ.get("MARKETPRISM_CLICKHOUSE_URL")
    if not wanted:
        return {}
    return {"engine": "clickhouse", "url": LOCAL_SERVER if wanted == LOCAL_SERVER else wanted}
