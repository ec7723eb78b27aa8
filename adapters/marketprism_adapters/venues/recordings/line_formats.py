"""The lines and documents that recordings are made of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from marketprism_adapters.venues.kit.numbers import UNREADABLE, nanos
from marketprism_adapters.venues.recordings import typed_lines
from marketprism_adapters.venues.recordings.market_detection import is_elsewhere, is_of_exchanges, market_of
from marketprism_adapters.venues.recordings.typed_lines import Address, address_of
from marketprism_application.venues.protocol import ParseRefused

# A frame, the answer to a request, a book that stands among frames without a name, something that cannot be read.
FRAME, ANSWER, BOOK, REFUSED = "frame", "answer", "book", "refused"
HEADER = "header"  # names the exchange in `path`
MOST_BYTES = 64 << 20  # of a line: no frame and no answer is longer
MOST_DOCUMENT = 256 << 20

_TIMED = re.compile(rb"(\d+)(?:\.(\d+))?(?::[ \t]|[ \t]+)(?=[\[{])")
_DAY = re.compile(rb"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|\+00:00)?:?[ \t]+(?=[\[{])")
_WITH_URL = re.compile(rb"(\S+) (->|<-|<->) (\d{9,19}(?:\.\d+)?)(?::[ \t]*|[ \t]*$)")
_URL = re.compile(rb"(?:https?|wss?)://[^\s\"']+", re.IGNORECASE)
_AN_OBJECT = re.compile(rb'\{\s*"')
_A_BOOK = re.compile(rb'\{\s*"(?:lastUpdateId|bids|asks)"\s*:')
_ASKED = re.compile(rb'\{\s*"(?:path|method|query|data)"\s*:')
_NANOS = {9: 1_000_000_000, 10: 1_000_000_000, 13: 1_000_000, 16: 1_000, 19: 1}


class Recorded(NamedTuple):
    """One thing that was recorded: a frame, or the answer to a request with its URL.

    Of a thing that was refused, `path` is the reason in a word and `host` the reason in words.
    """

    what: str
    ts_recv: int
    payload: bytes
    line: int
    path: str = ""
    parameters: Mapping[str, str] = MappingProxyType({})
    host: str = ""
    market: str = ""


class BadLine(ValueError):
    """What a line or a document should have been, and what it was."""


class Book(msgspec.Struct, rename={"last_id": "lastUpdateId"}):
    """The answer to a request for a book of Binance."""

    last_id: int
    bids: list[Any]
    asks: list[Any]
    symbol: str = ""

    @property
    def depth(self) -> int:
        """Levels of the longer side."""
        return max(len(self.bids), len(self.asks))


class _Asked(msgspec.Struct):
    path: str
    data: msgspec.Raw
    query: str = ""


class _Inner(msgspec.Struct):
    E: int = 0


class Element(msgspec.Struct):
    """Just enough of an object in a document to know whether it is a frame."""

    e: str = ""
    E: int = 0
    stream: str = ""
    topic: str = ""
    jsonrpc: str = ""
    arg: dict[str, Any] | None = None
    data: msgspec.Raw = msgspec.Raw(b"")

    @property
    def is_frame(self) -> bool:
        """Whether any venue sends such objects."""
        return bool(self.e or self.stream or self.topic or self.jsonrpc or self.arg is not None)

    @property
    def ts_event(self) -> int:
        """Its event time in nanoseconds, 0 when it has none where the community's dumps have theirs."""
        if not self.E and bytes(self.data).lstrip()[:1] == b"{":
            inner = msgspec.json.decode(self.data, type=_Inner).E
            return _event_time(inner) if inner else 0
        return _event_time(self.E) if self.E else 0


def _event_time(value: int) -> int:
    """In nanoseconds, whatever the unit. Raises BadLine: no time."""
    try:
        return nanos(value, "E")
    except ParseRefused as error:
        raise BadLine(str(error)) from error


_book = msgspec.json.Decoder(Book)
_element = msgspec.json.Decoder(Element)
_elements = msgspec.json.Decoder(list[msgspec.Raw])


