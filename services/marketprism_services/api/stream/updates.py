"""One message of a stream as clients get it: decoded, turned into JSON and framed once, for all of them."""

from __future__ import annotations

import msgspec

from marketprism_services.api.stream.channel_names import facts_of
from marketprism_services.api.stream.frames import BINARY, TEXT, frame

_json = msgspec.json.Encoder()
_msgpack = msgspec.msgpack.Encoder()
_decode = msgspec.msgpack.Decoder().decode


class Update:
    """A message: its subject, its sequence in the stream and its bytes. `read` comes before everything else."""

    __slots__ = (
        "_binary_frame",
        "_instrument",
        "_item",
        "body",
        "data",
        "is_snapshot",
        "n",
        "record",
        "subject",
        "text_frame",
    )

    def __init__(self, subject: str, n: int, data: bytes, *, is_snapshot: bool = False) -> None:
        self.subject = subject
        self.n = n
        self.data = data
        self.is_snapshot = is_snapshot
        self.record: dict[str, object] = {}
        self.body = b""  # the JSON text `{"ch":…,"n":…,"d":…}`
        self.text_frame = b""  # the same as a frame
        self._item = b""
        self._binary_frame = b""
        self._instrument: tuple[str, str, str] | None = None

    def read(self) -> bool:
        """Decode it; False where it is no map of MessagePack that JSON can hold."""
        try:
            record = _decode(self.data)
            self.body = b'{"ch":%b,"n":%d,%b"d":%b}' % (
                _json.encode(self.subject),
                self.n,
                b'"snapshot":true,' if self.is_snapshot else b"",
                _json.encode(record),
            )
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError, ValueError):
            return False
        if not isinstance(record, dict):
            return False
        self.record = record
        self.text_frame = frame(TEXT, self.body)
        return True

    def as_snapshot(self) -> Update:
        """The same message as the beginning of a channel."""
        made = Update(self.subject, self.n, self.data, is_snapshot=True)
        made.read()
        return made

    @property
    def item(self) -> bytes:
        """The MessagePack array `[ch, n, payload]`, the payload as it is in the stream."""
        if not self._item:
            self._item = _msgpack.encode((self.subject, self.n, msgspec.Raw(self.data)))
        return self._item

    @property
    def binary_frame(self) -> bytes:
        """The MessagePack array as a frame."""
        if not self._binary_frame:
            self._binary_frame = frame(BINARY, self.item)
        return self._binary_frame

    def instrument(self) -> tuple[str, str, str]:
        """Venue, symbol and kind: what entitlements are about."""
        found = self._instrument
        if found is None:
            venue, symbol = str(self.record.get("venue", "")), str(self.record.get("symbol", ""))
            found = self._instrument = (venue, symbol, facts_of(self.subject).kind)
        return found

    def number(self, field: str) -> int:
        """A number of the payload, 0 where there is none."""
        value = self.record.get(field)
        return value if type(value) is int else 0
