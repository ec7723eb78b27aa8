"""`marketprism search`: the query service answers, and a person or a program reads it."""

from __future__ import annotations

import asyncio
import json
import os
from subprocess import CompletedProcess

import pytest

from tests.e2e.warm import ask
from tests.integration.query.read_side import Serve, filled, serve

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("clickhouse")]

__all__ = ["filled", "serve"]


async def test_a_search_is_shown_as_a_table_as_json_and_as_a_refusal(serve: Serve) -> None:
    api = await serve()

    async def search(*arguments: str) -> CompletedProcess[str]:
        environment = {**os.environ, "MARKETPRISM_LANG": "en", "COLUMNS": "160"}
        return await asyncio.to_thread(ask, ("search", *arguments, "--nats-url", api.url), environment, 120)

    table, rows, none, refused = await asyncio.gather(
        search("螺纹"), search("luowen 05", "--json"), search("douyou"), search("rb", "--class", "futur")
    )
    assert table.returncode == 0, table.stderr
    assert "螺纹钢2505" in table.stdout
    found = json.loads(rows.stdout)
    assert [(row["symbol"], row["name"], row["stored"]) for row in found] == [("rb2505", "螺纹钢2505", True)]
    assert (none.returncode, none.stdout) == (1, "no such instrument is known\n")
    assert refused.returncode == 2
    assert "class: expected one of future, option, combination, spot, swap, was 'futur'" in refused.stderr
