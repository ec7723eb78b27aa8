"""The read side as its users meet it: a real server, real NATS, HTTP and the client."""

from __future__ import annotations

import asyncio
import io
import re
from decimal import Decimal

import msgspec
import pyarrow as pa
import pytest

from marketprism_adapters.nats import streams
from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.failures import AnswerError
from marketprism_application.contracts.kinds import BAR
from marketprism_application.contracts.questions import Records, decode_answer, encode_question
from marketprism_application.storage.writer import Progress
from marketprism_client import MarketClient, QueryFailed, questions
from marketprism_sdk.errors import SdkError
from marketprism_sdk.nats.jetstream import publish_ack, stream_info
from marketprism_sdk.nats.kv import NatsKeyValue
from tests.integration.query.read_side import COUNT, MINUTE, OPENED, Serve, bar, filled, serve

pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("clickhouse")]

__all__ = ["filled", "serve"]


async def test_questions_and_their_answers(serve: Serve) -> None:
    api = await serve()
    assert {row["symbol"] for row in await api.rows("symbols")} == {"rb2505", "rb2510"}
    found = await api.rows("bars/rb2505?interval=1m&from=2025-03-03T09:02&to=2025-03-03T09:05")
    assert [row["ts_open"] for row in found] == [OPENED + n * MINUTE for n in (2, 3, 4)]
    assert (found[0]["close"], found[0]["gap"]) == ("1.5", False)
    newest = await api.rows("bars/rb2505,rb2510?interval=1m&last=true&limit=2")
    assert [(row["symbol"], row["seq"]) for row in newest] == [
        ("rb2505", 8),
        ("rb2505", 9),
        ("rb2510", 8),
        ("rb2510", 9),
    ]
    (five,) = (await api.rows("bars/rb2505?interval=5m&limit=1") or [{"ts_open": 0}])[:1]
    assert five["ts_open"] in (0, OPENED)
    (made,) = await api.rows("bars/rb2505?interval=3m&limit=1")
    assert (made["ts_open"], made["volume"], made["ticks"]) == (OPENED, "30", 9)
    (total,) = await api.rows("statistics/rb2505?from=2025-03-03T09:00&to=2025-03-03T09:04")
    assert (total["bars"], total["volume"], total["turnover"], total["vwap"]) == (4, "40", "600", "1.5")
    (day,) = await api.rows("daily/rb2505")
    assert (day["trading_day"], day["bars"]) == ("20250303", 10) or day["trading_day"] == ""
    sections = await api.rows("sessions/RB2505?trading_day=2025-03-03&times=iso&tz=Asia/Shanghai")
    assert [row["ts_open"][:16] for row in sections] == [
        "2025-02-28T21:00",
        "2025-03-03T09:00",
        "2025-03-03T10:30",
        "2025-03-03T13:30",
    ]
    assert {(row["venue"], row["symbol"], row["time_zone"]) for row in sections} == {
        ("shfe", "rb2505", "Asia/Shanghai")
    }
    days = await api.rows("coverage?symbols=rb2505&product=rb&from_day=2025-03-03&to_day=2025-03-04")
    assert [(row["trading_day"], row["bars"], row["minutes"]) for row in days] == [
        ("20250303", 10, 345),
        ("20250304", 0, 345),
    ]
    assert {row["symbol"] for row in await api.rows("coverage")} >= {"rb2505"}
    assert await api.rows("gaps?symbols=rb*&kind=tick&limit=1") == []
    assert await api.rows("quality?venue=okx") == []
    (stood,) = await api.rows(f"orderbook/rb2505?at={OPENED + 55 * 10**7 + 3}")
    assert (stood["seq"], stood["bids"][0]["price"], stood["asks"][0]["price"]) == (56, "2999", "3001")
    assert await api.rows(f"orderbook/rb2505?at={OPENED - 1}") == []
    listed = await api.rows("instruments?search=RB25&class=future&venue=shfe")
    assert [(row["symbol"], row["ts_event"]) for row in listed] == [("rb2505", 2), ("rb2510", 1)]
    assert await api.rows("instruments?search=rb2510&product=cu") == []
    (newest_tick,) = await api.rows("ticks/rb2505/latest")
    assert newest_tick["seq"] == COUNT
    async with MarketClient(api.url) as market:
        stood_tick = await market.book("rb2505", OPENED + 55 * 10**7)
        assert stood_tick is not None
        assert stood_tick.seq == 56
        assert (await market.statistics("rb2505")).column("vwap").to_pylist() == [Decimal("1.5")]
        assert (await market.instruments("rb")).num_rows == 2
        with pytest.raises(QueryFailed, match="expected one that is stored, was 'nope1'"):
            await market.bars("nope1", "1m")
    for symbols, said in (("rb2505,nope1", "was 'nope1'"), ("rb25[01]?,nope1", "was 'nope1'"), ("zz[12]", "'zz[12]'")):
        asked = encode_question(Records("bar", symbols, interval="1m", limit=5))
        with pytest.raises(AnswerError, match=re.escape(said)) as caught:
            decode_answer(await api.service.calls.call_raw("query", "arrow", asked))
        assert caught.value.failure.code == "UNKNOWN_SYMBOL"
    brackets = encode_question(Records("bar", "rb25[01]?", interval="1m", limit=5))
    assert decode_answer(await api.service.calls.call_raw("query", "arrow", brackets)).num_rows == 10


