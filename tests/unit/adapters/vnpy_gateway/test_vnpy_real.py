"""Each gateway that has a row, made as a source makes it, where its package is installed (`make test-vnpy-gateways`)."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from marketprism_adapters.vnpy_gateway.registry import ROWS
from tests.support.vnpy_gateways import INSTALLED


@pytest.mark.parametrize("spec", ROWS)
def test_a_gateway_that_is_installed_is_made_and_is_as_its_row_has_it(spec: str) -> None:
    """In a process of its own: libraries of several brokers have the same names."""
    found = importlib.util.find_spec(spec.partition(".")[0]) if INSTALLED else None
    if found is None or found.origin is None:
        pytest.skip("it is not installed")
    libraries = {"LD_LIBRARY_PATH": str(Path(found.origin).parent / "api")}
    command = [sys.executable, "-m", "tests.support.vnpy_real_gateway", spec]
    done = subprocess.run(command, env=os.environ | libraries, capture_output=True, text=True, check=False)
    if done.returncode == 3:
        pytest.skip(done.stdout.strip())
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["made"]), done.stderr
