"""`marketprism simulate`: a venue on this machine, in its own protocol, with faults on demand."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import math
import shlex
import signal
import time
from pathlib import Path
from typing import Annotated

import typer

from marketprism_adapters.venues.kit.dialect import begins_by_itself
from marketprism_adapters.venues.registry import MARKETS
from marketprism_adapters.venues.simulator.faults import FAULTS, parse_faults, random_faults
from marketprism_adapters.venues.simulator.recording_server import PlayedVenueServer
from marketprism_adapters.venues.simulator.registry import DIALECTS, PASTS
from marketprism_adapters.venues.simulator.server import SimulatedVenueServer
from marketprism_services.cli.options import err, out
from marketprism_services.cli.words import count_of
from marketprism_services.platform.exits import Exit, Stop

_EVERY_S = 5.0
_MOST_BASES = 10_000
_NAMED = 5  # instruments in the command that is printed
_FAULTS_HELP = (
    "Like gap@2:3,close@5:1008: three frames left out two seconds after the first connection, closed after five with "
    "that code (any of them without). The amount is frames, requests or seconds, as the fault has it. "
    f"There are {', '.join(FAULTS)}."
)


def simulate_command(
    market: Annotated[str, typer.Argument(help=f"One of {', '.join(MARKETS)}.")],
    port: Annotated[int, typer.Option(help="Port for web sockets and REST; 0 takes a free one.", min=0, max=65535)] = 0,
    bases: Annotated[str, typer.Option(help="Base currencies, or how many to make up.")] = "BTC,ETH",
    rate: Annotated[float, typer.Option(help="Book steps a second of each instrument.", min=0.1)] = 10.0,
    changes: Annotated[int, typer.Option(help="Levels on each side that a step changes.", min=1)] = 3,
    levels: Annotated[int, typer.Option(help="Levels on each side of a book.", min=5)] = 200,
    trades: Annotated[float, typer.Option(help="Trades a step, on average.", min=0)] = 0.5,
    together: Annotated[
        bool,
        typer.Option("--together/--spaced", help="All instruments step at the same instant, or one after another."),
    ] = True,
    faults: Annotated[str, typer.Option(help=_FAULTS_HELP)] = "",
    chaos: Annotated[float, typer.Option(help="Random faults a minute, for as long as it runs.", min=0)] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of the market and of random faults.")] = 7,
    recording: Annotated[list[Path] | None, typer.Option(help="Play recordings instead of a random market.")] = None,
    speed: Annotated[float, typer.Option(help="How many times faster than recorded.", min=0.01)] = 1.0,
) -> None:
    """Web sockets and REST of a venue on 127.0.0.1; a gateway cannot tell the difference except by URL.

    In another window: marketprism up --source <market>:<instruments>,url=127.0.0.1:<port>
    """
    if market not in MARKETS:
        raise Stop(Exit.USAGE, f"market: expected one of {', '.join(MARKETS)}, was {market!r}")
    for name, value in (("rate", rate), ("trades", trades), ("chaos", chaos), ("speed", speed)):
        if not math.isfinite(value):
            raise Stop(Exit.USAGE, f"--{name}: expected a number, was {value}")
    wanted = parse_faults(faults)
    if recording:
        server: SimulatedVenueServer = PlayedVenueServer(market, recording, speed=speed, port=port)
    else:
        server = SimulatedVenueServer(
            DIALECTS[market](_names(bases)),
            seed=seed,
            rate=rate,
            changes=changes,
            levels=levels,
            trades_per_step=trades,
            together=together,
            port=port,
            past=PASTS[market](_names(bases)),
        )
    shown = [name for name in FAULTS if name not in server.faults.cannot]
    server.faults.plan = heapq.merge(wanted, random_faults(seed, chaos, shown))
    asyncio.run(_serve(server, market, faulty=bool(wanted) or chaos > 0))


def _names(bases: str) -> list[str]:
    """Base currencies as they are written, or so many that are made up."""
    text = bases.strip()
    if text.isascii() and text.isdigit():
        if not 1 <= int(text) <= _MOST_BASES:
            raise Stop(Exit.USAGE, f"--bases: expected 1 to {_MOST_BASES}, was {bases!r}")
        return [f"C{n:03d}" for n in range(int(text))]
    names = [name.strip().upper() for name in text.split(",")]
    for name in names:
        if not (name.isascii() and name.isalnum()):
            raise Stop(Exit.USAGE, f"--bases: expected letters and digits, like BTC,ETH, was {name!r} in {bases!r}")
    return list(dict.fromkeys(names))


def _introduce(server: SimulatedVenueServer, market: str, *, faulty: bool) -> None:
    """Where it is, what it plays, and which faults nobody will see."""
    lines = [f"{market} on {server.ws_url} and {server.rest_url}: {len(server.books)} instruments"]
    if isinstance(server, PlayedVenueServer):
        lines += server.description()
    if faulty:
        lines += [f"no fault {name}: {why}" for name, why in server.faults.cannot.items()]
        if "stale_snapshot" not in server.faults.cannot and begins_by_itself(server.dialect):
            lines.append(
                "stale_snapshot shows only in answers to requests for a book: streams begin with a book of their own"
            )
    lines += ["in another window:", f"  {command_for(market, list(server.books), server.port)}"]
    for line in lines:
        out.print(line, highlight=False, soft_wrap=True)


def command_for(market: str, symbols: list[str], port: int) -> str:
    """A command that reads a venue at a port of this machine as it stands there; of many instruments, the first."""
    named = "+".join(symbols[:_NAMED])
    return f"marketprism up --source {shlex.quote(f'{market}:{named},url=127.0.0.1:{port}')}"


async def _serve(server: SimulatedVenueServer, market: str, *, faulty: bool) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with server:
        _introduce(server, market, faulty=faulty)
        sent, at = 0, time.monotonic()
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_EVERY_S):
                    await stop.wait()
            now = time.monotonic()
            rate = (server.sent - sent) / (now - at)
            sent, at = server.sent, now
            connections = count_of(len(server.sessions), "connection")
            err.print(f"{connections}, {rate:,.0f} frames/s, {_progress(server)}", highlight=False)


def _progress(server: SimulatedVenueServer) -> str:
    """Faults that were seen and those that still wait for something to hit; how far a recording has come."""
    waiting = server.faults.armed.waiting
    faults = f"{count_of(len(server.injected), 'fault')} injected"
    if waiting:
        faults += f", {waiting} more when there is something they can hit"
    if isinstance(server, PlayedVenueServer):
        faults += f", {server.played:,} of {server.length:,} recorded frames"
    return faults
