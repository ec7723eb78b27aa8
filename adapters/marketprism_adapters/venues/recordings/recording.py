"""Recordings of venues in the forms that the community keeps them, as frames with their receive times.

Lines `<receive time> <json>` (hftbacktest and its kin: seconds to nanoseconds, or a day and a time; a space or a tab),
cryptofeed's raw captures (`time: json`, `URL -> time: body`, `URL <- time: sent`, `URL <-> time`), dumps of one
instrument and hour (`ETHBTC/2020-11-01T09-00-00_update.json`, `dob_<SYMBOL>_<day>_<hour>_<snapshot|update|trades>`),
bare frames, one a line or one document, saved requests (`path`, `query`, `data`), and lines that say what they are
(`typed_lines`). The content says which, and how it is compressed; the name is asked only for what the content does not
tell.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import IO

from marketprism_adapters.venues.recordings import line_formats, market_detection
from marketprism_adapters.venues.recordings.compression import OTHER_TEXT, opened, reading
from marketprism_adapters.venues.recordings.line_formats import ANSWER, BOOK, FRAME, REFUSED, BadLine, Recorded
from marketprism_adapters.venues.recordings.market_detection import BARE
from marketprism_adapters.venues.recordings.survey import Survey
from marketprism_adapters.venues.registry import MARKETS
from marketprism_application.errors import SourceError

_HOUR = re.compile(r"(?<!\d)(\d{4})-?(\d\d)-?(\d\d)[T_](\d\d)(?:[-:]?(\d\d)[-:]?(\d\d))?(?!\d)")
_ENDING = re.compile(r"(?:\.(?:gz|xz|bz2|zst|lz4|lzma|zip|txt|jsonl|json|dat|log|tsv|raw))+$", re.IGNORECASE)
_LOOKED_AT = 500  # lines without anything known, after which a file is none of ours


class VenueRecording:
    """One file. It is read once through at the beginning: what it is of stands in no single place.

    `market` is what it is of, or mostly; `market_by` what told it: given, host, form, path, name, or assumed. A
    recording of several `markets` says of each row which. One that names another exchange, or a test network, is read
    only where `market` is given: its frames look the same, and its prices are not the venue's.
    `partial`: of a file that ends too early, or that is damaged, what stands before that is taken.

    Raises (everywhere):
        SourceError: missing, unreadable, truncated, of no known form, or of a venue that nothing in it tells.
    """

    def __init__(self, path: Path, market: str = "", *, partial: bool = False) -> None:
        self.path = path
        self._partial = partial
        self._refused = ""  # the first that could not be read
        self.skipped: dict[str, int] = {}
        if market and market not in MARKETS:
            raise SourceError(f"market: expected one of {', '.join(MARKETS)}, was {market!r}")
        self.held = Survey(path)
        label = market_detection.label_of(path)
        if label and market_detection.foreign_label(label):
            self.held.foreign[label] += 1
        for row in self._raw():
            self._taken(row)
        elsewhere = market_detection.elsewhere_in(path)
        if elsewhere and not self.held.addressed:
            self.held.foreign[f"{elsewhere} (in its name)"] += 1
        if self.held.foreign and not market:
            names = ", ".join(self.held.foreign)[:200]
            raise SourceError(
                f"recording {path}: expected addresses of {', '.join(MARKETS)}, was {names}: another exchange, market "
                "or network; `market` says whose frames they are to be read as"
            )
        self.held.decide()
        found, by, several = self.held.market()
        if not (self.held.rows and (found or market)):
            raise self._none()
        other = [each for each in self.held.labels if not market and market_detection.of_another_venue(each, found)]
        if other:
            raise SourceError(
                f"recording {path}: expected frames of {other[0]}, which its header names, was frames of {found}; "
                "`market` says whose frames they are to be read as"
            )
        self.market, self.market_by = (market, "given") if market else (found, by)
        self.markets = several if len(several) > 1 and not market else frozenset({self.market})
        name = _ENDING.sub("", path.name)
        symbol = path.absolute().parent.name
        if (
            market_detection.symbol_in(path)
            and not market_detection.symbol_in(Path(name))
            and market_detection.symbol_in(Path(symbol))
        ):
            name = f"{symbol}_{name}"
        self.name = re.sub(r"[^A-Za-z0-9_-]+", "_", name)

    def _taken(self, row: Recorded) -> None:
        try:
            self.held.take(row)
        except BadLine as error:
            raise SourceError(f"recording {self.path}, line {row.line}: {error}") from error

    def _none(self) -> SourceError:
        expected = f"recording {self.path}: expected frames of {', '.join(MARKETS)}, {self._what()}"
        return SourceError(f"{expected}; {self._refused}" if self._refused else expected)

    def _what(self) -> str:
        with self.path.open("rb") as file:
            head = file.read(4)
        why = ": its text is UTF-16 or UTF-32" if head.startswith(OTHER_TEXT) else "" if head else ": the file is empty"
        return f"found none of them{why}"

    # -- rows --------------------------------------------------------------------------------------------------------

    def rows(self) -> Iterator[Recorded]:
        """Everything in it, in its order: frames, answers, and what was refused."""
        self.skipped = {}
        mixed = len(self.markets) > 1
        for row in self._raw():
            if row.what == FRAME:
                yield row._replace(market=self._market_of(row.payload)) if mixed else row
            elif row.what == BOOK:
                yield self._book(row)
            elif row.what == REFUSED:
                yield row
            elif row.what == ANSWER:
                market = (
                    market_detection.of_url(row.host, row.path, row.parameters) or market_detection.of_path(row.path)
                    if mixed
                    else ""
                )
                yield row._replace(market=market) if market else row

    def _market_of(self, frame: bytes) -> str:
        market = market_detection.signed(frame) or BARE.suggested(frame)
        return market if market in self.markets else self.market

    def _book(self, row: Recorded) -> Recorded:
        """A book by itself as the answer that it was, or as the frame of a stream without its name."""
        book, owner = line_formats.book_of(row.payload), self.held.owner(row.line)
        market = owner.market if owner.market in self.markets else self.market
        if owner.why_not:
            return row._replace(what=REFUSED, path="nameless", host=owner.why_not)
        if owner.top:
            frame = BARE.top_frame(owner.native, owner.top, row.payload)
            return row._replace(what=FRAME, payload=frame, market=market)
        # How many levels were asked for is not told: as many as there are, so what lies behind them counts as unknown.
        path, parameters = BARE.book_request(owner.native, book.depth)
        return Recorded(ANSWER, row.ts_recv, row.payload, row.line, path, parameters, market=market)

    def _raw(self) -> Iterator[Recorded]:
        """Rows as they stand, the books without a name among them."""
        last: Recorded | None = None
        try:
            for row in self._read():
                last = row
                yield row
        except SourceError as error:
            if not self._partial or last is None:
                raise
            problem = str(error).removeprefix(f"recording {self.path}").lstrip(",: ")
            yield Recorded(
                REFUSED, last.ts_recv, b"", last.line + 1, "truncated", host=f"line {last.line + 1}: {problem}"
            )

    def _read(self) -> Iterator[Recorded]:
        with reading(self.path), opened(self.path) as file:
            try:
                lead = _lead(file)
                first, second = ([line.strip() for line in lead if line.strip()] + [b"", b""])[:2]
                whole = line_formats.is_whole(first)
                alone = first[:1] in (b"{", b"[") and (
                    not second if whole else first in (b"{", b"[") or not line_formats.is_whole(second)
                )
                if alone:
                    yield from self._document(b"".join(lead) + _rest(file))
                else:
                    yield from self._lines(chain(lead, line_formats.lines_of(file)))
            except BadLine as error:
                raise SourceError(f"recording {self.path}: {error}") from error

    def _lines(self, file: Iterable[bytes]) -> Iterator[Recorded]:
        none = True
        ts = 0
        for number, raw in enumerate(file, 1):
            line = raw.rstrip(b"\r\n")
            try:
                rows, passed = line_formats.rows_of(line, number)
                for row in rows:
                    if row.what == BOOK:
                        line_formats.book_of(row.payload)
            except BadLine as error:
                self._refused = self._refused or f"line {number}: {error}"
                rows, passed = [line_formats.refused_line(BadLine(f"line {number}: {error}"), ts, number)], ""
            if passed:
                self.skipped[passed] = self.skipped.get(passed, 0) + 1
            for row in rows:
                ts = row.ts_recv if row.ts_recv > ts else ts
                none = none and row.what == REFUSED
            if none and number >= _LOOKED_AT:
                raise self._none()
            yield from rows

    def _document(self, held: bytes) -> Iterator[Recorded]:
        self.held.lone = True
        for row in line_formats.document(held.strip()):
            yield row if row.ts_recv or row.what != BOOK else row._replace(ts_recv=self._hour())

    def _hour(self) -> int:
        """When a dump was made, as its name says it; 0 when it does not."""
        found = _HOUR.search(self.path.name)
        if found is None:
            return 0
        try:
            start = datetime(*(int(part or 0) for part in found.groups()), tzinfo=UTC)  # type: ignore[misc, arg-type]
        except ValueError as error:
            raise BadLine(f"expected a day and an hour in the name, was {found[0]}: {error}") from error
        return int(start.timestamp()) * 1_000_000_000


def _lead(file: IO[bytes]) -> list[bytes]:
    """The first lines of a file, up to the second that is not empty, and not many that are."""
    lead: list[bytes] = []
    written = 0
    for line in line_formats.lines_of(file):
        lead.append(line if lead else line.removeprefix(b"\xef\xbb\xbf"))
        written += bool(line.strip())
        if written == 2 or len(lead) == _LOOKED_AT:
            break
    return lead


def _rest(file: IO[bytes]) -> bytes:
    """What is left of a document. Raises BadLine: more than any has."""
    rest = file.read(line_formats.MOST_DOCUMENT + 1)
    if len(rest) > line_formats.MOST_DOCUMENT:
        raise BadLine(f"expected one JSON document of at most {line_formats.MOST_DOCUMENT >> 20} MiB, was longer")
    return rest


def in_order(recordings: Sequence[VenueRecording]) -> Iterator[tuple[VenueRecording, Recorded]]:
    """What all of them hold, by receive time; inside one file in its own order. Each is opened when its time comes."""
    waiting: list[tuple[int, int, Recorded | None, Iterator[Recorded]]] = [
        (recording.held.first, number, None, recording.rows()) for number, recording in enumerate(recordings)
    ]
    heapq.heapify(waiting)
    while waiting:
        clock, number, row, rows = waiting[0]
        if row is not None:
            yield recordings[number], row
        following = next(rows, None)
        if following is None:
            heapq.heappop(waiting)
        else:
            heapq.heapreplace(waiting, (max(clock, following.ts_recv), number, following, rows))
