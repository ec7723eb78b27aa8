"""Where a replay is: one record on a subject of its own, between what is sent again and behind the last of it."""

from __future__ import annotations

from typing import TypeVar

import msgspec

T = TypeVar("T")


class ReplayPosition(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How far a replay has come.

    Attributes:
        v: version of the message.
        symbols: what is sent again.
        ts: event time up to which everything was sent, nanoseconds UTC; None before the first record.
        sent: records so far, by kind.
        ended: whether this is the last of it; `reason` then says why where it ended early.
        alive_s: a position follows within so many seconds, whether or not a record does; 0 where none is promised. A
            replay that was killed sends no end: who misses many of them knows it by that.
    """

    v: int = 1
    symbols: tuple[str, ...] = ()
    ts: int | None = None
    sent: dict[str, int] = {}
    ended: bool = False
    reason: str = ""
    alive_s: float = 0.0


class ReplayTaken(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A listener's answer to a position: how far it has read.

    Attributes:
        v: version of the message.
        reader: name of the listener, of its own choice.
        sent: records that the position counted, all of which were read or were not for this listener.
        left: whether it reads no more.
    """

    v: int = 1
    reader: str
    sent: int = 0
    left: bool = False


_decoder: msgspec.msgpack.Decoder[ReplayPosition] = msgspec.msgpack.Decoder(ReplayPosition)
_taken_decoder: msgspec.msgpack.Decoder[ReplayTaken] = msgspec.msgpack.Decoder(ReplayTaken)


def position_subject(prefix: str) -> str:
    """Subject of the positions of a replay on the subjects below `prefix`."""
    return f"{prefix}.position"


def encode_position(position: ReplayPosition) -> bytes:
    """Message of a position."""
    return msgspec.msgpack.encode(position)


def decode_position(data: bytes) -> ReplayPosition:
    """Position of a message.

    Raises:
        ValueError: it is none.
    """
    return _decoded(_decoder, data, "position")


def encode_taken(taken: ReplayTaken) -> bytes:
    """Message of a listener's answer."""
    return msgspec.msgpack.encode(taken)


def decode_taken(data: bytes) -> ReplayTaken:
    """A listener's answer.

    Raises:
        ValueError: it is none.
    """
    return _decoded(_taken_decoder, data, "listener")


def _decoded(decoder: msgspec.msgpack.Decoder[T], data: bytes, what: str) -> T:
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"replay {what}: {error}") from error
