"""What the SDK reads of others: calls, commands, errors, leases, owners, checkpoints, headers, trees of settings of streams."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import msgspec

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_application.aggregation.aggregator import ShardAggregator
from marketprism_application.contracts.kinds import TICK
from marketprism_application.contracts.packed import PACKED_VERSION, Packed
from marketprism_application.gateway.orders import SubscriptionOrder, decode_order, encode_order
from marketprism_domain.bars.state import BarSettings
from marketprism_domain.errors import InvalidValue
from marketprism_sdk.election._lease import LeaseRecord, decode_lease
from marketprism_sdk.errors import ConfigurationError, InvalidSubject, NewerFormat, RemoteError, SdkError, StreamError
from marketprism_sdk.messaging._commands import Command
from marketprism_sdk.messaging._registry import InstanceRecord
from marketprism_sdk.messaging._rpc import decode_reply
from marketprism_sdk.messaging._wire_errors import decode_error, encode_error
from marketprism_sdk.nats.api_errors import error_of
from marketprism_sdk.nats.direct import _held
from marketprism_sdk.nats.stream_config import adapt, identity
from marketprism_sdk.nats.subjects import check_subject
from marketprism_sdk.observability._log_records import count_refused
from marketprism_sdk.observability._tracing import continue_trace, sampled
from marketprism_sdk.partitions._hashing import partition_of
from marketprism_sdk.partitions._owners import OwnerRecord, decode_owner, partition_of_key
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.service._bodies import decoded
from marketprism_sdk.service._http_limits import host_of, may_ask
from marketprism_sdk.streams._fence_record import FenceRecord, _record_in
from marketprism_sdk.streams._stage_types import Checkpoint, is_checkpoint, newer_checkpoint, taken_over
from tests.contract.test_codec import SAMPLES
from tests.fuzzing.codecs import contract_types
from tests.fuzzing.examples import packed
from tests.fuzzing.mutation import choosing, mutated_bytes, mutated_json, mutated_msgpack, words
from tests.fuzzing.target import Target, expect, text_of

_T0 = 1_538_960_400_000_000_000  # 2018-10-08 09:00 in China


def _answer(data: bytes) -> None:
    """The error of an answer is one, whatever came, and goes on as itself."""
    error = decode_error(data)
    expect(isinstance(error, Exception), "an error that is none")
    body, code = encode_error(error, "ask")
    again = decode_error(body)
    expect(type(again) is type(error) or code == "INTERNAL", "an error travels as another one")
    decode_reply(data, "ask")


def _answer_seeds() -> list[bytes]:
    found = [
        encode_error(error, "ask")[0]
        for error in (RemoteError("X", "text", {"field": "a"}), SdkError("a"), TimeoutError())
    ]
    return [*found, msgspec.msgpack.encode({"code": "NOT_ACTIVE", "message": "m", "details": {"leader": "a"}})]


def _bodies(data: bytes) -> None:
    """A body of a call as the type of its handler: INVALID_PARAMETER names the field."""
    types = contract_types()
    kind = types[data[0] % len(types) if data else 0]
    try:
        body = msgspec.msgpack.decode(data[1:])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return
    try:
        decoded(body, kind, "ask")
    except RemoteError as error:
        expect(error.code == "INVALID_PARAMETER" and isinstance(error.details["field"], str), "another refusal")
        raise


def _body_seeds() -> list[bytes]:
    return [bytes([n]) + packed(kind, number=1) for n, kind in enumerate(contract_types()) if n < 256]


_RECORDS: tuple[type[Any], ...] = (
    Command,
    InstanceRecord,
    LeaseRecord,
    OwnerRecord,
    FenceRecord,
    Checkpoint,
    SubscriptionOrder,
)


def _records(data: bytes) -> None:
    """Whatever lies in a bucket or at the end of a stream: a record, or none; never the end of a service."""
    value = data[1:]
    entry = KvEntry("owner.3", value, 1)
    decode_lease(entry)
    decode_owner(entry)
    partition_of_key(text_of(value)[:40])
    _record_in(value)
    expect(not newer_checkpoint(value) or is_checkpoint(value), "a newer checkpoint that is none")
    if is_checkpoint(value):
        with contextlib.suppress(NewerFormat, SdkError):
            taken_over(3, 2**62, "me", lambda *_: SimpleNamespace(), SimpleNamespace(data=value))  # type: ignore[arg-type,return-value]
    try:
        for kind in (Command, InstanceRecord):
            record = msgspec.msgpack.decode(value, type=kind)
            for name, ask in vars(kind).items():
                if isinstance(ask, property):
                    getattr(record, name)
    except msgspec.MsgspecError:
        pass
    order = decode_order(value)
    expect(decode_order(encode_order(order)) == order, "an order is written as another one")


def _headers(data: bytes) -> None:
    """Headers of a message, as a server or anybody else may have written them."""
    headers = {}
    for line in text_of(data).split("\n")[:10]:
        name, _, value = line.partition(":")
        headers[name.strip()] = value.strip()
    with continue_trace(headers, "fuzz"):
        pass
    found = sampled(headers)
    if found is not None:
        expect(sampled(found.headers()) is not None, "a trace that ends")
    _held(SimpleNamespace(headers=headers, data=b"", reply=""), "S")  # type: ignore[arg-type]


def _header_seeds() -> list[bytes]:
    trace = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\ntracestate: marketprism=origin:1700000000000000000\nCorrelation-Id: a"
    held = "Nats-Sequence: 5\nNats-Subject: a.b\nNats-Time-Stamp: 2026-01-01T00:00:00.5Z\nNats-Num-Pending: 0"
    return [trace.encode(), held.encode(), b"Status: 404\nDescription: Message Not Found"]


def _refusal(data: bytes) -> None:
    """What lies in the metadata of a stream that is there, beside the configuration that is wanted."""
    try:
        metadata = msgspec.json.decode(data, type=dict[str, str])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    current = {"name": "S", "subjects": ["a.>"], "max_age": 1, "num_replicas": 1, "metadata": metadata}
    adapt(current, {**current, "max_age": 5, "metadata": {"a": "1", "marketprism.schema": "1"}}, ("max_age",))


def _codes(data: bytes) -> None:
    try:
        code, status, text = msgspec.json.decode(data, type=tuple[int, int, str])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    expect(str(error_of({"err_code": code, "code": status, "description": text}, "stream S")), "no words")


def _aggregator() -> ShardAggregator:
    return ShardAggregator(chinese_calendar_of_markets(), BarSettings(("1m", "1d")))


def _state(data: bytes) -> None:
    """A snapshot that a stage goes on from: taken, and written again as itself; or refused."""
    aggregator = _aggregator()
    aggregator.restore(data)
    again = aggregator.snapshot()
    other = _aggregator()
    other.restore(again)
    expect(other.snapshot() == again, "a snapshot is written as another one")


def _state_seeds() -> list[bytes]:
    """After three ticks of a rubber future, as the validator gives them."""
    aggregator = _aggregator()
    ticks = tuple(
        SAMPLES[TICK.name]._replace(seq=n, ts_event=_T0 + n * 30_000_000_000, volume=Decimal(100 + n))
        for n in range(1, 4)
    )
    aggregator.process(Packed(PACKED_VERSION, "sim", 3, 5, ticks))
    return [_aggregator().snapshot(), aggregator.snapshot()]


def _hosts(data: bytes) -> None:
    text = text_of(data)
    host_of(text)
    may_ask(text, "127.0.0.1", ("a.example",))
    may_ask(None, "0.0.0.0", ())
    expect(0 <= partition_of(text, 32) < 32, "a partition that there is not")
    check_subject(text)


def _collector(data: bytes) -> None:
    expect(count_refused(data) >= 0, "fewer than none")


TARGETS = (
    Target("rpc-answer", _answer, (RemoteError,), _answer_seeds, mutated_msgpack),
    Target("rpc-body", _bodies, (RemoteError,), _body_seeds, choosing(mutated_msgpack, 256)),
    Target(
        "kv-records",
        _records,
        (msgspec.MsgspecError, UnicodeDecodeError, InvalidValue),
        lambda: [b"\0" + packed(kind, number=5) for kind in _RECORDS],
        choosing(mutated_msgpack, 2),
    ),
    Target(
        "nats-headers",
        _headers,
        (StreamError,),
        _header_seeds,
        words(
            "traceparent: ",
            "tracestate: ",
            "00-",
            "-01",
            ":",
            "\n",
            "origin:",
            "Nats-Sequence: ",
            "Nats-Time-Stamp: ",
            "Status: ",
            "²",
            "1_0",
            "99999999999999999999",
        ),
    ),
    Target(
        "nats-config",
        _refusal,
        (ConfigurationError, StreamError),
        lambda: [msgspec.json.encode({"a": "1", "b": "2", **identity()})],
        mutated_json,
    ),
    Target("nats-refusal", _codes, (), lambda: [b'[10071,400,"wrong last sequence"]', b'[0,503,""]'], mutated_json),
    Target("stage-state", _state, (msgspec.MsgspecError, ValueError), _state_seeds, mutated_msgpack),
    Target(
        "host",
        _hosts,
        (InvalidSubject,),
        lambda: [b"a.example:80", b"[::1]:80", b"market.tick.a"],
        words(":", "[", "]", "::1", ".", "*", ">", "localhost"),
    ),
    Target("log-collector", _collector, (), lambda: [b"", b"\x0a\x02\x08\x05"], mutated_bytes),
)
