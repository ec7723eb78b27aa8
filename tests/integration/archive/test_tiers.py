"""An answer says where its rows lay, in every form that it leaves in, and its rows do not change by it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from marketprism_application.contracts.kinds import BAR, TICK
from marketprism_application.contracts.questions import Records
from marketprism_application.contracts.tiers import Tiers, tiers_of
from marketprism_application.queries.answering import answer_question
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_domain.sessions.calendar import MarketCalendar
from tests.integration.query.served_api import Served
from tests.support.archive import DAY, FIRST, Scene, fill, scene_of

TICKS_OF = "ticks/rb2505?from={}&to={}"
FORMS = ("json", "csv", "arrow", "parquet", "msgpack")


class Side(NamedTuple):
    """The read API over a store and its archive."""

    scene: Scene
    served: Served

    async def rows_and_headers(self, path: str) -> tuple[Any, tuple[str | None, str | None]]:
        body, headers = await self.served.whole(path)
        rows = json.loads(body)["data"] if "format" not in path and "stream" not in path else body
        return rows, (headers.get("X-Cold-Units"), headers.get("X-Cold-Until"))


@pytest.fixture
async def side(tmp_path: Path, calendar: MarketCalendar) -> AsyncIterator[Side]:
    async with scene_of(tmp_path) as scene:
        await fill(scene.store, 1, [TICK, BAR])
        served = Served(scene.reader, ReadRules(calendar, ("1m", "1d")))
        await served.start()
        yield Side(scene, served)
        await served.stop()


def span(first: int, last: int) -> str:
    """Ticks of some days after the first of March."""
    return TICKS_OF.format(FIRST + first * DAY, FIRST + (last + 1) * DAY)


async def test_the_split_is_shown_in_every_form_and_changes_no_row(side: Side) -> None:
    paths = [f"{span(28, 30)}&format={form}" for form in FORMS[1:]] + [span(28, 30), "ticks/rb2505/stream?format=csv"]
    before = [await side.rows_and_headers(path) for path in paths]
    assert {headers for _, headers in before} == {(None, None)}

    for unit in await side.scene.hot.partitions():
        if unit.partition in ("20250329", "20250330"):
            await side.scene.mover.move(unit.table, unit.partition, unit.bytes)
    until = str(side.scene.known.records["market_ticks", "20250330"].served.ts_last)  # type: ignore[union-attr]
    for path, (rows, _) in zip(paths, before, strict=True):
        again, headers = await side.rows_and_headers(path)
        assert again == rows, path
        assert headers == ("2", until), path
    body, _ = await side.served.whole(span(28, 30))
    assert json.loads(body)["tiers"] == {"cold_units": 2, "cold_until": int(until)}

    _, hot = await side.rows_and_headers(span(31, 32))
    assert hot == ("0", until), "rows of ticks are archived, and none of them was needed"
    body, headers = await side.served.whole("bars/rb2505?interval=1m")
    assert "tiers" not in json.loads(body), "no bar is archived"
    assert "X-Cold-Units" not in headers


@pytest.mark.long
async def test_bars_that_are_made_of_archived_ticks_say_so(side: Side, calendar: MarketCalendar) -> None:
    await side.scene.move_all()
    rules = ReadRules(calendar, ("1m", "1d"))
    made = await answer_question(side.scene.reader, Records("bar", "rb2505", interval="5m", limit=10), rules)
    tiers = tiers_of(made)
    assert isinstance(tiers, Tiers)
    assert {unit.split()[0] for unit in tiers.units} >= {"market_bars"}
    start = FIRST + 28 * DAY
    of_ticks = Records("bar", "BTC-USDT", None, start, start + 4 * DAY, interval="5m", limit=10, made_of="ticks")
    found = tiers_of(await answer_question(side.scene.reader, of_ticks, rules))
    assert found is not None
    assert any(unit.startswith("market_ticks") for unit in found.units)
