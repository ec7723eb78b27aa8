"""What goes with the files of a release: their sums, what they stand on, and of what and by whom they were made."""

from __future__ import annotations

import hashlib
import json
import os
import re
import uuid
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.parser import Parser
from pathlib import Path

from version_number import Refused

SUMS, SBOM, PROVENANCE = "SHA256SUMS", "sbom.cdx.json", "provenance.intoto.json"
_SBOM_OF = re.compile(r"sbom(?:-[a-z0-9_]+)?\.cdx\.json")
_REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*([^;]*)(?:;\s*(.*))?")
_EXTRA = re.compile(r"extra == ['\"]([^'\"]+)['\"]")


def sbom_of(wheel: Path) -> str:
    """The name of the SBOM of a wheel that is not the product's own."""
    return f"sbom-{wheel.name.partition('-')[0].lower()}.cdx.json"


def sum_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sums(files: Sequence[Path]) -> str:
    """As `sha256sum --check` reads them, by name."""
    return "".join(f"{sum_of(path)}  {path.name}\n" for path in sorted(files, key=lambda each: each.name))


def pins(constraints: str) -> dict[str, str]:
    """The version of each package that is tested, by its plain name."""
    found = (line.partition("==") for line in constraints.splitlines() if "==" in line and not line.startswith("#"))
    return {_plain(name): version.strip() for name, _, version in found}


def sbom(wheel: Path, tested: Mapping[str, str], when: int) -> str:
    """CycloneDX 1.6 of what a wheel asks for, each with the version that it was tested with, and by which extras.

    Raises:
        Refused: the wheel says nothing of itself.
    """
    with zipfile.ZipFile(wheel) as archive:
        name = next((name for name in archive.namelist() if name.endswith(".dist-info/METADATA")), None)
        if name is None:
            raise Refused(f"{wheel.name}: expected METADATA in the wheel, found none")
        metadata = Parser().parsestr(archive.read(name).decode("utf-8"), headersonly=True)
    product = {"type": "application", "name": metadata["Name"], "version": metadata["Version"]}
    product["bom-ref"] = product["purl"] = f"pkg:pypi/{metadata['Name']}@{metadata['Version']}"
    components = list(_components(metadata.get_all("Requires-Dist") or [], tested, _plain(metadata["Name"])))
    return _json(
        {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, sum_of(wheel))}",
            "version": 1,
            "metadata": {"timestamp": _utc(when), "component": product},
            "components": components,
            "dependencies": [{"ref": product["bom-ref"], "dependsOn": [each["bom-ref"] for each in components]}],
        }
    )


def _components(requirements: Sequence[str], tested: Mapping[str, str], own: str) -> Iterator[dict[str, object]]:
    extras: dict[str, set[str]] = {}
    ranges: dict[str, str] = {}
    for line in requirements:
        found = _REQUIREMENT.fullmatch(line)
        if found is None:
            raise Refused(f"Requires-Dist: expected a requirement, was {line!r}")
        name = _plain(found[1])
        extra = _EXTRA.search(found[3] or "")
        if name == own or (extra and extra[1] == "dev"):
            continue
        extras.setdefault(name, set()).add(extra[1] if extra else "")
        ranges[name] = found[2].strip()
    for name in sorted(extras):
        version = tested.get(name, "")
        purl = f"pkg:pypi/{name}@{version}" if version else f"pkg:pypi/{name}"
        yield {
            "type": "library",
            "name": name,
            **({"version": version} if version else {}),
            "bom-ref": purl,
            "purl": purl,
            "scope": "required" if "" in extras[name] else "optional",
            "properties": [
                {"name": "marketprism:range", "value": ranges[name]},
                {"name": "marketprism:extras", "value": ",".join(sorted(extras[name] - {""}))},
            ],
        }


def provenance(files: Sequence[Path], materials: Mapping[str, str], commit: str, version: str, when: int) -> str:
    """An in-toto statement with SLSA's provenance: the files, the commit and the lists that they were made of, and who
    made them. It is unsigned; the release workflow has the same files attested by the platform that ran it."""
    environment = os.environ
    place = environment.get("GITHUB_SERVER_URL", ""), environment.get("GITHUB_REPOSITORY", "")
    hosted = all(place) and environment.get("GITHUB_RUN_ID")
    repository = "/".join(place) if hosted else "urn:marketprism:repository"
    builder = f"{place[0]}/{environment.get('GITHUB_WORKFLOW_REF', '')}" if hosted else "urn:marketprism:builder:local"
    run = f"{repository}/actions/runs/{environment['GITHUB_RUN_ID']}" if hosted else f"urn:marketprism:run:{commit}"
    return _json(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [
                {"name": path.name, "digest": {"sha256": sum_of(path)}}
                for path in sorted(files, key=lambda each: each.name)
            ],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {
                "buildDefinition": {
                    "buildType": "urn:marketprism:build:release:1",
                    "externalParameters": {"version": version, "tag": f"v{version}"},
                    "internalParameters": {"SOURCE_DATE_EPOCH": when},
                    "resolvedDependencies": [
                        {"uri": f"git+{repository}", "digest": {"gitCommit": commit}},
                        *({"name": name, "digest": {"sha256": found}} for name, found in sorted(materials.items())),
                    ],
                },
                "runDetails": {"builder": {"id": builder}, "metadata": {"invocationId": run}},
            },
        }
    )


def check(folder: Path) -> list[str]:
    """Names of the files of a release whose sums and provenance agree with them.

    Raises:
        Refused: one is missing, another one, or in no list.
    """
    for name in (SUMS, SBOM, PROVENANCE):
        if not (folder / name).is_file():
            raise Refused(f"{folder.name}: expected {name} in it, found none")
    listed = {name: found for found, _, name in map(_sum_line, (folder / SUMS).read_text().splitlines())}
    there = {path.name for path in folder.iterdir()} - {SUMS}
    if there != set(listed):
        raise Refused(f"{SUMS}: expected {', '.join(sorted(there))}, was {', '.join(sorted(listed))}")
    for name, expected in listed.items():
        if (found := sum_of(folder / name)) != expected:
            raise Refused(f"{name}: expected sha256 {expected}, was {found}")
    statement = json.loads((folder / PROVENANCE).read_text())
    made = {subject["name"]: subject["digest"]["sha256"] for subject in statement["subject"]}
    if made != {name: listed[name] for name in listed if name != PROVENANCE and not _SBOM_OF.fullmatch(name)}:
        raise Refused(f"{PROVENANCE}: expected the wheels and the source of {SUMS}, was {', '.join(sorted(made))}")
    return sorted(listed)


def _sum_line(line: str) -> tuple[str, str, str]:
    found = re.fullmatch(r"([0-9a-f]{64})  ([^/]+)", line)
    if found is None:
        raise Refused(f"{SUMS}: expected a sum and a name, was {line!r}")
    return found[1], "  ", found[2]


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _utc(when: int) -> str:
    return datetime.fromtimestamp(when, UTC).isoformat().replace("+00:00", "Z")


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
