"""Debian's Prometheus and Alertmanager, and the tools that come with them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from marketprism_adapters.prometheus.local_server import ALERTMANAGER, PROMETHEUS
from marketprism_services.monitoring.files import files


def tool(name: str) -> str:
    """The path of `promtool`, `prometheus` or `amtool`. Where it is not, the test is skipped; in CI it fails."""
    path = shutil.which(name)
    if path is None:
        text = f"no {name} on PATH: apt-get install prometheus prometheus-alertmanager"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    return path


def write_rules(folder: Path, texts: Mapping[str, str] | None = None) -> Path:
    """The files of `deploy/prometheus` in a folder, with a key to scrape the API gateway by."""
    prefix = "deploy/prometheus/"
    found = texts or {path.removeprefix(prefix): text for path, text in files().items() if path.startswith(prefix)}
    for name, text in {**found, "secrets/metrics-key": "key"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def tools() -> None:
    """Prometheus and Alertmanager are there, or the test is skipped; in CI it fails."""
    for kind in (PROMETHEUS, ALERTMANAGER):
        tool(next((name for name in kind.programs if shutil.which(name)), kind.programs[-1]))


__all__ = ["tool", "tools", "write_rules"]
