"""`python -m tests.model.simulated SCENARIO SEED`: the records of a schedule of the simulation, a line of JSON each."""

from __future__ import annotations

# ruff: noqa: E402 (clocks come before the product is imported)
import os
import sys

from tests.simulation import clocks

clocks.install()

import json
import logging

import structlog

from tests.model.records import Recorder
from tests.simulation.__main__ import into_the_story, schedule_of
from tests.simulation.streams import Stored, Stream
from tests.simulation.world import World


def main(scenario: str, seed: int) -> None:
    """Run one schedule and print what its streams took."""
    recorder = Recorder()

    def recorded(stream: Stream, stored: Stored) -> None:
        recorder.take(stream.name, stored.subject, stored.headers, stored.data, stored.seq)

    World.recorder = staticmethod(recorded)
    structlog.configure(processors=[into_the_story], cache_logger_on_first_use=False)
    logging.disable(logging.CRITICAL)
    report = schedule_of(scenario)(seed)
    if report.violation:
        sys.exit(f"seed {seed}: {report.violation}")
    for record in recorder.records:
        print(json.dumps(record))


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets is a part of a schedule
        os.execve(
            sys.executable,
            [sys.executable, "-m", "tests.model.simulated", *sys.argv[1:]],
            {**os.environ, "PYTHONHASHSEED": "0"},
        )
    main(sys.argv[1], int(sys.argv[2]))
