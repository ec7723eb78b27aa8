"""The page of data before the data service itself, a store and a venue that is simulated: a hole is found, judged and mended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.integration.api.access_side import gateway
from tests.integration.console.operating_side import Desk, Jobs, Source, at_desk
from tests.integration.console.signed_side import beside, faults
from tests.integration.data.data_side import DataSide, data_side_of
from tests.support.downloads import LISTED, MINUTE, symbol_of

pytestmark = [pytest.mark.xdist_group("desks"), pytest.mark.timeout(180)]

DAY_MINUTES = 1_440
HOLE = (600, 800)  # minutes of the first day that are not downloaded


class Works(Desk):
    """A gateway with the data service, the read side and the storage behind it."""

    side: DataSide
    symbol: str

    def downloaded(self, first: int, last: int) -> None:
        """Minutes of the first day are stored."""

        async def done() -> None:
            span = {"ts_from": LISTED + first * MINUTE, "ts_to": LISTED + last * MINUTE}
            begun = await self.side.begun("downloads", venue="binance", symbols=[self.symbol], interval="1m", **span)
            ended = await self.side.ended(begun.id)
            assert (ended.stage, ended.error) == ("done", "")

        self.run(done())


@asynccontextmanager
async def _works(folder: Path) -> AsyncIterator[Works]:
    async with data_side_of(folder) as side, gateway(side.side.url) as made:
        connection = side.side.market.connection
        works = Works(
            asyncio.get_running_loop(), made, connection, Jobs("unused", connection), Source("none", connection)
        )
        works.side, works.symbol = side, symbol_of(side.venue)
        yield works


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Works]:
    with beside(_works(tmp_path_factory.mktemp("works"))) as (_, made):
        made.until(lambda: made.ask("GET", "/api/v1/data/jobs").status == 200)
        made.downloaded(0, HOLE[0])
        made.downloaded(HOLE[1], DAY_MINUTES)
        yield made


@pytest.mark.long
def test_a_hole_is_seen_checked_judged_and_mended(browser: Browser, works: Works) -> None:
    missing = HOLE[1] - HOLE[0]
    series = f"binance.{works.symbol} kline 1m"
    day = f"/data/series?in=2024-01&of={series}&day=20240101"
    with at_desk(browser, works, day) as seen:
        page = seen.page
        row = page.get_by_role("region", name="What is missing").locator("tbody tr")
        expect(row).to_have_count(1)
        expect(row).to_contain_text("2024-01-01 10:00:00")
        expect(row.locator("td").last).to_have_text(str(missing))
        page.get_by_role("link", name="Check this day").press(
            "Enter"
        )  # what loads above it may move it under a pointer
        expect(page.locator("#data-symbols")).to_have_value(works.symbol)
        page.get_by_role("button", name="Check", exact=True).click()
        expect(page.locator(".tile", has_text="Missing").locator("b")).to_have_text(str(missing))
        expect(page.get_by_role("region", name="Defects").locator("tbody tr")).to_have_count(1)
        check = page.url
        page.get_by_role("button", name="Ask witnesses").click()
        expect(page.get_by_text(f"ours {missing}")).to_be_visible()
        assert seen.violations() == []
        page.goto(check)
        page.get_by_role("button", name="Plan a repair").click()
        expect(page.locator("mp-data-repair .panel")).to_contain_text(f"bars {missing}: requests")
        seen.picture("data-real-plan")
        page.get_by_role("button", name="Repair now").click()
        page.locator("dialog[open]").get_by_role("button", name="Repair now").click()
        rows = page.locator("mp-data-repair section table.fit").first.locator("tbody tr")
        expect(rows.nth(0)).to_contain_text(f"Before1{missing}")
        expect(rows.nth(1)).to_contain_text("After00100A")
        expect(page.locator("mp-data-repair")).to_contain_text(f"new bars {missing}")
        seen.picture("data-real-repaired")
        assert seen.violations() == []
        seen.open(day)
        expect(page.locator("mp-series-day .hole")).to_have_count(0)
        expect(page.locator("mp-series-day")).to_contain_text("(100.00%)")
        assert seen.problems == []


def test_a_download_is_asked_for_and_what_is_wrong_stands_at_its_field(browser: Browser, works: Works) -> None:
    with at_desk(browser, works, "/data/download", role="admin") as seen:
        page = seen.page
        page.get_by_label("Venue", exact=True).fill("binanze")
        page.get_by_label("Instruments", exact=True).fill(works.symbol)
        page.get_by_label("Interval").fill("1m")
        page.get_by_label("From", exact=True).fill("2024-01-02")
        page.get_by_label("To", exact=True).fill("2024-01-02")
        page.get_by_role("button", name="Download", exact=True).click()
        expect(page.locator("#wrong-venue")).to_contain_text("binanze")
        page.get_by_label("Venue", exact=True).fill("binance")
        page.get_by_label("Interval").fill("7m")
        page.get_by_role("button", name="Download", exact=True).click()
        expect(page.locator("#wrong-interval")).to_contain_text("7m")
        page.get_by_label("Interval").fill("1m")
        page.get_by_label("To", exact=True).fill("2024-01-01")
        page.get_by_role("button", name="Download", exact=True).click()
        expect(page.locator("#wrong-to")).to_be_visible()
        page.get_by_label("To", exact=True).fill("2024-01-02")
        page.get_by_role("button", name="Download", exact=True).click()
        expect(page.locator(".data-job .badge")).to_have_text("done")
        expect(page.locator(".data-job")).to_contain_text("1,440")
        assert faults(seen, 400) == []
