"""Ticks and contracts of a gateway as captured frames, and back: ticks with the row by which they are read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from marketprism_adapters.vnpy_gateway.contracts import terms_of
from marketprism_adapters.vnpy_gateway.names import Names
from marketprism_adapters.vnpy_gateway.registry import GatewayRow
from marketprism_adapters.vnpy_gateway.tap import CONTRACT_FIELDS
from marketprism_adapters.vnpy_gateway.ticks import TickReader
from marketprism_domain.errors import InvalidValue
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar

DECODER = "vnpy.tick"
CONTRACTS = "vnpy.contract"  # of the channel beside that of the ticks
_DATES = [CONTRACT_FIELDS.index(name) for name in ("option_listed", "option_expiry")]


def encode_frame(row: GatewayRow, global_venue: str, values: Sequence[object]) -> bytes:
    """One frame of values in the order of `TICK_FIELDS`."""
    symbol, exchange, when, *numbers = values
    text = when.isoformat() if isinstance(when, datetime) else repr(when)
    plain = (symbol, getattr(exchange, "value", exchange), text, *numbers)
    return msgspec.msgpack.encode((tuple(row), global_venue, plain), enc_hook=_plain)


def encode_contract(global_venue: str, values: Sequence[object]) -> bytes:
    """One frame of values in the order of `CONTRACT_FIELDS`: of what has a name, that, and of an exchange its code."""
    symbol, exchange, *rest = values
    plain = [each.isoformat() if isinstance(each, datetime) else getattr(each, "name", each) for each in rest]
    return msgspec.msgpack.encode(
        (global_venue, (symbol, getattr(exchange, "value", exchange), *plain)), enc_hook=_plain
    )


def terms_of_frame(payload: bytes, source: str, ts_recv: int) -> InstrumentRecord:
    """The terms of a contract's frame. Raises InvalidValue: a field is none; MsgspecError: it is no frame."""
    global_venue, values = msgspec.msgpack.decode(payload, type=tuple[str, list[object]])
    if len(values) != len(CONTRACT_FIELDS):
        raise InvalidValue("contract", f"{len(CONTRACT_FIELDS)} fields", str(len(values)))
    for at in _DATES:
        if values[at] is not None:
            try:
                values[at] = datetime.fromisoformat(str(values[at]))
            except ValueError:
                raise InvalidValue(CONTRACT_FIELDS[at], "a time", repr(values[at])[:80]) from None
    return terms_of(values, Names(global_venue), source, ts_recv)


def _plain(value: object) -> float | str:
    try:
        return float(value)  # type: ignore[arg-type] # numpy's
    except (TypeError, ValueError):
        return repr(value)


class FrameReader:
    """Reads frames as they were read when they came."""

    def __init__(self, calendar: MarketCalendar, source: str) -> None:
        self._calendar = calendar
        self._source = source
        self._readers: dict[tuple[GatewayRow, str], TickReader] = {}

    def tick(self, payload: bytes, number: int, ts_recv: int) -> Tick:
        """The tick of a frame, numbered. Raises InvalidValue: a field is none; MsgspecError: it is no frame."""
        row, global_venue, values = msgspec.msgpack.decode(payload, type=tuple[GatewayRow, str, list[object]])
        reader = self._readers.get((row, global_venue))
        if reader is None:
            reader = TickReader(row, self._calendar, self._source, Names(global_venue))
            self._readers[row, global_venue] = reader
        try:
            values[2] = datetime.fromisoformat(str(values[2]))
        except (ValueError, IndexError):
            raise InvalidValue("datetime", "a time", repr(values[2:3])[:80]) from None
        return reader.tick(values, number, ts_recv)


__all__ = ["CONTRACTS", "DECODER", "FrameReader", "encode_contract", "encode_frame", "terms_of_frame"]
