"""The packages are ours alone, and importing them does nothing."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "domain": ["marketprism_domain"],
    "application": ["marketprism_application"],
    "adapters": ["marketprism_adapters"],
    "services": ["marketprism_services"],
    "sdk": ["marketprism_sdk", "marketprism_client"],
}
NAMES = [name for names in PACKAGES.values() for name in names]


def test_no_other_distribution_owns_our_names() -> None:
    owners = importlib.metadata.packages_distributions()
    assert {name: set(owners.get(name, [])) - {"marketprism"} for name in NAMES} == {name: set() for name in NAMES}


def test_every_module_imports_with_sockets_and_threads_blocked() -> None:
    modules = sorted(
        ".".join(path.relative_to(ROOT / folder).with_suffix("").parts).removesuffix(".__init__")
        for folder in PACKAGES
        for path in (ROOT / folder).rglob("*.py")
        if path.name != "__main__.py" and "veighna" not in path.parts  # a distribution of its own, on VeighNa's classes
    )
    assert len(modules) > 50
    script = (
        "import socket, sys, importlib\n"
        "def refuse(*a, **k): raise AssertionError('import opened a socket')\n"
        "socket.socket.connect = refuse; socket.socket.bind = refuse\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_client_works_without_the_server_extra() -> None:
    """`import marketprism_client` must not need chDB, typer, vnpy or a container library."""
    script = (
        "import sys, marketprism_client\n"
        "heavy = {'chdb', 'pydantic', 'typer', 'dependency_injector', 'matplotlib', 'chinese_calendar', 'pandas', 'polars'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
