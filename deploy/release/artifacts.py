"""Source and wheel of a tree, the same bytes whenever and wherever they are built of one commit."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from version_number import Refused

_TOOLS = ("hatchling",)


def git(root: Path, *arguments: str, when: int | None = None) -> str:
    """What git answers; what it makes is of `when`, in seconds, where that is given.

    Raises:
        Refused: it does not take the command.
    """
    dates = {} if when is None else dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), f"{when} +0000")
    command = ["git", "-C", root, *arguments]
    done = subprocess.run(command, env=os.environ | dates, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise Refused(f"git {arguments[0]}: {done.stderr.strip() or 'failed'}")
    return done.stdout.strip()


def time_of(root: Path) -> int:
    """The time of every file in what is built: SOURCE_DATE_EPOCH, else that of the commit."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    if given and not given.isdigit():
        raise Refused(f"SOURCE_DATE_EPOCH: expected seconds, was {given!r}")
    return int(given or git(root, "log", "-1", "--format=%ct"))


def distributions(root: Path) -> list[Path]:
    """The folder of each distribution that a release has: the tree itself, and those below `sdk` with a project of
    their own."""
    return [root, *sorted(path.parent for path in root.glob("sdk/*/pyproject.toml"))]


def build(root: Path, folder: Path, tools: Path) -> list[Path]:
    """Source and pure wheel of each distribution in `folder`, built by an environment at `tools`, which is made where
    it is missing. Wheels with the compiled core are made by cibuildwheel, one a Python and platform (`make wheels`).

    Raises:
        Refused: it cannot be built; what pip or hatchling says stands on stderr.
    """
    python = tools / "bin" / "python"
    if not python.exists():
        venv.create(tools, with_pip=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "-c"]
        _run([*pip, root / "constraints.txt", *_TOOLS], root, {})
    folder.mkdir(parents=True, exist_ok=True)
    fixed = {"SOURCE_DATE_EPOCH": str(time_of(root)), "PYTHONHASHSEED": "0", "MARKETPRISM_COMPILED": "0", "TZ": "UTC"}
    made = folder / "making"
    shutil.rmtree(made, ignore_errors=True)
    for project in distributions(root):
        _run([python, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel", "-d", made], project, fixed)
    found = sorted(made.iterdir())
    for path in found:
        if path.name.endswith(".tar.gz"):
            _plain_gzip(path)
        path.replace(folder / path.name)
    made.rmdir()
    return [folder / path.name for path in found]


def _plain_gzip(path: Path) -> None:
    """Without the name and the time that a gzip carries besides."""
    with gzip.open(path) as packed:
        content = packed.read()
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as out:
        out.write(content)


def _run(command: list[str | Path], root: Path, more: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=root, env=os.environ | more, stdout=sys.stderr, check=False)  # noqa: S603
    if done.returncode != 0:
        raise Refused(f"{' '.join(map(str, command[1:4]))}: ended with {done.returncode}")
