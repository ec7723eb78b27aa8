"""The API's depth message as a tick: the same rules as for a recording of it."""

from __future__ import annotations

from collections.abc import Container, Mapping
from operator import itemgetter
from typing import Any

from marketprism_adapters.counters.depth.fields import BadField, RawNumbers
from marketprism_adapters.counters.depth.messages import CTP_COLUMNS, Skipped, ctp_maker
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar


class DepthReader:
    """Raw fields in, ticks out.

    A double becomes its shortest decimal; what is no number, DBL_MAX and FLT_MAX (the counters' "no value") are no
    value. Event time, trading day and natural day come from raw fields and our calendar. `exchanges` are those of the
    instrument list, `signed` instruments of it whose prices may be zero or less, besides those whose code says so.
    """

    def __init__(
        self,
        calendar: MarketCalendar,
        source: str,
        exchanges: Mapping[str, str] | None = None,
        signed: Container[str] = (),
    ) -> None:
        self._make = ctp_maker(calendar, source, RawNumbers(), signed)
        self._exchanges = exchanges if exchanges is not None else {}

    def tick(self, data: Mapping[str, Any], number: int, ts_recv: int | None = None) -> Tick | Skipped:
        """One tick, or why it is none; it came at `ts_recv`, or at its event time.

        Raises:
            BadField, InvalidValue: a field is missing or is not what it should be.
        """
        try:
            row = _pick(data)
        except KeyError as error:
            raise BadField(str(error.args[0]), "a field of the depth message", "missing") from None
        for position in _TEXTS:
            if not isinstance(row[position], str):
                raise BadField(CTP_COLUMNS[position], "a text", repr(row[position]))
        if not row[_EXCHANGE]:  # empty on normal fronts: the instrument list knows it
            row = (*row[:_EXCHANGE], self._exchanges.get(row[_INSTRUMENT], ""), *row[_EXCHANGE + 1 :])
        try:
            return self._make(row, number, ts_recv)
        except TypeError:  # of a recorded message, which anybody may have written: a list is no number
            for position, value in enumerate(row):
                if not isinstance(value, str | int | float):
                    raise BadField(CTP_COLUMNS[position], "a number", repr(value)) from None
            raise


_pick = itemgetter(*CTP_COLUMNS)
_TEXTS = [CTP_COLUMNS.index(name) for name in ("TradingDay", "InstrumentID", "ExchangeID", "UpdateTime", "ActionDay")]
_EXCHANGE, _INSTRUMENT = CTP_COLUMNS.index("ExchangeID"), CTP_COLUMNS.index("InstrumentID")
