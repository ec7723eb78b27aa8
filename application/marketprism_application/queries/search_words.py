"""Words that people search by: how a text is cut into them, and those that mean a class."""

from __future__ import annotations

import re
import unicodedata

from marketprism_domain.instruments.exchange_codes import venue_of_code

_BETWEEN_WORDS = re.compile(r"[\s:@,;|]+|(?<!\d)\.|\.(?!\d)")
_SEPARATORS = re.compile(r"[\s\-_/&]+")
_NUMBERED = re.compile(r"(.*\D)(\d{1,4})")

# What a class, and the side of an option, is called. The keys are those of `class_` and `option_type`.
CLASS_WORDS: dict[str, tuple[str, ...]] = {
    "future": ("期货", "qihuo", "future", "futures"),
    "option": ("期权", "qiquan", "option", "options"),
    "combination": ("套利", "taoli", "组合", "zuhe", "combination", "spread"),
    "spot": ("现货", "xianhuo", "spot"),
    "swap": ("永续", "yongxu", "perp", "perpetual", "swap"),
    "call": ("看涨", "认购", "call"),
    "put": ("看跌", "认沽", "put"),
}
_SUFFIXES = tuple(word for words in CLASS_WORDS.values() for word in words if not word.isascii())


def plain(text: str) -> str:
    """A text in the form in which texts are compared: half-width, small letters, ü as it is typed."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", text).casefold().replace("ü", "v")


def squeezed(text: str) -> str:
    """A text in that form, without what separates its parts: `btcusdtperp` of `BTC-USDT-PERP`."""
    return _SEPARATORS.sub("", plain(text))


def words_of(text: str) -> list[str]:
    """The words of a text, each once, the longest first; empty for a text of separators only."""
    words = (_SEPARATORS.sub("", word) for word in _BETWEEN_WORDS.split(plain(text)))
    return sorted(dict.fromkeys(word for word in words if word), key=len, reverse=True)


def parts_of(word: str) -> list[str]:
    """The words that one means which is none by itself: 螺纹 and 2605 of 螺纹2605, 铜 and 期权 of 铜期权; empty where
    it has no such parts."""
    if numbered := _NUMBERED.fullmatch(word):
        return [numbered[1], numbered[2]]
    suffix = next((suffix for suffix in _SUFFIXES if word.endswith(suffix) and word != suffix), "")
    return [word.removesuffix(suffix), suffix] if suffix else []


def begins(key: str, word: str) -> bool:
    """Whether a word is the begin of another, and long enough to mean it."""
    return key.startswith(word) and (len(word) > 2 or not word.isascii())


def is_venue(word: str, venue: str) -> bool:
    """Whether a word is the venue's, or one of the codes that others have for it."""
    return word == venue or venue_of_code(word) == venue
