"""The tutorial, done by copy and paste: each block of its pages, in order, in a clean folder."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.typed_pages import LANGUAGES, ROOT, pages_of

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(1800), pytest.mark.xdist_group("tutorial")]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_newcomer_does_it_by_copy_and_paste(language: str, tmp_path: Path) -> None:
    read(pages_of("tutorial", language), tmp_path)


@pytest.mark.parametrize("page", pages_of("how-to", "en"), ids=lambda page: page.stem)
def test_a_how_to_does_what_it_says(page: Path, tmp_path: Path) -> None:
    read([page], tmp_path)


def read(pages: list[Path], folder: Path) -> None:
    """Do what pages say, in a network and a home of their own. Fails with what was shown where they are wrong."""
    if not (Path(sys.prefix) / ".ready-run").exists():
        pytest.skip(f"`make run` would install into {sys.prefix}")
    network = own_network()
    environment = {
        **os.environ,
        "COLUMNS": "160",
        "HOME": str(folder / "home"),
        "MARKETPRISM_LANG": "en",
        "NO_COLOR": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), *_layers(), os.environ.get("PYTHONPATH", "")])),
        "TUTORIAL_NETWORK": "own" if network else "shared",
    }
    for name in ("MARKETPRISM_HOME", "MARKETPRISM_FIXTURES", "MAKEFLAGS", "MAKELEVEL"):
        environment.pop(name, None)
    (folder / "home").mkdir()
    command = [*network, sys.executable, "-m", "tests.e2e.tutorial_run", str(folder / "run"), *map(str, pages)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-4000:]}"


def _layers() -> list[str]:
    return [str(ROOT / name) for name in ("domain", "application", "adapters", "services", "sdk", "console")]


def own_network() -> list[str]:
    """What runs a command in a network of its own; nothing where that cannot be and the ports are free; else skips."""
    ways = [["unshare", "--net"], ["unshare", "--map-root-user", "--net"]]
    if shutil.which("unshare"):
        for way in ways:
            if subprocess.run([*way, "true"], capture_output=True, check=False).returncode == 0:
                return way
    for port in (4222, 8080, 9443):
        with socket.socket() as endpoint:
            if endpoint.connect_ex(("127.0.0.1", port)) == 0:
                pytest.skip(f"port {port} is taken, and there is no network of its own")
    return []
