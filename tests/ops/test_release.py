"""A release as it would be, but for publishing: built in a copy, twice the same, and installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

pytestmark = [pytest.mark.ops, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "deploy" / "release" / "release.py"


def git(tree: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", tree, *arguments], check=True, capture_output=True, text=True).stdout.strip()


def test_a_rehearsal_changes_nothing_and_gives_the_same_bytes_twice_which_install(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    git(tmp_path, "clone", "--quiet", str(ROOT), str(tree))
    git(tree, "config", "user.name", "A")
    git(tree, "config", "user.email", "a@example.org")
    before = git(tree, "rev-parse", "HEAD")
    for into, umask in (("one", 0o022), ("two", 0o077)):
        command = [
            sys.executable,
            SCRIPT,
            "--root",
            tree,
            "prepare",
            "9.0.0-rc.1",
            "--dry-run",
            "--into",
            tmp_path / into,
        ]
        done = subprocess.run(command, capture_output=True, text=True, umask=umask, check=False)
        assert done.returncode == 0, done.stderr
    assert (git(tree, "rev-parse", "HEAD"), git(tree, "status", "--porcelain"), git(tree, "tag")) == (
        before,
        "",
        git(ROOT, "tag"),
    )
    files = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "two").iterdir()}
    assert set(files) == {
        "SHA256SUMS",
        "sbom.cdx.json",
        "provenance.intoto.json",
        "marketprism-9.0.0rc1-py3-none-any.whl",
        "marketprism-9.0.0rc1.tar.gz",
    }
    assert json.loads(files["sbom.cdx.json"])["metadata"]["component"]["version"] == "9.0.0-rc.1"
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", ROOT / "constraints.txt"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([*pip, tmp_path / "one" / "marketprism-9.0.0rc1-py3-none-any.whl"], check=True, env=environment)
    program = "import marketprism_client, marketprism_services.wiring.shared as s; print(s.VERSION)"
    said = subprocess.run(
        [python, "-c", program], capture_output=True, text=True, check=False, env=environment, cwd=tmp_path
    )
    assert said.stdout.strip() == "9.0.0-rc.1", said.stderr
