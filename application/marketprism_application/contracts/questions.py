"""Questions and answers of the read side on the wire, one type a question.

A question is a MessagePack map {method, …}: `method` says which it is, fields that have their default are not there. An
answer is an Arrow IPC stream, or a map {"error": {code, message, retryable}}. An Arrow stream never begins like a
MessagePack map, so the two cannot be mistaken.

A new question is a class here, in `Question` and, where the store is asked for it, in `StoreQuestion`; its handler in
`queries.answering`, its route in the query service, and its statement and its answer from memory.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeAlias, get_args

import msgspec

from marketprism_application.contracts.bar_questions import MinuteSpans
from marketprism_application.contracts.failures import AnswerError, Code, Failure, wrong_field
from marketprism_application.contracts.overview_questions import OverviewQuestion

if TYPE_CHECKING:
    import pyarrow as pa

    from marketprism_application.contracts.kinds import DataKind
    from marketprism_application.contracts.plain_table import Table

MAX_LIMIT = 20_000  # rows an answer: about 10 MB of ticks, 1.2 MB as they travel
_LARGE = 256 * 1024  # bytes; what is smaller travels as it is


# Of each section of a trading day, nanoseconds: ts_auction, ts_open, ts_close, session time before it; and the day.
Sections = tuple[tuple[int, int, int, int, str], ...]


class InstrumentSearch(NamedTuple):
    """Instruments whose symbol, product, underlying or name holds `text` (in any case); empty fields match everything.

    `at`, nanoseconds UTC: the terms as they were known then; 0 for the newest.
    """

    text: str = ""
    venue: str = ""
    product: str = ""
    class_: str = ""  # future, option, combination, spot, swap
    limit: int = 100
    at: int = 0


class _Question(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="method"):
    """What every question has: a tag, and nothing on the wire that says only what is said anyway."""


class Records(_Question, frozen=True, tag="records"):
    """Records of one instrument with their time in [ts_from, ts_to), oldest first.

    The read side takes a symbol as people write it, and several of them: with commas between, or a pattern (`ru*`).
    Of several, each has at most `limit` rows, one symbol after another, and a page ends for all of them at one time.

    `after` is the key of the last row of the page before (keyset paging): the fields of the kind's `page_key`, or the
    first of them, time and seq at least. With fewer than all, other rows that begin alike are passed over, such as
    those of another venue at the same instant. `venue` None means every venue.
    `last` asks for the newest `limit` rows instead (still returned oldest first). `interval` is of bars and klines.
    `made_of` "ticks" asks for bars that are made of the ticks, whatever bars are stored. `as_of`, nanoseconds UTC, asks
    for bars or closed klines as they stood then: of each the last revision that was published by that time.

    `from_day` and `to_day` are the first and the last trading day (both included, `20181009` or `2018-10-09`), with
    the night of the evening before; an answer is what lies in both, the days and [ts_from, ts_to). `fields` chooses
    columns and their order, none means all; `levels` gives so many levels of a book as columns (`contracts.rows`).
    `next_of` the answer says whether there is more.
    """

    kind: str
    symbol: str
    venue: str | None = None
    ts_from: int | None = None
    ts_to: int | None = None
    interval: str | None = None
    limit: int = 1000
    after: tuple[int | str, ...] | None = None
    last: bool = False
    made_of: str = ""
    from_day: str | None = None
    to_day: str | None = None
    fields: tuple[str, ...] = ()
    levels: int = 0
    as_of: int | None = None


Key: TypeAlias = tuple[int | str, ...]
_NEXT = b"next"  # in the metadata of an answer's schema


def continued(table: pa.Table, key: Key | None) -> pa.Table:
    """The answer, marked as one of which there is more: behind `key`, or, for the newest rows, before it (None)."""
    metadata = dict(table.schema.metadata or {})
    metadata[_NEXT] = msgspec.json.encode(key)
    return table.replace_schema_metadata(metadata)


def next_of(table: Table | EncodedAnswer) -> Key | None:
    """What `after` is for the page that follows this one; None where this one ends the answer."""
    found: Key | None = msgspec.json.decode((table.schema.metadata or {}).get(_NEXT, b"null"), type=Key | None)
    return found


def is_truncated(table: pa.Table | EncodedAnswer) -> bool:
    """Whether there is more than the answer holds."""
    return _NEXT in (table.schema.metadata or {})


def key_of(kind: DataKind, page: Table) -> tuple[int | str, ...]:
    """What `Records.after` is for the page that follows this one, which has a row."""
    (last,) = page.select(list(kind.page_key)).slice(page.num_rows - 1).to_pylist()
    return tuple(last.values())


class Latest(_Question, frozen=True, tag="latest"):
    """The newest row of a kind for each of the symbols at each venue."""

    kind: str
    symbols: tuple[str, ...] = msgspec.field(default=(), name="names")


class Symbols(_Question, frozen=True, tag="symbols"):
    """What is stored: symbol, venue, ticks, ts_first, ts_last, bars."""


class Names(_Question, frozen=True, tag="names"):
    """Which instruments are known, without looking at their rows: symbol, venue, `stored` (there is a tick or a bar of
    it, not only terms); by venue and symbol."""


class BarSeries(_Question, frozen=True, tag="bar_series"):
    """Which series of bars and klines are stored: kind, venue, symbol, interval, ts_first and ts_last (their first and
    last opening), rows; in this order."""


class Listing(_Question, frozen=True, tag="listing"):
    """Every instrument that is known, a row each by venue and symbol: whether a tick or a bar of it is stored, its
    newest data, the open interest of its newest day, and the words of its newest terms: `arrow_tables.LISTING`."""


class Visible(NamedTuple):
    """Instruments whose venue and whose symbol match one of the patterns each, as `access.entitlements` has them."""

    venues: tuple[str, ...]
    symbols: tuple[str, ...]


class Search(_Question, frozen=True, tag="search"):
    """Instruments that people may mean by a text, the likeliest first, at most `limit`: `arrow_tables.FOUND`.

    Of several words each has to match: a symbol, a product, a name in Chinese, its pinyin or the initials of that, a
    word in English, a venue, a class. Case, width and separators do not matter. An empty text is everything that has
    data, the newest first. `visible`: only instruments of these; None is no bound.
    """

    text: str = ""
    venue: str = ""
    class_: str = ""  # future, option, combination, spot, swap
    limit: int = 20
    visible: tuple[Visible, ...] | None = None


class Products(_Question, frozen=True, tag="products"):
    """Products of the Chinese futures exchanges, with their names and the terms of a new contract."""


class Audit(_Question, frozen=True, tag="audit"):
    """Per source: stored (rows as they lie there), distinct_ticks, read_back and bars (as they are read)."""

    sources: tuple[str, ...] = msgspec.field(default=(), name="names")


class Daily(_Question, frozen=True, tag="daily"):
    """One row per venue and trading day that has a tick in [ts_from, ts_to): `queries.daily.COLUMNS`."""

    symbol: str
    ts_from: int | None = None
    ts_to: int | None = None
    from_day: str | None = None
    to_day: str | None = None


class Statistics(_Question, frozen=True, tag="statistics"):
    """One row per venue over the minute bars that open in [ts_from, ts_to): `queries.statistics.COLUMNS`."""

    symbol: str
    ts_from: int | None = None
    ts_to: int | None = None
    from_day: str | None = None
    to_day: str | None = None


class Instruments(_Question, frozen=True, tag="instruments"):
    """The newest terms of each instrument found, by venue and symbol; `after` is (venue, symbol) of the last one of the
    page before."""

    search: InstrumentSearch = InstrumentSearch()
    after: tuple[str, str] | None = None


class BarsOfTicks(_Question, frozen=True, tag="bars_of_ticks"):
    """Bars that the store makes of ticks, one row per window with a trade: `queries.bars_from_ticks.COLUMNS`.

    A window is `width_ns` of session time; 0 is the whole trading day.
    """

    symbol: str
    venue: str
    sections: Sections = ()
    width_ns: int = 0


class Book(_Question, frozen=True, tag="book"):
    """The newest tick at or before an instant (the newest of all for None), in whose levels the book stands."""

    symbol: str
    venue: str | None = None
    at: int | None = msgspec.field(default=None, name="ts_to")


class Dominant(_Question, frozen=True, tag="dominant"):
    """When which contract of a product became the main one: `queries.continuous.ROLLS`."""

    product: str = msgspec.field(name="symbol")


class Continuous(_Question, frozen=True, tag="continuous"):
    """Bars of a product's main contracts in one line; `adjust` is none, difference or ratio."""

    product: str = msgspec.field(name="symbol")
    venue: str | None = None
    ts_from: int | None = None
    ts_to: int | None = None
    interval: str | None = None
    limit: int = 1000
    last: bool = False
    adjust: str = ""
    after: tuple[int | str, ...] | None = None
    from_day: str | None = None
    to_day: str | None = None


