"""`MarketClient` over NATS and through the API gateway: the same methods, the same answers, the same refusals."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

import msgspec
import pytest
from aiohttp import web

from marketprism_application.access.entitlements import Entitlement, Entitlements
from marketprism_application.access.principal import LOCAL, Principal
from marketprism_application.access.scopes import ROLES
from marketprism_application.contracts.book_view import BookRequest
from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.kinds import TICK
from marketprism_client import MarketClient, QueryFailed, UnknownSymbol, UnknownVenue
from marketprism_sdk.nats.jetstream import publish_ack
from tests.contract.test_codec import SAMPLES
from tests.integration.query.read_side import COUNT, OPENED, Api, Serve, filled, serve

pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("clickhouse")]

__all__ = ["filled", "serve"]

Doors: TypeAlias = tuple[MarketClient, MarketClient]
Question: TypeAlias = Callable[[MarketClient], Awaitable[object]]


class Desk:
    """Who asks over HTTP."""

    def __init__(self) -> None:
        self.who = LOCAL

    async def __call__(self, _: web.Request) -> Principal:
        return self.who


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def api(serve: Serve, desk: Desk) -> Api:
    found: Api = await serve(authenticate=desk)
    return found


@pytest.fixture
async def doors(api: Api) -> AsyncIterator[Doors]:
    async with MarketClient(api.url) as inside, MarketClient(api.base) as outside:
        yield inside, outside


ANSWERS: dict[str, Question] = {
    "bars": lambda market: market.bars("rb2505", "1m"),
    "bars of several": lambda market: market.bars("rb25*", "1m", "2025-03-03", "2025-03-04"),
    "last": lambda market: market.last("tick", "rb2505", 7),
    "columns": lambda market: market.history.ticks("rb2505", last=5, fields=["ts_event", "bid_price_1"]),
    "book": lambda market: market.book("rb2505", OPENED + 55 * 10**7),
    "instruments": lambda market: market.instruments("rb"),
    "symbols": lambda market: market.symbols(),
    "search": lambda market: market.search("luowen 05", venue="shfe", class_="future", limit=5),
    "products": lambda market: market.products(),
    "statistics": lambda market: market.statistics("rb2505"),
    "daily": lambda market: market.daily("rb2505"),
    "latest tick": lambda market: market.latest_tick("rb2505"),
    "latest bars": lambda market: market.latest_bars("rb2505", "1m"),
    "written otherwise": lambda market: market.bars("shfe.RB2505", "1m", last=3),
}
REFUSALS: dict[str, tuple[Question, type[QueryFailed], str]] = {
    "symbol": (lambda market: market.bars("nope1", "1m"), UnknownSymbol, "UNKNOWN_SYMBOL"),
    "venue": (lambda market: market.bars("rb2505", "1m", venue="dcee"), UnknownVenue, "INVALID_PARAMETER"),
    "interval": (lambda market: market.bars("rb2505", "0m"), QueryFailed, "INVALID_PARAMETER"),
    "column": (lambda market: market.history.ticks("rb2505", fields=["nope"]), QueryFailed, "INVALID_PARAMETER"),
}


async def test_every_answer_and_every_refusal_is_the_same_through_both_doors(doors: Doors) -> None:
    for name, question in ANSWERS.items():
        one, other = [await question(market) for market in doors]
        assert getattr(one, "table", one) == getattr(other, "table", other), name
        assert one or name == "latest bars", name  # those that are stored are not kept in memory
    for name, (question, of, code) in REFUSALS.items():
        texts = []
        for market in doors:
            with pytest.raises(of) as caught:
                await question(market)
            assert caught.value.code == code, name
            texts.append(str(caught.value))
        assert texts[0] == texts[1], name
    pages = [[page.num_rows async for page in market.history.pages("tick", "rb2505")] for market in doors]
    assert pages[0] == pages[1]
    assert sum(pages[0]) == COUNT


async def test_who_may_see_part_of_the_market_gets_that_part(desk: Desk, doors: Doors) -> None:
    inside, outside = doors
    only = Entitlements((Entitlement(("shfe",), ("rb2505",), ("bar", "instrument")),))
    desk.who = Principal("key", "part", ROLES["quant"], only)
    assert (await outside.bars("rb2505", "1m", fields=["close"])).table == (
        await inside.bars("rb2505", "1m", fields=["close"])
    ).table
    assert (await outside.bars("rb25*", "1m")).num_rows == 10
    assert {row["symbol"] for row in await outside.symbols()} <= {"rb2505"}
    assert [row["symbol"] for row in await outside.instruments("rb")] == ["rb2505"]
    assert [row["symbol"] for row in await inside.search("rb", limit=1)] == ["rb2510"]
    assert [row["symbol"] for row in await outside.search("rb", limit=1)] == ["rb2505"]
    refused: list[Question] = [
        lambda market: market.bars("rb2510", "1m"),
        lambda market: market.last("tick", "rb2505", 1),
        lambda market: market.latest_tick("rb2505"),
        lambda market: market.statistics("rb2510"),
        lambda market: market.audit(["replay:x"]),
    ]
    for question in refused:
        with pytest.raises(QueryFailed) as caught:
            await question(outside)
        assert caught.value.code == "NOT_ENTITLED"
    desk.who = Principal("key", "none", frozenset())
    with pytest.raises(QueryFailed, match=r"^scope: expected md:history, which key:none does not have$"):
        await outside.bars("rb2505", "1m")


async def test_who_sees_late_does_not_see_now(api: Api, desk: Desk, doors: Doors) -> None:
    _, outside = doors
    late = Entitlement(delay_s=100 * 365 * 86_400.0)
    desk.who = Principal("key", "late", ROLES["quant"], Entitlements((late,)))
    assert await outside.latest_tick("rb2505") is None
    assert await outside.latest_bars("rb2505", "1m") == []
    asked = msgspec.msgpack.encode(BookRequest("shfe", "rb2505", 5))
    async with api.session.post(f"{api.base}/api/v1/client/orderbook", data=asked) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (403, "NOT_ENTITLED")
    async with api.session.get(f"{api.base}/api/v1/orderbook/shfe/rb2505") as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (403, "NOT_ENTITLED")


async def test_streams_that_begin_at_once_share_a_connection(api: Api, doors: Doors) -> None:
    _, outside = doors
    symbols = ("rb2505", "rb2510")
    coming = [asyncio.create_task(anext(outside.ticks(symbol))) for symbol in symbols]
    async with asyncio.timeout(30):
        seq = COUNT
        while not all(task.done() for task in coming):
            seq += 1
            for symbol in symbols:
                tick = SAMPLES["tick"]._replace(venue="shfe", symbol=symbol, seq=seq)
                await publish_ack(api.nats, f"market.tick.{symbol}", encode(TICK, tick))
    assert [task.result().symbol for task in coming] == list(symbols)
    assert api.service.live.end(LOCAL.id) == 1


async def test_what_is_no_message_of_the_client_is_refused(api: Api) -> None:
    url = f"{api.base}/api/v1/client"
    async with asyncio.timeout(20):
        for path, body in (("ask", b"\xc1"), ("ask", b"{}"), ("latest_tick", b"\x01"), ("latest_bars", b"\x93\xc0")):
            async with api.session.post(f"{url}/{path}", data=body) as answer:
                assert (answer.status, (await answer.json())["error"]["code"]) == (400, "INVALID_PARAMETER"), path
        async with api.session.post(f"{url}/ask", data=io.BytesIO(b"x" * 2_000_000)) as answer:
            assert answer.status == 413
        async with api.session.post(f"{url}/ask", data=b"x", headers={"Content-Encoding": "gzip"}) as answer:
            assert answer.status == 415


async def test_what_comes_is_the_same_through_both_doors_and_goes_on_where_a_connection_was_cut(
    api: Api, doors: Doors
) -> None:
    seen: tuple[list[int], list[int]] = ([], [])

    async def listen(market: MarketClient, found: list[int]) -> None:
        async for tick in market.ticks("rb2505"):
            found.append(tick.seq)

    listening = [asyncio.create_task(listen(market, found)) for market, found in zip(doors, seen, strict=True)]
    begin = SAMPLES["tick"]._replace(venue="shfe", symbol="rb2505")

    async def publish(first: int, count: int) -> None:
        for seq in range(first, first + count):
            await publish_ack(api.nats, "market.tick.rb2505", encode(TICK, begin._replace(seq=COUNT + seq)))

    await publish(1, 1)
    number = 1
    async with asyncio.timeout(30):
        while not (seen[0] and seen[1]):  # until both listen
            number += 1
            await publish(number, 1)
    async with asyncio.timeout(30):
        while seen[0][-1:] != seen[1][-1:]:
            await asyncio.sleep(0.01)
    for round_ in range(5):
        async with asyncio.timeout(20):
            while not api.service.live.end(LOCAL.id):  # not before the client is back
                await asyncio.sleep(0.01)
        await publish(number + 1 + 10 * round_, 10)
    last = COUNT + number + 50
    async with asyncio.timeout(30):
        while seen[0][-1:] != [last] or seen[1][-1:] != [last]:
            await asyncio.sleep(0.01)
    for found in seen:
        assert found == list(range(found[0], last + 1))
    for task in listening:
        task.cancel()
    await asyncio.gather(*listening, return_exceptions=True)
