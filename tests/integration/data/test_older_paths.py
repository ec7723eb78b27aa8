"""Older paths of the data manager over the gateway: each answers as what stands in its place, to who may do that."""

from __future__ import annotations

import asyncio

import pytest

from marketprism_application.contracts.kinds import KLINE
from marketprism_application.contracts.questions import Question, Records, decode_question, encode_answer
from marketprism_application.queries.arrow_tables import table_of
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import Service, rpc
from tests.contract.test_codec import SAMPLES
from tests.integration.api.access_side import Gateway, gateway
from tests.integration.data.answering import REPORTS, answering
from tests.support.services import running

pytestmark = pytest.mark.timeout(120)
DOWNLOAD = {"symbols": ["BTCUSDT", "ETHUSDT"], "interval": "1h", "start": "2024-01-01", "end": "2024-02-01"}


async def served(api: Gateway, key: str) -> None:
    async with asyncio.timeout(30):
        while (await api.ask("GET", "/api/v1/data/jobs", key)).status != 200:
            await asyncio.sleep(0.05)


async def test_each_answers_and_says_what_stands_in_its_place(nats_url: str) -> None:
    async with gateway(nats_url) as api, answering(nats_url) as state:
        key = await api.key(await api.user("operator"), limits="bulk")
        await served(api, key)
        begun = await api.ask("POST", "/api/download", key, DOWNLOAD)
        assert begun.data["action"] == "download", begun
        assert begun.headers["Deprecation"].startswith("@")
        assert begun.headers["Link"] == '</api/v1/data/downloads>; rel="successor-version"'
        asked = state.jobs[begun.data["id"]].request
        assert (asked["symbols"], asked["venue"]) == (["BTC-USDT-PERP", "ETH-USDT-PERP"], "binance-usdm")
        assert asked["ts_to"] - asked["ts_from"] == 31 * 86_400 * 10**9  # type: ignore[operator]

        check = (await api.ask("POST", "/api/data-integrity", key, {"symbols": ["cu-1905"]})).data["id"]
        state.jobs["check-x"] = state.begin("check", {}, ("cu1905",))
        report = await api.ask("POST", "/api/generate-integrity-report", key, {"check": "check-x"})
        assert report.data["missing"] == REPORTS["cu1905"].missing
        recheck = await api.ask("POST", "/api/recheck-problematic-symbols", key, {"check": check})
        assert recheck.data["action"] == "recheck"
        repair = await api.ask("POST", "/api/download-missing-data", key, {"check": check, "dry_run": True})
        assert (repair.data["action"], state.jobs[repair.data["id"]].request["dry_run"]) == ("repair", True)
        missing = await api.ask("POST", "/api/download-missing-data", key, {"symbol": "BTCUSDT", "days_back": 3})
        assert missing.data["action"] == "download"

        days = await api.ask("GET", "/api/dates/1h/BTCUSDT?start=2024-01-01", key)
        assert (days.data["dataset"]["symbol"], days.data["ranges"][0]["ts_from"]) == (
            "BTC-USDT-PERP",
            1704067200 * 10**9,
        )
        assert len(days.data["days"]) == 5
        gainers = await api.ask("GET", "/api/top-gainers?limit=2&date=2024-05-06", key)
        assert [(each["symbol"], each["day"]) for each in gainers.data] == [("A0", "20240506"), ("A1", "20240506")]


@pytest.mark.parametrize(
    ("method", "path", "body", "text"),
    [
        ("POST", "/api/download", {"symbol": "BTCUSDT", "days_back": -1}, "days_back: expected 1 to 3653, was -1"),
        ("POST", "/api/download", {"sybmol": "BTCUSDT"}, "sybmol"),
        ("POST", "/api/download", {"symbol": "BTCUSDT", "start": "x"}, "start: expected a date or time"),
        ("POST", "/api/recheck-problematic-symbols", {}, "check: expected a value, was none"),
        ("GET", "/api/top-gainers?day=5", None, "day: expected a day like 2024-05-06, was '5'"),
        ("GET", "/api/top-gainers?limit=many", None, "limit: expected"),
        ("GET", "/api/dates/1h/BTCUSDT?begin=1", None, "begin"),
        ("GET", "/api/kline/1h/BTCUSDT?limit=0", None, "limit: expected 1 to"),
        ("GET", "/api/kline/1h/BTCUSDT?start=x", None, "start: expected a date or time"),
        ("GET", "/api/kline/1h/BTCUSDT?begin=2024-01-01", None, "begin: expected one of"),
    ],
)
async def test_bad_input_is_refused_as_everywhere(
    nats_url: str, method: str, path: str, body: dict[str, object] | None, text: str
) -> None:
    async with gateway(nats_url) as api, answering(nats_url) as state:
        key = await api.key(await api.user("operator"), limits="bulk")
        await served(api, key)
        found = await api.ask(method, path, key, body)
        assert (found.status, found.code) == (400, "INVALID_PARAMETER"), found
        assert text in found.body["error"]["message"]
        assert state.jobs == {}


