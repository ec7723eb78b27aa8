"""The read API's answers over a store in memory: the same bytes for the same request as ever, and what it says of
itself."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import openapi_spec_validator
import pyarrow as pa
import pytest
from aiohttp import web
from yarl import URL

from marketprism_adapters.http.caller_limits import Callers
from marketprism_adapters.memory.store import MemoryStore
from marketprism_application.contracts.kinds import BAR, INSTRUMENT, KINDS, TICK, TRADE, DataKind
from marketprism_application.contracts.questions import QUESTIONS, Question
from marketprism_application.errors import StoreError
from marketprism_application.ports.storage import StreamPlace, StreamRange
from marketprism_application.queries.answering import answer_question
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.errors import NoResponders, RemoteError
from marketprism_sdk.observability import Metrics
from marketprism_services.query.http.openapi import operations, read_api_document
from marketprism_services.query.http.routes import ReadApi
from marketprism_services.query.http.streaming import StreamApi
from marketprism_services.settings.settings import QuerySettings
from tests.contract.test_codec import SAMPLES
from tests.fakes.ticks import at, book, tick

OPENED = at("2025-03-03 09:00:00")
MINUTE = 60 * 10**9
GOLDEN: dict[str, tuple[int, str, str]] = json.loads(
    (Path(__file__).parents[2] / "golden/read_api.json").read_text(encoding="ascii")
)


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

    def __init__(self, store: MemoryStore, rules: ReadRules) -> None:
        self._store, self._rules = store, rules
        self.broken: Exception | None = None
        self.callers = Callers(100, 10_000.0)
        self.routes = [
            *StreamApi(self._ask, self.callers, Metrics("query"), ("1m", "1d"), QuerySettings()).routes(),
            *ReadApi(self._ask, self.callers).routes(),
        ]

    async def _ask(self, question: Question) -> pa.Table:
        if self.broken is not None:
            raise self.broken
        return await answer_question(self._store, question, self._rules)

    async def start(self) -> None:
        app = web.Application()
        app.add_routes(self.routes)
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


async def test_the_answers_are_the_bytes_that_they_always_were(served: Served) -> None:
    assert len(GOLDEN) > 60
    for path, expected in GOLDEN.items():
        assert list(await served.get(path)) == expected, path


@pytest.mark.parametrize(
    ("error", "status", "code", "message"),
    [
        (StoreError("away", retryable=True), 503, "UNAVAILABLE", "away"),
        (NoResponders("nobody"), 503, "UNAVAILABLE", "nobody"),
        (RemoteError("OVERLOADED", "busy"), 503, "UNAVAILABLE", "OVERLOADED: busy"),
        (RemoteError("INVALID_PARAMETER", "depth: expected less"), 400, "INVALID_PARAMETER", "depth: expected less"),
        (ExceptionGroup("two", [StoreError("first"), StoreError("second")]), 503, "UNAVAILABLE", "first"),
    ],
)
async def test_an_error_is_what_its_code_says(
    served: Served, error: Exception, status: int, code: str, message: str
) -> None:
    served.broken = error
    answered, _, body = await served.get("symbols")
    assert (answered, json.loads(body)["error"]) == (status, {"code": code, "message": message, "details": {}})


# -- what it says of itself ----------------------------------------------------------------------------------------------


def references(of: Any) -> set[str]:
    """Every `$ref` of a document."""
    if isinstance(of, dict):
        own = {of["$ref"]} if isinstance(of.get("$ref"), str) else set()
        return own.union(*(references(each) for each in of.values()))
    return set().union(*(references(each) for each in of)) if isinstance(of, list) else set()


def test_the_document_is_whole() -> None:
    document = json.loads(json.dumps(read_api_document("1.2.3")))
    assert (document["openapi"], document["info"]["version"]) == ("3.1.0", "1.2.3")
    for reference in references(document):
        found = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        assert found, reference
    schemas = document["components"]["schemas"]
    assert {cls.__name__ for cls in QUESTIONS.values()} <= set(schemas)
    assert {kind.model.__name__ for kind in KINDS.values()} <= set(schemas)
    assert schemas["Daily"]["properties"]["method"] == {"enum": ["daily"]}
    assert schemas["Bar"]["properties"]["open"] == {"type": "string", "format": "decimal"}
    names = [path["get"]["operationId"] for path in document["paths"].values()]
    assert len(set(names)) == len(names) == len(list(operations()))
    for path, item in document["paths"].items():
        (method,) = item
        operation = item[method]
        assert {"operationId", "summary", "parameters", "responses"} <= set(operation), path
        assert "200" in operation["responses"], path
        in_path = [each["name"] for each in operation["parameters"] if each["in"] == "path"]
        assert sorted(in_path) == sorted(re.findall("{([a-z]+)}", path)), path
        keys = [(each["name"], each["in"]) for each in operation["parameters"]]
        assert len(set(keys)) == len(keys), path
        assert all(each["required"] == (each["in"] == "path") and each["schema"] for each in operation["parameters"])


def test_the_document_is_one_of_openapi() -> None:
    openapi_spec_validator.validate(json.loads(json.dumps(read_api_document("1"))))


def described(path: str) -> list[str]:
    """Paths of the document that a route serves: of `{kind:a|b}` each."""
    found = re.search("{kind:([^}]+)}", path)
    return [path.replace(found[0], name) for name in found[1].split("|")] if found else [path]


def test_each_route_is_in_the_document(served: Served) -> None:
    served_paths = {path for route in served.routes for path in described(route.path)}
    documented = set(read_api_document("1")["paths"])
    assert served_paths <= documented
    elsewhere = {"ticks/{symbol}/latest", "bars/{symbol}/latest", "orderbook/{venue}/{symbol}", "openapi.json"}
    assert documented - served_paths == {f"/api/v1/{path}" for path in elsewhere}