class Sessions(_Question, frozen=True, tag="sessions"):
    """Sections of the trading days of an instrument at each of its venues: `queries.trading_sessions.COLUMNS`.

    Of the days `from_day` to `to_day` (both included), of those sections that [ts_from, ts_to) touches, or of what lies
    in both; at most 400 days. An end that is not given is some trading days from now, or 400 days from the other end
    where that is nearer. The sections are the calendar's, whatever is stored.
    """

    symbol: str
    venue: str | None = None
    ts_from: int | None = None
    ts_to: int | None = None
    from_day: str | None = None
    to_day: str | None = None


StoreQuestion: TypeAlias = (
    Records
    | Latest
    | Symbols
    | Audit
    | Daily
    | Statistics
    | Instruments
    | BarsOfTicks
    | Names
    | BarSeries
    | MinuteSpans
    | Listing
    | OverviewQuestion
)
Question: TypeAlias = StoreQuestion | Book | Dominant | Continuous | Sessions | Search | Products
QUESTIONS: dict[str, type[Question]] = {str(cls.__struct_config__.tag): cls for cls in get_args(Question)}


class LatestBars(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`[symbol, interval]`: the newest bar at each venue, of those that were made not long ago; no store is asked."""

    symbol: Annotated[str, msgspec.Meta(min_length=1)]
    interval: Annotated[str, msgspec.Meta(min_length=1)]


def encode_question(question: Question) -> bytes:
    """Bytes of a question."""
    return msgspec.msgpack.encode(question)


_DECODER: msgspec.msgpack.Decoder[Question] = msgspec.msgpack.Decoder(Question)
_STREAM = b"\xff\xff\xff\xff"  # how an Arrow stream begins


def decode_question(data: bytes) -> Question:
    """A question.

    Raises:
        ValueError: not a question; the text names the field, what was expected and what it was.
    """
    try:
        return _DECODER.decode(data)
    except msgspec.ValidationError as error:
        text = wrong_field(error, "question")
        if text.startswith("method: Invalid value "):
            text = f"method: expected one of {', '.join(QUESTIONS)}, was {text.removeprefix('method: Invalid value ')}"
        raise ValueError(text[:400]) from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"question: expected a MessagePack map: {error}") from error


def encode_answer(table: pa.Table) -> bytes:
    """Bytes of a result; a large one is compressed, which an Arrow stream says itself."""
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression="zstd" if table.nbytes > _LARGE else None)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return sink.getvalue()


@dataclass(frozen=True, slots=True)
class EncodedAnswer:
    """An answer as an Arrow stream that was not decoded: its schema, with what it says of the answer, and its bytes."""

    schema: pa.Schema
    data: bytes

    @classmethod
    def of(cls, data: bytes) -> EncodedAnswer:
        """Only the schema is read.

        Raises:
            AnswerError: it is a failure.
        """
        import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

        check_answer(data)
        try:
            return cls(pa.ipc.read_schema(pa.py_buffer(data)), data)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise AnswerError(_malformed(data)) from error

    def bare(self) -> bytes:
        """The stream without what its schema says of the answer: the first message is written anew, the rest stays."""
        import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

        if not self.schema.metadata:
            return self.data
        reader = pa.BufferReader(self.data)
        pa.ipc.read_message(reader)
        return b"".join((self.schema.remove_metadata().serialize(), memoryview(self.data)[reader.tell() :]))


def encode_failure(failure: Failure) -> bytes:
    """Bytes of a failure."""
    return msgspec.msgpack.encode({"error": failure})


def is_failure(data: bytes) -> bool:
    """Whether an answer is a failure, or nothing that is an answer."""
    return data[:4] != _STREAM


def decode_answer(data: bytes) -> pa.Table:
    """A result.

    Raises:
        AnswerError: it is a failure.
    """
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

    check_answer(data)
    try:
        return pa.ipc.open_stream(data).read_all()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise AnswerError(_malformed(data)) from error


def check_answer(data: bytes) -> None:
    """Whether an answer is a table.

    Raises:
        AnswerError: it is a failure, or nothing that is an answer.
    """
    if not is_failure(data):
        return
    try:
        failure = msgspec.convert(msgspec.msgpack.decode(data)["error"], Failure)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError, TypeError):
        failure = _malformed(data)
    raise AnswerError(failure)


def _malformed(data: bytes) -> Failure:
    return Failure(Code.MALFORMED_REPLY, f"answer: expected an Arrow stream or an error, was {data[:40]!r}")
