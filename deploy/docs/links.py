"""Markdown as the pages of this repository have it: links, headings, code; and where a page is on the site.

Only the standard library: the hooks of mkdocs and the tests of the gate read pages the same way.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
LANGUAGES = ("en", "zh")
_FENCE = re.compile(r"^\s*(`{3,}|~{3,})\s*([\w+-]*)")
_CODE = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_LINK = re.compile(
    r"!?\[(?:[^\[\]]|\[[^\[\]]*\])*\]\((?P<target>[^()\s]*(?:\([^()\s]*\)[^()\s]*)*)(?:\s+\"[^\"]*\")?\)"
)
_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$")
_SHOWN = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_OWN_ANCHOR = re.compile(r"<a (?:id|name)=\"([^\"]+)\"")


class Link(NamedTuple):
    """One link: its place in the text of the page, and what it points to."""

    start: int
    end: int
    target: str

    @property
    def path(self) -> str:
        return self.target.partition("#")[0]

    @property
    def anchor(self) -> str:
        return self.target.partition("#")[2]

    @property
    def outside(self) -> bool:
        """Whether it leaves the repository."""
        return bool(re.match(r"[a-z][a-z0-9+.-]*:", self.target))


class Block(NamedTuple):
    """A block of code: its language, and its lines."""

    language: str
    lines: tuple[str, ...]


class Heading(NamedTuple):
    """A heading: its level, its text, and its anchor."""

    line: int
    level: int
    text: str
    anchor: str


def blocks(text: str) -> Iterator[Block]:
    """The blocks of code between fences, in order."""
    inside, language = "", ""
    lines: list[str] = []
    for line in text.split("\n"):
        match = _FENCE.match(line)
        if inside and match and match[1].startswith(inside) and not match[2]:
            yield Block(language, tuple(lines))
            inside, lines = "", []
        elif inside:
            lines.append(line)
        elif match:
            inside, language = match[1], match[2]


def prose(text: str) -> str:
    """The text with blanks where code is, in blocks and in lines; as long as it was."""
    lines, inside = [], ""
    for line in text.split("\n"):
        match = _FENCE.match(line)
        if inside or match:
            lines.append(" " * len(line))
            if match and not inside:
                inside = match[1]
            elif match and match[1].startswith(inside) and not match[2]:
                inside = ""
        else:
            lines.append(line)
    return _CODE.sub(lambda code: re.sub(r"[^\n]", " ", code[0]), "\n".join(lines))


def links(text: str) -> Iterator[Link]:
    """Every link and picture of a page, in order."""
    for match in _LINK.finditer(prose(text)):
        yield Link(*match.span("target"), match["target"])


def slug(text: str, separator: str = "-") -> str:
    """The anchor of a heading, as code hosts make it: letters of any script stay."""
    return re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", separator)


def headings(text: str) -> list[Heading]:
    """The headings of a page with their anchors; one that comes again gets a number."""
    found: list[Heading] = []
    seen: dict[str, int] = {}
    shown = text.split("\n")
    for number, line in enumerate(prose(text).split("\n")):
        if _HEADING.match(line) and (match := _HEADING.match(shown[number])):
            name = slug(_SHOWN.sub(r"\1", match[2]).replace("`", ""))
            again = seen.get(name, 0)
            seen[name] = again + 1
            found.append(Heading(number, len(match[1]), match[2], f"{name}-{again}" if again else name))
    return found


def anchors(text: str) -> set[str]:
    """Every anchor of a page."""
    return {each.anchor for each in headings(text)} | set(_OWN_ANCHOR.findall(text))


def code_spans(text: str) -> list[str]:
    """What stands as code within lines, in order."""
    outside = re.sub(r"^\s*(`{3,}|~{3,}).*?^\s*\1\s*$", "", text, flags=re.DOTALL | re.MULTILINE)
    return [match[2].strip() for match in _CODE.finditer(outside)]


class Place(NamedTuple):
    """Where a file of the repository is on the site: in which language, None for both, and under which name."""

    language: str | None
    uri: str


def place_of(path: str) -> Place:
    """The place of a file, given by its path from the root of the repository."""
    language = None
    if path.endswith(".zh-CN.md"):
        language, path = "zh", f"{path.removesuffix('.zh-CN.md')}.md"
    if path.startswith("docs/zh/"):
        return Place("zh", path.removeprefix("docs/zh/"))
    if path.startswith("docs/"):
        return Place(language, path.removeprefix("docs/"))
    return Place(language, f"repository/{path}" if path.endswith(".md") else f"repository/{path}.md")


def resolve(page: str, link: str) -> str:
    """The path from the root of the repository that a link of a page points to; begins with `..` where it leaves it."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), link)) if link else page


def twin_of(path: str, root: Path = ROOT) -> str | None:
    """The Chinese page that says the same as an English one, where there is one."""
    if path.startswith("docs/zh/") or path.endswith(".zh-CN.md"):
        return None
    twins = [f"{path.removesuffix('.md')}.zh-CN.md"]
    if path.startswith("docs/"):
        twins.insert(0, f"docs/zh/{path.removeprefix('docs/')}")
    return next((each for each in twins if (root / each).is_file()), None)
