"""A front inside the process: the API's own methods and callbacks, driven by a recording field by field.

`sim:<recordings>[?options]`. It answers in the order and with the oddities of a counter: raw dictionaries, DBL_MAX
where there is no value, no ExchangeID, the last snapshot again at login, and what the options ask for:

    speed=60        times real time, or max (20 000 rows a second)
    cut=500:4097    disconnected after so many rows, for this reason; comes back after `back` seconds (1), in which
                    `lost` rows (10) pass
    refuse=login:3  the answer to login, authenticate or settlement is this error
    silent=1        connects, and answers nothing
    broken=100      every hundredth row lacks a field
    password=…      only this password is let in, and `auth_code` likewise; given as their SHA-256, in hexadecimal
"""

from __future__ import annotations

import hashlib
import threading
import time
from typing import Any

from marketprism_adapters.counters.simulated_front.script import Script

_LONG_NS = 60_000_000_000
_MAX_ROWS_PER_S = 20_000
# Request: option that says what is expected, field that holds it, the counter's error.
_CHECKED = {"login": ("password", "Password", 3), "authenticate": ("auth_code", "AuthCode", 63)}


class _Front:
    """What both sides share: a thread that plays the counter's part."""

    script: Script

    def __init__(self) -> None:
        super().__init__()
        self._thread: threading.Thread | None = None
        self._asked: list[tuple[str, Any]] = []
        self._turn = threading.Condition()
        self._leaving = False
        self._now = self.script.rows[0][0] if self.script.rows else 0

    def now_ns(self) -> int:
        """The time of the recording, in nanoseconds UTC."""
        return self._now

    def registerFront(self, address: str) -> None:  # noqa: N802 (the API's name)
        """Where it would connect."""
        del address

    def init(self) -> None:
        """Start the thread that plays the recording and calls back."""
        self._thread = threading.Thread(target=self._play, name="sim-front", daemon=True)
        self._thread.start()

    def exit(self) -> int:
        """End the thread and wait for it; 0, as the API returns."""
        with self._turn:
            self._leaving = True
            self._turn.notify_all()
        if self._thread is not None:
            self._thread.join()
        return 0

    def _ask(self, what: str, data: Any) -> int:
        with self._turn:
            self._asked.append((what, data))
            self._turn.notify_all()
        return 0

    def _error(self, what: str, words: Any = None) -> dict[str, Any]:
        number = self.script.refused.get(what, 0)
        if what in _CHECKED:
            option, field, refusal = _CHECKED[what]
            wanted = self.script.options.get(option)
            if wanted and wanted != hashlib.sha256(str((words or {}).get(field, "")).encode()).hexdigest():
                number = refusal
        return {"ErrorID": number, "ErrorMsg": "CTP:拒绝" if number else ""}

    def _play(self) -> None:
        self.onFrontConnected()  # type: ignore[attr-defined]
        while True:
            with self._turn:
                self._turn.wait_for(lambda: self._leaving or bool(self._asked))
                if self._leaving:
                    return
                what, data = self._asked.pop(0)
            if not self.script.options.get("silent"):
                self._reply(what, data)

    def _reply(self, what: str, data: Any) -> None:
        raise NotImplementedError


_CALLBACKS = {
    "authenticate": "onRspAuthenticate",
    "login": "onRspUserLogin",
    "settlement": "onRspSettlementInfoConfirm",
}


