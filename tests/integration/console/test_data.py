"""The page of data: the coverage calendar, a day of it and the ledger say what the store has."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.integration.console.spoiled import DAY, HOLE
from tests.support.console import Site, Viewer, module, viewer

pytestmark = [pytest.mark.xdist_group("console"), pytest.mark.timeout(300)]


def cells(seen: Viewer) -> list[dict[str, str]]:
    """The cells of the calendar that are not of a day without session."""
    found: list[dict[str, str]] = seen.page.evaluate(
        "[...document.querySelectorAll('td.day:not(.none)')].map((c) => ({text: c.ariaLabel, sign: c.textContent.trim(), kind: c.className}))"
    )
    return found


def test_the_calendar_says_what_the_store_has(browser: Browser, futures: Site) -> None:
    rows: list[dict[str, Any]] = futures.ask("/coverage?symbols=ru1901&venue=shfe")
    with viewer(browser, futures.base) as seen:
        seen.open("/data?symbols=ru1901&venue=shfe")
        seen.until("document.querySelector('td.day')")
        found = cells(seen)
        assert len(found) == len(rows)
        for cell, row in zip(found, rows, strict=True):
            day = row["trading_day"]
            assert f"shfe.ru1901, {day[:4]}-{day[4:6]}-{day[6:]}: " in cell["text"]
            if row["bars"]:
                assert f"{row['bars']} of {row['minutes']} minutes" in cell["text"]
            assert ("gap" in cell["kind"].split()) == (row["gaps"] > 0)
            assert bool(cell["sign"])
        assert seen.problems == []


def test_a_day_is_opened_by_keyboard_and_stands_in_the_address(browser: Browser, futures: Site) -> None:
    (row,) = futures.ask(f"/coverage?symbols=ru1901&trading_day={DAY}")
    holes = futures.ask(f"/gaps?symbols=ru1901&trading_day={DAY}")
    (daily,) = futures.ask(f"/daily/ru1901?trading_day={DAY}")
    assert any(hole["bars"] >= 9 for hole in holes), f"expected the hole of {HOLE}, was {holes}"
    with viewer(browser, futures.base) as seen:
        seen.open("/data?symbols=ru1901&from=2018-10-08&to=2018-10-10")
        seen.until("document.querySelectorAll('td.day').length === 3")
        seen.page.focus("td.day[tabindex='0']")
        seen.page.keyboard.press("ArrowRight")
        assert DAY[4:6] + "-" + DAY[6:] in seen.page.evaluate("document.activeElement.ariaLabel")
        seen.page.keyboard.press("End")
        seen.page.keyboard.press("ArrowLeft")
        seen.page.keyboard.press("Enter")
        seen.until("document.querySelector('mp-coverage-day dl')")
        assert f"day={DAY}" in seen.page.url
        facts = seen.page.evaluate(
            "Object.fromEntries([...document.querySelectorAll('mp-coverage-day dt')].map((t) => "
            "[t.textContent, t.nextElementSibling.textContent]))"
        )
        assert facts["Ticks"] == f"{daily['ticks']:,}"
        assert (facts["Minute bars"], facts["Minutes expected"]) == (str(row["bars"]), str(row["minutes"]))
        assert (facts["Gaps"], facts["Bars that touch a gap"]) == (str(row["gaps"]), str(row["gap_bars"]))
        sections = futures.ask(f"/sessions/ru1901?venue=shfe&from_day={DAY}&to_day={DAY}")
        assert seen.page.locator(".section-bar").count() == len(sections)
        assert seen.page.locator(".section-bar .hole").count() >= 1
        assert seen.violations() == []
        address = seen.page.url
        seen.page.goto(address)
        seen.until("document.querySelector('mp-coverage-day dl')")
        seen.page.locator("mp-coverage-day").get_by_role("button", name="Close").click()
        assert "day=" not in seen.page.url
        assert seen.problems == []


def test_the_ledger_has_every_gap_and_leads_to_its_place(browser: Browser, futures: Site) -> None:
    holes = futures.ask("/gaps?symbols=ru1901")
    causes = {hole["cause"] for hole in holes}
    with viewer(browser, futures.base) as seen:
        seen.open("/data?symbols=ru1901")
        seen.until("document.querySelector('mp-gap-ledger table.gaps')")
        assert seen.page.locator("mp-gap-ledger tbody tr").count() == len(holes)
        touched = seen.page.locator("mp-gap-ledger tbody tr td:last-child").all_inner_texts()
        assert touched == ["–" if hole["bars"] is None else f"{hole['bars']:,}" for hole in holes]
        assert seen.page.locator("mp-gap-ledger .tile").count() == len(causes)
        link = seen.page.locator("mp-gap-ledger tbody a").first.get_attribute("href") or ""
        assert re.fullmatch(r"/market/shfe\.ru1901\?t=2018-10-\d\dT[\d%A.:]+Z", link)
        file = seen.page.evaluate(
            "async () => (await fetch(document.querySelector('mp-gap-ledger a[download]').href)).text()"
        )
        assert len(file.strip().splitlines()) == len(holes) + 1
        seen.page.locator("mp-gap-ledger select").first.select_option("reported")
        seen.until("document.querySelector('mp-gap-ledger .empty')")
        assert "cause=reported" in seen.page.url
        assert seen.problems == []


def test_what_is_not_there_and_what_goes_wrong_are_said(browser: Browser, futures: Site) -> None:
    with viewer(browser, futures.base) as seen:
        seen.open("/data?symbols=zz9999")
        seen.until("document.querySelectorAll('.empty').length === 2")
        assert "zz9999" in seen.page.inner_text("#content .empty >> nth=0")
        assert seen.problems == []
        seen.page.goto(f"{futures.base}/data?from=2001-01-01&to=2018-10-10")
        seen.until("document.querySelector('#content .failed')")
        assert "expected at most 400 days" in seen.page.inner_text("#content .failed >> nth=0")


@pytest.mark.long
def test_the_calendar_of_many_instruments_can_be_gone_through(browser: Browser, futures: Site) -> None:
    with viewer(browser, futures.base) as seen:
        seen.open("/data?symbols=ru1901")
        seen.until("document.querySelector('td.day')")
        took = seen.page.evaluate(
            """async ([file, name]) => {
              const { Calendar } = (await import(file))[name];
              const calendar = new Calendar();
              for (let n = 0; n < 200; n += 1) {
                calendar.add(Array.from({ length: 60 }, (_, day) => ({
                  venue: 'shfe', symbol: `<b>rb${2000 + n}</b>`, trading_day: String(20250101 + day), bars: (n * day) % 346, gap_bars: 0,
                  gaps: day % 7 ? 0 : 1, gap_ns: 0, minutes: 345, complete: Math.min(1, ((n * day) % 346) / 345),
                })));
              }
              const part = document.querySelector('mp-coverage-calendar');
              const began = performance.now();
              part.calendar = calendar;
              await part.updateComplete;
              return performance.now() - began;
            }""",
            module("pages/data/coverage.js"),
        )
        print(f"200 x 60 cells took {took:.0f} ms")
        expect(seen.page.locator("td.day")).to_have_count(12_000)
        expect(seen.page.locator("td.day[tabindex='0']")).to_have_count(1)
        seen.page.focus("td.day[tabindex='0']")
        for key in ("End", "PageDown", "ArrowLeft"):
            seen.page.keyboard.press(key)
        assert "<b>rb2010</b>, " in seen.page.evaluate("document.activeElement.ariaLabel")
        head = seen.page.locator(".coverage tbody tr").nth(10).locator("th").bounding_box()
        region = seen.page.locator(".coverage").bounding_box()
        assert head is not None
        assert region is not None
        assert abs(head["x"] - region["x"]) <= 2  # it stays where it is, however far the days are scrolled
        assert seen.too_wide() == []
        assert seen.problems == []
