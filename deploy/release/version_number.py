"""Versions: what SemVer calls one, which of two is newer, and the one place where ours stands."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import NamedTuple

_SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(?:-((?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*))?"
)
# What a wheel can be called: pip reads others as other versions, or as none.
_PLAIN = r'^(?:__version__|VERSION) = "(?P<version>[^"]+)"'  # where hatch looks unless it is told
_PRE = re.compile(r"(?:alpha|beta|rc)\.(?:0|[1-9]\d*)")


class Refused(Exception):
    """Why there is no release, in a sentence that names the thing, what was expected and what was found."""


class Version(NamedTuple):
    """Orders as SemVer says: a pre-release (`rc.1`) comes before what it leads to."""

    major: int
    minor: int
    patch: int
    final: bool
    pre: tuple[tuple[bool, int, str], ...]

    def __str__(self) -> str:
        number = f"{self.major}.{self.minor}.{self.patch}"
        return number if self.final else f"{number}-{'.'.join(text for _, _, text in self.pre)}"


def parse(text: str) -> Version:
    """The version of a text such as `0.2.0` or `1.0.0-rc.1`.

    Raises:
        Refused: it is none.
    """
    found = _SEMVER.fullmatch(text)
    if found is None or (found[4] and not _PRE.fullmatch(found[4])):
        raise Refused(f"version: expected one of SemVer, as 0.2.0 or 1.0.0-rc.1 (alpha, beta, rc), was {text!r}")
    parts = (found[4] or "").split(".") if found[4] else []
    # Numbers come before words, and are compared as numbers.
    pre = tuple((not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts)
    return Version(int(found[1]), int(found[2]), int(found[3]), not pre, pre)


def _place(root: Path) -> tuple[Path, re.Pattern[str]]:
    """The file that says the version, and how: what `tool.marketprism.version` or hatch's own table names, else a
    version that stands in pyproject.toml itself."""
    path = root / "pyproject.toml"
    said = tomllib.loads(path.read_text(encoding="utf-8"))
    if "version" in said.get("project", {}):
        return path, re.compile(r'^version = "(?P<version>[^"]+)"', re.MULTILINE)
    tools = said.get("tool", {})
    where = tools.get("marketprism", {}).get("version") or tools["hatch"]["version"]
    return root / where["path"], re.compile(where.get("pattern", _PLAIN), re.MULTILINE)


def current(root: Path) -> Version:
    """The version that the tree says it is, read where the build reads it.

    Raises:
        Refused: there is none.
    """
    path, pattern = _place(root)
    found = pattern.search(path.read_text(encoding="utf-8"))
    if found is None:
        raise Refused(f"version: expected {pattern.pattern} in {path.relative_to(root)}, found none")
    return parse(found["version"])


def write(root: Path, version: Version) -> Path:
    """Say in the tree that it is this version; the file that says it comes back."""
    path, pattern = _place(root)
    text = path.read_text(encoding="utf-8")
    found = pattern.search(text)
    if found is None:
        raise Refused(f"version: expected {pattern.pattern} in {path.relative_to(root)}, found none")
    path.write_text(text[: found.start("version")] + str(version) + text[found.end("version") :], encoding="utf-8")
    return path
