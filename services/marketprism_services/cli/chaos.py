"""`marketprism chaos`: break real processes and see what happens."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

from marketprism_sdk.observability import logs
from marketprism_services.chaos.counters.trial import FAULTS as COUNTER_FAULTS
from marketprism_services.chaos.counters.trial import CounterTrial
from marketprism_services.chaos.leaders.faults import FAULTS
from marketprism_services.chaos.leaders.trial import idle_trial, leader_trials
from marketprism_services.chaos.report import Report
from marketprism_services.chaos.rolling.trial import RollingTrial
from marketprism_services.chaos.shards.trial import ShardTrial
from marketprism_services.chaos.storage.trial import FAULTS as STORAGE_FAULTS
from marketprism_services.chaos.storage.trial import StorageTrial
from marketprism_services.chaos.venue_leaders.trial import FAULTS as VENUE_LEADER_FAULTS
from marketprism_services.chaos.venue_leaders.trial import TRIED as LEADER_MARKETS
from marketprism_services.chaos.venue_leaders.trial import VenueLeaderTrial
from marketprism_services.chaos.venues.trial import TRIED
from marketprism_services.chaos.venues.trial import trials as trials_of_venues
from marketprism_services.cli.options import err, settings_of
from marketprism_services.platform.catalogue import sharded
from marketprism_services.platform.exits import Exit, Stop

chaos = typer.Typer(help="Break real processes and see what happens.", no_args_is_help=True)

Results = Annotated[Path | None, typer.Option("--results", help="Folder for <fault>.json.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]


@chaos.command()
def leader(
    fault: Annotated[str, typer.Option(help=f"One of {', '.join(FAULTS)}, idle.")] = "kill",
    trials: Annotated[int, typer.Option(help="How many times to strike.", min=1)] = 10,
    overload: Annotated[int, typer.Option(help="Busy processes per core while it strikes.", min=0)] = 0,
    seconds: Annotated[float, typer.Option(help="How long `idle` watches.", min=1)] = 60.0,
    seed: Annotated[int, typer.Option(help="Seed of the moments at which it strikes.")] = 1,
    results: Results = None,
    as_json: AsJson = False,
) -> None:
    """Three candidates on a real nats-server; the leader is hit again and again.

    The old leader goes on writing without looking at its lease: only the fence can refuse what comes late.
    """
    if fault != "idle" and fault not in FAULTS:
        raise Stop(Exit.USAGE, f"--fault: expected one of {', '.join(FAULTS)}, idle, was {fault!r}")
    if fault == "idle":
        report = asyncio.run(idle_trial(seconds, overload=overload, say=_say))
    else:
        report = asyncio.run(leader_trials(fault, trials, overload=overload, seed=seed, say=_say))
    _finish(report, results, as_json)


@chaos.command()
def venue(
    trials: Annotated[int, typer.Option(help="How many trials to run.", min=1)] = 100,
    seed: Annotated[int, typer.Option(help="Seed of the first trial; each next one adds 1.")] = 1,
    parallel: Annotated[
        int,
        typer.Option(help="How many trials run at a time, at most; fewer where the machine does not keep up.", min=1),
    ] = 20,
    markets: Annotated[
        str, typer.Option(help="Markets to try, with commas between; all without.", show_default=False)
    ] = ",".join(TRIED),
    results: Results = None,
    as_json: AsJson = False,
) -> None:
    """Simulated venues with random faults; every book that is published is compared with their truth.

    A schedule is its seed: the same seed and market make the same faults again.
    """
    named = tuple(part.strip() for part in markets.split(","))
    if wrong := [name for name in named if name not in TRIED]:
        raise Stop(Exit.USAGE, f"--markets: expected some of {', '.join(TRIED)}, was {', '.join(wrong)}")
    logs.configure(level="error", form="console")  # what the faults do to the feeds is what is wanted here
    found = asyncio.run(trials_of_venues(trials, seed, parallel, named, _say))
    if results is not None:
        results.mkdir(parents=True, exist_ok=True)
        (results / "venue.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    if as_json:
        print(json.dumps(found), flush=True)
    else:
        for name, value in found.items():
            print(f"{name:>24}  {value}")
    if found["wrong"]:
        raise typer.Exit(Exit.FAILED)


@chaos.command()
def shards(
    source: Annotated[str, typer.Option(help="What is replayed: replay:FILE[,FILE…] or sim[:…].")] = "sim",
    speed: Annotated[str, typer.Option(help="max, or a factor of real time.")] = "200",
    services: Annotated[str, typer.Option(help="Which services are hit, with commas between.")] = "aggregator",
    instances: Annotated[int, typer.Option(help="Instances of each of them.", min=2)] = 3,
    every: Annotated[float, typer.Option(help="Seconds between two faults.", min=0.1)] = 2.5,
    trials: Annotated[
        int, typer.Option(help="Least number of faults; the source is replayed until there are as many.", min=1)
    ] = 1,
    seed: Annotated[int, typer.Option(help="Seed of victims, faults and moments; each replay adds 1.")] = 1,
    results: Results = None,
    as_json: AsJson = False,
) -> None:
    """Kill, stop and freeze sharded services at random while a source replays; compare its bars with a rebuild."""
    names = tuple(part.strip() for part in services.split(","))
    if wrong := set(names) - set(sharded()):
        expected = " or ".join(sorted(sharded()))
        raise Stop(Exit.USAGE, f"--services: expected {expected}, was {', '.join(sorted(wrong))}")
    settings = settings_of(source={"spec": source, "speed": speed})

    def replayed(number: int) -> Report:
        trial = ShardTrial(settings, services=names, instances=instances, every_s=every, seed=number, say=_say)
        return asyncio.run(trial.run())

    report = replayed(seed)
    while 0 < report.trials < trials and report.sound():
        seed += 1
        report.add(replayed(seed))
    _finish(report, results, as_json)


@chaos.command()
def rolling(
    source: Annotated[str, typer.Option(help="What is read: replay:FILE[,FILE…] or sim[:…].")] = "sim",
    speed: Annotated[str, typer.Option(help="max, or a factor of real time.")] = "200",
    rounds: Annotated[int, typer.Option(help="Restarts of every process.", min=1)] = 2,
    pause: Annotated[float, typer.Option(help="Seconds between two restarts.", min=0.0)] = 3.0,
    idle: Annotated[float, typer.Option(help="Seconds that a partition may stand still with work waiting.")] = 2.0,
    seed: Annotated[int, typer.Option(help="Seed of the order of restarts.")] = 1,
    results: Results = None,
    as_json: AsJson = False,
) -> None:
    """Stop and start two of each service in turn while a source is read; nothing of it may be seen in the data."""
    settings = settings_of(source={"spec": source, "speed": speed})
    trial = RollingTrial(settings, rounds, idle_s=idle, pause_s=pause, seed=seed, say=_say)
    _finish(asyncio.run(trial.run()), results, as_json)


@chaos.command()
def storage(
    fault: Annotated[str, typer.Option(help=f"One of {', '.join(STORAGE_FAULTS)}.")] = "kill",
    trials: Annotated[int, typer.Option(help="How many times to strike.", min=1)] = 10,
    source: Annotated[str, typer.Option(help="What is replayed: replay:FILE[,FILE…] or sim[:…].")] = "sim",
    speed: Annotated[str, typer.Option(help="max, or a factor of real time.")] = "200",
    seed: Annotated[int, typer.Option(help="Seed of the moments at which it strikes.")] = 1,
    results: Results = None,
    as_json: AsJson = False,
) -> None:
    """Strike storage, ClickHouse or NATS while a range is being written; count the rows as they lie in the tables."""
    if fault not in STORAGE_FAULTS:
        raise Stop(Exit.USAGE, f"--fault: expected one of {', '.join(STORAGE_FAULTS)}, was {fault!r}")
    settings = settings_of(source={"spec": source, "speed": speed})
    _finish(asyncio.run(StorageTrial(settings, fault, trials, seed=seed, say=_say).run()), results, as_json)


@chaos.command()
def counter(
    recordings: Annotated[list[str], typer.Argument(help="Recordings that the front plays.")],
    fault: Annotated[str, typer.Option(help=f"One of {', '.join(COUNTER_FAULTS)}.")] = "kill",
    trials: Annotated[int, typer.Option(help="How many times to strike.", min=1)] = 10,
    speed: Annotated[float, typer.Option(help="How many times faster than real time.", min=0.01)] = 60.0,
    seed: Annotated[int, typer.Option(help="Seed of the moments at which it strikes.")] = 1,
    results: Results = None,
    as_json: AsJson = False,
) -> None:
    """Strike the gateway that is logged in at a counter; what it did not see must lie in gaps that are named.

    `front-lost` breaks the line to the front only: the same gateway logs in again.
    """
    if fault not in COUNTER_FAULTS:
        raise Stop(Exit.USAGE, f"--fault: expected one of {', '.join(COUNTER_FAULTS)}, was {fault!r}")
    trial = CounterTrial(settings_of(), recordings, fault, trials, speed=speed, seed=seed, say=_say)
    _finish(asyncio.run(trial.run()), results, as_json)


@chaos.command("venue-leader")
def venue_leader(
    market: Annotated[str, typer.Option(help=f"One of {', '.join(LEADER_MARKETS)}.")] = "binance-usdm",
    fault: Annotated[str, typer.Option(help=f"One of {', '.join(VENUE_LEADER_FAULTS)}.")] = "kill",
    trials: Annotated[int, typer.Option(help="How many times to strike.", min=1)] = 10,
    seed: Annotated[int, typer.Option(help="Seed of the moments at which it strikes.")] = 1,
    results: Results = None,
    as_json: AsJson = False,
) -> None:
    """Strike the gateway of a crypto venue that leads; each trade of the market must be in the streams once, and in
    its bar."""
    if market not in LEADER_MARKETS:
        raise Stop(Exit.USAGE, f"--market: expected one of {', '.join(LEADER_MARKETS)}, was {market!r}")
    if fault not in VENUE_LEADER_FAULTS:
        raise Stop(Exit.USAGE, f"--fault: expected one of {', '.join(VENUE_LEADER_FAULTS)}, was {fault!r}")
    trial = VenueLeaderTrial(settings_of(), market, fault, trials, seed=seed, say=_say)
    _finish(asyncio.run(trial.run()), results, as_json)


def _say(text: str) -> None:
    err.print(text, highlight=False, soft_wrap=True, markup=False)


def _finish(report: Report, results: Path | None, as_json: bool) -> None:
    if results is not None:
        report.write(results)
    summary = report.summary()
    if as_json:
        print(json.dumps(summary), flush=True)
    else:
        for name, value in summary.items():
            print(f"{name:>24}  {value}")
    if not report.sound():
        raise typer.Exit(Exit.FAILED)
