"""What comes: a thread with an event loop, a stream an instrument, ticks in VeighNa's form for its event engine."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from contextlib import aclosing

from vnpy.trader.constant import Exchange
from vnpy.trader.object import ContractData, TickData

from marketprism_client import MarketClient, QueryFailed, UnknownSymbol, UnknownVenue
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.tick import Tick
from marketprism_sdk.errors import SdkError, reason_of
from marketprism_sdk.urls import hide
from vnpy_marketprism.contracts import contracts
from vnpy_marketprism.door import Door
from vnpy_marketprism.names import Instrument
from vnpy_marketprism.refill import between
from vnpy_marketprism.sequence import Place, Sequence
from vnpy_marketprism.ticks import TickMaker
from vnpy_marketprism.times import moment_of

_AGAIN_S = 3.0
_SHOWN = 5
_QUESTIONS = 4  # at once, behind a cut of many instruments
Key = tuple[str, Exchange]


class Feed:
    """Subscriptions of one connection. Callbacks are called in the feed's own thread."""

    def __init__(
        self,
        door: Door,
        gateway: str,
        on_tick: Callable[[TickData], object],
        on_contract: Callable[[ContractData], object],
        log: Callable[[str], object],
        *,
        refill: bool = True,
    ) -> None:
        self._door, self._gateway = door, gateway
        self._on_tick, self._on_contract, self._log = on_tick, on_contract, log
        self._refill, self._asking = refill, asyncio.Semaphore(_QUESTIONS)
        self._places: dict[Key, tuple[TickMaker, Sequence]] = {}  # they outlast a connection
        self._wanted: dict[Key, Instrument] = {}
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="vnpy-marketprism", daemon=True)

    @property
    def subscribed(self) -> tuple[Key, ...]:
        """Symbols and exchanges that were subscribed."""
        with self._lock:
            return tuple(self._wanted)

    def start(self) -> None:
        """Connect and go on, until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Leave and wait for the thread."""
        with self._lock:
            loop, main = self._loop, self._main
        if loop is not None and main is not None:
            loop.call_soon_threadsafe(main.cancel)
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def subscribe(self, symbol: str, exchange: Exchange, instrument: Instrument) -> None:
        """Ticks of an instrument, as soon as there is a connection."""
        with self._lock:
            self._wanted[symbol, exchange] = instrument
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._changed.set)

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            main = loop.create_task(self._serve())
            with self._lock:
                self._loop, self._main = loop, main
            try:
                loop.run_until_complete(main)
            except asyncio.CancelledError:
                pass
            finally:
                with self._lock:
                    self._loop = self._main = None

    async def _serve(self) -> None:
        """Connected until it is cancelled; where nobody is there, tried again and said once."""
        said = ""
        while True:
            try:
                async with self._door.live_client() as market:
                    self._log(f"connected to MarketPrism at {self._shown()}")
                    said = ""
                    await self._contracts(market)
                    await self._subscriptions(market)
            except (QueryFailed, SdkError) as error:
                text = f"MarketPrism at {self._shown()}: {reason_of(error)}"
                if text != said:
                    self._log(f"{text}; tried again every {_AGAIN_S:g} s")
                    said = text
            await asyncio.sleep(_AGAIN_S)

    def _shown(self) -> str:
        return hide(self._door.url)

    async def _contracts(self, market: MarketClient) -> None:
        found, assumed = await contracts(market, self._gateway)
        for contract in found:
            self._on_contract(contract)
        self._log(f"{len(found)} contracts")
        if assumed:
            more = f" and {len(assumed) - _SHOWN} more" if len(assumed) > _SHOWN else ""
            names = f"{', '.join(assumed[:_SHOWN])}{more}"
            self._log(f"no terms are known of {names}: size and price tick are those of their product, or 1 and 0.01")

    async def _subscriptions(self, market: MarketClient) -> None:
        """A task an instrument, of those that are wanted, and of those that come."""
        async with asyncio.TaskGroup() as group:
            running: set[Key] = set()
            while True:
                self._changed.clear()
                with self._lock:
                    wanted = dict(self._wanted)
                for key, instrument in wanted.items():
                    if key not in running:
                        running.add(key)
                        group.create_task(self._follow(market, key, instrument))
                await self._changed.wait()

    async def _follow(self, market: MarketClient, key: Key, instrument: Instrument) -> None:
        """Ticks of one instrument; in a replay, until it ends, and then those of the next one."""
        symbol, exchange = key
        vt_symbol = f"{symbol}.{exchange.value}"
        while True:
            if key not in self._places:
                self._places[key] = TickMaker(symbol, exchange, self._gateway), Sequence()
            maker, sequence = self._places[key]
            try:
                # In a replay the stream says how far it has been read, and none is left out however slow we are.
                stream = market.live.together(instrument.symbol, venue=instrument.venue)
                async with aclosing(stream):
                    async for record in stream:
                        if isinstance(record, Gap):
                            bounds = f"{moment_of(record.ts_from)} to {moment_of(record.ts_to)}"
                            self._log(f"gap of {vt_symbol}: {record.cause}, {bounds}")
                        if not isinstance(record, Tick):
                            continue
                        before = sequence.newest
                        missed = sequence.missed(record)
                        if missed is None:
                            continue
                        if missed:
                            await self._missed(market, instrument, vt_symbol, maker, (before, record))
                        self._on_tick(maker.tick(record))
                self._log(f"replay of {vt_symbol}: over after {sequence.count} ticks")
                del self._places[key]
            except (UnknownSymbol, UnknownVenue) as error:
                self._log(f"subscribe {vt_symbol}: {error}")
                with self._lock:
                    self._wanted.pop(key, None)
                return
            except (QueryFailed, SdkError) as error:
                self._log(f"ticks of {vt_symbol}: {reason_of(error)}; subscribed again")
                await asyncio.sleep(_AGAIN_S)

    async def _missed(
        self, market: MarketClient, instrument: Instrument, name: str, maker: TickMaker, ends: tuple[Place, Tick]
    ) -> None:
        """Ticks between two that came, out of the store, each marked in `extra`; and a line of how many there were."""
        before, tick = ends
        missed = tick.seq - before.seq - 1
        found: list[Tick] = []

        async def stored(ts_from: int, ts_to: int) -> Iterable[Tick]:
            return await market.history.ticks(instrument.symbol, ts_from, ts_to, venue=instrument.venue)

        text = f"{missed} ticks of {name} before {moment_of(tick.ts_event)} were missed"
        if self._refill:
            try:
                async with self._asking:
                    found = await between(stored, before, tick)
            except (QueryFailed, SdkError) as error:
                text = f"{text}: {reason_of(error)}"
        for each in found:
            made = maker.tick(each)
            made.extra = {**(made.extra or {}), "refilled": True}
            self._on_tick(made)
        self._log(f"{text}, {len(found)} came out of the store" if self._refill else text)
