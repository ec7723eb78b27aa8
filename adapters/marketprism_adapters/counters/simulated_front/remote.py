"""Fronts of another process: the API's own methods, whose callbacks come over a socket.

`sim://host:port` names a front that `marketprism front` runs. Like the compiled API it connects in a thread of its own,
connects again by itself when the front goes away, and says so in callbacks; login and subscriptions are the caller's.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from marketprism_adapters.counters.depth.messages import CTP_COLUMNS
from marketprism_adapters.counters.simulated_front.wire import HEARTBEAT_S, SILENT_S, Frames, frame
from marketprism_application.errors import SourceError

_AGAIN_S = 0.3
_READ_FAILED, _HEARTBEAT = 0x1001, 0x2001


class _Remote:
    """What both sides share."""

    side = ""

    def __init__(self) -> None:
        super().__init__()
        self._address = ("", 0)
        self._socket: socket.socket | None = None
        self._leaving = threading.Event()
        self._threads: list[threading.Thread] = []
        self._pieces: queue.SimpleQueue[Callable[[], None] | bytes | None] = queue.SimpleQueue()
        self._requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._now = 0
        self._answers = self._callbacks()

    def now_ns(self) -> int:
        """The time of the front as it last sent it, in nanoseconds UTC."""
        return self._now

    def registerFront(self, address: str) -> None:  # noqa: N802 (the API's name)
        """Where to connect: sim://host:port."""
        self._address = address_of(address)

    def init(self) -> None:
        """Connect. Threads read, send and call back: a slow callback does not hold up the line, nor a slow line a
        caller."""
        for work in (self._run, self._send, self._call_back):
            thread = threading.Thread(target=work, name=f"remote-front-{self.side}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def exit(self) -> int:
        """Close the connection and wait for the threads; 0, as the API returns."""
        self._leaving.set()
        self._close()
        self._pieces.put(None)
        self._requests.put(None)
        for thread in self._threads:
            thread.join()
        return 0

    def _close(self) -> None:
        known, self._socket = self._socket, None
        if known is not None:
            with contextlib.suppress(OSError):
                known.shutdown(socket.SHUT_RDWR)
            known.close()

    def _say(self, *parts: Any) -> int:
        """0 when it was handed over, as the API's requests answer."""
        if self._socket is None:
            return -1
        self._requests.put(frame(*parts))
        return 0

    def _send(self) -> None:
        """What was asked, in order, until the end."""
        while (request := self._requests.get()) is not None:
            known = self._socket
            if known is not None:
                with contextlib.suppress(OSError):  # the reader says that the line is gone
                    known.sendall(request)

    def _run(self) -> None:
        while not self._leaving.is_set():
            try:
                connected = socket.create_connection(self._address, timeout=2.0)
            except OSError:
                self._leaving.wait(_AGAIN_S)
                continue
            self._socket = connected
            connected.settimeout(HEARTBEAT_S / 2)
            self._say("hello", self.side)
            self._pieces.put(self.onFrontConnected)  # type: ignore[attr-defined]
            reason = self._listen(connected)
            self._close()
            if not self._leaving.is_set():
                self._pieces.put(partial(self.onFrontDisconnected, reason))  # type: ignore[attr-defined]
                self._leaving.wait(_AGAIN_S)

    def _call_back(self) -> None:
        """What was read, in order, until the end."""
        frames = Frames()
        while not self._leaving.is_set():
            piece = self._pieces.get()
            if piece is None:
                return
            if callable(piece):
                frames = Frames()
                piece()
                continue
            try:
                messages = frames.feed(piece)
            except SourceError:
                self._close()  # not a front: the reader says that it is gone
                continue
            for name, clock, *parts in messages:
                self._now = max(self._now, clock)
                tell = self._answers.get(name)  # none for a heartbeat
                if tell is not None:
                    tell(*parts)

    def _listen(self, connected: socket.socket) -> int:
        """Until the connection ends; why it did."""
        heard = beaten = time.monotonic()
        while not self._leaving.is_set():
            now = time.monotonic()
            if now - heard > SILENT_S:
                return _HEARTBEAT
            if now - beaten > HEARTBEAT_S:
                beaten = now
                self._say("beat")
            try:
                piece = connected.recv(262_144)
            except TimeoutError:
                continue
            except OSError:
                return _READ_FAILED
            if not piece:
                return _READ_FAILED
            heard = now
            self._pieces.put(piece)
        return _READ_FAILED

    def _callbacks(self) -> dict[str, Callable[..., None]]:
        raise NotImplementedError


class RemoteTd(_Remote):
    """The trader side."""

    side = "td"

    def createFtdcTraderApi(self, flow: bytes, production: bool = True) -> None:  # noqa: N802
        """As the API has it; a simulated front needs nothing for it."""

    def subscribePrivateTopic(self, kind: int) -> None:  # noqa: N802
        """As the API has it; a simulated front has no private messages."""

    def subscribePublicTopic(self, kind: int) -> None:  # noqa: N802
        """Everybody hears the phases."""

    def reqAuthenticate(self, words: dict[str, Any], reqid: int) -> int:  # noqa: N802
        """Ask to be let in."""
        return self._say("authenticate", words, reqid)

    def reqUserLogin(self, words: dict[str, Any], reqid: int) -> int:  # noqa: N802
        """0: the request is sent, the front calls back."""
        return self._say("login", words, reqid)

    def reqSettlementInfoConfirm(self, words: dict[str, Any], reqid: int) -> int:  # noqa: N802
        """0: the request is sent, the front calls back."""
        return self._say("settlement", words, reqid)

    def reqQryInstrument(self, words: dict[str, Any], reqid: int) -> int:  # noqa: N802
        """Ask for the instruments."""
        return self._say("instruments", words, reqid)

    def _callbacks(self) -> dict[str, Callable[..., None]]:
        api: Any = self
        return {
            "authenticate": api.onRspAuthenticate,
            "login": api.onRspUserLogin,
            "settlement": api.onRspSettlementInfoConfirm,
            "instrument": api.onRspQryInstrument,
            "status": api.onRtnInstrumentStatus,
            "late": api.onHeartBeatWarning,
        }


class RemoteMd(_Remote):
    """The market-data side."""

    side = "md"

    def createFtdcMdApi(self, flow: bytes, production: bool = True) -> None:  # noqa: N802
        """As the API has it; a simulated front needs nothing for it."""

    def reqUserLogin(self, words: dict[str, Any], reqid: int) -> int:  # noqa: N802
        """0: the request is sent, the front calls back."""
        return self._say("login", words, reqid)

    def subscribeMarketData(self, symbol: str) -> int:  # noqa: N802
        """0: the request is sent, the front calls back."""
        return self._say("subscribe", symbol)

    def unSubscribeMarketData(self, symbol: str) -> int:  # noqa: N802
        """0: the request is sent, the front calls back."""
        return self._say("unsubscribe", symbol)

    def _depth(self, values: list[Any]) -> None:
        self.onRtnDepthMarketData(dict(zip(CTP_COLUMNS, values, strict=True)))  # type: ignore[attr-defined]

    def _callbacks(self) -> dict[str, Callable[..., None]]:
        api: Any = self
        return {
            "login": api.onRspUserLogin,
            "subscribed": api.onRspSubMarketData,
            "depth": self._depth,
            "end": api.onEnd,
        }


def address_of(address: str) -> tuple[str, int]:
    """Host and port of `sim://host:port`.

    Raises:
        SourceError: it is something else.
    """
    host, _, port = address.removeprefix("sim://").rpartition(":")
    if not host or not port.isdecimal():
        raise SourceError(f"front: expected sim://host:port, was {address!r}")
    return host, int(port)
