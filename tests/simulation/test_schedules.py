"""Schedules of the simulation: some in the gate, many in `make proof`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.mutants import EVERY

ROOT = Path(__file__).parents[2]


def simulated(*arguments: str, **environment: str) -> tuple[int, str]:
    """Exit code and what was printed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def test_a_schedule_is_the_same_whenever_it_is_repeated_and_holds() -> None:
    first, again = (simulated("storing", "--seed", "9") for _ in range(2))
    digest = re.search(r'"digest": "(\w+)"', first[1])
    assert digest is not None
    assert digest[1] in again[1]
    assert first[0] == again[0] == 0, first[1]


@pytest.mark.parametrize(
    ("scenario", "first", "seeds"),
    [("electing", 1, 6), ("stages", 1, 2), ("storing", 1, 4), ("pipeline", 4, 1)],  # the last takes as long as all
)
def test_schedules_hold_under_every_fault(scenario: str, first: int, seeds: int) -> None:
    code, told = simulated(scenario, "--first", str(first), "--seeds", str(seeds), "--workers", "1")
    assert (code, f"{seeds} schedules" in told) == (0, True), told


@pytest.mark.long
def test_a_fault_that_is_put_in_is_found() -> None:
    code, told = simulated("stages", "--seeds", "10", "--workers", "1", SIMULATED_MUTANT="an off-by-one in hand-over")
    assert (code, "OUT: expected" in told) == (1, True), told


def test_every_mutant_still_has_its_place_in_the_source() -> None:
    for mutant in EVERY:
        top = mutant.module.partition(".")[0]
        (place,) = (found for found in ROOT.glob(f"*/{top}") if (found / "__init__.py").exists())
        text = (place.parent / f"{mutant.module.replace('.', '/')}.py").read_text(encoding="utf-8")
        assert text.count(mutant.old) == 1, mutant.name


def test_an_unknown_fault_or_mutant_is_named() -> None:
    code, told = simulated("stages", "--seed", "1", "--faults", "rain")
    assert code == 1
    assert "faults: expected some of kill, host_lost" in told
    assert "was rain" in told


@pytest.mark.long
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("scenario", ["electing", "stages", "storing", "pipeline"])
def test_many_schedules_hold(scenario: str) -> None:
    code, told = simulated(scenario, "--seeds", "150", "--workers", "2")
    assert code == 0, told
