"""The command line: one program for everything."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from marketprism_sdk.observability import logs
from marketprism_sdk.urls import hide
from marketprism_services.platform.exits import Exit, Stop
from marketprism_services.platform.supervisor import SERVICES
from marketprism_services.settings.settings import LOCAL_SERVER, Settings, load

app = typer.Typer(
    name="marketprism",
    help="Validated ticks and session-exact bars over NATS, kept in ClickHouse.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
out = Console()
err = Console(stderr=True)

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where data lives [default: ~/.marketprism].")]
Config = Annotated[Path | None, typer.Option("--config", help="Settings file (TOML or JSON).")]
NatsUrl = Annotated[
    str | None,
    typer.Option(
        "--nats-url", help="URL of a running NATS server; one with a password is better given as MARKETPRISM_NATS__URL."
    ),
]


def settings_of(
    config: Path | None = None, data_dir: Path | None = None, nats_url: str | None = None, **more: Any
) -> Settings:
    """Settings with the options of a command on top."""
    overrides: dict[str, Any] = {"data_dir": str(data_dir) if data_dir else None, "nats": {"url": nats_url}, **more}
    return load(config, _without_none(overrides))


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    cleaned = {k: _without_none(v) if isinstance(v, dict) else v for k, v in values.items()}
    return {k: v for k, v in cleaned.items() if v is not None and v != {}}


def _store_of(clickhouse: str | None) -> dict[str, str | None]:
    """Settings of the store that `--clickhouse` means; the environment names a server as well."""
    wanted = clickhouse or os.environ.get("MARKETPRISM_CLICKHOUSE_URL")
    if not wanted:
        return {}
    return {"engine": "clickhouse", "url": LOCAL_SERVER if wanted == LOCAL_SERVER else wanted}


@app.command()
def up(
    source: Annotated[str | None, typer.Option(help="replay:FILE[,FILE…] or sim[:seed=7,days=1,faults=all].")] = None,
    speed: Annotated[str | None, typer.Option(help="max, or a factor of real time like 1 or 60.")] = None,
    once: Annotated[
        bool, typer.Option("--once", help="End when everything is stored; exit 0 only if nothing was lost or doubled.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end (with --once).")] = False,
    nats_port: Annotated[int | None, typer.Option(help="Port of the embedded NATS server.")] = None,
    clickhouse: Annotated[
        str | None, typer.Option(help="`server` starts a ClickHouse of this machine's own; a URL uses one that runs.")
    ] = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
    config: Config = None,
) -> None:
    """Run every service on this machine, with a nats-server and a store of their own."""
    from marketprism_services.cli.run import run_up  # noqa: PLC0415 (keeps --help quick)

    settings = settings_of(
        config,
        data_dir,
        nats_url,
        nats={"url": nats_url, "port": nats_port},
        source={"spec": source, "speed": speed},
        store=_store_of(clickhouse),
    )
    raise typer.Exit(run_up(settings, once=once, as_json=as_json))


@app.command()
def run(
    service: Annotated[str, typer.Argument(help=f"One of {', '.join(sorted(SERVICES))}.")],
    source: Annotated[str | None, typer.Option(help="What a gateway reads.")] = None,
    speed: Annotated[str | None, typer.Option(help="max, or a factor of real time.")] = None,
    venue: Annotated[str | None, typer.Option(help="A gateway's counter: ctp or sopt, as in the settings.")] = None,
    front: Annotated[
        list[str] | None, typer.Option(help="Its market-data front; sim:<recordings> stands in for one.")
    ] = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
    config: Config = None,
) -> None:
    """Run one service as this process."""
    from marketprism_services.platform.runtime import run_service  # noqa: PLC0415

    if service not in SERVICES:
        raise Stop(Exit.USAGE, f"service: expected one of {', '.join(sorted(SERVICES))}, was {service!r}")
    if venue not in (None, "ctp", "sopt"):
        raise Stop(Exit.USAGE, f"--venue: expected ctp or sopt, was {venue!r}")
    if front and venue is None:
        raise Stop(Exit.USAGE, "--front: expected --venue with it")
    counter = {venue: _fronts(front)} if venue and front else {}
    settings = settings_of(config, data_dir, nats_url, source={"spec": venue or source, "speed": speed}, **counter)
    raise typer.Exit(run_service(service, settings))


def _fronts(fronts: list[str]) -> dict[str, list[str]]:
    """Market-data fronts; a simulated one also plays the trader side, which lists its instruments."""
    simulated = [front for front in fronts if front.startswith("sim:")]
    return {"md_fronts": fronts, **({"td_fronts": simulated[:1]} if simulated else {})}


def main() -> None:
    """Entry point: every error becomes one clear line and an exit code."""
    from marketprism_services.platform.runtime import line_of, stop_of  # noqa: PLC0415

    logs.configure(level="warning")
    try:
        app()
    except KeyboardInterrupt:
        raise SystemExit(Exit.INTERRUPTED) from None
    except Exception as error:
        stop = stop_of(error)
        err.print(f"[red]error:[/red] {_escaped(hide(line_of(stop)))}", highlight=False, soft_wrap=True)
        raise SystemExit(stop.code) from error


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")
