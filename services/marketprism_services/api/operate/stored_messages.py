"""What a stream or a bucket holds, in words: decoded where its kind is known, else its size and how it begins."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

import msgspec

from marketprism_adapters.nats import streams
from marketprism_application.access.audit import masked
from marketprism_application.contracts.codec import ContractError, decode
from marketprism_application.contracts.kinds import BAR, KINDS, TICK, DataKind
from marketprism_application.contracts.packed import Packed, decode_packed
from marketprism_application.queries.export import json_of
from marketprism_sdk.messaging import DEAD_LETTERS
from marketprism_sdk.messaging import STREAM as COMMANDS
from marketprism_sdk.nats.direct import Held

_BYTES = 256  # of what is not understood
_TICKS = 20  # of a packed message
_PACKED = ("market.raw.", "market.packed.")
_BUCKET_KINDS = {streams.LATEST_TICKS: TICK, streams.LATEST_BARS: BAR}


def message_row(held: Held, stream: str) -> dict[str, object]:
    """A message of a stream: where it stands, its size, and `kind` and `data`, or `hex` and what was `expected`."""
    row: dict[str, object] = {"seq": held.seq, "subject": held.subject, "ts": held.ts, "bytes": len(held.data)}
    if stream in (COMMANDS, DEAD_LETTERS):
        return row | _plain_value(held.data, "command", secret=True)
    if held.subject.startswith(_PACKED):
        return row | _packed(held.data)
    kind = _kind_of(stream, held.subject)
    if kind is not None:
        return row | _record(kind, held.data)
    return row | _unknown(held.data, "a subject of a kind that is known")


def value_row(held: Held, bucket: str, key: str) -> dict[str, object]:
    """An entry of a bucket, in the same way."""
    row: dict[str, object] = {"key": key, "revision": held.seq, "ts": held.ts, "bytes": len(held.data)}
    kind = _BUCKET_KINDS.get(bucket)
    return row | (_record(kind, held.data) if kind is not None else _plain_value(held.data, "value", secret=False))


def _record(kind: DataKind, data: bytes) -> dict[str, object]:
    try:
        return {"kind": kind.name, "data": json_of(decode(kind, data)._asdict())}
    except ContractError as error:
        return _unknown(data, str(error)[:200])


def _packed(data: bytes) -> dict[str, object]:
    """Ticks between services: the first of them, and how many there are."""
    try:
        found = decode_packed(data)
    except ContractError as error:
        return _unknown(data, str(error)[:200])
    return {"kind": "packed", "data": json_of(_shown(found))}


def _shown(found: Packed) -> dict[str, object]:
    rest = {name: value for name, value in found._asdict().items() if name not in ("ticks", "gaps", "marks", "changes")}
    return {
        **rest,
        "count": len(found.ticks),
        "ticks": [tick._asdict() for tick in found.ticks[:_TICKS]],
        "gaps": [{"at": at, **gap._asdict()} for at, gap in found.gaps[:_TICKS]],
        "marks": len(found.marks),
        "changes": [{"at": at, **change._asdict()} for at, change in found.changes[:_TICKS]],
    }


def _plain_value(data: bytes, kind: str, *, secret: bool) -> dict[str, object]:
    """A value of MessagePack or JSON, without what its fields' names say to be secret. Where it may hold secrets and
    is not understood, nothing of it is shown."""
    for decoder in (msgspec.msgpack.decode, msgspec.json.decode):
        try:
            value = decoder(data)
            shown = masked({"value": value})["value"] if isinstance(value, Mapping | list) else value
            return {"kind": kind, "data": msgspec.to_builtins(shown, str_keys=True)}
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError, ValueError):
            continue
    expected = f"a {kind} in MessagePack or JSON"
    return {"kind": "", "expected": expected} if secret else _unknown(data, expected)


def _unknown(data: bytes, expected: str) -> dict[str, object]:
    return {"kind": "", "hex": data[:_BYTES].hex(), "expected": expected}


def _kind_of(stream: str, subject: str) -> DataKind | None:
    return next((kind for kind, pattern in _patterns(stream) if pattern.fullmatch(subject)), None)


@cache
def _patterns(stream: str) -> tuple[tuple[DataKind, re.Pattern[str]], ...]:
    """The kinds of a stream, by what their subjects look like."""
    return tuple(
        (kind, re.compile(r"[^.]+".join(map(re.escape, re.split(r"\{\w+\}", kind.subject)))))
        for kind in KINDS.values()
        if kind.stream == stream
    )
