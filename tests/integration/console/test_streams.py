"""The page of the streams: what it shows of them is what they hold."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Browser

from tests.integration.console.faked_system import text_of, wrong
from tests.support.console import Site, viewer

pytestmark = [pytest.mark.xdist_group("console"), pytest.mark.timeout(300)]


def test_streams_are_shown_as_they_are(browser: Browser, futures: Site) -> None:
    with viewer(browser, futures.base) as seen:
        seen.open("/streams")
        seen.page.wait_for_selector("[data-stream=MARKET_TICKS]")
        told = futures.ask("/system")
        for row in told["streams"]:
            shown = text_of(seen, f"[data-stream='{row['stream']}']")
            assert f"{row['messages']:,}" in shown, row
        seen.page.wait_for_selector("mp-stores dl")
        assert told["stores"][0]["store"] in text_of(seen, "mp-stores dl")
        assert f"{told['stores'][0]['watermarks']['MARKET_TICKS']:,}" in text_of(seen, "mp-stores table")
        for row in told["lags"]["stages"]:
            assert str(row["behind"]) in text_of(seen, f"mp-lags [data-stage='{row['stage']}']")
        seen.until("[...document.querySelectorAll('mp-lags .good')].length === 3")
        assert wrong(seen) == []


def test_what_streams_and_buckets_hold_is_read_message_by_message(browser: Browser, futures: Site) -> None:
    with viewer(browser, futures.base) as seen:
        seen.open("/streams")
        seen.page.wait_for_selector("[data-stream=MARKET_BARS]")
        seen.page.locator("[data-stream=MARKET_BARS] a").click()
        assert "stream=MARKET_BARS" in seen.page.url
        seen.page.wait_for_selector("mp-stream h2")
        seen.page.wait_for_selector("mp-messages tbody tr")
        newest = futures.ask("/system/streams/MARKET_BARS/messages?limit=50")["messages"]
        shown = [int(each) for each in seen.page.locator("mp-messages tbody th").all_inner_texts()]
        assert shown == [each["seq"] for each in newest]
        seen.open("/streams?stream=MARKET_BARS&from=1&subject=market.bar.1m.ru1901")
        seen.page.wait_for_selector("mp-messages tbody tr")
        first = futures.ask("/system/streams/MARKET_BARS/messages?limit=1&after_seq=0&subject=market.bar.1m.ru1901")
        (bar,) = first["messages"]
        seen.page.locator("mp-messages summary").first.click()
        content = json.loads(seen.page.locator("mp-messages details[open] pre").inner_text())
        assert (content["symbol"], content["close"]) == ("ru1901", bar["data"]["close"])
        assert seen.violations() == []
        seen.page.get_by_role("button", name="The next ones").click()
        seen.until(f"Number(document.querySelector('mp-messages tbody th')?.innerText) > {bar['seq']}")
        assert "from=" in seen.page.url
        seen.open("/streams?stream=MARKET_TICKS&view=subjects")
        seen.page.wait_for_selector("mp-stream tbody tr")
        assert "market.tick.ru1901" in text_of(seen, "mp-stream tbody tr")
        seen.open("/streams?bucket=service_leaders")
        seen.page.wait_for_selector("mp-buckets form")
        seen.until("document.querySelector('mp-buckets')?.innerText.includes('gateway.default')")
        assert seen.violations() == []
        assert wrong(seen) == []
