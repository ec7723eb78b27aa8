"""Questions and answers of the read side on the wire.

A question is a MessagePack map {method, …}; an answer is an Arrow IPC stream, or a map {"error": {code, message,
details}}. An Arrow stream never begins like a MessagePack map, so the two cannot be mistaken.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    import pyarrow as pa

METHODS = (
    "records", "latest", "symbols", "audit", "daily", "statistics", "instruments", "book", "bars_of_ticks", "dominant",
    "continuous",
)  # fmt: skip
MAX_LIMIT = 20_000  # rows an answer: about 6 MB of ticks, below NATS's 8 MB


# Of each section of a trading day, nanoseconds: ts_auction, ts_open, ts_close, session time before it; and the day.
Sections = tuple[tuple[int, int, int, int, str], ...]


class InstrumentSearch(NamedTuple):
    """Instruments whose symbol, product, underlying or name holds `text` (in any case); empty fields match everything.

    `at`, nanoseconds UTC: the terms as they were known then; 0 for the newest.
    """

    text: str = ""
    venue: str = ""
    product: str = ""
    class_: str = ""  # future, option, spot, swap
    limit: int = 100
    at: int = 0


class Question(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is asked. `records` uses kind and the range fields, `latest` kind and names, `audit` names,
    `daily` and `statistics` symbol and the times, `instruments` search,
    `book` symbol, venue and ts_to, the instant, `bars_of_ticks` symbol, venue, sections and width_ns.
    `dominant` has a product for its symbol, `continuous` beside it the range fields and adjust.
    `made_of` "ticks" asks for bars that are made of the ticks, whatever bars are kept."""

    method: str
    kind: str = ""
    symbol: str = ""
    venue: str | None = None
    ts_from: int | None = None
    ts_to: int | None = None
    interval: str | None = None
    limit: int = 1000
    after: tuple[int, int] | None = None
    last: bool = False
    names: tuple[str, ...] = ()
    search: InstrumentSearch = InstrumentSearch()
    made_of: str = ""
    adjust: str = ""
    sections: Sections = ()
    width_ns: int = 0


class Failure(msgspec.Struct, frozen=True):
    """Why there is no answer."""

    code: str
    message: str
    retryable: bool = False


class AnswerError(Exception):
    """The other side answered with a failure."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def encode_question(question: Question) -> bytes:
    """Bytes of a question."""
    return msgspec.msgpack.encode(question)


_STREAM = b"\xff\xff\xff\xff"  # how an Arrow stream begins


def decode_question(data: bytes) -> Question:
    """A question.

    Raises:
        ValueError: not a question; the text says what is wrong.
    """
    try:
        return msgspec.msgpack.decode(data, type=Question)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"question: {error}") from error


def encode_answer(table: pa.Table) -> bytes:
    """Bytes of a result."""
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


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

    if not is_failure(data):
        return pa.ipc.open_stream(data).read_all()
    try:
        failure = msgspec.convert(msgspec.msgpack.decode(data)["error"], Failure)
    except (msgspec.MsgspecError, KeyError, TypeError):
        failure = Failure("MALFORMED_REPLY", f"answer: expected an Arrow stream or an error, was {data[:40]!r}")
    raise AnswerError(failure)
