"""What a recording holds as a whole: its market, its times, its streams, and whose the books without a name are."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from marketprism_adapters.venues.recordings import market_detection
from marketprism_adapters.venues.recordings.line_formats import (
    ANSWER,
    BOOK,
    FRAME,
    HEADER,
    REFUSED,
    Book,
    Recorded,
    book_of,
)
from marketprism_adapters.venues.recordings.market_detection import BARE

_KEY = re.compile(rb'"(?:stream|channel|topic)"\s*:\s*"([^"]+)"(?:\s*,\s*"inst\w+"\s*:\s*"([^"]+)")?')
_OFTEN = 50  # frames of a stream that are looked at for the market, and then one of so many
_CROWD = 20
_FAR = 100_000  # ids that lie between a book and the only stream it can belong to


class Owner(NamedTuple):
    """Whose a book without a name is; `top`: it is no answer but a frame of the stream of so many levels."""

    native: str = ""
    market: str = ""
    top: int = 0
    why_not: str = ""


class Survey:
    """Filled row by row; then `decide`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = self.frames = self.answers = 0
        self.first = self.last = 0
        self.edges: dict[bytes, tuple[Recorded, Recorded]] = {}  # first and last frame of each stream
        self.lone = False  # the file is one JSON document
        self._seen: Counter[bytes] = Counter()
        self._signs: Counter[str] = Counter()
        self._hosts: Counter[str] = Counter()
        self.foreign: Counter[str] = Counter()  # hosts and exchanges that are none of ours
        self.labels: dict[str, None] = {}  # what the recorder calls the exchange
        self._paths: Counter[str] = Counter()
        self._suggested: Counter[str] = Counter()
        self._natives: dict[str, None] = {}
        self._depths: dict[tuple[str, str], list[int]] = {}  # market and instrument: the ids that its stream covers
        self._books: list[tuple[int, Book]] = []
        self._owners: dict[int, Owner] = {}

    def take(self, row: Recorded) -> None:
        """One row, in the order of the file. Raises BadLine: a book that is cut off."""
        ts = row.ts_recv
        if ts:
            if ts < self.first or not self.first:
                self.first = ts
            self.last = max(self.last, ts)
        what = row.what
        if what == HEADER:
            self.labels[row.path] = None
            if market_detection.foreign_label(row.path):
                self.foreign[row.path] += 1
        elif row.host and what != REFUSED:
            self._hosts[market_detection.of_url(row.host, row.path, row.parameters)] += 1
            if market_detection.is_foreign(row.host, row.path, row.parameters):
                self.foreign[row.host] += 1
        if what == FRAME:
            self.rows += 1
            self._frame(row)
        elif what == BOOK:
            self.rows += 1
            self._books.append((row.line, book_of(row.payload)))
        elif what == ANSWER:
            self.rows += 1
            self.answers += 1
            self._paths[market_detection.of_path(row.path)] += 1

    def _frame(self, row: Recorded) -> None:
        self.frames += 1
        payload = row.payload
        head = payload[:300]
        found = _KEY.search(head)
        if found is not None:
            key = found[1] if found[2] is None else found[1] + b":" + found[2]
        else:
            key = b":".join(BARE.named(head))
        before = self.edges.get(key)
        self.edges[key] = (row if before is None else before[0], row)
        self._seen[key] = seen = self._seen[key] + 1
        if seen <= _OFTEN or not seen % _OFTEN:
            self._look(payload)
        self._depth(payload)

    def _look(self, payload: bytes) -> None:
        sign = market_detection.signed(payload)
        if sign:
            self._signs[sign] += 1
        elif market_detection.market_of(payload):
            self._suggested[BARE.suggested(payload)] += 1
        native = BARE.named(payload).native
        if native:
            self._natives[native.decode()] = None

    def _depth(self, payload: bytes) -> None:
        found = BARE.book_ids(payload)
        if found is None:
            return
        ids = self._depths.setdefault((found.market, found.native), [found.first, 0])
        ids[0] = min(ids[0], found.first)
        ids[1] = max(ids[1], found.last)

    @property
    def addressed(self) -> bool:
        """Whether an address in it is of a market here."""
        return any(self._hosts)

    # -- what it came to ---------------------------------------------------------------------------------------------

    def market(self) -> tuple[str, str, frozenset[str]]:
        """The market, what told it (host, form, path, name, or assumed), and all markets where there are several.

        Empty where nothing tells any.
        """
        hosts = {name for name in self._hosts if name}
        if len(hosts) == 1:
            return next(iter(hosts)), "host", frozenset(hosts)
        signs = {name: count for name, count in self._signs.items() if name}
        for market in [name for name in signs if name in market_detection.signs_of(name).alike]:
            of = market_detection.signs_of(market)
            certain = [name for name in signs if name != market and market_detection.signs_of(name) is of]
            if certain:
                del signs[market]
                signs[certain[0]] += 1
            elif len(signs) == 1:
                named = market_detection.of_name(self.path, of.words)
                return (named, "name", frozenset()) if named else (market, "assumed", frozenset())
        if signs:
            most = max(signs, key=lambda name: signs[name])
            # A frame that was spoilt may look like one of the venue's other markets: one in a crowd is none of them.
            of = market_detection.signs_of(most)
            sure = {
                name
                for name, count in signs.items()
                if count * _CROWD > signs[most] or market_detection.signs_of(name) is not of
            }
            return most, "form", frozenset(sure) | hosts
        paths = {name for name in self._paths if name}
        if paths:
            return next(iter(paths)), "path", frozenset(paths)
        if not self._suggested and not self._books:
            return "", "", frozenset()
        named = market_detection.of_name(self.path, BARE.words)
        if named:
            return named, "name", frozenset()
        likely = next((name for name, _ in self._suggested.most_common() if name), BARE.assumed)
        return likely, "assumed", frozenset()

    def decide(self) -> None:
        """Say whose each book without a name is."""
        self._owners = {line: self._owner(book) for line, book in self._books}
        tops = sum(owner.top > 0 for owner in self._owners.values())
        self.frames += tops
        self.answers += len(self._owners) - tops - sum(bool(owner.why_not) for owner in self._owners.values())

    def owner(self, line: int) -> Owner:
        """Whose the book on this line is."""
        return self._owners[line]

    def _owner(self, book: Book) -> Owner:
        if book.symbol:
            return Owner(book.symbol, BARE.market_of(book.symbol))
        named = market_detection.symbol_in(self.path)
        if self.lone and named:
            return Owner(named)
        joined = [key for key, (low, high) in self._depths.items() if low - 1 <= book.last_id <= high]
        if len(joined) == 1:
            return Owner(joined[0][1], joined[0][0])
        if joined:
            names = ", ".join(sorted(name for _, name in joined))
            return Owner(why_not=f"book {book.last_id}: expected its instrument's name, its ids join those of {names}")
        if len(self._depths) == 1:
            (market, name), (low, high) = next(iter(self._depths.items()))
            room = max(high - low, _FAR)
            if low - room <= book.last_id <= high + room:
                return Owner(name, market)
        if self._depths:
            return Owner(why_not=f"book {book.last_id}: expected its instrument's name, or ids that join a stream")
        native = next(iter(self._natives)) if len(self._natives) == 1 else named
        if not native:
            return Owner(why_not=f"book {book.last_id}: expected its instrument's name, in it or in the file's name")
        top = next((levels for levels in BARE.top_levels if book.depth <= levels), 0)
        return Owner(native, top=0 if self.lone else top)
