"""What minutes add to a page of stored bars, where the storage is of the version before."""

from __future__ import annotations

import pytest

from marketprism_adapters.remote.reader import RemoteReader
from marketprism_application.contracts.failures import Code, Failure
from marketprism_application.contracts.kinds import BAR
from marketprism_application.contracts.questions import Records, encode_failure
from marketprism_application.errors import QueryError
from marketprism_application.queries.arrow_tables import table_of
from marketprism_application.queries.stored_bars import StoredBars
from marketprism_domain.bars.windows import Window

QUERY = Records("bar", "rb2505", "shfe", interval="30m", limit=10)


def storage_that_says(text: str) -> RemoteReader:
    async def call(_: bytes) -> bytes:
        return encode_failure(Failure(Code.INVALID_PARAMETER, text))

    return RemoteReader(call)


def same(_: str, window: Window) -> Window:
    return window


async def test_a_storage_that_does_not_know_the_question_leaves_the_page_as_it_is() -> None:
    stored = StoredBars(table_of(BAR, []), QUERY)
    before = storage_that_says("method: expected one of records, latest, was 'minute_spans'")
    assert await stored.lacking(before, same) is None


async def test_whatever_else_a_storage_refuses_is_told() -> None:
    stored = StoredBars(table_of(BAR, []), QUERY)
    with pytest.raises(QueryError, match="symbol: expected"):
        await stored.lacking(storage_that_says("symbol: expected a name, was ''"), same)
