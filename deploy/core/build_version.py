"""The version of what is built: the tag's at a tag, and behind the last release one that names its commit.

What the tree says (`[tool.marketprism.version]`) is the version that was released, or is next. A commit that has its
tag `vX.Y.Z` and no changes is that version. Any other is one before the next, `0.2.0.dev202611300408+g83e1cb50f`,
with the time of the commit in UTC, so that the same commit gives the same version in a clone without history too. A
source distribution has its version with it; an archive without git is what the tree says.
"""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def version(root: Path = ROOT) -> str:
    """Version of a wheel or a source distribution of the tree."""
    packed = root / "PKG-INFO"
    if packed.is_file():
        found = re.search(r"^Version: (\S+)$", packed.read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return found[1]
    said = _said(root)
    head = _git(root, "log", "-1", "--format=%h %cd", "--abbrev=9", "--date=format-local:%Y%m%d%H%M")
    if head is None:
        return said
    dirty = bool(_git(root, "status", "--porcelain", "--untracked-files=no"))
    if not dirty and f"v{said}" in (_git(root, "tag", "--points-at", "HEAD") or "").split():
        return said
    commit, _, when = head.partition(" ")
    return f"{_next(root, said)}.dev{when}+g{commit}{'.dirty' if dirty else ''}"


def _said(root: Path) -> str:
    where = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["marketprism"]["version"]
    found = re.search(where["pattern"], (root / where["path"]).read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f"version: expected {where['pattern']} in {where['path']}, found none")
    return found["version"]


def _next(root: Path, said: str) -> str:
    """The version that comes: the tree's, or where CHANGELOG.md has a section of that one, the one behind it."""
    changes = root / "CHANGELOG.md"
    released = changes.is_file() and f"\n## {said} - " in changes.read_text(encoding="utf-8")
    return re.sub(r"\d+$", lambda last: str(int(last[0]) + 1), said) if released else said


def _git(root: Path, *arguments: str) -> str | None:
    """What git answers of a tree of its own; None where there is no git, or this is a part of another tree."""
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"TZ": "UTC"})  # noqa: S603
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
