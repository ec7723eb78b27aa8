"""Crypto contracts on the screen are those of the API: prices, books, funding, liquidations; while they move, and when a
book is lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from marketprism_adapters.venues.live.settings import VenueSettings
from marketprism_adapters.venues.simulator.faults import Fault
from marketprism_adapters.venues.simulator.server import SimulatedVenueServer
from tests.e2e.simulated_venue import simulated
from tests.support.console import Site, Viewer, running_site, viewer

pytestmark = [pytest.mark.xdist_group("sites"), pytest.mark.timeout(300), pytest.mark.long]

SWAP = "BTC-USDT-PERP"
PAGE = f"/market/okx.{SWAP}"
_LEVELS = """(side) => [...document.querySelectorAll(`mp-book tr.${side}`)].map((row) =>
  [...row.children].slice(1, 3).map((cell) => cell.innerText.trim().replaceAll(',', '')))"""
_ROWS = """(selector) => [...document.querySelectorAll(`${selector} tbody tr`)].map((row) =>
  [...row.children].map((cell) => cell.innerText.trim()))"""
_BAR = """() => {
  const { forming, candles } = document.querySelector('mp-chart')?.history ?? { candles: [] };
  const { time, open, high, low, close, volume } = forming ?? candles.at(-1) ?? {};
  return [time, ...[open, high, low, close, volume].map(Number)];
}"""
_FORMING = (
    """(() => { const bar = document.querySelector('mp-chart')?.history?.forming; return bar && { ...bar }; })()"""
)


@pytest.fixture(scope="module")
def venue() -> Iterator[SimulatedVenueServer]:
    with simulated("okx", rate=1.0) as server:
        yield server


@pytest.fixture(scope="module")
def crypto(venue: SimulatedVenueServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A pair and two perpetual contracts of a simulated exchange, with every kind that it has."""
    source = f"okx:BTC-USDT+{SWAP}+ETH-USDT-PERP,url=127.0.0.1:{venue.port}"
    environment = {
        "MARKETPRISM_HTTP__GATEWAY": "0",
        "MARKETPRISM_VENUE__TOP_MS": "50",
        "MARKETPRISM_VENUE__KINDS": ",".join([*VenueSettings().kinds, "mark_price"]),
    }
    with running_site(tmp_path_factory.mktemp("crypto"), source, environment=environment) as site:
        site.until(lambda: _newest(site, "liquidations"))
        yield site


def _newest(site: Site, table: str, symbol: str = SWAP) -> dict[str, Any]:
    found: dict[str, Any] = site.ask(f"/{table}/{symbol}?venue=okx&last=1")[-1]
    return found


@contextmanager
def _at_rest(venue: SimulatedVenueServer) -> Iterator[None]:
    """Nothing is traded: what is on the screen stands."""
    venue.paused = True
    try:
        yield
    finally:
        venue.paused = False


