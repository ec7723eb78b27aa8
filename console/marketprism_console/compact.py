"""Sources without what only their readers need: comments, types, indentation, empty lines and spaces in code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import Final

_TYPE = re.compile(r"/\*\* @(?:type|param)[^\n]*?\*/ ?")
# The most frequent come first, and signs of which none begins what is longer are taken together.
_TOKEN: Final = re.compile(
    r"""[\w$]+|(\s+)|[()\[\],;:=!?&|<>+\-*%~^.]+|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|//[^\n]*|/\*.*?\*/|.""",
    re.DOTALL,
)
_PATTERN: Final = re.compile(r"/(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/\w*")
_BEFORE_PATTERN: Final = frozenset("([{,;:=!?&|<>+-*%~^}") | {"", "return", "typeof", "case", "of", "in"}
_WITHIN: Final = re.compile(r"(?:[^`\\$]|\\.|\$(?!\{))*", re.DOTALL)
_MARKUP: Final = ("html", "svg")  # tags of literals in which a line's indentation means nothing
_SIGNS: Final = frozenset("(){}[],;:=?&|<>")
_GOES_ON: Final = frozenset("{([,;")
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


def compact(source: str) -> str:
    """A module whose lines begin at their left edge and end before the comment that ends them, without empty ones and
    without spaces beside brackets, commas and such signs of the code.

    A line that begins within a template literal is left as it is, unless that is markup, where one space is as good as
    many.

    Raises:
        ValueError: a literal does not end, or markup has an element over several lines that shows them as they stand.
    """
    left, comments = set[int](), dict[int, int]()  # lines, and where one is cut, by its number
    number = counted = 0
    for begin, end, kind in _pieces(source):
        if kind is _Kind.SPACE:
            continue
        text, number = source[begin:end], number + source.count("\n", counted, begin)
        counted = begin
        if kind is _Kind.COMMENT:
            comments[number] = begin - source.rfind("\n", 0, begin) - 1
        elif kind is _Kind.TEXT:
            left.update(range(number + 1, number + 1 + text.count("\n")))
        elif found := _AS_IT_STANDS.search(text):
            line = number + text.count("\n", 0, found.start()) + 1
            raise ValueError(f"line {line}: expected an element like <pre> to be on one line, was {found[0]!r}")
    lines = [line[: comments[n]].rstrip(" ") if n in comments else line for n, line in enumerate(source.split("\n"))]
    shown = ((number in left, line) for number, line in enumerate(lines))
    kept = (line if is_left else line.lstrip(" ") for is_left, line in shown if is_left or line.strip(" "))
    return _tight("\n".join(kept) + "\n")


def _tight(source: str) -> str:
    """A module without the spaces of its code that separate no two words."""
    found, at = list[str](), 0
    for begin, end, kind in _pieces(source):
        if kind is _Kind.SPACE and _separates_nothing(source, begin, end):
            found.append(source[at:begin])
            at = end
    return "".join((*found, source[at:]))


def _separates_nothing(source: str, begin: int, end: int) -> bool:
    """Whether code means the same without a space. The end of a line may end a statement, but not behind these."""
    before = source[begin - 1] if begin else ""
    if "\n" in source[begin:end]:
        return end < len(source) and before in _GOES_ON
    return before in _SIGNS or source[end : end + 1] in _SIGNS


class _Kind(Enum):
    """What a piece of a source is, of those that matter here."""

    COMMENT = "a comment to the end of its line"
    MARKUP = "a part of a literal that is markup"
    TEXT = "a part of another literal"
    SPACE = "spaces and ends of lines in the code"


def _pieces(source: str) -> Iterator[tuple[int, int, _Kind]]:
    """Comments, spaces, and each part of a template literal between its holes: where it begins and ends, what it is."""
    holes = list[bool | None]()  # that are open, by whether the literal is markup; None is a brace of the code
    at, before = 0, ""
    while found := _token(source, at, before):
        begin, at = found.span()
        if found.lastindex:
            yield begin, at, _Kind.SPACE
            continue
        text, is_markup = found[0], None
        if text == "{":
            holes.append(None)
        elif text == "}":
            is_markup = holes.pop() if holes else None
        elif text == "`":
            is_markup = before in _MARKUP
        if is_markup is not None:
            end = at + len(_taken(_WITHIN, source, at))
            yield at, end, _Kind.MARKUP if is_markup else _Kind.TEXT
            if source.startswith("${", end):
                holes.append(is_markup)
                at, before = end + 2, "{"
            elif source.startswith("`", end):
                at, before = end + 1, "`"
            else:
                number = source.count("\n", 0, end) + 1
                raise ValueError(f"line {number}: expected the literal to end, it did not")
        elif text.startswith("//"):
            yield begin, at, _Kind.COMMENT
        elif not text.startswith("/*"):
            before = text if text[0].isalnum() else text[-1]
    if holes:
        raise ValueError(f"expected every brace to be closed, {len(holes)} were not")


def _token(source: str, at: int, before: str) -> re.Match[str] | None:
    """What begins there, a space as the only one with a group; None at the end."""
    is_pattern = before in _BEFORE_PATTERN and source.startswith("/", at)
    return (_PATTERN.match(source, at) if is_pattern else None) or _TOKEN.match(source, at)


def _taken(form: re.Pattern[str], source: str, at: int) -> str:
    """What of a source has a form there, empty for nothing."""
    found = form.match(source, at)
    return found[0] if found else ""


__all__ = ["compact", "without_comments"]
