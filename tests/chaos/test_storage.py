"""Storage, ClickHouse and NATS struck while a range is being written: rows counted as they lie in the tables."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from marketprism_services.chaos.storage.trial import StorageTrial
from marketprism_services.cli.options import settings_of

RESULTS = Path(__file__).parents[2] / "chaos" / "results"
TRIALS = int(os.environ.get("CHAOS_STORAGE_TRIALS", "100"))

pytestmark = pytest.mark.timeout(3600)


@pytest.mark.parametrize(
    ("fault", "trials"),
    [
        ("kill", TRIALS),
        ("clickhouse-kill", TRIALS // 5),
        ("nats-restart", TRIALS // 5),
        ("clickhouse-away", 2),
        ("disk-full", 5),
    ],
)
async def test_nothing_is_lost_and_nothing_is_there_twice(fault: str, trials: int, fixtures: Path) -> None:
    recordings = ",".join(str(path) for path in sorted((fixtures / "ctp" / "ticks").glob("ru1901*.csv.gz")))
    settings = settings_of(source={"spec": f"replay:{recordings}", "speed": "200"})
    report = await StorageTrial(settings, fault, trials, seed=1, say=print).run()
    report.write(RESULTS)
    print("\n" + json.dumps(report.summary()))
    assert report.records > 0
    assert report.trials >= min(trials, 2)
    assert report.sound(), report.summary()
