"""`marketprism front`: a counter's front that plays recordings, for several processes."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Annotated, Any

import typer

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.counters.recordings.replay import recording_paths
from marketprism_adapters.counters.simulated_front.markets import Crowd, Market, Recorded
from marketprism_adapters.counters.simulated_front.server import FrontOptions, FrontServer
from marketprism_application.errors import SourceError
from marketprism_domain.sessions.trading_days import midnight
from marketprism_services.cli.calendar import day_option
from marketprism_services.cli.options import Config, settings_of
from marketprism_services.platform.exits import Exit, Stop


def front(
    recordings: Annotated[
        list[str], typer.Argument(help="Recordings to play, or with --crowd one list of instruments.")
    ],
    port: Annotated[int, typer.Option(help="Where it listens; 0 for any free port.", min=0, max=65535)] = 41205,
    speed: Annotated[float, typer.Option(help="How many times faster than real time.", min=0.001)] = 1.0,
    per_second: Annotated[
        int, typer.Option(help="Most subscriptions a session may send a second; 0: any number.", min=0)
    ] = 1_000,
    refuse: Annotated[
        list[str] | None, typer.Option(help="Refuse a request with an error number, like login:3 or authenticate:63.")
    ] = None,
    clock_off: Annotated[
        float,
        typer.Option(help="Seconds by which clocks of gateways are off the venue's; below 0 behind it."),
    ] = 0.0,
    crowd: Annotated[
        int, typer.Option(help="Send made-up ticks of this many instruments of the list; 0 plays recordings.", min=0)
    ] = 0,
    rate: Annotated[float, typer.Option(help="With --crowd: ticks a second of each instrument.", min=0.001)] = 2.0,
    seconds: Annotated[float, typer.Option(help="With --crowd: for how many seconds.", min=0.1)] = 60.0,
    day: Annotated[
        str | None, typer.Option("--date", help="With --crowd: the trading day of its ticks.")
    ] = "2025-08-13",
    config: Config = None,
) -> None:
    """Run a front for gateways: `marketprism run gateway --venue ctp --front sim://127.0.0.1:41205`.

    Plays recordings, or with --crowd makes up ticks. Says on standard output, one JSON object a line, who logs in
    and who leaves.
    """
    options = FrontOptions(
        port=port,
        speed=speed,
        per_second=per_second,
        refuse=tuple(map(_refusal, refuse or [])),
        clock_off_s=clock_off,
    )
    calendar = chinese_calendar_of_markets(settings_of(config).calendar)
    market: Market
    try:
        if crowd:
            start = midnight(day_option(day)) + 9 * 3_600_000_000_000 + 60_000_000_000
            market = Crowd(Path(recordings[0]).expanduser(), crowd, rate, seconds, start)
        else:
            paths = [str(path) for text in recordings for path in recording_paths(text)]
            market = Recorded("sim:" + ",".join(paths), calendar)
        asyncio.run(_serve(market, options))
    except SourceError as error:
        raise Stop(Exit.INPUT, str(error)) from error


def _refusal(text: str) -> tuple[str, int]:
    request, _, number = text.partition(":")
    if request not in ("login", "authenticate", "settlement") or not number.isdecimal():
        raise Stop(Exit.USAGE, f"--refuse: expected login:3, authenticate:63 or settlement:68, was {text!r}")
    return request, int(number)


async def _serve(market: Market, options: FrontOptions) -> None:
    def say(what: dict[str, Any]) -> None:
        print(json.dumps(what), flush=True)

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = FrontServer(market, options, say)
    await server.start()
    say({"event": "listening", "front": f"sim://{options.host}:{server.port}", "instruments": len(market.instruments)})
    await stop.wait()
    await server.stop()
