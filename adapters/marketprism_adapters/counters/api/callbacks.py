"""The API's callbacks: each copies what it was given into the queue, and does nothing else.

They run in threads of the API, which cuts a connection whose callbacks are slow (10 000 packets).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from marketprism_adapters.counters.api.callback_queue import Callback

Put = Callable[..., None]

# Callback of the API: what it is called in the queue. The signatures are of four kinds.
_PLAIN = {"onFrontConnected": "front_connected", "onEnd": "end"}  # a simulated front says when it has ended
_REASON = {"onFrontDisconnected": ("front_disconnected", "reason"), "onHeartBeatWarning": ("heartbeat_late", "seconds")}
_ANSWERS = {
    "md": {
        "onRspUserLogin": "login",
        "onRspSubMarketData": "subscribe",
        "onRspUnSubMarketData": "unsubscribe",
        "onRspUserLogout": "logout",
    },
    "td": {
        "onRspAuthenticate": "authenticate",
        "onRspUserLogin": "login",
        "onRspSettlementInfoConfirm": "settlement",
        "onRspQryInstrument": "instrument",
        "onRspUserLogout": "logout",
    },
}
_PUSHED = {"md": {"onRtnDepthMarketData": "depth"}, "td": {"onRtnInstrumentStatus": "status"}}


def spi_class(base: type[Any], side: str) -> type[Any]:
    """A class on `base` (the compiled one, or a front that stands in for it) whose callbacks fill a queue.

    Made with (put, front number). A base with `now_ns` has a clock of its own.
    """

    def start(self: Any, put: Put, front: int) -> None:
        base.__init__(self)
        self.put, self.front = put, front

    def say(self: Any, name: str, data: Any = None, error: Any = None, *, last: bool = True) -> None:
        now: Callable[[], int] = getattr(self, "now_ns", time.time_ns)
        try:
            # The API makes a new dict for each message: it is kept, not copied.
            kept = data if type(data) is dict else dict(data or {})
            callback = Callback(side, self.front, name, kept, dict(error) if error else {}, last, now())
        except (TypeError, ValueError) as wrong:
            # An exception must not go back into the API's thread, where it would end unseen or end everything.
            callback = Callback(
                side, self.front, "callback_failed", {"callback": name, "reason": repr(wrong)}, {}, last, now()
            )
        self.put(callback, droppable=name == "depth")

    def plain(name: str) -> Any:
        return lambda self: say(self, name)

    def number(name: str, what: str) -> Any:
        return lambda self, value: say(self, name, {what: value})

    def answer(name: str) -> Any:
        return lambda self, data, error, _reqid, last: say(self, name, data, error, last=last)

    def pushed(name: str) -> Any:
        return lambda self, data: say(self, name, data)

    methods: dict[str, Any] = {"__init__": start}
    methods |= {callback: plain(name) for callback, name in _PLAIN.items()}
    methods |= {callback: number(*names) for callback, names in _REASON.items()}
    methods |= {callback: answer(name) for callback, name in _ANSWERS[side].items()}
    methods |= {callback: pushed(name) for callback, name in _PUSHED[side].items()}
    methods["onRspError"] = lambda self, error, _reqid, last: say(self, "error", {}, error, last=last)
    return type(f"{side.capitalize()}Spi", (base,), methods)
