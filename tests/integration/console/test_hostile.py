"""What a feed may hold is text on the screen, however it is written, and however much of it there is."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from marketprism_application.contracts.kinds import (
    BAR,
    GAP,
    INSTRUMENT,
    LIQUIDATION,
    MARK_PRICE,
    ORDERBOOK,
    TICK,
    DataKind,
)
from tests.contract.test_codec import SAMPLES
from tests.support.console import Site, running_site, viewer
from tests.support.console_feed import publish

pytestmark = [pytest.mark.xdist_group("sites"), pytest.mark.timeout(300)]

HOUR = 3_600 * 10**9
NAMES = (
    "<img src=x onerror=\"document.title='taken'\">",
    "<script>document.title='taken'</script>",
    '=HYPERLINK("http://evil.example","x")',
    "javascript:document.title='taken'",
    "${document.title='taken'}{{7*7}}",
    "\u202egnp.exe",
    "a" * 200,
    "'\"`><svg/onload=document.title='taken'>",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("hostile"), "none") as running:
        yield running


def _sample(kind: DataKind, /, **changes: Any) -> Any:
    return SAMPLES[kind.name]._replace(**changes)


def _symbol(name: str) -> str:
    """What an exchange's adapter would let in: at most 64 printable characters."""
    return "".join(letter for letter in name if letter.isprintable())[:64]


def _records(name: str, number: int, now: int) -> list[tuple[DataKind, Any]]:
    """A tick, bars, a gap, a mark price, a liquidation and the terms of an instrument with this name."""
    opened = now - now % (60 * 10**9) - 30 * 60 * 10**9
    common = {"venue": "okx", "symbol": _symbol(name), "source": name, "epoch": 1}
    bars = [
        _sample(
            BAR,
            **common,
            seq=n,
            interval="1m",
            ts_open=opened + n * 60 * 10**9,
            ts_close=opened + (n + 1) * 60 * 10**9,
            ts_event=opened + (n + 1) * 60 * 10**9,
            trading_day="20261127",
            revision=0,
        )
        for n in range(5)
    ]
    return [
        *((BAR, bar) for bar in bars),
        (
            TICK,
            _sample(
                TICK, **common, seq=1, ts_event=now + HOUR, ts_recv=now, ts_pub=now, warnings=(name,), phase=name[:20]
            ),
        ),
        (GAP, _sample(GAP, **common, seq=1, ts_from=opened, ts_to=opened + 60 * 10**9, cause=name, kind="")),
        (MARK_PRICE, _sample(MARK_PRICE, **common, seq=1, ts_event=now)),
        (LIQUIDATION, _sample(LIQUIDATION, **common, seq=number + 1, ts_event=now, price_of=name)),
        (INSTRUMENT, _sample(INSTRUMENT, **common, seq=1, ts_event=now, name=name, product=name[:40])),
    ]


@pytest.mark.long
def test_text_of_a_feed_is_never_more_than_text(browser: Browser, site: Site) -> None:
    now = 1_795_780_800 * 10**9
    for number, name in enumerate(NAMES):
        publish(site.data, _records(name, number, now))
    site.until(lambda: len(site.ask("/search?venue=okx&limit=50")) == len(NAMES))
    with viewer(browser, site.base, width=390) as seen:
        paths = ["/market", "/crypto", "/data", "/quality", "/events", "/streams", "/system"]
        for path in paths:
            seen.open(path)
            seen.settle()
            assert seen.too_wide() == [], path
        seen.open("/market")
        links = seen.page.locator("mp-instruments tbody a")
        seen.until(f"document.querySelectorAll('mp-instruments tbody a').length >= {len(NAMES)}")
        for number in range(links.count()):
            name = links.nth(number).inner_text()
            links.nth(number).click()
            seen.page.wait_for_selector("mp-instrument-head h1")
            assert seen.page.inner_text("mp-instrument-head h1").strip() in {name.strip(), name}
            seen.settle()
            for view in ("gaps", "quality", "terms", "raw"):
                seen.page.locator(f"#tab-{view}").click()
                seen.settle()
            assert seen.too_wide() == [], name
            seen.open("/market")
        assert "taken" not in seen.page.title()
        expect(seen.page.locator("#content img, #content script, #content iframe")).to_have_count(0)
        assert [each for each in seen.problems if "404" not in each] == []


