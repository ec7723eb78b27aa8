"""The conversation with a counter: connect, authenticate, log in, confirm, list the instruments."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from marketprism_adapters.counters.api.callback_queue import Bridge, Callback
from marketprism_adapters.counters.api.callbacks import spi_class
from marketprism_adapters.counters.api.codes import is_fatal, reason_of, trouble
from marketprism_adapters.counters.api.library import Api
from marketprism_adapters.counters.live.instruments import terms_of
from marketprism_adapters.counters.live.settings import Counter
from marketprism_application.errors import SourceError
from marketprism_domain.errors import InvalidValue
from marketprism_domain.marketdata.instrument_record import InstrumentRecord

log = structlog.get_logger()

_QUERY_PAUSE_S = 1.0
_TURN = 100


class Conversation:
    """One opening of a counter: its connections, what it listed, and what came meanwhile (`held`).

    `up` holds the numbers of the market-data connections that are logged in, `failed` why the last one is not.
    """

    def __init__(self, counter: Counter, api_of: Callable[[str], Api], skip: Callable[[str], None]) -> None:
        self._given = counter.settings
        self._flow = counter.flow
        self._api_of = api_of
        self._skip = skip
        self.source = counter.name
        self.bridge = Bridge(asyncio.get_running_loop(), counter.settings.queue)
        self.terms: dict[str, InstrumentRecord] = {}
        self.exchanges: dict[str, str] = {}
        self.fronts: list[Any] = []
        self.up: set[int] = set()
        self.up_at = 0  # receive time of the last login
        self.held: list[Callback] = []
        self.failed: SourceError | None = None
        self._apis: list[Any] = []
        self._trader: Any = None
        self._requests = 0

    async def open(self) -> None:
        """Trader side first, for the instruments; then every market-data connection.

        Raises:
            SourceError: no answer in time, or a refusal; retryable unless the words themselves were wrong.
        """
        given = self._given
        try:
            if given.td_fronts:
                await self._open_trader(given.td_fronts)
            for number, (address, _) in enumerate(given.logins):
                api = await self._start("md", number, [address])
                self.fronts.append(api)
            up = [number for number in range(len(self.fronts)) if await self._try_login(number)]
            if not up:
                raise self.failed or SourceError(f"{self.source}: no market-data front let us in", retryable=True)
        except BaseException:
            await self.close()
            raise

    async def _start(self, side: str, number: int, addresses: Sequence[str]) -> Any:
        put = self.bridge.put
        folder = self._flow / f"{self.source}-{side}{number}"

        def begin() -> Any:
            api = self._api_of(addresses[0])
            made = spi_class(api.md if side == "md" else api.td, side)(put, number)
            folder.mkdir(parents=True, exist_ok=True)
            create = made.createFtdcMdApi if side == "md" else made.createFtdcTraderApi
            flow = f"{folder}/".encode()
            try:
                create(flow, self._given.production)
            except TypeError:  # SOPT's takes the folder alone
                create(flow)
            if side == "td":
                made.subscribePrivateTopic(2)  # quick: nothing of before
                made.subscribePublicTopic(2)
            for address in addresses:
                made.registerFront(address)
            made.init()
            return made

        made = await asyncio.to_thread(begin)
        self._apis.append(made)
        return made

    async def _open_trader(self, addresses: Sequence[str]) -> None:
        given, td = self._given, await self._start("td", 0, addresses)
        self._trader = td
        await self._answer("td", 0, "front_connected", "a connection to the trader front")
        if given.auth_code:
            self._request(td.reqAuthenticate, self._authentication())
            await self._answer("td", 0, "authenticate", "authentication")
        self._request(td.reqUserLogin, {**self._who(), "Password": given.password.reveal()})
        await self._answer("td", 0, "login", "a login at the trader front")
        self._request(td.reqSettlementInfoConfirm, {"BrokerID": given.broker, "InvestorID": given.user})
        await self._answer("td", 0, "settlement", "the settlement's confirmation")
        end = time.monotonic() + given.list_s
        for _ in range(max(1, round(given.list_s / _QUERY_PAUSE_S))):
            if self._request(td.reqQryInstrument, {}) == 0:
                return await self._load(end)
            await asyncio.sleep(_QUERY_PAUSE_S)  # queries are limited to one a second
        raise SourceError(f"{self.source}: the counter took no query within {given.list_s:g} s", retryable=True)

    async def _load(self, end: float) -> None:
        while True:
            callback = await self._answer("td", 0, "instrument", "the instrument list", end - time.monotonic())
            self._keep_terms(callback)
            if callback.last:
                return
            if len(self.terms) % _TURN == 0:
                await asyncio.sleep(0)  # twenty thousand wait already: others want their turn, leases above all

    def _keep_terms(self, callback: Callback) -> None:
        try:
            terms = terms_of(callback.data, self.source, callback.ts_recv) if callback.data else None
        except InvalidValue as error:
            self._skip("instrument_malformed")
            log.warning("instrument.malformed", error=str(error))
            return
        if terms is None:
            self._skip("instrument_not_single")
            return
        self.terms[terms.symbol] = terms
        self.exchanges[terms.symbol] = terms.venue

    async def _try_login(self, number: int) -> bool:
        try:
            await self._answer("md", number, "front_connected", "a connection to the market-data front")
            await self._login(number)
        except SourceError as error:
            if not error.retryable:
                raise
            self.failed = error
            log.warning("front.unreachable", source=self.source, front=number, error=str(error))
            return False
        self.up.add(number)
        return True

    async def _login(self, number: int) -> None:
        self.ask_login(number)
        callback = await self._answer("md", number, "login", "a login at the market-data front")
        self.up_at = callback.ts_recv

    def ask_login(self, number: int) -> None:
        _, account = self._given.logins[number]
        words = {"BrokerID": account.broker, "UserID": account.user, "Password": account.password.reveal()}
        self._request(self.fronts[number].reqUserLogin, words)

    def on_trader_callback(self, callback: Callback) -> None:
        """Log in again at a trader front that came back, so that it goes on telling phases."""
        given, td = self._given, self._trader
        if callback.error and trouble(callback.error):
            self._skip(f"trader_{callback.name}")
            log.warning(
                "trader_front.refused", source=self.source, callback=callback.name, error=trouble(callback.error)
            )
        elif callback.name == "front_connected" and given.auth_code:
            self._request(td.reqAuthenticate, self._authentication())
        elif callback.name in ("front_connected", "authenticate"):
            self._request(td.reqUserLogin, {**self._who(), "Password": given.password.reveal()})
        elif callback.name == "login":
            self._request(td.reqSettlementInfoConfirm, {"BrokerID": given.broker, "InvestorID": given.user})

    def _who(self) -> dict[str, str]:
        return {"BrokerID": self._given.broker, "UserID": self._given.user}

    def _authentication(self) -> dict[str, str]:
        return {**self._who(), "AppID": self._given.app_id, "AuthCode": self._given.auth_code.reveal()}

    def _request(self, call: Any, words: dict[str, str]) -> int:
        self._requests += 1
        return int(call(words, self._requests) or 0)

    async def _answer(self, side: str, front: int, name: str, what: str, wait_s: float | None = None) -> Callback:
        """The next thing of one kind; ticks that come meanwhile are kept.

        Raises:
            SourceError: a refusal, a connection that ends, or none in time.
        """
        wait_s = self._given.answer_s if wait_s is None else wait_s
        end = time.monotonic() + wait_s
        for held in self.held:
            if (held.side, held.front, held.name) == (side, front, name):
                self.held.remove(held)
                return self._accepted(held, what)
        while True:
            left = end - time.monotonic()
            taken = await self.bridge.take(1, max(0.0, left))
            if not taken:
                raise SourceError(f"{self.source}: expected {what} within {wait_s:.3g} s, none came", retryable=True)
            (callback,) = taken
            if (callback.side, callback.front) == (side, front) and callback.name in (
                name,
                "error",
                "front_disconnected",
            ):
                return self._accepted(callback, what)
            self.held.append(callback)

    def _accepted(self, callback: Callback, what: str) -> Callback:
        if callback.name == "front_disconnected":
            reason = reason_of(callback.data.get("reason", 0))
            raise SourceError(f"{self.source}: expected {what}, the front went away: {reason}", retryable=True)
        wrong = trouble(callback.error)
        if wrong:
            fatal = is_fatal(callback.error)
            raise SourceError(f"{self.source}: expected {what}, {wrong}", retryable=not fatal, refused=fatal)
        return callback

    async def close(self) -> None:
        """Log out and let every connection go, market data first. Whoever waits for it may be cancelled; it goes on."""
        apis, self._apis = self._apis, []
        self.up = set()
        if apis:
            await asyncio.shield(asyncio.to_thread(_leave, apis[::-1]))


def _leave(apis: Sequence[Any]) -> None:
    for api in apis:
        api.exit()