def book_of(payload: bytes) -> Book:
    """A book by itself.

    Raises:
        BadLine: it is not whole, or is none.
    """
    try:
        return _book.decode(payload)
    except UNREADABLE as error:
        raise BadLine(f"expected a whole book with lastUpdateId, bids and asks: {error}") from error


def rows_of(line: bytes, number: int) -> tuple[list[Recorded], str]:
    """What a line holds, or, when it holds nothing, what it is.

    Raises:
        BadLine: a time that is none.
    """
    timed = _TIMED.match(line)
    if timed is not None:
        return payloads(line[timed.end() :], _instant(timed[1], timed[2]), number), ""
    if line[:1] == b"{" and typed_lines.is_typed(line):
        return _typed(line, number)
    if line[:1] in (b"{", b"["):
        return payloads(line, 0, number), ""
    if not line.strip():
        return [], "empty line"
    day = _DAY.match(line)
    if day is not None:
        return payloads(line[day.end() :], _of_day(day[1], day[2]), number), ""
    address = _URL.search(line)
    host, path, given = _address(address[0].decode(errors="replace")) if address is not None else Address("", "", {})
    if address is None or (address.start() and not is_of_exchanges(host)):
        if line.startswith(b"configuration:"):
            return [], "configuration"
        _check_holds_none(line)
        return [], "a line without a time"
    url = _WITH_URL.match(line)
    if url is None:  # whose it is can be known all the same
        return [Recorded("opened", 0, b"", number, path, given, host)], "a line without a time"
    ts = _seconds(url[3])
    if url[2] == b"->":
        return [Recorded(ANSWER, ts, line[url.end() :], number, path, given, host)], ""
    what = "sent" if url[2] == b"<-" else "opened"
    return [Recorded(what, ts, b"", number, path, given, host)], what


def _check_holds_none(line: bytes) -> None:
    """Raises BadLine: a frame stands in it, behind something that is no time, or it is no text."""
    if b"\x00" in line:
        raise BadLine(f"expected a time and a frame, {line.count(0)} of its {len(line)} bytes are zero")
    held = _AN_OBJECT.search(line)
    if held is not None and market_of(line[held.start() :]):
        raise BadLine(f"expected a time and a frame, begins with {line[:40]!r}")


def _address(text: str) -> Address:
    """Raises BadLine: it is no URL."""
    try:
        return address_of(text)
    except ValueError as error:
        raise BadLine(f"expected a URL, was {text[:80]!r}: {error}") from error


def _typed(line: bytes, number: int) -> tuple[list[Recorded], str]:
    try:
        what, ts, payload, address, connection = typed_lines.typed(line)
        host, path, given = address_of(address) if what != typed_lines.HEADER else ("", address, {})
    except (ParseRefused, ValueError) as error:
        raise BadLine(str(error)) from error
    if what == typed_lines.HEADER:
        return [Recorded(HEADER, 0, b"", number, path)] if path else [], what
    rows, passed = _typed_rows(what, Recorded(what, ts, payload, number, path, given, host))
    if is_elsewhere(connection):
        rows.insert(0, Recorded(HEADER, 0, b"", number, connection.partition(".")[0]))
    return rows, passed


def _typed_rows(what: str, row: Recorded) -> tuple[list[Recorded], str]:
    if what == typed_lines.HTTP:
        return [row._replace(what=ANSWER)], ""
    if what != typed_lines.RECV:
        return [row._replace(payload=b"")], what
    if row.payload[:1] in (b"{", b"["):
        return payloads(row.payload, row.ts_recv, row.line), ""
    return [], "a message that is no JSON"


def payloads(payload: bytes, ts: int, number: int) -> list[Recorded]:
    """A payload as rows: a list holds several frames, a saved request its answer."""
    if payload[:1] == b"[":
        try:
            found = _elements.decode(payload)
        except UNREADABLE:
            return [Recorded(FRAME, ts, payload, number)]
        return [Recorded(FRAME, ts, bytes(each), number) for each in found]
    if _A_BOOK.match(payload):
        return [Recorded(BOOK, ts, payload, number)]
    if _ASKED.match(payload):
        try:
            asked = msgspec.json.decode(payload, type=_Asked)
        except UNREADABLE:
            return [Recorded(FRAME, ts, payload, number)]
        host, path, given = _address(asked.path) if "://" in asked.path else Address("", asked.path, {})
        return [Recorded(ANSWER, ts, bytes(asked.data), number, path, {**given, **dict(parse_qsl(asked.query))}, host)]
    return [Recorded(FRAME, ts, payload, number)]


