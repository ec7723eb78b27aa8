"""Where a replay is: one record on a subject of its own, between what is sent again and behind the last of it."""

from __future__ import annotations

import msgspec


class ReplayPosition(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How far a replay has come.

    Attributes:
        v: version of the message.
        symbols: what is sent again.
        ts: event time up to which everything was sent, nanoseconds UTC; None before the first record.
        sent: records so far, by kind.
        ended: whether this is the last of it; `reason` then says why where it ended early.
    """

    v: int = 1
    symbols: tuple[str, ...] = ()
    ts: int | None = None
    sent: dict[str, int] = {}
    ended: bool = False
    reason: str = ""


_decoder: msgspec.msgpack.Decoder[ReplayPosition] = msgspec.msgpack.Decoder(ReplayPosition)


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
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"replay position: {error}") from error
