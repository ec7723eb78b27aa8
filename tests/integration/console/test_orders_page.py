"""The order calculator: what is filled in, calculated by the real service and shown, and what is wrong with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_adapters.trading_tables.files import FileTables
from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.kinds import TICK
from marketprism_application.contracts.questions import encode_answer
from marketprism_application.queries.arrow_tables import table_of
from marketprism_domain.marketdata.tick import Tick
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import Service, rpc
from marketprism_services.order.service import OrderService
from tests.integration.api.access_side import gateway
from tests.integration.console.operating_side import Desk, Jobs, Source, at_desk
from tests.integration.console.signed_side import beside, faults
from tests.support.console import LANGUAGES, Viewer
from tests.support.services import running

pytestmark = [pytest.mark.xdist_group("desks"), pytest.mark.timeout(180)]

ORDER = "/orders?instrument=binance.BTC-USDT-PERP&side=buy&type=limit&by=quantity&margin_mode=isolated"
FILLED = f"{ORDER}&price=60000.05&amount=0.5&leverage=10&stop_share=1.9&take_share=4&prices=61234.5&funding_rate=0.01"
WORDS = {
    "en": ("Liquidation price", "Break-even price", "What it rests on", "Calculate"),
    "zh": ("强平价", "盈亏平衡价", "依据", "试算"),
}


class Prices(Service):
    """The read side, as far as an order asks it: the newest tick of one instrument."""

    def __init__(self, connection: NatsConnection) -> None:
        super().__init__("query", connection)

    @rpc("latest_tick")
    async def latest_tick(self, symbol: str) -> bytes | None:
        """The newest tick of the one instrument."""
        if symbol != "BTC-USDT-PERP":
            return None
        now = time.time_ns()
        tick = Tick("binance", symbol, "binance", 1, 1, now, now, now, 1, "20261101")
        return encode(TICK, tick._replace(last=Decimal("61000.5")))

    @rpc("arrow", raw=True)
    async def arrow(self, data: bytes) -> bytes:
        """No rows of anything."""
        assert data
        return encode_answer(table_of(TICK, []))


@asynccontextmanager
async def _office(folder: Path) -> AsyncIterator[Desk]:
    server = await EmbeddedServer.start(EmbeddedOptions(folder, port=0))
    connection = await NatsConnection.open(server.url, name="office")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.stop)
        stack.push_async_callback(connection.close)
        await streams.ensure_streams(connection)
        made = await stack.enter_async_context(gateway(server.url))
        await stack.enter_async_context(running(Prices(connection)))
        await stack.enter_async_context(running(OrderService(connection, FileTables.read)))
        loop = asyncio.get_running_loop()
        yield Desk(loop, made, connection, Jobs("unused", connection), Source("none", connection))


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with beside(_office(tmp_path_factory.mktemp("office"))) as (_, made):
        made.until(lambda: made.ask("GET", "/api/v1/orders/tables/binance").status == 200)
        yield made


def fact(seen: Viewer, name: str) -> Locator:
    """What stands beside a name of the result."""
    return seen.page.locator(f"mp-orders-page dt:text-is('{name}') + dd")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_right_empty_and_with_a_result(browser: Browser, office: Desk, language: str) -> None:
    liquidation, break_even, sources, calculate = WORDS[language]
    with at_desk(browser, office, FILLED, language=language) as seen:
        expect(fact(seen, liquidation)).to_have_text("54,216.86746988")
        expect(fact(seen, break_even)).to_be_visible()
        expect(seen.page.get_by_role("region", name=sources)).to_contain_text("margins/binance")
        expect(seen.page.get_by_role("button", name=calculate)).to_be_visible()
        if language == "en":  # from there it is looked at in both
            assert seen.faults_in_both("orders-filled") == []
            seen.open("/orders")
            assert seen.faults_in_both("orders") == []
        assert seen.problems == []


def test_an_order_is_filled_in_calculated_and_can_be_sent_to_a_colleague(browser: Browser, office: Desk) -> None:
    with at_desk(browser, office, "/events", role="quant") as seen:
        page = seen.page
        page.locator("#pages").get_by_role("link", name="Order calculator").click()
        page.locator("mp-instrument-input input").fill("binance.BTC-USDT-PERP")
        page.get_by_label("Amount", exact=True).fill("0.5")
        page.get_by_label("Leverage").fill("10")
        page.get_by_label("Stop, % from the entry").fill("1.9")
        page.get_by_label("Take, % from the entry").fill("4")
        page.get_by_role("button", name="Calculate").click()
        expect(fact(seen, "Price")).to_contain_text("61,000.5 newest tick")  # nobody gave one
        expect(page.get_by_role("region", name="What it rests on")).to_contain_text("last price 61000.5")
        page.get_by_label("Price", exact=True).fill("60 000.05")
        page.get_by_text("More", exact=True).click()
        page.get_by_label("Profit at prices (spaces between)").fill("61234.5 58000")
        page.get_by_label("Funding rate of a settlement, %").fill("0.01")
        page.get_by_role("button", name="Calculate").click()
        expect(fact(seen, "Price")).to_have_text("60,000 rounded")
        expect(fact(seen, "Initial margin")).to_have_text("3,000 USDT")
        expect(fact(seen, "Liquidation price")).to_have_text("54,216.86746988")
        expect(fact(seen, "Stop loss · profit")).to_contain_text("58,860 ·")
        expect(fact(seen, "Take profit · profit")).to_contain_text("62,400 ·")
        expect(fact(seen, "Funding of a settlement")).to_contain_text("-3")
        expect(page.get_by_role("region", name="Profit at prices")).to_contain_text("617.25")
        expect(page.get_by_text("more than 90 days old")).to_be_visible()
        page.reload()  # the address holds it
        expect(fact(seen, "Liquidation price")).to_have_text("54,216.86746988")
        assert page.get_by_label("Leverage").input_value() == "10"
        page.get_by_label("Amount given as").select_option("risk")
        page.get_by_label("Amount", exact=True).fill("570")
        page.get_by_role("button", name="Calculate").click()
        expect(fact(seen, "Quantity")).not_to_have_text("0.5")
        page.go_back()
        expect(fact(seen, "Quantity")).to_have_text("0.5")
        assert seen.problems == []


def test_what_is_wrong_is_named_and_what_was_filled_in_stays(browser: Browser, office: Desk) -> None:
    with at_desk(browser, office, "/orders") as seen:
        page = seen.page

        def refused(text: str, field: str) -> None:
            page.get_by_role("button", name="Calculate").click()
            expect(page.locator("mp-orders-page .failed")).to_contain_text(text)
            if field:
                expect(page.locator(f"#order-{field}")).to_have_attribute("aria-invalid", "true")

        page.locator("mp-instrument-input input").fill("BTC")
        page.get_by_label("Amount", exact=True).fill("0.5")
        refused("Instrument: expected venue and symbol", "")
        page.locator("mp-instrument-input input").fill("nowhere.BTC-USDT-PERP")
        refused("venue: expected one of binance", "")
        page.locator("mp-instrument-input input").fill("binance.BTC-USDT-PERP")
        page.get_by_label("Amount", exact=True).fill("half")
        refused("Amount: expected a number, was “half”", "amount")
        assert seen.violations() == []
        assert page.get_by_label("Amount", exact=True).input_value() == "half"
        page.get_by_label("Amount", exact=True).fill("0.5")
        page.get_by_label("Leverage").fill("150")
        refused("at most 125 in tier 1", "leverage")
        page.get_by_label("Leverage").fill("10")
        page.get_by_label("Price", exact=True).fill("60000.05")
        page.get_by_label("Refuse what would be rounded").check()
        refused("expected a multiple of 0.1", "price")
        page.get_by_label("Refuse what would be rounded").uncheck()
        page.get_by_label("Price", exact=True).fill("30000")
        page.get_by_label("Amount", exact=True).fill("0.001")
        page.get_by_role("button", name="Calculate").click()
        expect(page.locator("mp-orders-page .failed")).to_contain_text("Too small a value")
        expect(fact(seen, "Initial margin")).to_have_text("3 USDT")
        page.get_by_label("Amount", exact=True).fill("<img src=x onerror=alert(1)>")
        refused("expected a number, was “<img", "amount")
        assert faults(seen, 400) == []


def test_who_may_not_calculate_is_not_offered_the_page(browser: Browser, office: Desk) -> None:
    with at_desk(browser, office, "/orders", role="viewer") as seen:
        seen.settle()
        expect(seen.page.locator("#content")).to_contain_text("calc:run")
        expect(seen.page.locator("#pages").get_by_role("link", name="Order calculator")).to_have_count(0)
        assert seen.problems == []