async def test_bars_by_activity_are_made_of_the_stored_ticks(serve: Serve) -> None:
    api = await serve()
    found = await api.rows("bars/rb2505?interval=tick:10000&from=2025-03-03&to=2025-03-04")
    assert [(row["ticks"], row["volume"]) for row in found] == [(10_000, "10000"), (10_000, "10000"), (5_000, "5000")]
    assert [row["ts_open"] for row in found] == [OPENED + n * 10**11 for n in range(3)]
    async with MarketClient(api.url) as market:
        bars = await market.bars("rb2505", "volume:12500", "2025-03-03", "2025-03-04")
        assert bars.column("volume").to_pylist() == [Decimal(12_500)] * 2


async def test_bars_are_asked_for_as_they_stood(serve: Serve) -> None:
    api = await serve()
    published = bar(0).ts_pub
    asked = f"bars/rb2505?interval=1m&from={OPENED}&to={OPENED + 9 * MINUTE}"
    counts = [len(await api.rows(f"{asked}&as_of={as_of}")) for as_of in (published - 1, published, "2099-01-01")]
    assert counts == [0, 9, 9]
    async with MarketClient(api.url) as market:
        span = (OPENED, OPENED + 9 * MINUTE)
        assert (await market.bars("rb2505", "1m", *span, as_of=published - 1)).num_rows == 0
        assert (await market.bars("rb2505", "1m", *span, as_of=published)).num_rows == 9
    status, refused = await api.get("ticks/rb2505?as_of=2025-03-03")
    assert (status, "as_of" in str(refused)) == (400, True)
    status, refused = await api.get("bars/rb2505?interval=1m&as_of=yesterday")
    assert (status, "as_of: expected" in str(refused)) == (400, True)


async def test_any_question_is_asked_as_what_it_is(serve: Serve) -> None:
    api = await serve()
    async with MarketClient(api.url) as market:
        assert (await market.ask(questions.Latest("tick", ("rb2505",)))).column("seq").to_pylist() == [COUNT]
        found = await market.ask(questions.Records("bar", "rb2505", interval="1m", limit=3, last=True))
        assert found.column("seq").to_pylist() == [7, 8, 9]
        with pytest.raises(QueryFailed, match="width_ns") as caught:
            await market.ask(questions.BarsOfTicks("rb2505", "shfe", (), "wide"))  # type: ignore[arg-type]
        assert (caught.value.code, caught.value.consequence.status) == ("INVALID_PARAMETER", 400)
        with pytest.raises(SdkError):
            await market.monitor(timeout_s=0.5)


