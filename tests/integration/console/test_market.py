"""The market on the screen is the market in the store."""

from __future__ import annotations

import json
import os
import signal
import time
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Route, WebSocketRoute, expect

from tests.integration.console.conftest import HOLE
from tests.support.console import Site, Viewer, module, viewer

pytestmark = [pytest.mark.xdist_group("console"), pytest.mark.timeout(300)]

_CELLS = """(count) => [...document.querySelectorAll('mp-bars-table tbody tr')].slice(0, count).map((row) => ({
  time: Number(row.dataset.time), cells: [...row.children].map((cell) => cell.innerText.trim())}))"""


def _rows(seen: Viewer, count: int) -> list[dict[str, object]]:
    seen.page.wait_for_selector("mp-bars-table tbody tr")
    rows: list[dict[str, object]] = seen.page.evaluate(_CELLS, count)
    return rows


def test_ten_candles_and_the_book_are_those_of_the_store(browser: Browser, futures: Site) -> None:
    bars = futures.ask("/bars/ru1901?interval=1m&last=10")[::-1]
    tick = futures.ask("/ticks/ru1901?last=1")[0]
    with viewer(browser, futures.base) as seen:
        seen.open("/market/shfe.ru1901?as=table")
        for bar, row in zip(bars, _rows(seen, 10), strict=True):
            assert row["time"] == bar["ts_open"] // 10**6
            opened = datetime.fromtimestamp(bar["ts_open"] / 1e9 + 8 * 3600, UTC)
            day = bar["trading_day"]
            assert row["cells"] == [
                f"{opened:%Y-%m-%d %H:%M:%S}",
                f"{day[:4]}-{day[4:6]}-{day[6:]}",
                *(bar[name] for name in ("open", "high", "low", "close")),
                *(f"{int(bar[name]):,}" for name in ("volume", "turnover", "open_interest")),
                str(bar["ticks"]),
                "",
                "",
            ]
        seen.page.wait_for_selector("mp-book tr.bid")
        for side, levels in (("bid", tick["bids"]), ("ask", tick["asks"])):
            shown = seen.page.locator(f"mp-book tr.{side}").all_inner_texts()
            assert [text.split("\t")[1:3] for text in shown] == [[each["price"], each["quantity"]] for each in levels]
        assert seen.page.get_attribute("mp-instrument-head .price", "data-price") == tick["last"]
        assert seen.problems == []


