"""CHANGELOG.md: what is not released yet, the notes of a version, and a release's section made of the former."""

from __future__ import annotations

import re
from datetime import date

from version_number import Refused, Version, parse

UNRELEASED = "Unreleased"
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_RELEASE = re.compile(r"(\S+) - (\d{4}-\d{2}-\d{2})")
GROUPS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")


def sections(text: str) -> dict[str, str]:
    """The text of each section by its heading, in order.

    Raises:
        Refused: one stands twice.
    """
    found: dict[str, str] = {}
    marks = list(_HEADING.finditer(text))
    for mark, after in zip(marks, [*marks[1:], None], strict=True):
        if mark[1] in found:
            raise Refused(f"CHANGELOG.md: expected each section once, '## {mark[1]}' stands twice")
        found[mark[1]] = text[mark.end() : after.start() if after else len(text)].strip("\n")
    return found


def unreleased(text: str) -> str:
    """What changed since the last release.

    Raises:
        Refused: nothing did, or a group is none of Keep a Changelog's, or is empty.
    """
    found = sections(text).get(UNRELEASED)
    if found is None:
        raise Refused(f"CHANGELOG.md: expected a section '## {UNRELEASED}', found none")
    if not re.search(r"^- ", found, re.MULTILINE):
        raise Refused(f"CHANGELOG.md: expected entries under '## {UNRELEASED}', found none")
    for name, body in re.findall(r"^### (.+)\n((?:(?!### ).*\n?)*)", f"{found}\n", re.MULTILINE):
        if name not in GROUPS:
            raise Refused(f"CHANGELOG.md: expected groups {', '.join(GROUPS)}, was '### {name}'")
        if not re.search(r"^- ", body, re.MULTILINE):
            raise Refused(f"CHANGELOG.md: expected entries under '### {name}', found none")
    return found


def releases(text: str) -> dict[Version, str]:
    """The notes of each version that was released.

    Raises:
        Refused: a heading is no version with its day.
    """
    found: dict[Version, str] = {}
    for heading, body in sections(text).items():
        if heading == UNRELEASED:
            continue
        release = _RELEASE.fullmatch(heading)
        if release is None:
            raise Refused(f"CHANGELOG.md: expected '## VERSION - YYYY-MM-DD', was '## {heading}'")
        found[parse(release[1])] = body
    return found


def released(text: str, version: Version, day: date) -> str:
    """The text with what is not released yet as the section of a version."""
    notes = unreleased(text)
    if version in releases(text):
        raise Refused(f"CHANGELOG.md: expected no section of {version} yet, found one")
    heading = f"## {UNRELEASED}\n"
    return text.replace(f"{heading}\n{notes}", f"{heading}\n## {version} - {day.isoformat()}\n\n{notes}", 1)


def notes(text: str, version: Version) -> str:
    """What a version's release says of itself.

    Raises:
        Refused: it has no section.
    """
    found = releases(text).get(version)
    if found is None:
        raise Refused(f"CHANGELOG.md: expected a section '## {version} - YYYY-MM-DD', found none")
    return found + "\n"
