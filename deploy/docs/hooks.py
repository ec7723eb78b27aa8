"""What mkdocs does not know of these pages: which language a build is, where links of the repository lead on the site.

Pages are written for whoever reads them in the repository: a link may leave `docs/`. What it leads to becomes a page of
the site, so that a link means the same in both places and the site needs nothing else. A build has one language; the
Chinese one shows an English page where there is no Chinese one.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from links import ROOT, Place, headings, links, place_of, prose, resolve, slug, twin_of
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page
from navigation import navigation

_ONLY_ENGLISH = '!!! info "本页只有英文"\n\n'
_CHINESE_BREAK = re.compile(
    r"(?<=[\u3000-\u303f\u3400-\u9fff\uff00-\uffef])\n(?=[\u3000-\u303f\u3400-\u9fff\uff00-\uffef])"
)
_ITEM = re.compile(r"^(?:[-*+]|\d+[.)]) ")
_LANGUAGES = {".py": "python", ".toml": "toml", ".yaml": "yaml", ".yml": "yaml", ".sh": "bash", ".json": "json"}
_ELSEWHERE = "other-language:"
_origin: dict[str, str] = {}  # where the text of a page of this build comes from, by its name on the site


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Anchors as code hosts make them, the navigation of this language, and where the other language is."""
    chinese = _language(config) == "zh"
    config.mdx_configs.setdefault("toc", {})["slugify"] = slug
    config.nav = navigation(_language(config))
    config.extra["alternate"] = [{"name": "English", "lang": "en", "link": "#"}]  # shows the partial
    config.extra["other_language"] = "en" if chinese else "zh"
    config.extra["other_start"] = "../index.html" if chinese else "zh/index.html"
    config.extra["other_name"] = "English" if chinese else "中文"
    return config


def _language(config: MkDocsConfig) -> str:
    return str(config.theme["language"])


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """The pages of this language, and a page for whatever they lead to outside of `docs`."""
    language = _language(config)
    _origin.clear()
    for file in list(files):
        path = f"docs/{file.src_uri}"
        if file.inclusion.is_excluded():
            files.remove(file)
        elif file.is_documentation_page():
            _origin[file.src_uri] = path
    if language == "zh":
        for path in sorted(str(each.relative_to(ROOT)) for each in (ROOT / "docs").rglob("*.md")):
            if (place := place_of(path)).language == "zh":
                _take(files, config, place.uri, path)
    _follow(files, config, language)
    return files


def _take(files: Files, config: MkDocsConfig, uri: str, path: str, content: str | None = None) -> None:
    if (old := files.get_file_from_path(uri)) is not None:
        files.remove(old)
    given: Mapping[str, Any] = {"abs_src_path": str(ROOT / path)} if content is None else {"content": content}
    followed = uri.startswith("repository/") or content is not None
    hidden = InclusionLevel.NOT_IN_NAV if followed else InclusionLevel.UNDEFINED
    files.append(File.generated(config, uri, inclusion=hidden, **given))
    _origin[uri] = path


def _follow(files: Files, config: MkDocsConfig, language: str) -> None:
    """A page for each file and folder that a link leads to, and for what those lead to."""
    waiting = list(_origin.values())
    while waiting:
        page = waiting.pop()
        if not (ROOT / page).is_file() or not page.endswith(".md"):
            continue
        for link in links((ROOT / page).read_text(encoding="utf-8")):
            target = page if link.outside else resolve(page, link.path)
            if language == "zh":
                target = twin_of(target) or target
            place = _place(target)
            wanted = (ROOT / target).exists() and place.language in (None, language)
            if wanted and files.get_file_from_path(place.uri) is None:
                _take(files, config, place.uri, _source(target), _shown(target))
                waiting.append(target)


def _place(path: str) -> Place:
    """The place of a file or a folder; a folder is where its README is, or a list of what is in it."""
    if (ROOT / path).is_dir():
        inner = f"{path}/README.md"
        return place_of(inner if (ROOT / inner).is_file() else f"{path}/index.md")
    if path.startswith("docs/") and not path.endswith(".md"):
        return Place(None, path.removeprefix("docs/"))
    return place_of(path)


def _source(path: str) -> str:
    """What links of the page are from: a list of a folder is a page in it."""
    readme = f"{path}/README.md"
    if not (ROOT / path).is_dir():
        return path
    return readme if (ROOT / readme).is_file() else f"{path}/index.md"