def test_a_known_gap_is_on_the_screen_where_it_is_in_the_ledger(browser: Browser, futures: Site) -> None:
    gap = max(futures.ask("/gaps/ru1901"), key=lambda each: each["ts_from"])
    bars = {bar["ts_open"] // 10**6: bar for bar in futures.ask("/bars/ru1901?interval=1m&last=200")}
    with viewer(browser, futures.base) as seen:
        seen.open("/market/shfe.ru1901?as=table")
        # The gap itself may be there before the sections of its day, which say how many minutes it takes.
        seen.until(
            "[...document.querySelectorAll('mp-bars-table tbody tr')]"
            ".filter((row) => row.innerText.includes('data missing')).length > 2"
        )
        missing = {row["time"]: row["cells"] for row in _rows(seen, 200) if "data missing" in str(row["cells"])}
        first = datetime.fromisoformat(f"2018-10-10T{HOLE[0][:5]}:00+08:00").timestamp() * 1000
        assert sorted(missing) == [first + n * 60_000 for n in range(7)]  # 14:10 to 14:16
        for at, cells in missing.items():
            bar = bars.get(at)
            assert (bar is None) == (cells[1] == ""), at
            assert bar is None or bar["gap"]
            assert cells[-1] == "data missing: silence"
        seen.open("/market/shfe.ru1901")
        holes = seen.until(
            "(() => { const { history } = document.querySelector('mp-chart') ?? {}; return history?.laid.holes.length && "
            "history.laid.holes.map((hole) => [hole.from, hole.to, hole.gap.ts_from / 1e6, hole.gap.ts_to / 1e6]); })()"
        )
        assert holes[-1] == [first, first + 6 * 60_000, gap["ts_from"] / 1e6, gap["ts_to"] / 1e6]
        breaks = seen.until(
            "(() => { const { breaks } = document.querySelector('mp-chart').history.laid; return breaks.length > 3 && "
            "breaks.slice(-4).map((each) => [new Date(each.time + 28800000).toISOString().slice(5, 16), each.isDay]); })()"
        )
        assert breaks == [["10-10T09:00", False], ["10-10T10:30", False], ["10-10T13:30", False], ["10-10T21:00", True]]
        assert seen.problems == []


@pytest.mark.parametrize(("interval", "minutes"), [("1m", 0), ("15m", 0), ("15m", 6)])
def test_a_bar_that_was_begun_before_anybody_looked_is_whole(
    browser: Browser, futures: Site, interval: str, minutes: int
) -> None:
    """Made of the minutes that are stored and the ticks behind them, it is what the store has once it is closed."""
    (bar,) = futures.ask(f"/bars/ru1901?interval={interval}&from=2018-10-10T01:45:00Z&limit=1")
    opened, closed = (datetime.fromtimestamp(bar[name] / 1e9, UTC) for name in ("ts_open", "ts_close"))
    begun = opened + timedelta(minutes=minutes)
    stored = futures.ask(f"/bars/ru1901?interval=1m&from={opened:%FT%TZ}&to={begun:%FT%TZ}") if minutes else []
    ticks = futures.ask(f"/ticks/ru1901?from={begun - timedelta(minutes=1):%FT%TZ}&to={closed:%FT%TZ}&limit=5000")
    with viewer(browser, futures.base) as seen:
        seen.open("/about")
        formed = seen.page.evaluate(
            """async ([[file, name], bar, stored, ticks, begun]) => {
              const { FormingBar } = (await import(file))[name];
              const forming = new FormingBar();
              forming.begin(bar.ts_open / 1e6, bar.trading_day, stored);
              for (const tick of ticks) forming.tick(tick, tick.ts_event / 1e6 < begun ? NaN : bar.ts_open / 1e6);
              const { open, high, low, close, volume, interest } = forming.candle;
              return [open, high, low, close, volume, interest].map(Number);
            }""",
            [module("market/forming.js"), bar, stored, ticks, begun.timestamp() * 1000],
        )
    assert formed == [float(bar[name]) for name in ("open", "high", "low", "close", "volume", "open_interest")]


def test_sections_are_asked_for_in_spans_that_are_answered(browser: Browser, futures: Site) -> None:
    day = 86_400_000
    old, years = [n * 60_000 for n in range(3)], [9_000 * day + n * day for n in range(900)]
    with viewer(browser, futures.base) as seen:
        seen.open("/about")
        spans = seen.page.evaluate(
            "async ([[file, name], times]) => (await import(file))[name].spansOf(times)",
            [module("chart/windows.js"), [*old, *years]],
        )
    assert spans[0] == {"from": 0, "to": 120_000}
    assert [(each["to"] - each["from"]) // day for each in spans[1:]] == [389, 389, 119]
    assert all(any(each["from"] <= time <= each["to"] for each in spans) for time in years)


def test_the_address_holds_the_view(browser: Browser, futures: Site) -> None:
    with viewer(browser, futures.base) as seen:
        seen.open("/market/shfe.ru1901")
        seen.page.get_by_role("button", name="5m", exact=True).click()
        seen.page.get_by_role("button", name="MA20").click()
        seen.page.get_by_role("tab", name="Gaps").click()
        seen.page.wait_for_selector("mp-details tbody tr")
        url = seen.page.url
        assert url.endswith("/market/shfe.ru1901?i=5m&lines=20&view=gaps")
        with viewer(browser, futures.base, language="zh") as colleague:
            colleague.page.goto(url)
            colleague.page.wait_for_selector("mp-chart canvas")
            colleague.page.wait_for_selector("mp-details tbody tr")
            assert colleague.page.locator("[aria-pressed=true]").all_inner_texts()[:2] == ["5m", "MA20"]
            assert "静默" in colleague.page.inner_text("mp-details")
            ink = "document.querySelector('mp-chart').lines.get('20').options().color"
            dark = colleague.page.evaluate(ink)
            colleague.page.emulate_media(color_scheme="light")
            colleague.until(f"{ink} !== {json.dumps(dark)}")
            assert colleague.problems == []
        # In the other language at once, without anything being loaded anew.
        seen.page.get_by_role("button", name="Switch to Chinese").click()
        assert "静默" in seen.page.inner_text("mp-details")
        assert seen.problems == []


def test_an_instrument_is_found_by_a_few_letters_and_the_keyboard_alone(browser: Browser, futures: Site) -> None:
    with viewer(browser, futures.base) as seen:
        seen.open("/about")
        for letters in ("ru19", "橡胶", "xj"):
            seen.page.keyboard.press("Control+k")
            seen.page.keyboard.type(letters)
            seen.until("document.querySelector('mp-palette li')?.innerText.includes('ru1901')")
            seen.page.keyboard.press("Enter")
            seen.page.wait_for_selector("mp-chart canvas")
            assert seen.page.url.endswith("/market/shfe.ru1901")
            seen.page.keyboard.press("Control+k")
            seen.page.keyboard.type("About")
            seen.page.keyboard.press("Enter")
            seen.until("document.title.startsWith('About')")
        assert seen.problems == []


def test_the_gateway_goes_away_and_comes_back(browser: Browser, futures: Site) -> None:
    """It is shown, and goes on without a reload."""
    with viewer(browser, futures.base) as seen:
        seen.open("/market/shfe.ru1901")
        seen.page.wait_for_selector("mp-bar .connection.live")
        seen.page.evaluate("window.same = true")
        (api,) = futures.processes("api")
        os.kill(api, signal.SIGSTOP)
        try:
            stopped = time.monotonic()
            seen.page.wait_for_selector("mp-bar .connection.quiet")
            print(f"frozen, shown after {time.monotonic() - stopped:.1f} s")
        finally:
            os.kill(api, signal.SIGCONT)
        seen.page.wait_for_selector("mp-bar .connection.live")
        os.kill(api, signal.SIGKILL)
        killed = time.monotonic()
        seen.page.wait_for_selector("mp-bar .connection.away")
        print(f"killed, shown after {time.monotonic() - killed:.1f} s")
        seen.page.wait_for_selector(".banner")
        seen.page.wait_for_selector("mp-bar .connection.live", timeout=60_000)
        assert seen.page.evaluate("window.same")
        seen.page.wait_for_selector(".banner", state="detached")


def test_what_could_not_be_read_of_an_instrument_is_shown_and_asked_for_again(browser: Browser, futures: Site) -> None:
    def refuse(route: Route) -> None:
        error = {"code": "INTERNAL", "message": "the ledger is shut"}
        route.fulfill(status=500, json={"success": False, "error": error, "request_id": "r"})

    with viewer(browser, futures.base, language="zh") as seen:
        seen.page.route("**/api/v1/gaps/ru1901?*", refuse)
        seen.open("/market/shfe.ru1901")
        shown = seen.page.locator("mp-instrument .failed")
        expect(shown).to_contain_text("the ledger is shut")
        seen.page.wait_for_selector("mp-chart canvas")  # beside what could be read
        seen.page.unroute("**/api/v1/gaps/ru1901?*")
        shown.get_by_role("button", name="重试").click()
        expect(shown).to_have_count(0)


def test_notices_stand_until_they_hold_no_more(browser: Browser, futures: Site) -> None:
    sockets: list[WebSocketRoute] = []
    asked: list[str] = []

    def between(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        sockets.append(socket)

        def pass_on(message: str | bytes) -> None:
            asked.extend(each["ch"] for each in json.loads(message).get("channels", []) if isinstance(each, dict))
            server.send(message)

        socket.on_message(pass_on)

    with viewer(browser, futures.base) as seen:
        seen.page.route_web_socket("**/ws/v1/stream", between)
        seen.open("/market/shfe.ru1901")
        seen.page.wait_for_selector("mp-instrument-head .price")
        for message in (
            {"type": "notice", "code": "UPSTREAM_AWAY", "message": "NATS is away"},
            {
                "type": "notice",
                "code": "LEFT_OUT",
                "ch": "market.tick.ru1901",
                "count": 1,
                "message": "one is left out",
            },
            {"type": "error", "ch": "market.tick.ru1901", "code": "LIMITED", "message": "too many channels"},
        ):
            sockets[-1].send(json.dumps(message))
        refused = seen.page.locator("mp-instrument-head .failed")
        expect(refused).to_contain_text("too many channels")
        expect(seen.page.locator(".banner")).to_contain_text("no connection to NATS")
        # A channel that is asked for just before the connection is another one.
        seen.page.evaluate(
            """async ([file, name]) => {
              const { stream } = (await import(file))[name];
              stream.subscribe({ ch: 'market.tick.later', mode: 'latest' }, { onMessage: () => {} });
              stream.restart();
            }""",
            module("core/stream.js"),
        )
        expect(seen.page.locator(".banner")).to_have_count(0)
        expect(refused).to_have_count(0)
        seen.until("document.querySelector('mp-bar .connection.live') !== null")
        end = time.monotonic() + 10
        while "market.tick.later" not in asked and time.monotonic() < end:
            seen.page.wait_for_timeout(20)
        assert "market.tick.later" in asked
