"""What a front plays: rows of recordings as the API would give them, the instruments in them, and faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from marketprism_adapters.counters.depth.messages import CTP_COLUMNS
from marketprism_adapters.counters.recordings.reader import Recording
from marketprism_application.errors import SourceError
from marketprism_domain.instruments.names import product_of
from marketprism_domain.sessions.calendar import MarketCalendar

DBL_MAX = 1.7976931348623157e308
_OPTIONS = {"speed", "cut", "back", "refuse", "silent", "broken", "lost", "password", "auth_code"}
_TEXTS = {"TradingDay", "InstrumentID", "ExchangeID", "UpdateTime", "ActionDay"}
_WHOLE = {"Volume", "UpdateMillisec", *(f"{side}Volume{n}" for side in ("Bid", "Ask") for n in range(1, 6))}


class Script:
    """What the fronts of one spec play: rows, instruments, faults.

    Raises:
        SourceError: an option that does not exist, a recording that cannot be read, or one with a row that names
            neither its exchange nor a product of a known exchange.
    """

    def __init__(self, spec: str, calendar: MarketCalendar) -> None:
        places, _, options = spec.removeprefix("sim:").partition("?")
        self.options = dict(parse_qsl(options))
        for name in self.options.keys() - _OPTIONS:
            raise SourceError(f"front {spec}: there is no option {name!r}; known: {', '.join(sorted(_OPTIONS))}")
        self.rows: list[tuple[int, dict[str, Any]]] = []
        self._venues: dict[str, str] = {}  # by symbol, as the recordings have it
        for place in places.split(","):
            self._read(Path(place).expanduser(), calendar)
        self.rows.sort(key=lambda row: row[0])
        symbols = dict.fromkeys(str(data["InstrumentID"]) for _, data in self.rows)
        self.instruments = [self._listed(symbol, self._venues[symbol]) for symbol in symbols]
        refused, _, number = self.options.get("refuse", "").partition(":")
        self.refused = {refused: int(number or 0)} if refused else {}

    def _read(self, path: Path, calendar: MarketCalendar) -> None:
        recording = Recording(path, calendar)
        clock = 0
        for raw, tick in recording.raw_rows():
            session = calendar.schedule(tick.venue, tick.symbol).place(tick.ts_event).session
            clock = max(clock, tick.ts_event) if session is not None or clock else 0
            self._venues[tick.symbol] = tick.venue
            self.rows.append((clock, self._fields(raw)))
        first = next((ts for ts, _ in self.rows if ts), 0)
        self.rows = [(ts or first, data) for ts, data in self.rows]

    @staticmethod
    def _fields(raw: dict[str, str]) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for name in CTP_COLUMNS:
            text = raw[name]
            if name in _TEXTS:
                data[name] = "" if name == "ExchangeID" else text
            elif name in _WHOLE:
                data[name] = int(float(text)) if text not in ("", "N/A") else 0
            else:
                data[name] = float(text) if text not in ("", "N/A") else DBL_MAX
        return data

    @staticmethod
    def _listed(symbol: str, venue: str) -> dict[str, Any]:
        return {
            "InstrumentID": symbol,
            "InstrumentName": symbol,
            "ExchangeID": venue.upper(),
            "ProductID": product_of(symbol),
            "ProductClass": "1",
            "VolumeMultiple": 10,
            "PriceTick": 1.0,
            "OpenDate": "20180101",
            "ExpireDate": "20991231",
            "UnderlyingInstrID": "",
            "OptionsType": "",
            "StrikePrice": DBL_MAX,
        }