def document(held: bytes) -> Iterator[Recorded]:
    """A whole file as one JSON value: a frame, a book, a saved request, or a list of frames by their event times.

    Raises:
        BadLine: anything else.
    """
    if held[:1] == b"{":
        (row,) = payloads(held, 0, 1)
        if row.what == BOOK:
            book_of(held)
        yield row if row.what != FRAME else row._replace(ts_recv=_frame(held, "the document"))
        return
    try:
        elements = _elements.decode(held)
    except UNREADABLE as error:
        raise BadLine(f"expected JSON: {error}") from error
    if not elements:
        raise BadLine("expected a list of frames, was an empty list")
    rows: list[Recorded] = []
    wrong: list[BadLine] = []
    for number, each in enumerate(elements, 1):
        payload = bytes(each)
        try:
            rows.append(Recorded(FRAME, _frame(payload, f"element {number}"), payload, number))
        except BadLine as error:
            wrong.append(error)
            rows.append(refused_line(error, 0, number))
    if len(wrong) == len(rows):
        raise wrong[0]
    yield from rows


def named_place(path: Path, row: Recorded, text: str) -> str:
    """What is wrong with a row, behind the file and the line that it stands on."""
    where = "" if text.startswith(("line ", "element ")) else f"line {row.line}: "
    return f"{path}, {where}{text}"


def refused_line(error: BadLine, ts: int, number: int) -> Recorded:
    """What stands for something that cannot be read, beside what can."""
    return Recorded(REFUSED, ts, b"", number, "malformed", host=str(error))


def lines_of(file: IO[bytes]) -> Iterator[bytes]:
    """Lines with their ends. Raises BadLine: one is longer than any that a venue sends; the rest is not read."""
    while line := file.readline(MOST_BYTES + 1):
        if len(line) > MOST_BYTES:
            raise BadLine(f"expected lines of at most {MOST_BYTES >> 20} MiB, one is longer: begins with {line[:40]!r}")
        yield line


def _frame(payload: bytes, where: str) -> int:
    """The event time of a frame in a document."""
    try:
        found = _element.decode(payload)
        if not found.is_frame:
            raise BadLine(f"{where}: expected a frame, was {payload[:40]!r}")
        ts = found.ts_event
    except BadLine:
        raise
    except msgspec.ValidationError as error:
        raise BadLine(f"{where}: expected a frame, was {payload[:40]!r}: {error}") from error
    except UNREADABLE as error:
        raise BadLine(f"{where}: expected JSON: {error}") from error
    if found.e and not ts:
        raise BadLine(f"{where}: expected an event time `E`, there is none in {payload[:40]!r}")
    return ts


def is_whole(line: bytes) -> bool:
    """Whether a line is a JSON value by itself."""
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except UNREADABLE:
        return False
    return True


def _instant(digits: bytes, fraction: bytes | None) -> int:
    scale = _NANOS.get(len(digits))
    if scale is None:
        raise BadLine(
            f"expected a time in seconds, milliseconds, microseconds or nanoseconds, was {digits.decode()[:30]}"
        )
    ts = int(digits) * scale
    return ts if not fraction else ts + int(fraction[:9].ljust(9, b"0")) * scale // 1_000_000_000


def _of_day(text: bytes, fraction: bytes | None) -> int:
    try:
        day = datetime.fromisoformat(text.decode()).replace(tzinfo=UTC)
    except ValueError as error:
        raise BadLine(f"expected a day and a time, was {text.decode()}") from error
    return int(day.timestamp()) * 1_000_000_000 + int((fraction or b"0").ljust(9, b"0"))


def _seconds(text: bytes) -> int:
    whole, _, fraction = text.partition(b".")
    return _instant(whole, fraction)
