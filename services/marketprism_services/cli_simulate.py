"""`marketprism simulate`: a venue on this machine, in its own protocol, with faults on demand."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from pathlib import Path
from typing import Annotated

import typer

from marketprism_adapters.venues.registry import MARKETS
from marketprism_adapters.venues.simulator.faults import FAULTS, parse_faults, schedule
from marketprism_adapters.venues.simulator.played import PlayedVenueServer
from marketprism_adapters.venues.simulator.server import SimulatedVenueServer
from marketprism_services.cli import app, err, out
from marketprism_services.exits import Exit, Stop

_EVERY_S = 5.0


@app.command("simulate")
def simulate_command(
    market: Annotated[str, typer.Argument(help=f"One of {', '.join(MARKETS)}.")],
    port: Annotated[int, typer.Option(help="Port for web sockets and REST; 0 takes a free one.")] = 0,
    bases: Annotated[str, typer.Option(help="Base currencies, or how many to make up.")] = "BTC,ETH",
    rate: Annotated[float, typer.Option(help="Book steps a second of each instrument.", min=0.1)] = 10.0,
    changes: Annotated[int, typer.Option(help="Levels a side that a step changes.", min=1)] = 3,
    levels: Annotated[int, typer.Option(help="Levels a side.", min=5)] = 200,
    trades: Annotated[float, typer.Option(help="Trades a step, on average.", min=0)] = 0.5,
    faults: Annotated[str, typer.Option(help=f"Like gap@2:3,close@5. There are {', '.join(FAULTS)}.")] = "",
    chaos: Annotated[float, typer.Option(help="So many random faults a minute.", min=0)] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the market and of random faults.")] = 7,
    recording: Annotated[list[Path] | None, typer.Option(help="Play recordings instead of a market by chance.")] = None,
    speed: Annotated[float, typer.Option(help="Of the recordings.", min=0.01)] = 1.0,
) -> None:
    """Web sockets and REST of a venue on 127.0.0.1; a gateway cannot tell the difference except by URL.

    In another window: marketprism up --source <market>:<instruments>,url=127.0.0.1:<port>
    """
    if market not in MARKETS:
        raise Stop(Exit.USAGE, f"market: expected one of {', '.join(MARKETS)}, was {market!r}")
    names = [f"C{n:03d}" for n in range(int(bases))] if bases.isdigit() else bases.split(",")
    given = sorted(parse_faults(faults) + schedule(seed, 3_600.0, int(chaos * 60)))
    if recording:
        server: SimulatedVenueServer = PlayedVenueServer(market, recording, speed=speed, faults=given, port=port)
    else:
        server = SimulatedVenueServer(
            MARKETS[market].simulate(names), seed=seed, rate=rate, changes=changes, levels=levels,
            trades_per_step=trades, faults=given, port=port,
        )  # fmt: skip
    asyncio.run(_serve(server, market))


async def _serve(server: SimulatedVenueServer, market: str) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with server:
        symbols = "+".join(list(server.books)[:3]) + ("+…" if len(server.books) > 3 else "")
        out.print(
            f"{market} on {server.ws_url} and {server.rest_url}: {len(server.books)} instruments", highlight=False
        )
        out.print(f"marketprism up --source {market}:{symbols},url=127.0.0.1:{server.port}", highlight=False)
        sent, at = 0, time.monotonic()
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_EVERY_S):
                    await stop.wait()
            now = time.monotonic()
            rate = (server.sent - sent) / (now - at)
            sent, at = server.sent, now
            err.print(
                f"{len(server.sessions)} connections, {rate:,.0f} frames/s, {len(server.injected)} faults",
                highlight=False,
            )
