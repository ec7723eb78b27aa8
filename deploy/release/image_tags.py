"""The images that what is deployed asks for: those of the version that the tree is."""

from __future__ import annotations

import re
from pathlib import Path

from version_number import Refused, Version

# Of compose and its script, and of the overlays of kustomize; what an image holds stands behind its version.
_TAG = re.compile(r"(?:\bmarketprism:|\bname: marketprism, newTag: )(?P<version>\d[\w.+-]*?)(?=-(?:full|slim)\b)")
_KINDS = ("*.yaml", "*.sh")


def places(root: Path) -> list[Path]:
    """Files of what is deployed that ask for an image of ours."""
    return [path for kind in _KINDS for path in sorted((root / "deploy").rglob(kind)) if _TAG.search(_text(path))]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def write(root: Path, version: Version) -> list[Path]:
    """Ask for the images of this version; the files that do so come back."""
    changed = places(root)
    for path in changed:
        text = _TAG.sub(lambda found: found[0].removesuffix(found["version"]) + str(version), _text(path))
        path.write_text(text, encoding="utf-8")
    return changed


def check(root: Path, version: Version) -> None:
    """Raises Refused: a file asks for an image of another version."""
    for path in places(root):
        for found in _TAG.finditer(_text(path)):
            if found["version"] != str(version):
                where = path.relative_to(root).as_posix()
                raise Refused(f"{where}: expected an image of {version}, as the tree is, was {found['version']}")


__all__ = ["check", "places", "write"]