def _shown(path: str) -> str | None:
    """The text of a page about a file that is none, or about a folder; None for what is a page by itself."""
    file = ROOT / path
    if file.is_dir():
        readme = file / "README.md"
        if readme.is_file():
            return readme.read_text(encoding="utf-8")
        return f"# `{path}`\n\n{_listed(file)}\n"
    if path.endswith(".md"):
        return None
    text = file.read_text(encoding="utf-8")
    return f"# `{path}`\n\n````{_LANGUAGES.get(file.suffix, 'text')}\n{text}\n````\n"


def _listed(folder: Path) -> str:
    names = sorted(each.name + "/" * each.is_dir() for each in folder.iterdir() if not each.name.startswith(("_", ".")))
    pages = folder.is_relative_to(ROOT / "docs")
    return "\n".join(f"- [{name}]({name})" if pages and name.endswith(".md") else f"- `{name}`" for name in names)


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The text with links as they are on the site, and anchors of both languages."""
    source, language = _origin[page.file.src_uri], _language(config)
    page.meta["other"] = {"link": _other(page, language)}
    english = language == "zh" and place_of(source).language is None
    text = markdown
    for link in reversed(list(links(markdown))):
        if not link.outside and link.path:
            new = _moved(resolve(source, link.path), page, language, files)
            text = f"{text[: link.start]}{new}{'#' * bool(link.anchor)}{link.anchor}{text[link.end :]}"
    if page.file.src_uri == "index.md":
        page.meta["hide"] = ["navigation"]
    text = _lists(_joined(text) if language == "zh" else text)
    if language == "zh" and not english:
        return _with_english_anchors(text, source)
    if english and source.endswith(".md") and page.file.src_uri != "index.md":
        first = headings(text)
        lines = text.split("\n")
        lines.insert(first[0].line + 1 if first else 0, f"\n{_ONLY_ENGLISH}")
        return "\n".join(lines)
    return text


def _moved(target: str, page: Page, language: str, files: Files) -> str:
    """A link to a file of the repository, from a page of the site; into the other language one to a file there."""
    place = _place(target)
    if place.language in (None, language) or (files.get_file_from_path(place.uri) is not None and language == "zh"):
        return posixpath.relpath(place.uri, posixpath.dirname(page.file.src_uri) or ".")
    name = re.sub(r"(^|/)README\.md$", r"\1index.md", place.uri)
    return _ELSEWHERE + _across(page.file.dest_uri, f"{name.removesuffix('.md')}.html", language)


def on_page_content(html: str, **_: object) -> str:
    """Links into the other language, which mkdocs would look for in this one."""
    return html.replace(f'href="{_ELSEWHERE}', 'href="')


def _across(here: str, there: str, language: str) -> str:
    """A relative URL from a file of this language's site to one of the other's."""
    begin, end = (here, f"zh/{there}") if language == "en" else (f"zh/{here}", there)
    return posixpath.relpath(end, posixpath.dirname(begin) or ".")


def _other(page: Page, language: str) -> str:
    """This page in the other language, or its start page."""
    uri = page.file.src_uri
    there = language == "en" or (ROOT / "docs" / uri).is_file() or (uri.startswith("repository/") and _both(uri))
    return _across(page.file.dest_uri, page.file.dest_uri if there else "index.html", language)


def _both(uri: str) -> bool:
    return (ROOT / _origin[uri].replace(".zh-CN.md", ".md")).exists()


def _with_english_anchors(text: str, source: str) -> str:
    """Anchors of the English headings beside the Chinese ones: pages that are in English alone link to them."""
    other = ROOT / "docs" / place_of(source).uri
    if source.endswith(".zh-CN.md"):
        other = ROOT / source.replace(".zh-CN.md", ".md")
    if not other.is_file():
        return text
    english, own = headings(other.read_text(encoding="utf-8")), headings(text)
    lines = text.split("\n")
    for theirs, ours in reversed(list(zip(english, own, strict=False))):
        if theirs.anchor != ours.anchor:
            lines[ours.line] = f'<a id="{theirs.anchor}"></a>\n\n{lines[ours.line]}'
    return "\n".join(lines)


def _joined(text: str) -> str:
    """Lines of a paragraph that end and begin in Chinese as one line: between them stands no blank."""
    shown = prose(text)
    ends = [found.start() for found in _CHINESE_BREAK.finditer(shown)]
    for place in reversed(ends):
        text = text[:place] + text[place + 1 :]
    return text


def _lists(text: str) -> str:
    """A blank line before a list that follows a paragraph at once: code hosts need none, this Markdown does."""
    lines: list[str] = []
    shown = prose(text).split("\n")
    for number, line in enumerate(text.split("\n")):
        before = shown[number - 1] if number else ""
        if _ITEM.match(shown[number]) and before.strip() and not _ITEM.match(before) and not before.startswith(" "):
            lines.append("")
        lines.append(line)
    return "\n".join(lines)
