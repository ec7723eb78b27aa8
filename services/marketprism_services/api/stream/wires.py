"""How a client's messages are written: JSON or MessagePack in frames, alone or in arrays, or server-sent events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Protocol

import msgspec

from marketprism_services.api.stream.channel import Channel, Entry
from marketprism_services.api.stream.frames import BINARY, TEXT, close_frame, frame
from marketprism_services.api.stream.messages import Message
from marketprism_services.api.stream.updates import Update

NO_TOKEN = "-"  # noqa: S105 (of a channel that has none yet)
_text_frame: Callable[[Update], bytes] = attrgetter("text_frame")
_binary_frame: Callable[[Update], bytes] = attrgetter("binary_frame")
_body: Callable[[Update], bytes] = attrgetter("body")
_item: Callable[[Update], bytes] = attrgetter("item")
_json = msgspec.json.Encoder()
_msgpack = msgspec.msgpack.Encoder()


class Wire(Protocol):
    """One way to write. `bytes_of` and `message` give the bytes of an entry; `packed` makes entries ready to send."""

    @property
    def bytes_of(self) -> Callable[[Update], bytes]:
        """What gives the bytes of a message of a stream; all share them. Called so often that it is no method."""
        ...

    def message(self, message: Message) -> bytes:
        """The bytes of a message of the protocol."""
        ...

    def packed(self, entries: Sequence[Entry]) -> bytes:
        """What is sent of entries, in their order."""
        ...

    def closing(self, code: int, reason: str) -> bytes:
        """The last bytes of a connection."""
        ...


class JsonWire:
    """A text frame a message."""

    @property
    def bytes_of(self) -> Callable[[Update], bytes]:
        """The frame that all share."""
        return _text_frame

    def message(self, message: Message) -> bytes:
        """A frame of its own."""
        return frame(TEXT, _json.encode(message))

    def packed(self, entries: Sequence[Entry]) -> bytes:
        """One frame behind the other."""
        return entries[0][2] if len(entries) == 1 else b"".join([entry[2] for entry in entries])

    def closing(self, code: int, reason: str) -> bytes:
        """A close frame with the code."""
        return close_frame(code, reason)


class MsgpackWire(JsonWire):
    """A binary frame a message."""

    @property
    def bytes_of(self) -> Callable[[Update], bytes]:
        """The frame that all share."""
        return _binary_frame

    def message(self, message: Message) -> bytes:
        """A frame of its own."""
        return frame(BINARY, _msgpack.encode(message))


class JsonBatches(JsonWire):
    """A text frame for all that is sent at once: an array."""

    @property
    def bytes_of(self) -> Callable[[Update], bytes]:
        """The text that all share."""
        return _body

    def message(self, message: Message) -> bytes:
        """Its text, for an array."""
        return _json.encode(message)

    def packed(self, entries: Sequence[Entry]) -> bytes:
        """One frame with an array."""
        return frame(TEXT, b"[" + b",".join([entry[2] for entry in entries]) + b"]")


class MsgpackBatches(MsgpackWire):
    """A binary frame for all that is sent at once: an array."""

    @property
    def bytes_of(self) -> Callable[[Update], bytes]:
        """The array that all share."""
        return _item

    def message(self, message: Message) -> bytes:
        """Its map, for an array."""
        return _msgpack.encode(message)

    def packed(self, entries: Sequence[Entry]) -> bytes:
        """One frame with an array."""
        items = _msgpack.encode([msgspec.Raw(entry[2]) for entry in entries])
        return frame(BINARY, items)


class EventWire:
    """Server-sent events in chunks. The id of each is the tokens of all channels, in the order in which they were asked
    for, so that the last id is where the next connection goes on."""

    def __init__(self) -> None:
        self.channels: list[Channel] = []

    @property
    def bytes_of(self) -> Callable[[Update], bytes]:
        """The text that all share."""
        return _body

    def message(self, message: Message) -> bytes:
        """An event of its type."""
        kind = message.__struct_config__.tag
        return b"event: %b\ndata: %b\n\n" % (str(kind).encode(), _json.encode(message))

    def packed(self, entries: Sequence[Entry]) -> bytes:
        """One chunk of the answer."""
        parts = []
        for channel, n, body in entries:
            if channel is None:
                parts.append(body)
                continue
            channel.sent = n
            ids = ",".join([each.token(each.sent) if each.is_joined else NO_TOKEN for each in self.channels])
            parts.append(b"id: %b\ndata: %b\n\n" % (ids.encode(), body))
        data = b"".join(parts)
        return b"%x\r\n%b\r\n" % (len(data), data)

    def closing(self, code: int, reason: str) -> bytes:
        """An event that says why, and the end of the chunks."""
        data = b"event: close\ndata: %b\n\n" % _json.encode({"code": code, "reason": reason})
        return b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data)