@pytest.mark.parametrize("form", ["arrow", "parquet", "csv", "msgpack"])
async def test_files_hold_what_the_rows_hold(serve: Serve, form: str) -> None:
    api = await serve()
    rows = await api.rows("bars/rb2505?interval=1m")
    async with api.session.get(f"{api.base}/api/v1/bars/rb2505?interval=1m&format={form}") as answer:
        body = await answer.read()
    if form == "arrow":
        seen = pa.ipc.open_stream(body).read_all().column("seq").to_pylist()
    elif form == "parquet":
        import pyarrow.parquet as pq  # noqa: PLC0415

        seen = pq.read_table(io.BytesIO(body)).column("seq").to_pylist()
    elif form == "csv":
        seen = [int(line.split(",")[4]) for line in body.decode().splitlines()[1:]]
    else:
        assert msgspec.msgpack.decode(body) == rows
        return
    assert seen == [row["seq"] for row in rows]


async def test_a_published_bar_is_seen_while_no_table_has_it_and_once_when_it_has(serve: Serve) -> None:
    api = await serve()
    question = f"bars/rb2505?interval=1m&from={OPENED + 5 * MINUTE}"
    assert len(await api.rows(question)) == 5
    for made in (bar(10), bar(6, close="9", revision=1)):
        receipt = await publish_ack(api.nats, "market.bar.1m.rb2505", encode(BAR, made))
    async with asyncio.timeout(5):
        while len(found := await api.rows(question)) < 6 or found[1]["revision"] == 0:
            await asyncio.sleep(0.005)
    assert [(row["seq"], row["close"]) for row in found] == [
        (5, "1.5"),
        (6, "9"),
        (7, "1.5"),
        (8, "1.5"),
        (9, "1.5"),
        (10, "1.5"),
    ]
    (newest,) = await api.rows("bars/rb2505/latest?interval=1m")
    assert newest["seq"] == 10
    async with MarketClient(api.url) as market:
        assert [made.seq for made in await market.latest_bars("rb2505", "1m")] == [10]
    # A made interval is made of them too.
    assert (await api.rows("bars/rb2505?interval=2m&last=true&limit=1"))[0]["ts_open"] == OPENED + 8 * MINUTE
    created = str((await stream_info(api.nats, streams.BARS))["created"])
    ranges = await NatsKeyValue.open(api.nats, streams.STORE_RANGES)
    await ranges.put(streams.BARS, msgspec.msgpack.encode(Progress(created, 1, 1, receipt.seq, receipt.seq)))
    async with asyncio.timeout(5):
        while len(api.query._recent):
            await asyncio.sleep(0.01)


async def test_an_answer_is_kept_and_dropped_when_a_bar_changes_it(serve: Serve) -> None:
    api = await serve()
    question = f"bars/rb2510?interval=1m&from={OPENED}&to={OPENED + 10 * MINUTE}"
    first = await api.rows(question)
    assert await api.rows(question) == first
    await publish_ack(api.nats, "market.bar.1m.rb2510", encode(BAR, bar(11, symbol="rb2510")))
    await publish_ack(api.nats, "market.bar.1m.rb2510", encode(BAR, bar(3, "7", 1, symbol="rb2510")))
    async with asyncio.timeout(5):
        while (found := await api.rows(question)) == first:
            await asyncio.sleep(0.005)
    assert [row["close"] for row in found].count("7") == 1
    assert len(found) == 10


@pytest.mark.parametrize("form", ["csv", "ndjson", "arrow"])
async def test_a_stream_is_the_pages_one_after_another(serve: Serve, form: str) -> None:
    api = await serve()
    async with api.session.get(f"{api.base}/api/v1/ticks/rb2505/stream?format={form}") as answer:
        body = await answer.read()
    if form == "arrow":
        seen = pa.ipc.open_stream(body).read_all().column("seq").to_pylist()
    elif form == "csv":
        names, *lines = body.decode().splitlines()
        seen = [int(line.split(",")[names.split(",").index("seq")]) for line in lines]
    else:
        seen = [msgspec.json.decode(line)["seq"] for line in body.splitlines()]
    assert seen == list(range(1, COUNT + 1))
    async with api.session.get(f"{api.base}/api/v1/ticks/rb2505/stream?limit=12345") as answer:
        assert len((await answer.read()).splitlines()) == 12_345
