"""The API's depth message as a tick: the same rules as for a recording of it."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from marketprism_adapters.counters.depth.fields import BadField, RawNumbers
from marketprism_adapters.counters.depth.messages import CTP_COLUMNS, Skipped, ctp_maker
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar


class DepthReader:
    """Raw fields in, ticks out.

    A double becomes its shortest decimal; what is no number, and every double from 1e20 on (DBL_MAX and FLT_MAX are the
    counters' "no value"), is no value. Event time, trading day and natural day come from raw fields and our calendar.
    """

    def __init__(self, calendar: MarketCalendar, source: str, exchanges: Mapping[str, str] | None = None) -> None:
        self._make = ctp_maker(calendar, source, RawNumbers())
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
        if not row[_EXCHANGE]:  # empty on normal fronts: the instrument list knows it
            row = (*row[:_EXCHANGE], self._exchanges.get(row[_INSTRUMENT], ""), *row[_EXCHANGE + 1 :])
        return self._make(row, number, ts_recv)


_pick = itemgetter(*CTP_COLUMNS)
_EXCHANGE, _INSTRUMENT = CTP_COLUMNS.index("ExchangeID"), CTP_COLUMNS.index("InstrumentID")
