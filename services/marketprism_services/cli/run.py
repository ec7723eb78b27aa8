"""`marketprism run`: one service as this process, or several."""

from __future__ import annotations

from typing import Annotated

import typer

from marketprism_services.cli.options import Config, DataDir, NatsUrl, layers_of
from marketprism_services.platform.catalogue import names
from marketprism_services.platform.exits import Exit, Stop
from marketprism_services.platform.units import unit_named


def run(
    service: Annotated[
        str, typer.Argument(help=f"One of {', '.join(sorted(names()))}; several joined by +, like gateway+validator.")
    ],
    source: Annotated[str | None, typer.Option(help="What a gateway reads.")] = None,
    speed: Annotated[str | None, typer.Option(help="max, or a factor of real time.")] = None,
    venue: Annotated[str | None, typer.Option(help="A gateway's counter: ctp or sopt, as in the settings.")] = None,
    front: Annotated[
        list[str] | None, typer.Option(help="The counter's market-data front; sim:<recordings> stands in for one.")
    ] = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
    config: Config = None,
) -> None:
    """Run one service as this process, or several."""
    from marketprism_services.platform.runtime import run_services  # noqa: PLC0415 (keeps its --help quick)

    services = unit_named(service)
    if venue not in (None, "ctp", "sopt"):
        raise Stop(Exit.USAGE, f"--venue: expected ctp or sopt, was {venue!r}")
    if front and venue is None:
        raise Stop(Exit.USAGE, "--front: expected --venue with it")
    counter = {venue: _fronts(front)} if venue and front else {}
    layers = layers_of(config, data_dir, nats_url, source={"spec": venue or source, "speed": speed}, **counter)
    raise typer.Exit(run_services(services, layers))


def _fronts(fronts: list[str]) -> dict[str, list[str]]:
    """Market-data fronts; a simulated one also plays the trader side, which lists its instruments."""
    simulated = [front for front in fronts if front.startswith("sim:")]
    return {"md_fronts": fronts, **({"td_fronts": simulated[:1]} if simulated else {})}
