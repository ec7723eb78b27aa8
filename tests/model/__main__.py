"""`python -m tests.model [full|small|mutants|traces] [--told]`: visits every state of the models of lease and shards.

`traces SCENARIO SEED` checks a schedule of the simulation, `real` a run of true processes, `file NAME` a recording.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.model.election import Election
from tests.model.election_state import Bounds as ElectionBounds
from tests.model.engine import explore
from tests.model.handover import Handover
from tests.model.handover_state import Bounds as HandoverBounds
from tests.model.mutants import mutants
from tests.model.records import Record
from tests.model.traces import check

ROOT = Path(__file__).parents[2]
SMALL: tuple[Election | Handover, ...] = (
    Election(ElectionBounds(3, 2, 1, 1, 0)),
    Election(ElectionBounds(2, 2, 1, 0, 1, refresh=True)),
    Election(ElectionBounds(2, 1, 0, 1, 0, 0, cuts=1, lease=1)),
    Handover(HandoverBounds(3, 1, 1, 2, 0, 0, 0, 0, 0)),
    Handover(HandoverBounds(2, 1, 1, 2, 0, 1, 1, 0, 0)),
    Handover(HandoverBounds(2, 1, 1, 1, 1, 0, 0, 1, 1)),
)
FULL: tuple[Election | Handover, ...] = (
    *SMALL,
    Election(ElectionBounds(3, 3, 1, 1, 1)),
    Election(ElectionBounds(3, 2, 1, 1, 1, refresh=True)),
    Election(ElectionBounds(3, 2, 0, 0, 0, 0, lease=1)),
    Election(ElectionBounds(3, 1, 0, 1, 0, 0, cuts=1, lease=1)),
    Election(ElectionBounds(2, 2, 0, 0, 0, 0, cuts=1, lease=2)),
    Handover(HandoverBounds(3, 1, 1, 3, 0, 1, 0, 0, 0)),
    Handover(HandoverBounds(3, 1, 1, 2, 0, 0, 1, 0, 0)),
    Handover(HandoverBounds(3, 1, 1, 3, 0, 0, 0, 1, 0)),
    Handover(HandoverBounds(2, 1, 1, 3, 1, 1, 1, 0, 1)),
    Handover(HandoverBounds(2, 2, 1, 2, 0, 1, 0, 0, 0)),
)


def _explored(models: Iterable[Election | Handover], *, told: bool, violated: bool) -> int:
    """How many came out otherwise than they should."""
    bad = 0
    for model in models:
        found = explore(model)  # type: ignore[arg-type,var-annotated]
        bad += bool(found.violation) != violated
        print(found, flush=True)
        if found.violation and (told or not violated):
            print(found.told(), flush=True)
    return bad


def simulated(scenario: str, seed: int) -> list[Record]:
    """What the streams of a schedule took."""
    command = [sys.executable, "-m", "tests.model.simulated", scenario, str(seed)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def _checked(records: Sequence[Record], where: str) -> int:
    bad = 0
    for what in ("election", "hand-over"):
        verdict = check(records, what)
        bad += not verdict
        print(f"{where}: {what}: {verdict}", flush=True)
    return bad


def _traces(rest: list[str]) -> int:
    if rest:
        return _checked(simulated(rest[0], int(rest[1])), " ".join(rest))
    runs = [(scenario, seed) for scenario in ("electing", "stages") for seed in range(1, 11)]
    return sum(_checked(simulated(*run), f"{run[0]} {run[1]}") for run in runs)


def _real() -> int:
    from tests.model.real import recorded  # noqa: PLC0415 (a nats-server)

    with tempfile.TemporaryDirectory() as folder:
        return _checked(recorded(Path(folder)), "true processes")


def main(arguments: list[str] | None = None) -> int:
    """0 where everything is as it should be."""
    parser = argparse.ArgumentParser("python -m tests.model", description=__doc__)
    parser.add_argument(
        "what", nargs="?", default="small", choices=["small", "full", "mutants", "traces", "real", "file"]
    )
    parser.add_argument("rest", nargs="*")
    parser.add_argument("--told", action="store_true", help="the story of every mutant too")
    options: Any = parser.parse_args(arguments)
    if options.what == "mutants":
        bad = _explored(mutants(), told=options.told, violated=True)
    elif options.what == "traces":
        bad = _traces(options.rest)
    elif options.what == "real":
        bad = _real()
    elif options.what == "file":
        bad = _checked([json.loads(line) for line in Path(options.rest[0]).read_text().splitlines()], options.rest[0])
    else:
        bad = _explored(FULL if options.what == "full" else SMALL, told=options.told, violated=False)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
