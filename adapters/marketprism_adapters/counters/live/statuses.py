"""OnRtnInstrumentStatus: the counter's word about phases, as the domain takes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from marketprism_adapters.counters.api.codes import STATUS
from marketprism_adapters.counters.depth.fields import Clocks
from marketprism_domain.instruments.names import product_of
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.phases import PhaseVerdict, PhaseWatch
from marketprism_domain.sessions.trading_days import NANOS_PER_DAY, china_date, midnight


class Statuses:
    """Phases of products; those of single instruments and of options follow their product and are passed over."""

    def __init__(self, calendar: MarketCalendar, skip: Callable[[str], None]) -> None:
        self._watch = PhaseWatch(calendar)
        self._skip = skip
        self._clocks = Clocks()
        self._volumes: dict[str, Decimal] = {}
        self._speaking = False

    def on_status(self, data: Mapping[str, object], ts_recv: int) -> PhaseVerdict | None:
        """What a status message amounts to; None for one that is none or says nothing of a product."""
        product, venue = str(data.get("InstrumentID", "")), str(data.get("ExchangeID", "")).lower()
        phase = STATUS.get(str(data.get("InstrumentStatus", "")))
        entered = self._clocks.nanos(str(data.get("EnterTime", "")))
        if phase is None or entered is None or not venue or not product:
            self._skip("status_malformed")
            return None
        if not product.isalpha():
            self._skip("status_of_no_product")
            return None
        self._speaking = True
        ts = midnight(china_date(ts_recv)) + entered
        if ts > ts_recv + NANOS_PER_DAY // 2:  # said after midnight of an evening's phase
            ts -= NANOS_PER_DAY
        return self._watch.on_status(venue, product, phase, ts)

    def on_tick(self, tick: Tick) -> PhaseVerdict | None:
        """A trade that the table does not expect."""
        if not self._speaking or not tick.volume:
            return None
        before = self._volumes.get(tick.symbol)
        self._volumes[tick.symbol] = tick.volume
        if before is None or tick.volume <= before:
            return None
        return self._watch.on_trade(tick.venue, product_of(tick.symbol), tick.ts_event)

    def forget(self) -> None:
        """Nobody speaks any more."""
        self._speaking = False
        self._watch.forget()
