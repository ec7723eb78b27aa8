"""Several ticks of one partition in one message: the packed arrays between our own services."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import msgspec

from marketprism_application.contracts.codec import ContractError, of_version
from marketprism_application.contracts.kinds import TICK
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.sessions import SessionChange

PACKED_VERSION = 1
MAX_TICKS = 200  # of one message


class Mark(NamedTuple):
    """Punctuation in the packed log: event time of `venue` has reached `ts_event`.

    `at` is the index of the tick in the same message that the mark stands before.
    """

    at: int
    ts_event: int
    venue: str


class Packed(NamedTuple):
    """Several ticks of one partition in one message, with the marks and gaps between them."""

    v: int
    source: str
    epoch: int
    ts_pub: int
    ticks: tuple[Tick, ...]
    marks: tuple[Mark, ...] = ()
    gaps: tuple[tuple[int, Gap], ...] = ()
    session: str = ""  # one unbroken run of a gateway
    chain: int = 0  # 0, 1, 2 … per partition inside a session: a reader sees when one is missing
    changes: tuple[tuple[int, SessionChange], ...] = ()  # what the venue said about its sessions, before that tick
    resumed: int = 0  # of a live source, which nobody reads again: since when this session of it is there


_encoder = msgspec.msgpack.Encoder()
_packed_decoder = msgspec.msgpack.Decoder(Packed)


class _PackedRaw(msgspec.Struct, array_like=True):
    v: int
    source: str
    epoch: int
    ts_pub: int
    ticks: list[msgspec.Raw]


class _Head(msgspec.Struct, array_like=True):
    """What every version begins with."""

    v: int
    source: str
    epoch: int
    ts_pub: int


_head_decoder = msgspec.msgpack.Decoder(_Head)
_VERSIONS_AHEAD = 8  # a larger number is damage: whoever waits for a program of that version would wait for ever
_split_decoder = msgspec.msgpack.Decoder(_PackedRaw)


def encode_packed(packed: Packed) -> bytes:
    """Array form of several ticks."""
    return _encoder.encode(packed)


def _unread(payload: bytes, reason: str) -> ContractError:
    """Why a message cannot be read; of a newer version, that it is one, whatever stands behind its head."""
    try:
        found = _head_decoder.decode(payload).v
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found = 0
    if PACKED_VERSION < found <= PACKED_VERSION + _VERSIONS_AHEAD:
        return of_version("packed message", PACKED_VERSION, found)
    return ContractError(f"packed message: {reason}")


def decode_packed(payload: bytes) -> Packed:
    """Ticks of an internal message.

    Raises:
        ContractError: not a packed message of this version. NewerVersion: of a newer one.
    """
    try:
        packed = _packed_decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _unread(payload, str(error)) from error
    if packed.v != PACKED_VERSION:
        raise _unread(payload, f"expected version {PACKED_VERSION}, was {packed.v}")
    return packed


# The numbers of a tick that bars are made of.
_OF_BARS = frozenset(
    ("last", "volume", "turnover", "open_interest", "open", "high", "low", "traded", "traded_turnover")
)


def _as_bars_need(name: str) -> object:
    if name in ("bids", "asks"):
        return msgspec.Raw
    hint = TICK.types[name]
    return hint if name in _OF_BARS or hint != Decimal | None else str | None


_BarTick = NamedTuple("_BarTick", [(name, _as_bars_need(name)) for name in Tick._fields])  # type: ignore[misc]
_BarTick.__new__.__defaults__ = tuple(Tick._field_defaults.values())


class _PackedForBars(NamedTuple):
    v: int
    source: str
    epoch: int
    ts_pub: int
    ticks: tuple[_BarTick, ...]
    marks: tuple[Mark, ...] = ()
    gaps: tuple[tuple[int, Gap], ...] = ()
    session: str = ""
    chain: int = 0
    changes: tuple[tuple[int, SessionChange], ...] = ()
    resumed: int = 0


_for_bars_decoder = msgspec.msgpack.Decoder(_PackedForBars)


def decode_for_bars(payload: bytes) -> Packed:
    """As `decode_packed`, of which only what bars are made of can be used: the other numbers of its ticks are left as
    texts and their books as bytes, which costs half as much.

    Raises:
        ContractError: not a packed message of this version. NewerVersion: of a newer one.
    """
    try:
        packed = _for_bars_decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return decode_packed(payload)  # which says what is wrong, or takes numbers that are no texts
    if packed.v != PACKED_VERSION:
        raise _unread(payload, f"expected version {PACKED_VERSION}, was {packed.v}")
    return Packed._make(packed)


def split_packed(payload: bytes) -> list[msgspec.Raw]:
    """The ticks of an internal message as they are encoded, each an array in the order of the kind's fields.

    Raises:
        ContractError: not a packed message of this version. NewerVersion: of a newer one.
    """
    try:
        packed = _split_decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _unread(payload, str(error)) from error
    if packed.v != PACKED_VERSION:
        raise _unread(payload, f"expected version {PACKED_VERSION}, was {packed.v}")
    return packed.ticks
