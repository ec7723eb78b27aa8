"""What `pip install` would install now, each package with the hash of its file: a list for `--require-hashes`.

It asks pip, which asks whichever index it is set up for; the list names none. A file's hash is that of this machine's
kind of file (wheels differ by platform and by Python), so the list is made where it is to be used.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def lines_of(report: dict[str, Any]) -> list[str]:
    """A requirement a line, sorted, with the sha256 of the file that pip chose; what is a folder of ours is left out.

    Raises:
        ValueError: pip chose a file without a hash.
    """
    lines = []
    for item in report["install"]:
        info, name = item["download_info"], item["metadata"]["name"]
        if "dir_info" in info:
            continue
        digest = info.get("archive_info", {}).get("hashes", {}).get("sha256")
        if not digest:
            raise ValueError(f"{name}: expected the sha256 of its file, was none")
        lines.append(f"{name.lower()}=={item['metadata']['version']} --hash=sha256:{digest}")
    return sorted(lines)


def report_of(*requirements: str) -> dict[str, Any]:
    """What pip would install into an empty environment."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--dry-run"]
        command += ["--ignore-installed", "--report", str(path), "-c", str(ROOT / "constraints.txt"), *requirements]
        subprocess.run(command, check=True, cwd=ROOT)
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found


if __name__ == "__main__":
    print("\n".join(lines_of(report_of(*sys.argv[1:]))))