@pytest.mark.long
def test_a_book_of_five_thousand_levels_and_ten_thousand_instruments(browser: Browser, site: Site) -> None:
    now = 1_795_780_800 * 10**9
    levels = 5_000
    bids = tuple((Decimal(50_000 - n), Decimal(n + 1)) for n in range(levels))
    asks = tuple((Decimal(50_001 + n), Decimal(n + 1)) for n in range(levels))
    book = _sample(
        ORDERBOOK,
        venue="okx",
        symbol="BTC-USDT",
        epoch=1,
        seq=7,
        ts_event=now,
        form="snapshot",
        valid=True,
        bids=bids,
        asks=asks,
        cause="",
    )
    many = [
        (
            INSTRUMENT,
            _sample(INSTRUMENT, venue="okx", symbol=f"C{n:05}-USDT", source="x", epoch=1, seq=1, ts_event=now, name=""),
        )
        for n in range(10_000)
    ]
    publish(site.data, [*many, *_records("BTC-USDT", 99, now), (ORDERBOOK, book)])
    # The list is kept for twenty times as long as the store took for it, a minute on a slow machine.
    site.until(lambda: site.ask("/search?text=C09999&limit=1"), within_s=180)
    site.until(lambda: site.ask("/sessions/BTC-USDT?venue=okx"), within_s=60)
    with viewer(browser, site.base) as seen:
        seen.open("/market?search=C09999")
        seen.until("document.querySelector('mp-instruments tbody')?.innerText.includes('C09999-USDT')")
        seen.open("/market/okx.BTC-USDT?book=full")
        for seq in range(8, 19):  # until the page has subscribed
            publish(site.data, [(ORDERBOOK, book._replace(seq=seq))])
            seen.page.wait_for_timeout(500)
            if seen.page.locator("mp-book tr.bid").count():
                break
        seen.page.wait_for_selector("mp-book tr.bid")
        best = seen.page.locator("mp-book tr.bid").first.inner_text()
        assert best.split("\t")[1:3] == ["50000", "1"]
        assert seen.page.locator("mp-book tr").count() < 100
        broken = book._replace(seq=20, form="update", prev_id=11, bids=bids[:1], asks=())
        publish(site.data, [(ORDERBOOK, broken)])
        seen.page.wait_for_selector("mp-book .bad")
        assert "updates are missing" in seen.page.inner_text("mp-book")
        assert seen.problems == []


@pytest.mark.long
def test_a_clock_that_is_an_hour_wrong_makes_nothing_old(browser: Browser, site: Site) -> None:
    """Neither this computer's, nor that of a venue whose ticks come from the future."""
    publish(site.data, _records("LATE-USDT", 500, time.time_ns()))
    site.until(lambda: site.ask("/sessions/LATE-USDT?venue=okx"))  # the name is known
    with viewer(browser, site.base) as seen:
        seen.page.add_init_script("{ const now = Date.now; Date.now = () => now() + 3_600_000; }")
        seen.open("/streams")
        row = "document.querySelector('[data-stream=MARKET_EVENTS]')?.innerText ?? ''"
        seen.until(f"/ s ago| min/.test({row})")
        assert " h" not in seen.page.evaluate(row)
        seen.open("/market/okx.LATE-USDT")
        seen.until("document.querySelector('mp-instrument-head')?.innerText.includes('UTC')")
        head = seen.page.inner_text("mp-instrument-head")
        assert f"{datetime.fromtimestamp(time.time() + 3_600, UTC):%Y-%m-%d %H:}" in head  # as the venue wrote it
        assert not re.search("no tick for .*(min|h)", head)  # the ticks of this test may be some seconds old
        assert seen.problems == []
