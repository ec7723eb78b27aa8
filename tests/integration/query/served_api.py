"""The read API over a store in memory that holds a little market."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import aiohttp
import pyarrow as pa
import pytest
from aiohttp import web
from yarl import URL

from marketprism_adapters.memory.store import MemoryStore
from marketprism_application.access.principal import LOCAL, Principal
from marketprism_application.contracts.kinds import BAR, INSTRUMENT, TICK, TRADE, DataKind
from marketprism_application.contracts.questions import EncodedAnswer, Question, encode_answer
from marketprism_application.ports.reading import StoreReader
from marketprism_application.ports.storage import StreamPlace, StreamRange
from marketprism_application.queries.answering import answer_question
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.observability import Metrics
from marketprism_services.api.door import Door
from marketprism_services.api.read.routes import ReadApi
from marketprism_services.api.read.streaming import StreamApi
from marketprism_services.settings.api import ApiSettings
from tests.contract.test_codec import SAMPLES
from tests.fakes.ticks import at, book, tick

OPENED = at("2025-03-03 09:00:00")
MINUTE = 60 * 10**9


def bar(minute: int, symbol: str, interval: str = "1m") -> Bar:
    made: Bar = SAMPLES["bar"]._replace(
        venue="shfe",
        symbol=symbol,
        interval=interval,
        ts_open=OPENED + minute * MINUTE,
        ts_close=OPENED + (minute + 1) * MINUTE,
        ts_event=OPENED + (minute + 1) * MINUTE,
        seq=minute,
        ticks=3,
        open=Decimal(1),
        high=Decimal(2),
        low=Decimal(1),
        close=Decimal("1.5"),
        volume=Decimal(10),
        turnover=Decimal(150),
        revision=0,
        gap=False,
        trading_day="20250303",
    )
    return made


async def fill(store: MemoryStore) -> None:
    """A little market."""
    ticks = [tick(OPENED + n * 10**9, f"{3000 + n % 7}.5", n + 1, **book(2999, 3001)) for n in range(30)]
    terms = SAMPLES["instrument"]._replace(venue="shfe", product="rb", class_="future", multiplier=Decimal(10))
    groups: list[tuple[DataKind, list[Any]]] = [
        (TICK, [each._replace(seq=n + 1, trading_day="20250303") for n, each in enumerate(ticks)]),
        (BAR, [bar(n, "rb2505") for n in range(10)]),
        (BAR, [bar(n, "rb2510") for n in range(10)]),
        (BAR, [bar(0, "rb2505", "1d")]),
        (INSTRUMENT, [terms._replace(symbol=symbol, ts_event=1, seq=1) for symbol in ("rb2505", "rb2510")]),
        (TRADE, [SAMPLES["trade"]._replace(venue="shfe", symbol="rb2505")]),
    ]
    for number, (kind, rows) in enumerate(groups):
        covered = StreamRange(kind.stream, str(number), 1, len(rows))
        await store.insert(kind, rows, [StreamPlace(n, 0) for n in range(len(rows))], covered, 1)


class Served:
    """The API over a store, or over whatever raises `broken`."""

    def __init__(
        self, store: StoreReader, rules: ReadRules, limits: ApiSettings | None = None, page_rows: int = 10_000
    ) -> None:
        self._store, self._rules = store, rules
        self.broken: Exception | None = None
        self.breaks_after = 0  # so many more answers are right
        limits = limits or ApiSettings(auth="off", per_second=10_000)
        metrics = Metrics("api")
        self.door = Door(limits, metrics, self._authenticate)
        self.endpoints = [
            *StreamApi(self._ask, metrics, ("1m", "1d"), limits, page_rows=page_rows).endpoints(),
            *ReadApi(self._ask, self._ask_encoded).endpoints(),
        ]
        self.who = LOCAL

    async def _authenticate(self, request: web.Request) -> Principal:
        return self.who

    async def _ask(self, question: Question) -> pa.Table:
        if self.broken is not None:
            self.breaks_after -= 1
            if self.breaks_after < 0:
                raise self.broken
        return await answer_question(self._store, question, self._rules)

    async def _ask_encoded(self, question: Question) -> EncodedAnswer:
        return EncodedAnswer.of(encode_answer(await self._ask(question)))

    async def start(self) -> None:
        app = web.Application()
        self.door.install(app)
        app.add_routes([self.door.guarded(endpoint) for endpoint in self.endpoints])
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._base = f"http://127.0.0.1:{self._runner.addresses[0][1]}/api/v1/"
        self._session = aiohttp.ClientSession()

    async def get(self, path: str) -> tuple[int, str, str]:
        """Status, content type, and the body without its time."""
        url = URL(self._base + path, encoded=True)
        async with self._session.get(url, headers={"X-Request-Id": "r"}) as answer:
            body = (await answer.read()).decode("latin-1")
            return (
                answer.status,
                answer.headers["Content-Type"],
                re.sub('"timestamp": ?"[^"]*"', '"timestamp":"T"', body),
            )

    async def whole(self, path: str) -> tuple[bytes, dict[str, str]]:
        """The body of an answer, and its headers."""
        async with self._session.get(URL(self._base + path, encoded=True)) as answer:
            assert answer.status == 200, await answer.read()
            return await answer.read(), dict(answer.headers)

    async def stop(self) -> None:
        await self._session.close()
        await self._runner.cleanup()


@pytest.fixture
async def served(calendar: MarketCalendar) -> AsyncIterator[Served]:
    store = MemoryStore()
    await fill(store)
    api = Served(store, ReadRules(calendar, ("1m", "1d")))
    await api.start()
    yield api
    await api.stop()
