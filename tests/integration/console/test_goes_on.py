"""What dies and comes back is shown, and the page goes on where it was; a page that nobody sees costs nothing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from marketprism_application.contracts.kinds import BAR, TRADE
from tests.contract.test_codec import SAMPLES
from tests.integration.console.processes import another
from tests.support.console import Site, running_site, viewer
from tests.support.console_feed import publish, publishing

pytestmark = [pytest.mark.xdist_group("console"), pytest.mark.timeout(300), pytest.mark.long]

MINUTE = 60 * 10**9
NOW = 1_795_780_800 * 10**9
OF = {"venue": "okx", "symbol": "BTC-USDT", "source": "okx", "epoch": 1}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("goes-on"), "none") as running:
        bars = [_bar(n) for n in range(30)]
        publish(running.data, [(BAR, bar) for bar in bars])
        running.until(lambda: len(running.ask("/bars/BTC-USDT?venue=okx&interval=1m&last=30")) == len(bars))
        yield running


def _bar(number: int) -> Any:
    opened = NOW + number * MINUTE
    return SAMPLES[BAR.name]._replace(
        **OF,
        seq=number,
        interval="1m",
        ts_open=opened,
        ts_close=opened + MINUTE,
        ts_event=opened + MINUTE,
        trading_day="20261127",
        revision=0,
        gap=False,
    )


def _trades(first: int, count: int) -> list[tuple[Any, Any]]:
    """Trades whose price is their number."""
    return [
        (TRADE, SAMPLES[TRADE.name]._replace(**OF, seq=n, ts_event=NOW + n * 10**6, trade_id=str(n), price=Decimal(n)))
        for n in range(first, first + count)
    ]


PRINTED = "[...document.querySelectorAll('mp-tape tbody tr')].map((row) => Number(row.children[1].innerText)).reverse()"


def test_no_trade_is_missed_while_the_gateway_is_away(browser: Browser, site: Site) -> None:
    with viewer(browser, site.base) as seen:
        seen.open("/market/okx.BTC-USDT")
        seen.page.wait_for_selector("mp-bar .connection.live")
        seen.page.wait_for_selector("mp-tape .empty")
        seen.page.evaluate("window.same = true")
        with publishing(site.data, _trades(1, 180), per_second=20) as ended:
            seen.until(f"{PRINTED}.length > 20")
            (api,) = site.processes("api")
            os.kill(api, signal.SIGKILL)
            killed = time.monotonic()
            seen.page.wait_for_selector("mp-bar .connection.away")
            seen.page.wait_for_selector(".cut mp-page")  # greyed: what stands there is not of now
            print(f"killed, shown after {time.monotonic() - killed:.2f} s")
            assert len(seen.page.evaluate(PRINTED)) > 20
            seen.page.wait_for_selector("mp-bar .connection.live", timeout=60_000)
            print(f"live again after {time.monotonic() - killed:.2f} s")
            ended.result()
        seen.until(f"{PRINTED}.at(-1) === 180")
        assert seen.page.evaluate(PRINTED) == list(range(1, 181))
        expect(seen.page.locator(".cut")).to_have_count(0)
        assert seen.page.evaluate("window.same")


def test_a_page_that_nobody_sees_is_not_painted_and_asks_for_nothing(browser: Browser, site: Site) -> None:
    with viewer(browser, site.base) as seen:
        seen.open("/market/okx.BTC-USDT")
        seen.page.wait_for_selector("mp-chart canvas")
        seen.page.wait_for_selector("mp-bar .connection.live")
        seen.page.wait_for_load_state("networkidle")  # an answer on its way would be painted, rightly
        seen.page.evaluate("new Promise((then) => requestAnimationFrame(() => requestAnimationFrame(then)))")
        seen.page.evaluate(
            """() => {
              window.painted = 0;
              const frame = window.requestAnimationFrame.bind(window);
              window.requestAnimationFrame = (then) => frame((now) => { window.painted += 1; then(now); });
              window.hide = (hidden) => {
                Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
                document.dispatchEvent(new Event('visibilitychange'));
              };
              window.hide(true);
            }"""
        )
        asked: list[str] = []
        seen.page.on("request", lambda request: asked.append(request.url))
        before = seen.page.evaluate(PRINTED)
        publish(site.data, _trades(1_001, 40))
        seen.until("document.querySelector('mp-bar .connection.hidden')", within_s=20)  # the connection is closed
        publish(site.data, _trades(1_041, 60))
        seen.page.wait_for_timeout(1_500)
        assert (seen.page.evaluate("window.painted"), asked, seen.page.evaluate(PRINTED)) == (0, [], before)
        seen.page.evaluate("window.hide(false)")
        seen.until(f"{PRINTED}.at(-1) === 1100")
        assert seen.page.evaluate(PRINTED)[-100:] == list(range(1_001, 1_101))
        assert seen.problems == []


def test_a_storage_leader_that_is_killed_is_followed_on_the_screen(browser: Browser, futures: Site) -> None:
    leader = "[data-leader='storage.default']"
    with another(futures, "storage"), viewer(browser, futures.base) as seen:

        def instances() -> dict[str, Any]:
            found = futures.ask("/system/instances")
            return {each["instance"]: each for each in found if each["service"] == "storage"}

        futures.until(lambda: [each["health"] for each in instances().values()] == ["healthy"] * 2)
        seen.open("/system")
        seen.page.wait_for_selector(f"{leader} .holder")
        before = seen.page.inner_text(f"{leader} .holder")
        (standby,) = instances().keys() - {before}
        others = "[...document.querySelectorAll('[data-leader]:not([data-leader=\"storage.default\"]), .cells')].map((each) => each.innerText)"
        still = seen.page.evaluate(others)
        os.kill(instances()[before]["pid"], signal.SIGKILL)
        killed = time.monotonic()
        seen.until(f"document.querySelector(\"{leader} .holder\")?.innerText === '{standby}'")
        print(f"hand-over on screen after {time.monotonic() - killed:.3f} s")
        assert seen.page.evaluate(others) == still
        seen.until(f"document.querySelector('mp-elections .moves')?.innerText.includes('{before} → {standby}')")
        futures.until(lambda: len(instances()) == 2)  # the one that was killed is started again
    futures.until(lambda: any(each["is_leader"] for each in instances().values()))
