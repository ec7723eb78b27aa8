"""`python -m tests.simulation [SCENARIO …] [--seeds N] [--first N] [--seed N] [--faults kind,…] [--minutes M]`."""

from __future__ import annotations

# ruff: noqa: E402 (clocks and mutants come before the product is imported)
import os

from tests.simulation import clocks, mutants

clocks.install()
if "SIMULATED_MUTANT" in os.environ:
    mutants.put_in(os.environ["SIMULATED_MUTANT"])

import argparse
import json
import logging
import multiprocessing
import multiprocessing.connection
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import aiohttp  # noqa: F401 (loaded once for all children)
import nats.aio.client  # noqa: F401
import structlog

from tests.simulation.loop import current_process
from tests.simulation.world import Report, World

SCENARIOS = ("electing", "pipeline", "stages", "storing")
_clock = time.perf_counter
_LONGEST_S = 60.0  # of its processor's time: a machine that has much to do lets it wait for longer
_TICKS = os.sysconf("SC_CLK_TCK")


def into_the_story(_: object, method: str, line: dict[str, Any]) -> Any:
    """What a program logs is a line of the story."""
    world = World.current
    if world is not None and method not in ("debug", "info"):
        text = " ".join(f"{key}={value}" for key, value in line.items() if key not in ("exc_info", "level"))
        error = sys.exc_info()[1] if line.get("exc_info") else None
        world.note(f"  {current_process()} {method}: {text}{'' if error is None else f' {error!r}'}"[:400])
    raise structlog.DropEvent


def schedule_of(scenario: str) -> Callable[..., Report]:
    """What runs a schedule; only what the scenario needs of the product is loaded, once for all children."""
    schedule: Callable[..., Report] = import_module(f"tests.simulation.{scenario}").schedule
    return schedule


def _in_a_child(scenario: str, seed: int, faults: list[str], place: Any) -> None:
    """A schedule begins in a process of its own: nothing that an earlier one left can have a part in it."""
    structlog.configure(processors=[into_the_story], cache_logger_on_first_use=False)
    logging.disable(logging.CRITICAL)
    try:
        found = asdict(schedule_of(scenario)(seed, faults))
    except BaseException as error:  # noqa: BLE001 (told by the parent)
        import traceback  # noqa: PLC0415

        found = asdict(Report(seed, scenario, violation=f"{error!r}\n{traceback.format_exc()}"))
    place.send_bytes(json.dumps(found).encode())
    place.close()


def _used_s(pid: int) -> float:
    """Processor's time of a child so far, 0 of one that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def runs(scenario: str, seeds: Iterator[int], faults: list[str], workers: int) -> Iterator[dict[str, Any]]:
    """Reports of schedules as they end."""
    schedule_of(scenario)
    context = multiprocessing.get_context("fork")
    under_way: dict[Any, Any] = {}
    more = True
    while more or under_way:
        while more and len(under_way) < workers:
            seed = next(seeds, None)
            if seed is None:
                more = False
                break
            mine, theirs = context.Pipe(duplex=False)
            child = context.Process(target=_in_a_child, args=(scenario, seed, faults, theirs), daemon=True)
            child.start()
            theirs.close()
            under_way[mine] = (child, seed, mine)
        for child, seed, place in [each for each in under_way.values() if _used_s(each[0].pid) > _LONGEST_S]:
            child.kill()
            del under_way[place]
            text = f"not at its end within {_LONGEST_S:g} s: some callback takes for ever"
            yield asdict(Report(seed, scenario, violation=text))
        for place in multiprocessing.connection.wait(list(under_way), 1.0) if under_way else ():
            child, seed, _ = under_way.pop(place)
            try:
                yield json.loads(place.recv_bytes())  # type: ignore[attr-defined]
            except EOFError:
                yield asdict(Report(seed, scenario, violation="the schedule's process ended without a word"))
            child.join()


def main(arguments: list[str] | None = None) -> int:
    """Run schedules; 1 where one of them was violated."""
    parser = argparse.ArgumentParser("python -m tests.simulation", description=__doc__)
    parser.add_argument("scenario", nargs="?", choices=SCENARIOS, default="stages")
    parser.add_argument("--seeds", type=int, default=100, help="how many schedules")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--seed", type=int, help="one schedule, with its story")
    parser.add_argument("--faults", default="", help="some kinds only, with commas")
    parser.add_argument("--minutes", type=float, default=0.0, help="for so long, however many that are")
    parser.add_argument("--steps", type=int, default=0, help="until so many steps were taken")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep-going", action="store_true", help="do not end at the first violation")
    options = parser.parse_args(arguments)
    faults = [each for each in options.faults.split(",") if each]
    one = options.seed is not None
    first = options.seed if one else options.first
    started, steps, count, virtual_s, bad = _clock(), 0, 0, 0.0, 0

    def seeds() -> Iterator[int]:
        number = first
        while True:
            if one and number > first:
                return
            if options.minutes and _clock() - started > 60 * options.minutes:
                return
            if options.steps and steps >= options.steps:
                return
            if not options.minutes and not options.steps and number >= first + options.seeds:
                return
            yield number
            number += 1

    for found in runs(options.scenario, seeds(), faults, options.workers):
        steps, count, virtual_s = steps + found["steps"], count + 1, virtual_s + found["virtual_s"]
        if one:
            print("\n".join(found["story"]))
            print(json.dumps({key: value for key, value in found.items() if key not in ("story", "faults")}))
        if found["violation"]:
            bad += 1
            print(f"seed {found['seed']} step {found['steps']}: {found['violation']}", flush=True)
            if not options.keep_going:
                break
    took = _clock() - started
    print(
        f"{options.scenario}: {count} schedules, {steps} steps, {virtual_s:.0f} s of simulated time in {took:.1f} s "
        f"({60 * count / took:.0f} schedules a minute), {bad} violated"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets is a part of a schedule
        os.execve(
            sys.executable,
            [sys.executable, "-m", "tests.simulation", *sys.argv[1:]],
            {**os.environ, "PYTHONHASHSEED": "0"},
        )
    sys.exit(main())
