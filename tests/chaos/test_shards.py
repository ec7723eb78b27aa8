"""Sharded services under random faults while recordings replay: the bars of the undisturbed run, each once."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from marketprism_services.chaos.shards.trial import ShardTrial
from marketprism_services.cli.options import settings_of

RESULTS = Path(__file__).parents[2] / "chaos" / "results"
SPEED = os.environ.get("CHAOS_SPEED", "225")  # five trading days in about five minutes

pytestmark = pytest.mark.timeout(3600)


@pytest.mark.parametrize("services", [("aggregator",), ("validator", "aggregator")], ids="-".join)
async def test_bars_are_those_of_the_undisturbed_run(services: tuple[str, ...], fixtures: Path) -> None:
    recordings = ",".join(str(path) for path in sorted((fixtures / "ctp" / "ticks").glob("AP*.csv.gz")))
    settings = settings_of(source={"spec": f"replay:{recordings}", "speed": SPEED})
    report = await ShardTrial(settings, services=services, instances=3, every_s=2.5, seed=1, say=print).run()
    report.write(RESULTS)
    print("\n" + json.dumps(report.summary()))
    assert report.records > 0
    assert report.sound(), report.summary()
