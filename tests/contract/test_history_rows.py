"""Rows of the past in columns, over every store: as they were, once, and behind whatever came live."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest

from marketprism_application.contracts.codec import ContractError
from marketprism_application.contracts.history import (
    REPLACING,
    decode_block,
    encode_block,
    history_subject,
    kind_of_subject,
)
from marketprism_application.contracts.kinds import BAR, KINDS, KLINE, DataKind
from marketprism_application.contracts.questions import Records
from marketprism_application.errors import RowError
from marketprism_application.ports.storage import StreamRange
from marketprism_application.queries.arrow_tables import table_of
from tests.contract.stores import Pair, put, read
from tests.contract.test_codec import SAMPLES

STORABLE = ("bar", "kline", "trade", "funding_rate", "open_interest", "book_top")


def covered(seq: int) -> StreamRange:
    return StreamRange("H", "2025", seq, seq)


async def of(pair: Pair, kind: DataKind) -> list[dict[str, object]]:
    record = SAMPLES[kind.name]
    query = Records(kind.name, record.symbol, record.venue, interval=getattr(record, "interval", None))
    return (await read(pair, query)).to_pylist()


@pytest.mark.parametrize("name", STORABLE)
async def test_columns_come_back_as_the_rows_that_they_are(pair: Pair, name: str) -> None:
    kind, record = KINDS[name], SAMPLES[name]
    subject = history_subject(kind, record.venue, record.symbol)
    block = decode_block(subject, encode_block(table_of(kind, [record]), replaces=False))
    assert (block.kind, block.replaces, block.stored_seq(7)) == (kind, False, 0)
    for _ in range(2):
        assert await pair.store.insert_columns(kind, block.rows, 0, covered(7), 1) == 1
    await put(pair.store, kind, [record])
    assert await of(pair, kind) == table_of(kind, [record]).to_pylist()


async def test_of_one_bar_what_came_live_stands_and_what_replaces_it_does(pair: Pair) -> None:
    for kind in (KLINE, BAR):
        live = SAMPLES[kind.name]._replace(close=Decimal(1), seq=5)
        past = table_of(kind, [live._replace(close=Decimal(2))])
        await put(pair.store, kind, [live])
        await pair.store.insert_columns(kind, past, 0, covered(1), 1)
        assert [row["close"] for row in await of(pair, kind)] == [1]
        block = decode_block(history_subject(kind, live.venue, live.symbol), encode_block(past, replaces=True))
        assert block.stored_seq(2) == REPLACING + 2
        await pair.store.insert_columns(kind, block.rows, block.stored_seq(2), covered(2), 1)
        assert [row["close"] for row in await of(pair, kind)] == [2]


async def test_what_are_no_columns_of_the_kind_is_refused_whole(pair: Pair) -> None:
    rows = table_of(KLINE, [SAMPLES["kline"]])
    lacking = rows.set_column(rows.column_names.index("close"), "close", pa.nulls(1, pa.decimal128(38, 18)))
    for wrong in (rows.drop_columns(["close"]), table_of(BAR, [SAMPLES["bar"]])):
        with pytest.raises(RowError, match="expected the columns of a kline"):
            await pair.store.insert_columns(KLINE, wrong, 0, covered(1), 1)
    with pytest.raises(RowError):
        await pair.store.insert_columns(KLINE, lacking, 0, covered(1), 1)
    assert await of(pair, KLINE) == []


def test_a_block_that_is_none_is_named() -> None:
    subject = history_subject(KLINE, "binance", "BTC-USDT")
    assert kind_of_subject(subject) is KLINE
    assert kind_of_subject("market.bar.1m.x") is None
    with pytest.raises(ContractError, match="expected an Arrow stream"):
        decode_block(subject, b"nonsense")
    with pytest.raises(ContractError, match="expected the columns venue, symbol"):
        decode_block(subject, encode_block(table_of(BAR, [SAMPLES["bar"]]), replaces=False))
    with pytest.raises(ContractError, match="of a known kind"):
        decode_block("history.rows.nothing.x.y", b"")