def _clock(ns: int, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    return f"{datetime.fromtimestamp(ns // 10**9, UTC):{form}}.{ns // 10**6 % 1000:03}"


def _same(seen: Viewer, shown: str, argument: object, asked: Any) -> None:
    """Wait until what is on the screen is what the API says; both are asked anew until they are."""
    last: list[Any] = []

    def is_same() -> bool:
        last[:] = [seen.page.evaluate(shown, argument), asked()]
        return bool(last[0] == last[1] and last[0])

    for _ in range(300):
        if is_same():
            return
        seen.page.wait_for_timeout(100)
    assert last[0] == last[1]


def _bar_of_trades(site: Site) -> list[float]:
    """Of the minute in which the newest trade was."""
    opened = _newest(site, "trades")["ts_event"] // (60 * 10**9) * 60
    rows = site.ask(
        f"/trades/{SWAP}?venue=okx&from={datetime.fromtimestamp(opened, UTC):%Y-%m-%dT%H:%M:%SZ}&limit=5000"
    )
    prices = [float(row["price"]) for row in rows]
    volume = float(sum(Decimal(row["quantity"]) for row in rows))
    return [opened * 1000, prices[0], max(prices), min(prices), prices[-1], volume]


@pytest.mark.long
def test_the_board_of_contracts_is_what_the_api_says(
    browser: Browser, crypto: Site, venue: SimulatedVenueServer
) -> None:
    with viewer(browser, crypto.base) as seen:
        seen.open("/crypto")
        seen.until("document.querySelectorAll('mp-crypto-page table')[0]?.querySelectorAll('tbody tr').length === 2")
        seen.until("document.querySelectorAll('mp-crypto-page table')[1]?.querySelectorAll('tbody tr').length > 4")
        with _at_rest(venue):

            def board() -> list[list[object]]:
                rows: list[list[object]] = []
                for symbol in (SWAP, "ETH-USDT-PERP"):
                    ticker, mark, funding, interest = (
                        _newest(crypto, table, symbol)
                        for table in ("tickers", "mark_prices", "funding_rates", "open_interest")
                    )
                    last, marked = (float(each) for each in (ticker["last"], mark["mark_price"]))
                    rate = f"{float(funding['rate']):.4%}"
                    yearly = f"{float(funding['rate']) * 31_536_000 / funding['interval_s']:.1%}"
                    assert interest["open_interest"] == "1000"
                    rows.append([symbol, "okx", last, marked, rate, yearly, "1K"])
                return rows

            shown = """() => [...document.querySelector('mp-crypto-page table').querySelectorAll('tbody tr')].map((row) => {
              const texts = [...row.children].map((cell) => cell.innerText.trim());
              const prices = [2, 3].map((at) => Number(texts[at].replaceAll(',', '')));
              return [...texts.slice(0, 2), ...prices, ...[6, 8, 9].map((at) => texts[at])];
            })"""
            _same(seen, shown, None, board)
            # The index price and the basis are not sent by this exchange: that is said, and no zero is shown.
            assert "The venue does not send this" in seen.page.inner_text("mp-crypto-page tbody tr:first-child")
            seen.page.get_by_role("button", name="History").first.click()
            seen.page.get_by_role("tab", name="Liquidations").click()
            assert seen.page.url.endswith(f"/crypto?of=okx.{SWAP}&show=liquidations")
            _same(
                seen,
                _ROWS,
                "mp-contract-history",
                lambda: [
                    [
                        _clock(row["ts_event"]),
                        "long closed" if row["side"] == "sell" else "short closed",
                        f"{Decimal(row['price']):,} bankruptcy price",
                        row["quantity"],
                    ]
                    for row in crypto.ask(f"/liquidations/{SWAP}?venue=okx&last=200")[::-1]
                ],
            )
            tape = seen.page.evaluate(_ROWS, "mp-crypto-page > .scroll:last-child")
            newest = _newest(crypto, "liquidations")
            assert any(row[0] == _clock(newest["ts_event"], "%H:%M:%S") and row[1] == f"okx.{SWAP}" for row in tape[:4])
            assert seen.violations() == []
            seen.page.get_by_role("tab", name="Open interest").click()
            seen.page.wait_for_selector("mp-contract-history svg.history")
            seen.page.set_viewport_size({"width": 390, "height": 844})
            assert seen.too_wide() == []
            seen.picture("crypto-phone")
        assert seen.problems == []


def test_a_contract_at_rest_is_what_the_api_says_and_marked_when_it_is_old(
    browser: Browser, crypto: Site, venue: SimulatedVenueServer
) -> None:
    with viewer(browser, crypto.base, language="zh", theme="light") as seen:
        seen.open(PAGE)
        seen.page.wait_for_selector("mp-chart canvas")
        seen.page.wait_for_selector("mp-book tr.bid")
        with _at_rest(venue):
            for side, name in (("bid", "bids"), ("ask", "asks")):

                def levels(name: str = name, step: int = -1 if side == "ask" else 1) -> Any:
                    return crypto.ask(f"/orderbook/okx/{SWAP}?depth=20")[name][::step]

                _same(seen, _LEVELS, side, levels)
            trades = f"/trades/{SWAP}?venue=okx&last=5"
            _same(
                seen,
                f"() => ({_ROWS})('mp-tape').slice(0, 5).map((row) => [row[0], Number(row[1]), Number(row[2]), row[3]])",
                None,
                lambda: [
                    [
                        _clock(row["ts_event"], "%H:%M:%S"),
                        float(row["price"]),
                        float(row["quantity"]),
                        {"buy": "买", "sell": "卖"}[row["side"]],
                    ]
                    for row in crypto.ask(trades)[::-1]
                ],
            )
            _same(seen, _BAR, None, lambda: _bar_of_trades(crypto))
            last = _newest(crypto, "trades")["price"]
            assert Decimal(seen.page.get_attribute("mp-instrument-head .price", "data-price") or "") == Decimal(last)
            said = seen.page.inner_text("mp-instrument-head .said")
            marked = re.search(r"标记价格 ([\d,.]+)", said)
            assert marked
            assert Decimal(marked[1].replace(",", "")) == Decimal(_newest(crypto, "mark_prices")["mark_price"])
            assert "资金费率 0.0100%" in said
            assert "持仓量 1,000" in said
            # Ten seconds later it is no longer shown as what is now.
            seen.page.wait_for_selector("mp-book .stale")
            assert "无更新" in seen.page.inner_text("mp-book .warn")
            seen.page.wait_for_selector("mp-instrument-head .warn")
            assert seen.violations() == []
        seen.page.wait_for_selector("mp-book .stale", state="detached")
        assert seen.problems == []


@pytest.mark.long
def test_the_live_bar_grows_and_closes_without_a_reload(browser: Browser, crypto: Site) -> None:
    with viewer(browser, crypto.base) as seen:
        seen.open(PAGE)
        first = seen.until(_FORMING)
        grown = seen.until(
            f"(() => {{ const bar = {_FORMING}; return bar?.time === {first['time']} && bar.ticks > {first['ticks']} && bar; }})()"
        )
        assert float(grown["volume"]) > float(first["volume"])
        assert grown["open"] == first["open"]
        seen.page.evaluate("window.same = true")
        closed = seen.until(
            f"document.querySelector('mp-chart').history.candles.find((each) => each.time === {first['time']})",
            within_s=90,
        )
        later = seen.until(f"(() => {{ const bar = {_FORMING}; return bar?.time > {first['time']} && bar; }})()")
        assert later["time"] == first["time"] + 60_000
        assert seen.page.evaluate("window.same")
        path = f"/bars/{SWAP}?venue=okx&interval=1m&last=3"
        crypto.until(lambda: any(bar["ts_open"] // 10**6 == first["time"] for bar in crypto.ask(path)))
        bar = next(bar for bar in crypto.ask(path) if bar["ts_open"] // 10**6 == first["time"])
        names = ("open", "high", "low", "close", "volume")
        # The stream has the venue's texts, the store no zeros at their ends.
        assert [Decimal(closed[name]) for name in names] == [Decimal(bar[name]) for name in names]
        seen.page.get_by_role("button", name="As table").click()
        row = seen.page.locator(f"mp-bars-table tr[data-time='{first['time']}'] .number")
        row.first.wait_for()
        assert [Decimal(text) for text in row.all_inner_texts()[:4]] == [Decimal(bar[name]) for name in names[:4]]
        assert seen.problems == []


@pytest.mark.parametrize("view", ["", "?book=full"], ids=["top", "full"])
def test_a_book_that_is_lost_is_greyed_with_its_cause_and_comes_back(
    browser: Browser, crypto: Site, venue: SimulatedVenueServer, view: str
) -> None:
    with viewer(browser, crypto.base) as seen:
        seen.open(PAGE + view)
        status = seen.page.locator("mp-book [role=status]")
        expect(status).to_have_text("✓ valid", timeout=30_000)
        seen.page.wait_for_selector("mp-book svg.depth")
        venue.do_soon(Fault(0.0, "maintenance", 3.0))
        expect(status).to_have_text("✕ not known: connection lost", timeout=30_000)
        expect(seen.page.locator("mp-book .stale svg.depth")).to_have_count(1)
        expect(status).to_have_text("✓ valid", timeout=60_000)
        seen.page.wait_for_selector("mp-book .stale", state="detached")
        with _at_rest(venue):

            def levels() -> Any:
                found = crypto.ask(f"/orderbook/okx/{SWAP}?depth=20")
                return [found["bids"], found["asks"]]

            _same(seen, f"() => [({_LEVELS})('bid'), ({_LEVELS})('ask').reverse()]", None, levels)
        assert seen.problems == []
