"""Pages of the repository: whether their links lead anywhere, and whether those of two languages say the same."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from deploy.docs.links import Block, anchors, blocks, code_spans, headings, links, resolve, twin_of

ROOT = Path(__file__).parents[2]
_FORM = re.compile(r"https?://[\w.-]+\.[a-z]{2,}(?::\d+)?(?:/[^\s<>\"]*)?|mailto:[\w.+-]+@[\w.-]+\.[a-z]{2,}")
_COMMENT = re.compile(r"(?:^|\s+)(?:#|//|--)\s.*$")
_CHINESE = re.compile(r"[\u3400-\u9fff]")
# What a program prints is in the language of who runs it; the rest is typed.
_PRINTED = ("text", "")
_COMMAND = re.compile(r"(?:marketprism|make|pip|docker|kubectl|systemctl|GET|POST|PUT|PATCH|DELETE) \S")
_VARIABLE = re.compile(r"MARKETPRISM_\w+")


def pages() -> list[str]:
    """Every page that people read, by its path from the root."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "sdk").rglob("*.md")]
    found += [*(ROOT / "adapters").rglob("*.md"), *(ROOT / "examples").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")]
    return sorted(str(path.relative_to(ROOT)) for path in found)


def twins() -> list[tuple[str, str]]:
    """Each English page of `docs` that has a Chinese one, and that. README.zh-CN.md is no translation."""
    found = [(page, twin_of(page, ROOT)) for page in pages() if page.startswith("docs/")]
    return [(page, twin) for page, twin in found if twin is not None]


@cache
def _anchors_of(path: Path) -> frozenset[str]:
    return frozenset(anchors(path.read_text(encoding="utf-8")))


def link_problems(page: str, text: str, root: Path = ROOT) -> Iterator[str]:
    """Links of a page that lead nowhere: a file, a heading, or a form that no address has."""
    for link in links(text):
        if link.outside:
            if not _FORM.fullmatch(link.target):
                yield f"{page}: expected an address, was {link.target}"
            continue
        target = resolve(page, link.path)
        if target.startswith("..") or not (root / target).exists():
            yield f"{page}: expected a file of the repository, found none at {link.target}"
        elif link.anchor and (root / target).suffix == ".md":
            known = anchors(text) if target == page else _anchors_of(root / target)
            if link.anchor not in known:
                yield f"{page}: expected a heading, found none at {link.target}"
        if page.startswith("docs/zh/") and (twin := twin_of(target, root)) is not None:
            yield f"{page}: expected a link to {twin}, was {link.target}"


def twin_problems(english: str, chinese: str, settings: frozenset[str]) -> Iterator[str]:
    """What one of two texts has and the other has not: headings, what is typed, names of settings."""
    ours, theirs = [each.level for each in headings(english)], [each.level for each in headings(chinese)]
    if ours != theirs:
        yield f"headings: expected levels {ours}, was {theirs}"
    typed, again = list(_typed(blocks(english))), list(_typed(blocks(chinese)))
    yield from _missing("code", typed, again)
    if sorted(typed) == sorted(again) and typed != again:
        yield "code: expected the same order"
    for what, names in (
        ("settings", settings.__contains__),
        ("variables", _VARIABLE.fullmatch),
        ("commands", _COMMAND.match),
    ):
        own, other = ({_bare(each) for each in code_spans(text) if names(each)} for text in (english, chinese))
        yield from _missing(what, own, other)


def _bare(span: str) -> str:
    """A span without what stands for something else, which is named in the page's own language."""
    return re.sub(r"<[^>]*>", "<>", " ".join(span.split()))


def _missing(what: str, own: Iterable[str], other: Iterable[str]) -> Iterator[str]:
    own, other = list(own), list(other)
    yield from (f"{what}: in English only: {each}" for each in own if each not in other)
    yield from (f"{what}: in Chinese only: {each}" for each in other if each not in own)


def _typed(found: Iterable[Block]) -> Iterator[str]:
    """Lines that are typed: without what is printed, without comments and texts of people."""
    for block in found:
        if block.language in _PRINTED:
            continue
        for line in block.lines:
            if block.language == "console" and not line.startswith("$ "):
                continue
            bare = _COMMENT.sub("", line).strip()
            if bare and not _CHINESE.search(bare):
                yield bare
