"""What the simulation finds of the changes that no test has noticed (`tests.simulation`): elections, fences, stages."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutation.changes import applied
from tests.mutation.modules import ROOT
from tests.mutation.trials import Trial

# The scenario, and how many more of its schedules cost as much as one of stages.
SCENARIOS = {
    "marketprism_sdk.election": ("electing", 8),
    "marketprism_sdk.streams": ("stages", 1),
    "marketprism_sdk.partitions": ("stages", 1),
}
_LONGEST_S = 400.0


def killed(alive: Sequence[Trial], schedules: int, workers: int, place: Path) -> Iterator[Trial]:
    """Those that break a guarantee in one of so many schedules, or end the simulation; each says `killed` then."""
    with ThreadPoolExecutor(workers) as pool:
        found = [
            (trial, pool.submit(_found, scenario, source, trial, schedules))
            for trial, scenario, source in _made(alive, place)
        ]
        for trial, future in found:
            if future.result():
                trial.verdict = "killed"
                yield trial


def _made(alive: Sequence[Trial], place: Path) -> Iterator[tuple[Trial, tuple[str, int], Path]]:
    folder = place / "sources"
    folder.mkdir(exist_ok=True)
    for number, trial in enumerate(alive):
        package = ".".join(trial.target.name.split(".")[:2])
        if package in SCENARIOS:
            source = folder / f"{number}.py"
            with applied(trial.change):
                source.write_text(ast.unparse(trial.target.tree), encoding="utf-8")
            yield trial, SCENARIOS[package], source


def _found(scenario: tuple[str, int], source: Path, trial: Trial, schedules: int) -> bool:
    seeds = str(schedules * scenario[1])
    command = [sys.executable, "-m", "tests.simulation", scenario[0], "--seeds", seeds, "--workers", "1"]
    environment = {**os.environ, "SIMULATED_MUTANT": f"{trial.target.name}@{source}", "PYTHONHASHSEED": "0"}
    try:
        done = subprocess.run(
            command,
            check=False,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_LONGEST_S,
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0
