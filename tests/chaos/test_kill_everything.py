"""Faults into the whole pipeline: killed at random moments, it stores every tick and every bar once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TRIALS = min(10, int(os.environ.get("CHAOS_TRIALS", "10")))  # each takes half a minute
SOURCE = "sim:rate=1,days=1,instruments=rb2505+m2505+AP505"


def command(data_dir: Path) -> list[str]:
    return [
        sys.executable,
        "-m",
        "marketprism_services",
        "up",
        "--source",
        SOURCE,
        "--once",
        "--json",
        "--nats-port",
        "0",
        "--data-dir",
        str(data_dir),
    ]


def finish(data_dir: Path) -> dict[str, Any]:
    done = subprocess.run(command(data_dir), capture_output=True, text=True, check=False, timeout=300)
    assert done.stdout, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.timeout(3600)
def test_kill_9_of_everything_at_random_moments(tmp_path: Path) -> None:
    clean = finish(tmp_path / "clean")
    dice = random.Random(1)
    lost = doubled = 0
    seconds = []
    for trial in range(TRIALS):
        data_dir = tmp_path / f"trial-{trial}"
        for _ in range(dice.randint(1, 3)):
            doomed = subprocess.Popen(
                command(data_dir), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
            )
            time.sleep(dice.uniform(3.0, 7.0))
            os.killpg(doomed.pid, signal.SIGKILL)
            doomed.wait()
        result = finish(data_dir)
        lost += result["missing"] + abs(result["published"] - clean["published"])
        doubled += result["duplicates"]
        assert result["bars"] == clean["bars"]
        seconds.append(result["seconds"])
    seconds.sort()
    report = {
        "fault": "kill-everything",
        "trials": TRIALS,
        "lost": lost,
        "duplicated": doubled,
        "resume_p50_s": seconds[len(seconds) // 2],
        "resume_max_s": seconds[-1],
    }
    folder = ROOT / "chaos" / "results"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kill-everything.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report))
    assert (lost, doubled) == (0, 0)
