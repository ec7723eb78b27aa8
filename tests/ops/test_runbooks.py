"""The pages of `docs/runbooks/operate`, run from top to bottom on a system that the first of them makes.

Not run: blocks that say `elsewhere`. What a page promises is looked at after it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.runbooks import FOLDER, marked_blocks_of

pytestmark = pytest.mark.ops
ORDER = ("install", "scale", "rotate-secrets", "replace-a-node", "restore", "upgrade")
_PAGE_S = 420
# A job of one page may be waited for by its next block: a page is one shell, which shows each command.
_HEAD = "set -euo pipefail\nset -x\n"


class System:
    """Folders of its own, and the environment that the pages are run in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        bin_folder = folder / "bin"
        bin_folder.mkdir(parents=True)
        program = bin_folder / "marketprism"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m marketprism_services "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        self.environment: Mapping[str, str] = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MARKETPRISM_")},
            "PATH": f"{bin_folder}:{os.environ['PATH']}",
            "MARKETPRISM_LANG": "en",
            "MARKETPRISM_HOME": str(folder / "data"),
            "ETC": str(folder / "etc"),
            "BACKUPS": str(folder / "backups"),
            "SCRATCH": str(folder / "scratch"),
            "SOURCE": "sim",
        }

    def run(self, page: str) -> subprocess.CompletedProcess[str]:
        """All blocks of a page that are for here, as one script."""
        blocks = [text for mark, text in marked_blocks_of(FOLDER / "operate" / f"{page}.md") if mark != "elsewhere"]
        # To files: what a page leaves running would hold a pipe open for ever.
        log = self.folder / f"{page}.log"
        with log.open("w", encoding="utf-8") as out:
            done = subprocess.run(
                ["bash", "-c", _HEAD + "\n".join(blocks)],
                stdout=out,
                stderr=subprocess.STDOUT,
                env=dict(self.environment),
                cwd=self.folder,
                timeout=_PAGE_S,
                check=False,
            )
        return subprocess.CompletedProcess(done.args, done.returncode, log.read_text(encoding="utf-8"), "")

    def processes(self) -> list[int]:
        """Those that have this system's data directory in their environment."""
        wanted, found = f"MARKETPRISM_HOME={self.folder / 'data'}\0".encode(), []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                if wanted in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def end(self) -> None:
        """End whatever a page has left running."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            for process in self.processes():
                try:
                    os.kill(process, number)
                except ProcessLookupError:
                    continue
            until = time.monotonic() + 30
            while self.processes() and time.monotonic() < until:
                time.sleep(0.2)


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    made = System(tmp_path)
    yield made
    made.end()
    assert made.processes() == []


@pytest.mark.timeout(len(ORDER) * _PAGE_S)
def test_every_page_of_operate_is_run_in_its_order_and_does_what_it_says(system: System) -> None:
    there = {path.stem for path in (FOLDER / "operate").glob("*.md")} - {"README"}
    assert there == set(ORDER)
    shown: dict[str, str] = {}
    for page in ORDER:
        done = system.run(page)
        assert done.returncode == 0, f"{page}:\n{done.stdout[-6000:]}"
        shown[page] = done.stdout
    etc = system.folder / "etc"
    assert "password" in (etc / "first-administrator.txt").read_text(encoding="utf-8")
    assert "API without log-in: http" in shown["install"]
    assert {path.name for path in (etc / "nats/users").iterdir()} > {"storage", "validator", "operator"}
    assert "notAfter=" in shown["rotate-secrets"]
    assert "equal" in shown["restore"]
    assert "differs" not in shown["restore"].lower()
    assert "marketprism" in shown["upgrade"]