async def test_who_may_not_do_what_stands_in_its_place_may_not_do_it_here(nats_url: str) -> None:
    async with gateway(nats_url) as api, answering(nats_url) as state:
        operator = await api.key(await api.user("operator"), limits="bulk")
        viewer = await api.key(await api.user("viewer"), limits="bulk")
        await served(api, operator)
        state.begin("check", {}, ("cu1905",))
        before = await changes(api)
        for path, body in (
            ("/api/download", DOWNLOAD),
            ("/api/download-missing-data", {"symbol": "BTCUSDT"}),
            ("/api/download-missing-data", {"check": "check-1"}),
            ("/api/recheck-problematic-symbols", {"check": "check-1"}),
        ):
            assert (await api.ask("POST", path, viewer, body)).code == "FORBIDDEN", path
            assert (await api.ask("POST", path, "", body)).code == "UNAUTHENTICATED", path
        assert (await api.ask("POST", "/api/data-integrity", viewer, {"symbols": "BTCUSDT"})).status == 202
        assert len(state.jobs) == 2
        assert await changes(api) == before
        assert (await api.ask("POST", "/api/download", operator, DOWNLOAD)).status == 202
        assert await changes(api) > before


async def changes(api: Gateway) -> int:
    """Records of downloads in the audit log."""
    newest = await api.service.access.audit_log.newest(1_000)
    return sum("POST /api/v1/data/downloads" in each.target for _, each in newest)


class Klines(Service):
    """The read side, as far as it is asked for klines: one row, and the question that it answers."""

    def __init__(self, connection: NatsConnection) -> None:
        super().__init__("query", connection)
        self.asked: list[Question] = []

    @rpc("arrow", raw=True)
    async def arrow(self, data: bytes) -> bytes:
        """The row of an hour."""
        self.asked.append(decode_question(data))
        return encode_answer(table_of(KLINE, [SAMPLES["kline"]]))


async def test_klines_are_those_of_the_read_side(nats_url: str) -> None:
    connection = await NatsConnection.open(nats_url, name="older-klines")
    service = Klines(connection)
    try:
        async with gateway(nats_url) as api, running(service):
            key = await api.key(await api.user("viewer"), limits="bulk")
            path = "/api/kline/1h/BTCUSDT?start=2024-01-01T00:00Z&end=1704153600000&limit=3"
            async with asyncio.timeout(30):
                while (found := await api.ask("GET", path, key)).status == 503:
                    await asyncio.sleep(0.05)
            assert (found.status, found.data[0]["symbol"]) == (200, SAMPLES["kline"].symbol)
            assert found.headers["Link"] == '</api/v1/klines>; rel="successor-version"'
            begin = 1_704_067_200 * 10**9
            end = begin + 86_400 * 10**9
            asked = Records("kline", "BTC-USDT-PERP", "binance", begin, end, "1h", 3)
            assert service.asked[-1] == asked
            spot = await api.ask("GET", "/api/kline/1m/BTC-USDT?venue=binance", key)
            assert (spot.status, service.asked[-1].symbol) == (200, "BTC-USDT")  # type: ignore[union-attr]
            assert (await api.ask("GET", path)).code == "UNAUTHENTICATED"
    finally:
        await connection.close()


async def test_without_a_data_service_they_say_that_there_is_none(nats_url: str) -> None:
    async with gateway(nats_url) as api:
        key = await api.key(await api.user("operator"), limits="bulk")
        found = await api.ask("POST", "/api/download", key, DOWNLOAD)
        assert (found.status, found.code) == (503, "UNAVAILABLE")
