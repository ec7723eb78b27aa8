"""Sources without what only their readers need: comments, types and indentation. Every line keeps its number."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_TYPE = re.compile(r"/\*\* @(?:type|param)[^\n]*?\*/ ?")
_TOKEN: Final = re.compile(r"""'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|//[^\n]*|/\*.*?\*/|[\w$]+|\s+|.""", re.DOTALL)
_PATTERN: Final = re.compile(r"/(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/\w*")
_BEFORE_PATTERN: Final = frozenset("([{,;:=!?&|<>+-*%~^}") | {"", "return", "typeof", "case", "of", "in"}
_WITHIN: Final = re.compile(r"(?:[^`\\$]|\\.|\$(?!\{))*", re.DOTALL)
_MARKUP: Final = ("html", "svg")  # tags of literals in which a line's indentation means nothing
_AS_IT_STANDS: Final = re.compile(r"<(?:pre|textarea)\b[^>]*>[^<]*\n", re.IGNORECASE)


def without_comments(source: bytes) -> bytes:
    """A module or a style without its comments.

    Lines that are a comment, or lie within one that began a line, become empty, and types that stand before a value go.
    Comments begin a line or are such types: the style check of the sources holds that.
    """
    lines, is_within = list[str](), False
    for line in source.decode().split("\n"):
        begins = line.lstrip()
        if is_within or begins.startswith("/*"):
            _, end, rest = line.partition("*/")
            is_within = not end
            lines.append(rest.lstrip())
        else:
            lines.append("" if begins.startswith("//") else line)
    return _TYPE.sub("", "\n".join(lines)).encode()


def without_indentation(source: str) -> str:
    """A module whose lines begin at their left edge.

    A line that begins within a template literal is left as it is, unless that is markup, where one space is as good as
    many.

    Raises:
        ValueError: a literal does not end, or markup has an element over several lines that shows them as they stand.
    """
    kept = set[int]()
    for begin, end, is_markup in _literals(source):
        text = source[begin:end]
        if not is_markup:
            first = source.count("\n", 0, begin)
            kept.update(range(first + 1, first + 1 + text.count("\n")))
        elif found := _AS_IT_STANDS.search(text):
            number = source.count("\n", 0, begin + found.start()) + 1
            raise ValueError(f"line {number}: expected an element like <pre> to be on one line, was {found[0]!r}")
    lines = source.split("\n")
    return "\n".join(line if number in kept else line.lstrip(" ") for number, line in enumerate(lines))


def _literals(source: str) -> Iterator[tuple[int, int, bool]]:
    """Each piece of a template literal between its holes: where it begins and ends, and whether it is markup."""
    holes = list[bool | None]()  # that are open, by whether the literal is markup; None is a brace of the code
    at, before = 0, ""
    while at < len(source):
        text = _taken(_PATTERN, source, at) if before in _BEFORE_PATTERN and source[at] == "/" else ""
        text = text or _taken(_TOKEN, source, at)
        at, is_markup = at + len(text), None
        if text == "{":
            holes.append(None)
        elif text == "}":
            is_markup = holes.pop() if holes else None
        elif text == "`":
            is_markup = before in _MARKUP
        if is_markup is not None:
            end = at + len(_taken(_WITHIN, source, at))
            yield at, end, is_markup
            if source.startswith("${", end):
                holes.append(is_markup)
                at, before = end + 2, "{"
            elif source.startswith("`", end):
                at, before = end + 1, "`"
            else:
                number = source.count("\n", 0, end) + 1
                raise ValueError(f"line {number}: expected the literal to end, it did not")
        elif not text.isspace():
            before = text
    if holes:
        raise ValueError(f"expected every brace to be closed, {len(holes)} were not")


def _taken(form: re.Pattern[str], source: str, at: int) -> str:
    """What of a source has a form there, empty for nothing."""
    found = form.match(source, at)
    return found[0] if found else ""


__all__ = ["without_comments", "without_indentation"]