class SimTd(_Front):
    """The trader side."""

    def createFtdcTraderApi(self, flow: bytes, production: bool) -> None:  # noqa: N802
        """As the API has it; a simulated front needs nothing for it."""

    def subscribePrivateTopic(self, kind: int) -> None:  # noqa: N802
        """As the API has it; a simulated front has no private messages."""

    def subscribePublicTopic(self, kind: int) -> None:  # noqa: N802
        """As the API has it; a simulated front has no public messages."""

    def reqAuthenticate(self, words: dict[str, Any], reqid: int) -> int:  # noqa: N802
        """Ask to be let in."""
        del reqid
        return self._ask("authenticate", words)

    def reqUserLogin(self, words: dict[str, Any], reqid: int) -> int:  # noqa: N802
        """0: the request is accepted, the front calls back."""
        del reqid
        return self._ask("login", words)

    def reqSettlementInfoConfirm(self, words: dict[str, Any], reqid: int) -> int:  # noqa: N802
        """0: the request is accepted, the front calls back."""
        del reqid
        return self._ask("settlement", words)

    def reqQryInstrument(self, words: dict[str, Any], reqid: int) -> int:  # noqa: N802
        """Ask for the instruments."""
        del reqid
        return self._ask("instruments", words)

    def _reply(self, what: str, data: Any) -> None:
        if what == "instruments":
            listed = self.script.instruments
            for number, instrument in enumerate(listed, 1):
                self.onRspQryInstrument(instrument, {}, 0, number == len(listed))  # type: ignore[attr-defined]
            return
        getattr(self, _CALLBACKS[what])(data, self._error(what, data), 0, True)


class SimMd(_Front):
    """The market-data side: rows in their own time once somebody subscribed."""

    def __init__(self) -> None:
        super().__init__()
        self._subscribed: set[str] = set()
        self._symbols = {str(row["InstrumentID"]) for _, row in self.script.rows}
        self._at = 0

    def createFtdcMdApi(self, flow: bytes, production: bool) -> None:  # noqa: N802
        """As the API has it; a simulated front needs nothing for it."""

    def reqUserLogin(self, words: dict[str, Any], reqid: int) -> int:  # noqa: N802
        """0: the request is accepted, the front calls back."""
        del reqid
        return self._ask("login", words)

    def subscribeMarketData(self, symbol: str) -> int:  # noqa: N802
        """0: the request is accepted, the front calls back."""
        return self._ask("subscribe", symbol)

    def unSubscribeMarketData(self, symbol: str) -> int:  # noqa: N802
        """0, and no more ticks of this instrument."""
        self._subscribed.discard(symbol)
        return 0

    def _reply(self, what: str, data: Any) -> None:
        if what == "login":
            self._subscribed = set()
            self.onRspUserLogin(data, self._error("login", data), 0, True)  # type: ignore[attr-defined]
            return
        self._subscribed.add(data)
        known = data in self._symbols
        error = {} if known else {"ErrorID": 16, "ErrorMsg": "CTP:找不到合约"}
        self.onRspSubMarketData({"InstrumentID": data}, error, 0, True)  # type: ignore[attr-defined]
        with self._turn:
            more = bool(self._asked)
        if not more:
            self._stream()

    def _stream(self) -> None:
        options, rows = self.script.options, self.script.rows
        cut_at, _, reason = options.get("cut", "").partition(":")
        broken = int(options.get("broken", 0))
        speed = options.get("speed", "max")
        if self._at:  # at a new login the front sends its last snapshot again
            self.onRtnDepthMarketData(rows[self._at - 1][1])  # type: ignore[attr-defined]
        while self._at < len(rows):
            ts, data = rows[self._at]
            if not self._wait(ts, speed):
                return
            self._now = max(self._now, ts)
            self._at += 1
            if broken and self._at % broken == 0:
                data = {name: value for name, value in data.items() if name != "LastPrice"}
            if data["InstrumentID"] in self._subscribed:
                self.onRtnDepthMarketData(data)  # type: ignore[attr-defined]
            if cut_at and self._at == int(cut_at):
                self.onFrontDisconnected(int(reason or 0x1001))  # type: ignore[attr-defined]
                time.sleep(float(options.get("back", 1)))
                self._at = min(self._at + int(options.get("lost", 10)), len(rows))
                self.onFrontConnected()  # type: ignore[attr-defined]
                return
        self.onEnd()  # type: ignore[attr-defined]

    def _wait(self, ts: int, speed: str) -> bool:
        """Until a row is due; False when it is time to leave."""
        if speed == "max":
            pause_s = 0.05 if self._at % (_MAX_ROWS_PER_S // 20) == 0 else 0.0
        else:
            ahead = ts - self._now
            pause_s = 0.0 if ahead > _LONG_NS else ahead / 1e9 / float(speed)
        if pause_s > 0:
            with self._turn:
                self._turn.wait_for(lambda: self._leaving, pause_s)
        return not self._leaving
