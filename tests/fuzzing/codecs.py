"""What travels between programs and is stored: messages of every kind, packed ticks, blocks of rows, answers, subjects, records."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import msgspec
import pyarrow as pa

import marketprism_application.contracts as contracts
from marketprism_application.contracts import replays
from marketprism_application.contracts.codec import ContractError, decode, decode_row, encode, plain, to_row
from marketprism_application.contracts.failures import AnswerError, Failure
from marketprism_application.contracts.history import decode_block, encode_block, history_subject
from marketprism_application.contracts.kinds import KINDS, TICK
from marketprism_application.contracts.packed import (
    PACKED_VERSION,
    Mark,
    Packed,
    decode_for_bars,
    decode_packed,
    encode_packed,
    split_packed,
)
from marketprism_application.contracts.plain_answers import decode_plain, encode_plain, plain_of
from marketprism_application.contracts.questions import decode_answer, encode_answer, encode_failure, is_failure
from marketprism_application.contracts.subjects import escape, subject_of, unescape
from marketprism_application.queries.arrow_tables import table_of
from marketprism_domain.errors import InvalidValue
from tests.contract.test_codec import SAMPLES
from tests.fuzzing.examples import packed
from tests.fuzzing.mutation import choosing, mutated_bytes, mutated_msgpack
from tests.fuzzing.target import Target, expect, text_of

_KINDS = tuple(KINDS.values())


# -- messages ------------------------------------------------------------------------------------------------------


def _message(data: bytes) -> None:
    """A public message of a kind: read, written, read again; as a row, as a subject."""
    kind, payload = _KINDS[data[0] % len(_KINDS) if data else 0], data[1:]
    record = decode(kind, payload)
    again = encode(kind, record)
    expect(len(again) < 64 * len(payload) + 4_096, f"{len(payload)} bytes became {len(again)}")
    expect(_same(decode(kind, again), record), "a record is written as another one")
    expect(encode(kind, decode(kind, again)) == again, "a record is not always written alike")
    expect(_same(decode_row(kind, to_row(kind, payload)), record), "the row of a message is another record")
    expect(" " not in subject_of(kind, record), "a subject with a blank")


def _same(one: object, other: object) -> bool:
    return repr(one) == repr(other) or one == other


def _row(data: bytes) -> None:
    """The array of a kind's fields, as stages and the store pass it on."""
    kind = _KINDS[data[0] % len(_KINDS) if data else 0]
    record = decode_row(kind, data[1:])
    expect(_same(decode(kind, encode(kind, record)), record), "a row is written as another record")


def _row_seeds() -> list[bytes]:
    return [bytes([n]) + to_row(kind, encode(kind, SAMPLES[kind.name])) for n, kind in enumerate(_KINDS)]


def _packed(data: bytes) -> None:
    found = decode_packed(data)
    expect(_same(decode_packed(encode_packed(found)), found), "packed ticks are written as others")
    expect(len(split_packed(data)) == len(found.ticks), "other ticks in the message than in its parts")
    for_bars = decode_for_bars(data)
    expect(
        [each.last for each in for_bars.ticks] == [each.last for each in found.ticks] or "NaN" in repr(found),
        "other prices for bars",
    )


def _packed_seeds() -> list[bytes]:
    tick = SAMPLES[TICK.name]
    whole = Packed(PACKED_VERSION, "sim", 3, 5, (tick, tick), (Mark(1, 7, "shfe"),), ((0, SAMPLES["gap"]),), "s", 1)
    return [encode_packed(whole), encode_packed(Packed(PACKED_VERSION, "sim", 3, 5, ()))]


# -- rows ----------------------------------------------------------------------------------------------------------


def _block(data: bytes) -> None:
    kind = _KINDS[data[0] % len(_KINDS) if data else 0]
    block = decode_block(history_subject(kind, "shfe", "ru1901"), data[1:])
    again = decode_block(history_subject(kind, "shfe", "ru1901"), encode_block(block.rows, replaces=block.replaces))
    expect(again.rows.equals(block.rows) or "NaN" in repr(block.rows), "a block is written as another one")


def _block_seeds() -> list[bytes]:
    numbers = [n for n, kind in enumerate(_KINDS) if kind.name in ("bar", "trade")]
    return [bytes([n]) + encode_block(table_of(_KINDS[n], [SAMPLES[_KINDS[n].name]]), replaces=True) for n in numbers]


def _answer(data: bytes) -> None:
    """An answer of the read side, in columns and for who has none."""
    refused = is_failure(data)
    try:
        table = decode_answer(data)
    except AnswerError:
        expect(refused or True, "")
        plain_of(data)
        raise
    try:
        table.validate(full=True)
    except pa.ArrowException:
        return  # of a server that nobody believes: rows are looked at by who asked it
    found = decode_plain(encode_plain(table))
    expect(found.num_rows == table.num_rows and list(found.column_names) == table.column_names, "another table")


