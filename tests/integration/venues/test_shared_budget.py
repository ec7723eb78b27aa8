"""A live source says what it used of the budgets of its address, and downloads behind that address leave it."""

from __future__ import annotations

import asyncio
from functools import partial

import msgspec

from marketprism_adapters.nats.budget_record import BudgetRecord
from marketprism_adapters.nats.shared_budget import VENUE_BUDGETS, SharedBudget
from marketprism_adapters.sources.registry import make_source, parse_source
from marketprism_adapters.venues.registry import budget_name
from marketprism_application.contracts.subjects import escape
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from tests.integration.venues.venue_side import venue


async def test_a_gateways_source_says_what_it_used(
    connection: NatsConnection, calendar: MarketCalendar, unique: str
) -> None:
    async with venue("binance") as (server, _):
        host = server.rest_url.removeprefix("http://")
        source = make_source(
            parse_source(f"binance:BTC-USDT,url={host}"),
            calendar,
            speed=None,
            budget=partial(SharedBudget, connection, unique),
        )
        await source.connect()  # reads the instrument list
        bucket = NatsKeyValue.existing(connection, VENUE_BUDGETS)
        key = f"{escape(unique)}.{escape(budget_name('binance', server.rest_url))}"
        async with asyncio.timeout(20):
            while (entry := await bucket.get(key)) is None:
                await asyncio.sleep(0.02)
        record = msgspec.msgpack.decode(entry.value, type=BudgetRecord)
        assert record.levels["rest"].tokens < 1_940  # so much is there at first
        await source.close()


def test_another_host_has_budgets_of_its_own() -> None:
    assert budget_name("okx") == "okx"
    assert budget_name("okx", "http://127.0.0.1:81/x") == "okx@127.0.0.1:81"
