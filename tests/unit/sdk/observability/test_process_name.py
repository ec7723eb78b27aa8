"""What tells the processes of a machine apart, when their log lines are asked for."""

from __future__ import annotations

import subprocess
import sys

_FORKED = """
import os
from marketprism_sdk.observability.logs import process_name
print(process_name(), flush=True)
if os.fork() == 0:
    print(process_name(), flush=True)
else:
    os.wait()
"""


def test_a_fork_is_another_process() -> None:
    found = [
        subprocess.run([sys.executable, "-c", _FORKED], capture_output=True, text=True, check=True).stdout.split()
        for _ in range(2)
    ]
    assert len({name for names in found for name in names}) == 4
