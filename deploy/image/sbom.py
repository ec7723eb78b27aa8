"""A CycloneDX list of the distributions that are installed: `python sbom.py > sbom.cdx.json`.

Read from what each distribution says of itself; the same packages give the same text.
"""

from __future__ import annotations

import json
import re
import sys
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import Distribution, distributions
from pathlib import Path

_PRODUCT = "marketprism"


def document(paths: Sequence[Path] | None = None, epoch: int = 0) -> str:
    """The list as JSON (CycloneDX 1.6) of the packages below `paths`, those of this Python where none are given.

    Raises:
        LookupError: the product itself is not among them.
    """
    found = sorted(_installed(paths), key=lambda each: _name(each).lower())
    own = next((each for each in found if _plain(_name(each)) == _PRODUCT), None)
    if own is None:
        raise LookupError(f"distributions: expected {_PRODUCT} among them, were {len(found)} without it")
    components = [_component(each) for each in found if each is not own]
    names = [str(each["bom-ref"]) for each in components]
    serial = uuid.uuid5(uuid.NAMESPACE_URL, " ".join([_purl(own), *names]))
    text = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, UTC).isoformat().replace("+00:00", "Z"),
            "component": {**_component(own), "type": "application"},
        },
        "components": components,
        "dependencies": [{"ref": _purl(each), "dependsOn": _needs(each, found)} for each in found],
    }
    return json.dumps(text, indent=1, ensure_ascii=False) + "\n"


def _installed(paths: Sequence[Path] | None) -> Iterator[Distribution]:
    return distributions() if paths is None else distributions(path=[str(path) for path in paths])


def _name(of: Distribution) -> str:
    return str(of.metadata["Name"])


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _purl(of: Distribution) -> str:
    return f"pkg:pypi/{_plain(_name(of))}@{of.version}"


def _component(of: Distribution) -> dict[str, object]:
    found: dict[str, object] = {
        "type": "library",
        "bom-ref": _purl(of),
        "name": _name(of),
        "version": of.version,
        "purl": _purl(of),
    }
    if licences := _licences(of):
        found["licenses"] = licences
    return found


def _licences(of: Distribution) -> list[object]:
    """What it says: an SPDX expression, else the text or the classifiers of older metadata."""
    said = of.metadata.get("License-Expression")
    if said:
        return [{"expression": str(said)}]
    short = str(of.metadata.get("License") or "").strip()
    if short and "\n" not in short and len(short) <= 80:
        return [{"license": {"name": short}}]
    classes = of.metadata.get_all("Classifier") or []
    names = [each.rpartition(" :: ")[2] for each in classes if each.startswith("License ::")]
    return [{"license": {"name": name}} for name in names]


def _needs(of: Distribution, found: Sequence[Distribution]) -> list[str]:
    """What it asks for by name and is there, with extras or without."""
    asked = {_plain(match[0]) for line in of.requires or () if (match := re.match(r"[A-Za-z0-9._-]+", line))}
    return sorted(_purl(each) for each in found if _plain(_name(each)) in asked)


if __name__ == "__main__":
    sys.stdout.write(document())