def _plain(data: bytes) -> None:
    table = decode_plain(data)
    expect(len(table.to_pylist()) == table.num_rows, "rows that are not there")


def _answer_seeds() -> list[bytes]:
    table = table_of(KINDS["bar"], [SAMPLES["bar"]])
    return [encode_answer(table), encode_failure(Failure("INTERNAL", "text"))]


def _plain_seeds() -> list[bytes]:
    return [encode_plain(table_of(KINDS[name], [SAMPLES[name]])) for name in ("bar", "tick")]


# -- subjects, numbers ---------------------------------------------------------------------------------------------


def _subject(data: bytes) -> None:
    text = text_of(data)
    expect(unescape(escape(text)) == text, "a token is read as another text")
    expect(not set(escape(text)) & set(" .*>\t\r\n"), "a token with a sign of subjects")
    read = unescape(text)
    expect(escape(read) == text or "=" in text, "two tokens of one text")


# -- records of services -------------------------------------------------------------------------------------------


@cache
def contract_types() -> tuple[type[Any], ...]:
    """Every struct of the contracts, which is what services write for one another and callers send."""
    found: dict[str, type[Any]] = {}
    for module in pkgutil.iter_modules(contracts.__path__):
        loaded = importlib.import_module(f"{contracts.__name__}.{module.name}")
        for name, value in vars(loaded).items():
            if (
                isinstance(value, type)
                and issubclass(value, msgspec.Struct)
                and value.__module__ == loaded.__name__
                and not name.startswith("_")
            ):
                found[f"{module.name}.{name}"] = value
    return tuple(found[name] for name in sorted(found))


def _record(data: bytes) -> None:
    """A record of any contract: what is taken is written as itself, and its own questions have an answer."""
    types = contract_types()
    kind = types[int.from_bytes(data[:1], "big") % len(types)] if data else types[0]
    record = msgspec.msgpack.decode(data[1:], type=kind)
    written = msgspec.msgpack.encode(record)
    expect(msgspec.msgpack.encode(msgspec.msgpack.decode(written, type=kind)) == written, "another record")
    for name, value in vars(kind).items():
        if isinstance(value, property):
            getattr(record, name)


def _record_seeds() -> list[bytes]:
    return [bytes([n]) + made for n, kind in enumerate(contract_types()) if n < 256 for made in _examples(kind)]


def _examples(kind: type[Any]) -> Iterator[bytes]:
    for text in ("1", "20181009"):
        made = packed(kind, text=text)
        try:
            msgspec.msgpack.decode(made, type=kind)
        except msgspec.MsgspecError:
            continue
        yield made
        return


def _replay(data: bytes) -> None:
    (replays.decode_position if data[:1] < b"\x01" else replays.decode_taken)(data[1:])


def _number(data: bytes) -> None:
    """Decimals as people and venues write them, in the one form that every reader takes."""
    from marketprism_domain.values import exact, fits  # noqa: PLC0415

    value = exact(text_of(data), "price")
    expect(fits(value), "a number that no table holds")
    expect(exact(plain(value), "price") == value, "a number is written as another one")
    expect("E" not in plain(value), "an exponent")


def _seeds_of(samples: Sequence[str]) -> Sequence[bytes]:
    return [each.encode() for each in samples]


TARGETS = (
    Target(
        "codec-message",
        _message,
        (ContractError,),
        lambda: [bytes([n]) + encode(kind, SAMPLES[kind.name]) for n, kind in enumerate(_KINDS)],
        choosing(mutated_msgpack, len(_KINDS)),
        frozenset(f"kind:{kind.name}" for kind in _KINDS),
    ),
    Target("codec-row", _row, (ContractError,), _row_seeds, choosing(mutated_msgpack, len(_KINDS))),
    Target("codec-packed", _packed, (ContractError,), _packed_seeds, mutated_msgpack),
    Target("codec-block", _block, (ContractError,), _block_seeds, choosing(mutated_bytes, len(_KINDS))),
    Target("codec-answer", _answer, (AnswerError,), _answer_seeds, mutated_bytes),
    Target("codec-plain", _plain, (AnswerError,), _plain_seeds, mutated_msgpack),
    Target(
        "codec-records",
        _record,
        (msgspec.MsgspecError, UnicodeDecodeError),
        _record_seeds,
        choosing(mutated_msgpack, 256),
    ),
    Target(
        "codec-replay",
        _replay,
        (ValueError,),
        lambda: [b"\0" + packed(replays.ReplayPosition), b"\1" + packed(replays.ReplayTaken)],
        choosing(mutated_msgpack, 2),
    ),
    Target("subject", _subject, (ValueError,), lambda: _seeds_of(["ru1901", "=", "a=2Eb", "BTC-USDT", "螺纹"])),
    Target(
        "number", _number, (InvalidValue,), lambda: _seeds_of(["1", "0.10", "-5e-3", "12345678901234567890", "1E+5"])
    ),
)
