"""Instances beside those of a pipeline that runs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.program import ENVIRONMENT, PROGRAM
from tests.support.console import Site


@contextmanager
def another(site: Site, service: str) -> Iterator[subprocess.Popen[bytes]]:
    """One more instance of a service of a pipeline."""
    port = {f"MARKETPRISM_HTTP__{service.upper()}": "0"}
    command = [*PROGRAM, "run", service, "--config", str(site.data / "run/settings.json")]
    process = subprocess.Popen(
        command, env={**ENVIRONMENT, **port}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


__all__ = ["another"]
