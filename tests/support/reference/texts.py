"""Texts of the code as Markdown, in English or in the words of a catalogue."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable

from rich import markup

from marketprism_services.cli.language.catalogue import Catalogue, catalogue

_SPAN = re.compile(r"(`+[^`]+`+)")
_SPECIAL = re.compile(r"[*\[\]]|(?<!\w)_|_(?!\w)")
_ITEM = re.compile(r"\s*(?:- |\* |\d+\. )")
_NEXT = re.compile(r"(?<=\.) (?=[A-Z]\w+(?:, [A-Z]\w+)*: )")
_SECTION = re.compile(r"^(Raises|Returns|Yields|Args|Attributes|Parameters|Example|Examples|Note|Notes):$")


def texts_of(language: str) -> Catalogue:
    """Translations into a language of the site; those into English are empty."""
    return catalogue("zh_CN" if language == "zh" else "en")


def plain(text: str) -> str:
    """A text of the command line without its markup."""
    return markup.render(text).plain


def shown(text: str) -> str:
    """A sentence as Markdown shows it: what stands as code stays, signs of Markdown are signs of the text."""
    parts = _SPAN.split(" ".join(text.split()))
    return "".join(part if part.startswith("`") else _escaped(part) for part in parts)


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda sign: f"\\{sign[0]}", text.replace("&", "&amp;").replace("<", "&lt;"))


def paragraphs(text: str, texts: Catalogue) -> str:
    """A help text, paragraph by paragraph."""
    return "\n\n".join(shown(plain(texts.translate(" ".join(each.split())))) for each in text.split("\n\n"))


def documented(text: str | None) -> str:
    """A docstring as Markdown: sections like `Raises:` become lists, blocks of code stay."""
    parts: list[str] = []
    for part in re.split(r"\n\s*\n", inspect.cleandoc(text or "")):
        lines = part.split("\n")
        if _SECTION.match(lines[0]):
            parts.append(f"**{lines[0]}**")
            parts.append("\n".join(_items(lines[1:])))
        elif all(line.startswith("    ") or not line for line in lines) or re.search(r"[├└│─]", part):
            parts.append("```text\n" + inspect.cleandoc(part) + "\n```")
        elif _ITEM.match(lines[0]):
            parts.append("\n".join(lines))
        else:
            parts.append(shown(part))
    return "\n\n".join(part for part in parts if part)


def _items(lines: Iterable[str]) -> list[str]:
    """Each entry of a section, with what follows in lines that stand further in."""
    found: list[str] = []
    own = [line for line in lines if line.strip()]
    edge = min((len(line) - len(line.lstrip()) for line in own), default=0)
    for line in own:
        if found and (len(line) - len(line.lstrip()) > edge or found[-1].endswith(",")):
            found[-1] += f" {line.strip()}"
        else:
            found.append(line.strip())
    return [f"- {_named(part)}" for each in found for part in _NEXT.split(each)]


def _named(text: str) -> str:
    name, colon, rest = text.partition(": ")
    if colon and re.fullmatch(r"[\w.*]+(?:, [\w.*]+)*", name):
        return f"{', '.join(f'`{each}`' for each in name.split(', '))}: {shown(rest)}"
    return shown(text)


def first_sentence(text: str) -> str:
    """The first paragraph of a docstring, in one line."""
    return " ".join(inspect.cleandoc(text or "").split("\n\n")[0].split())
