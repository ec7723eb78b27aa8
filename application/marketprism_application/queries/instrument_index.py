"""Instruments prepared so that those which a text means are found in a few milliseconds.

Instruments are numbered in the order in which they stand among equals, so that the smallest numbers are the likeliest:
those that have data, then those that are not expired, futures before their options, of a product the main contract and
then the nearest. Each word of a text gives every instrument that it matches a grade by how; grades are added up.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Sequence
from enum import IntEnum
from fnmatch import fnmatchcase
from functools import lru_cache
from heapq import nsmallest

from marketprism_application.contracts.questions import Visible
from marketprism_application.queries.listed_instruments import ListedInstrument, in_order, month_end, month_number
from marketprism_application.queries.search_words import (
    CLASS_WORDS,
    begins,
    is_venue,
    parts_of,
    squeezed,
    words_of,
)
from marketprism_domain.instruments.exchange_codes import is_chinese, words_of_venue
from marketprism_domain.instruments.names import base_of, product_of
from marketprism_domain.instruments.product_names import ProductNames, names_of

_LAST = chr(0x10FFFF)
_POOLS = 64


class Grade(IntEnum):
    """How a word matches, the best first. Where only the begin matches it is one more."""

    EXACT = 0  # the symbol, or another way to write it
    WHOLE = 2  # the symbol's begin, which is its product
    PREFIX = 4
    PRODUCT = 6
    NAME = 8
    INITIALS = 10
    PINYIN = 12
    WORD = 14  # of the English name, of a class, of a venue, a month
    PART = 16
    NONE = 255


class _Keys:
    """Keys in their order, each of an instrument, to find those that begin with a word."""

    def __init__(self, pairs: Iterable[tuple[str, int]]) -> None:
        pairs = sorted(pairs)
        self._keys = [key for key, _ in pairs]
        self._numbers = [number for _, number in pairs]

    def exact(self, word: str) -> list[int]:
        """Numbers of the instruments that have this key."""
        return self._numbers[bisect_left(self._keys, word) : bisect_right(self._keys, word)]

    def beginning(self, word: str) -> list[int]:
        """Numbers of the instruments that have a key with this begin."""
        return self._numbers[bisect_left(self._keys, word) : bisect_left(self._keys, word + _LAST)]


class _Named:
    """The instruments of one product that has names."""

    def __init__(self, names: ProductNames) -> None:
        self.numbers: list[int] = []
        keys: dict[str, int] = {}

        def add(texts: Iterable[str], grade: int) -> None:
            for text in texts:
                keys.setdefault(squeezed(text), grade)

        add((name.text for name in names.chinese), Grade.NAME)
        add((text for name in names.chinese for text in name.initials), Grade.INITIALS)
        add((text for name in names.chinese for text in name.pinyin), Grade.PINYIN)
        add((word for name in names.english for word in (name, *words_of(name.replace("-", " ")))), Grade.WORD)
        self._keys = tuple(keys.items())
        self._all = "\n".join(keys)

    def grade(self, word: str) -> int:
        """How a word matches the product's names."""
        if word not in self._all:
            return Grade.NONE
        return min(
            (grade + (key != word) for key, grade in self._keys if key.startswith(word)), default=int(Grade.PART)
        )


