"""A run is the same in every process: hashes of texts differ there, orders of sets with them.

`BACKTEST_PYTHON` names another interpreter that has the product's libraries: the same must come of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.backtests import RU
from tests.support.recordings import part_of
from tests.support.repeated_backtest import outcomes

pytestmark = pytest.mark.timeout(300)
INTERPRETERS = [sys.executable, *filter(None, [os.environ.get("BACKTEST_PYTHON")])]


@pytest.mark.long
@pytest.mark.parametrize("python", INTERPRETERS)
@pytest.mark.parametrize("seed", ["0", "4242"])
def test_another_process_has_the_same_outcome(python: str, seed: str, tmp_path: Path) -> None:
    recording = part_of(RU[0], tmp_path, slice(6_000))
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
    if python != sys.executable:
        environment["PYTHONPATH"] = os.environ.get("PYTHONPATH", "")  # its own libraries, our sources
    done = subprocess.run(
        [python, "-m", "tests.support.repeated_backtest", str(recording)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads(json.dumps(outcomes(recording)))
