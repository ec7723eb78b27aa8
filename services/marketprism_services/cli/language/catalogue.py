"""Texts in another language, found by the English text or by its pattern.

Errors come over the wire and from every layer as English sentences, so a translation cannot hang on the place where a
text is printed: a catalogue maps English sentences to those of one language, with `{}` where a value stands, and the
command line looks up what it is about to show. What the catalogue does not have stays English.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from functools import cache

_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")
_DEEPEST = 5  # a text within a text within a text: `error: setting lease.lease_s: expected a number from 1 to 9, …`
_HOLE = "{}"
_FEW = 2  # letters
_NAMED = re.compile(r"((?:(?!: ).)+): (expected .+)")
_FRAME = re.compile(r"\b(?:expected|was)\b")
_WORD = re.compile(r"[a-z]{3}")
_INDEX = re.compile(r"{(\d*)}")
# Names with commas between: no sentence, but Chinese has a comma of its own for them.
_NAMES = re.compile(r"[^\s,'\"()\[\]{}<>]+(?:, [^\s,'\"()\[\]{}<>]+)+(?: (?:or|and) [^\s,'\"()\[\]{}<>]+)?")
_JOINTS = ((", ", "、"), (" or ", " 或 "), (" and ", " 与 "))
_NUMBER = r"([-+]?[\d.,]+(?:e[-+]?\d+)?)"
# Between Chinese characters stands no blank: the ones around a value are for values in other letters. `\0` is its edge.
_CHINESE = "\u3000-\u303f\u3400-\u9fff\uff00-\uffef"
_EDGE = re.compile(f"(?<=[{_CHINESE}]) ?\0 ?(?=[{_CHINESE}])|\0")


def language_of(environ: Mapping[str, str]) -> str:
    """`zh_CN` or `en`: `MARKETPRISM_LANG` first, then the locale's variables, the first that is set.

    `LANGUAGE` is the list of languages that a desktop prefers; as for other programs, it counts unless the locale is C.
    """
    own = environ.get("MARKETPRISM_LANG")
    if own:
        return "zh_CN" if own.lower().startswith("zh") else "en"
    locale = next((environ[name] for name in _VARIABLES if environ.get(name)), "C")
    if locale.partition(".")[0] in {"C", "POSIX"}:
        return "en"
    first = environ.get("LANGUAGE", "").partition(":")[0] or locale
    return "zh_CN" if first.lower().startswith("zh") else "en"


class Catalogue:
    """Texts of one language by their English ones; `counts` are those whose value is a number, like `{} ticks`."""

    def __init__(self, texts: Mapping[str, str], counts: Collection[str] = ()) -> None:
        self._counts = frozenset(counts)
        # A console takes brackets for markup unless they are escaped: such a text is the same text.
        texts = {**texts, **{_escaped(english): _escaped(own) for english, own in texts.items() if "[" in english}}
        self._whole = {english: own for english, own in texts.items() if _HOLE not in english}
        patterns = [english for english in texts if _HOLE in english]
        # What begins with its own words first, for another's first value would swallow them; then the most words:
        # `expected {}, was {}` would fit what others say better.
        patterns.sort(
            key=lambda english: (not english.startswith(_HOLE), len(english.replace(_HOLE, ""))), reverse=True
        )
        self._patterns = [(english, max(english.split(_HOLE), key=len), texts[english]) for english in patterns]

    def __bool__(self) -> bool:
        return bool(self._whole or self._patterns)

    def items(self) -> Iterator[tuple[str, str]]:
        """Every English text with its own."""
        yield from self._whole.items()
        yield from ((english, own) for english, _, own in self._patterns)

    def translate(self, text: str, _depth: int = 0) -> str:
        """The text in this language, values as they are; the text itself where nothing is known of it."""
        if not self or not text.strip():
            return text
        stripped = text.strip()
        found = self._whole.get(stripped)
        if found is None and _depth < _DEEPEST and " " in stripped:  # every pattern is a sentence
            found = next(self._fitting(stripped, _depth), None)
        if found is not None:
            return text.replace(stripped, found, 1)
        if "\n" in text:
            return "\n".join(self.translate(line, _depth) for line in text.split("\n"))
        return text

    def _fitting(self, text: str, depth: int) -> Iterator[str]:
        for english, fragment, own in self._patterns:
            match = _pattern(english, count=english in self._counts).fullmatch(text) if fragment in text else None
            if match:
                values = (f"\0{self._value(value, depth)}\0" for value in match.groups())
                yield _EDGE.sub("", own.format(*values))

    def _value(self, value: str, depth: int) -> str:
        """A value that is a sentence in this language; one word is a name, whatever it means elsewhere."""
        if " " not in value.strip():
            return value
        own = self.translate(value, depth + 1)
        if own == value and _NAMES.fullmatch(value):
            for joint, chinese in _JOINTS:
                own = own.replace(joint, chinese)
        return own


@cache
def _pattern(english: str, *, count: bool) -> re.Pattern[str]:
    parts = english.split(_HOLE)
    # What has hardly a letter of its own, like `{} to {}`, would fit half of all sentences: it is for numbers only.
    few = sum(letter.isalpha() for part in parts for letter in part) <= _FEW
    hole = _NUMBER if few or count else "(.*?)"
    return re.compile(hole.join(re.escape(part) for part in parts))


def _reasons(texts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What sentences are without the name before them, as reasons within other sentences have it: `expected {}, was {}`
    of `limit: expected {}, was {}`."""
    for english, own in texts.items():
        match = _NAMED.fullmatch(english)
        # What has no words of its own beside these would fit half of all reasons.
        if match and _WORD.search(_FRAME.sub("", match[2])) and (rest := _without_name(own, match[1].count(_HOLE))):
            yield match[2], rest
        elif english.startswith("expected ") and own.startswith("应为 ") and ", was" not in english:
            yield english.removeprefix("expected "), own.removeprefix("应为 ")


def _without_name(own: str, holes: int) -> str:
    """A text behind its name, in which so many values stand; empty where they stand elsewhere."""
    name, colon, rest = own.partition("：")
    named, left = _INDEX.findall(name), _INDEX.findall(rest)
    if not colon or len(named) != holes:
        return ""
    if "".join((*named, *left)) == "":
        return rest
    if {*map(int, filter(None, named))} != {*range(holes)} or not all(left):
        return ""
    return _INDEX.sub(lambda hole: f"{{{int(hole[1]) - holes}}}", rest)


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")


def spoken() -> Catalogue:
    """The catalogue of this process's user; English where standard error cannot write the other language."""
    language = language_of(os.environ)
    return catalogue(language if language == "en" or _writes_chinese(sys.stderr.encoding) else "en")


def _writes_chinese(encoding: str | None) -> bool:
    try:
        "中文".encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


@cache
def catalogue(language: str) -> Catalogue:
    """The catalogue of a language; the one of English is empty."""
    if language == "en":
        return Catalogue({})
    import tomllib  # noqa: PLC0415 (English needs none)
    from importlib.resources import files  # noqa: PLC0415

    tables: dict[str, dict[str, str]] = {}
    for file in sorted(files(__package__).joinpath(language).iterdir(), key=lambda each: each.name):
        tables |= tomllib.loads(file.read_text(encoding="utf-8"))
    texts = {english: own for table in tables.values() for english, own in table.items()}
    return Catalogue({**dict(_reasons(texts)), **texts}, tables.get("counts", ()))
