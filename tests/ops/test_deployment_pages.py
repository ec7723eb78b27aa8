"""Commands of the runbooks, as they stand there: those that need no second machine are executed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from deploy.nodes.lab import Lab

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "deployment"
_STATUS_S = 180.0

pytestmark = [
    pytest.mark.ops,
    pytest.mark.timeout(1_200),
    pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("wg") is None or shutil.which("iptables") is None,
        reason="needs root, iproute2, iptables and wireguard-tools",
    ),
]


def commands(page: str, name: str) -> list[str]:
    """The lines of a block that is marked with `<!-- run: name -->`."""
    text = (PAGES / page).read_text(encoding="utf-8")
    found = re.search(rf"<!-- run: {name} -->\n```bash\n(.*?)```", text, re.DOTALL)
    assert found, f"{page}: no block named {name}"
    return found.group(1).strip().splitlines()


def run(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """One line, by a shell that finds this environment's programs and this tree."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def taken_away() -> Iterator[None]:
    team = Lab(Path("/nowhere"))
    if team.network.there:
        pytest.skip("there are hosts of that name already")
    yield
    team.down()


def test_files_of_three_nodes(tmp_path: Path) -> None:
    write, check = commands("three-nodes.md", "files")
    assert run(write, tmp_path).returncode == 0
    # Passwords and folders of that machine: here its files lie elsewhere.
    said = run(check, tmp_path)
    assert said.returncode == 0, said.stderr


@pytest.mark.usefixtures("taken_away")
def test_three_nodes_on_one_machine(tmp_path: Path) -> None:
    for line in commands("three-nodes.md", "one machine"):
        end = time.monotonic() + _STATUS_S
        while (said := run(f"{line} --folder {tmp_path}/nodes", tmp_path)).returncode:
            # What was begun a moment ago is on its way.
            assert line.endswith("status"), f"{line}: {said.stdout}{said.stderr}"
            assert time.monotonic() < end, f"{line}: {said.stdout}{said.stderr}"
            time.sleep(2.0)


def test_files_of_a_site(tmp_path: Path) -> None:
    for line in commands("hybrid.md", "keys"):
        said = run(line, tmp_path)
        assert said.returncode == 0, f"{line}: {said.stdout}{said.stderr}"
    assert (tmp_path / "wg" / "hub" / "mp-a.conf").exists()
    assert (tmp_path / "shanghai" / "leaf.conf").exists()