class InstrumentIndex:
    """The instruments, in the order in which they stand among equals; `today` is YYYYMMDD.

    To make one takes long where there are many: that belongs in a thread.
    """

    def __init__(self, instruments: Iterable[ListedInstrument], today: str) -> None:
        known = [each.with_terms() for each in instruments]
        self.instruments = in_order(known, today)
        self._symbols: list[tuple[str, int]] = []
        self._names: list[tuple[str, int]] = []
        self._products: dict[str, list[int]] = {}
        self._months: dict[str, list[int]] = {}
        self._classes: dict[str, list[int]] = {}
        self._venues: dict[str, list[int]] = {}
        self._named: dict[tuple[str, str], _Named] = {}
        texts = []
        for number, each in enumerate(self.instruments):
            keys = self._add(number, each, today)
            texts.append("\n".join(keys))
        self._texts = texts
        self._by_symbol, self._by_name = _Keys(self._symbols), _Keys(self._names)
        self._pool = lru_cache(_POOLS)(self._find_pool)

    def _add(self, number: int, each: ListedInstrument, today: str) -> dict[str, None]:
        """File an instrument; all texts that it is known by."""
        symbol = squeezed(each.symbol)
        keys = dict.fromkeys((symbol, squeezed(each.native) or symbol))
        products = {squeezed(each.product), squeezed(each.product.partition("-")[0]), squeezed(each.underlying)}
        if is_chinese(each.venue):
            month = month_number(each.symbol, today)
            if month:
                end = month_end(each.symbol)
                letters, rest = each.symbol[:end].rstrip("0123456789"), each.symbol[end:]
                keys |= dict.fromkeys(squeezed(f"{letters}{month[n:]}{rest}") for n in (2, 3))
                for digits in (month[2:], month[3:], month[4:]):
                    self._months.setdefault(digits, []).append(number)
            code = product_of(each.symbol)
            products |= {squeezed(code), squeezed(base_of(code))}
            if (names := names_of(each.venue, each.symbol)) is not None:
                key = (names.venue, names.product)
                if key not in self._named:
                    self._named[key] = _Named(names)
                self._named[key].numbers.append(number)
        self._symbols += ((key, number) for key in keys)
        for product in products - {""}:
            self._products.setdefault(product, []).append(number)
        for word in {each.class_, each.option_type} - {""}:
            self._classes.setdefault(word, []).append(number)
        self._venues.setdefault(each.venue, []).append(number)
        name = squeezed(each.name)
        if name and name not in keys:
            self._names.append((name, number))
            keys[name] = None
        return keys | dict.fromkeys(products - {""})

    def search(
        self,
        text: str,
        *,
        venue: str = "",
        class_: str = "",
        limit: int = 20,
        visible: tuple[Visible, ...] | None = None,
    ) -> list[int]:
        """Numbers of the instruments that a text means, the likeliest first; none for a text without a word.

        Only those of the venue and of the class, where one is given, and only those that are visible.
        """
        words, pool = words_of(text), self._pool(venue, class_, visible)
        if not words or not self.instruments:
            return []
        found = self._of_word(words[0], limit, pool) if len(words) == 1 else None
        if found is not None:
            return found
        sums, count = self._summed(words), len(self.instruments)
        sums |= dict.fromkeys(self._by_symbol.exact(squeezed(text)), 0)  # as a combination has it: one with spaces
        places = [total * count + number for number, total in sums.items() if pool is None or number in pool]
        return [place % count for place in nsmallest(limit, places)]

    def within(
        self, venue: str = "", class_: str = "", visible: tuple[Visible, ...] | None = None
    ) -> frozenset[int] | None:
        """Numbers of the instruments of the venue and the class that are visible; None for all."""
        return self._pool(venue, class_, visible)

    def _find_pool(self, venue: str, class_: str, visible: tuple[Visible, ...] | None) -> frozenset[int] | None:
        tests: list[Callable[[ListedInstrument], bool]] = []
        if venue:
            tests.append(lambda each: each.venue == venue)
        if class_:
            tests.append(lambda each: each.class_ == class_)
        if visible is not None:
            tests.append(lambda each: any(_is_of(each, part) for part in visible))
        if not tests:
            return None
        return frozenset(n for n, each in enumerate(self.instruments) if all(test(each) for test in tests))

    def _of_word(self, word: str, limit: int, pool: frozenset[int] | None) -> list[int] | None:
        """The first that a single word matches, None where nothing has it. Those that only hold it somewhere are looked
        for where there are not enough others: that takes longest."""
        layers = self._layers(word)
        found: dict[int, None] = {}
        for grade in sorted(layers):
            numbers = set(layers[grade])
            found |= dict.fromkeys(sorted(numbers if pool is None else numbers & pool))
            if len(found) >= limit:
                return list(found)[:limit]
        holding = self._holding(word)
        if not layers and not holding:
            return None
        found |= dict.fromkeys(number for number in holding if pool is None or number in pool)
        return list(found)[:limit]

    def _summed(self, words: Sequence[str]) -> dict[int, int]:
        """The sum of the grades of each instrument that all the words match."""
        sums: dict[int, int] | None = None
        for word in words:
            grades = self._graded(word, None if sums is None else sums.keys())
            sums = grades if sums is None else {number: sums[number] + grade for number, grade in grades.items()}
        return sums or {}

    def _graded(self, word: str, within: Collection[int] | None, depth: int = 3) -> dict[int, int]:
        """The grade of each instrument that a word matches, of those `within`; for a word that none has, the worst of
        those of its parts."""
        grades: dict[int, int] = {}
        for grade, numbers in sorted(self._layers(word).items(), reverse=True):
            grades |= dict.fromkeys(numbers, grade)
        if within is not None:
            grades = {number: grades[number] for number in within if number in grades}
        holding = self._holding(word, within)
        grades = dict.fromkeys(holding, int(Grade.PART)) | grades
        if grades or not depth or not (parts := parts_of(word)):
            return grades
        for part in parts:
            more = self._graded(part, within, depth - 1)
            grades = {number: max(grades.get(number, 0), grade) for number, grade in more.items()}
            within = grades.keys()
        return grades

    def _holding(self, word: str, within: Collection[int] | None = None) -> list[int]:
        """Those that have a word anywhere in a symbol or a name of their own."""
        if within is None or 2 * len(within) > len(self._texts):
            found = [number for number, text in enumerate(self._texts) if word in text]
            return found if within is None else [number for number in found if number in within]
        return [number for number in within if word in self._texts[number]]

    def _layers(self, word: str) -> dict[int, list[int]]:
        """Numbers of the instruments that a word matches by its begin or by a group, by grade; some are there twice."""
        found: dict[int, list[int]] = {}

        def add(grade: int, numbers: Sequence[int]) -> None:
            if numbers:
                found.setdefault(int(grade), []).extend(numbers)

        prefixed, of_product = self._by_symbol.beginning(word), self._products.get(word, ())
        add(Grade.EXACT, self._by_symbol.exact(word))
        add(Grade.WHOLE, list(set(of_product).intersection(prefixed)))
        add(Grade.PREFIX, prefixed)
        add(Grade.PRODUCT, of_product)
        add(Grade.NAME, self._by_name.exact(word))
        add(Grade.NAME + 1, self._by_name.beginning(word))
        for named in self._named.values():
            if (grade := named.grade(word)) < Grade.NONE:
                add(grade, named.numbers)
        add(Grade.WORD, self._months.get(word, ()))
        for class_, numbers in self._classes.items():
            keys = CLASS_WORDS.get(class_, (class_,))
            if any(begins(key, word) for key in keys):
                add(Grade.WORD + (word not in keys), numbers)
        for venue, numbers in self._venues.items():
            exact = is_venue(word, venue)
            if exact or any(begins(key, word) for key in words_of_venue(venue)):
                add(Grade.WORD + (not exact), numbers)
        return found


def _is_of(each: ListedInstrument, part: Visible) -> bool:
    return any(fnmatchcase(each.venue, pattern) for pattern in part.venues) and any(
        fnmatchcase(each.symbol, pattern) for pattern in part.symbols
    )
