"""The page of quality: scores and reasons as the store has them, and rejected ticks with their rows."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Browser, expect

from tests.integration.console.spoiled import SPOILED
from tests.support.console import LANGUAGES, Site, viewer

pytestmark = [pytest.mark.xdist_group("console"), pytest.mark.timeout(300)]

RANGE = "from=2018-10-08&to=2018-10-10"


def test_scores_and_reasons_are_those_of_the_store(browser: Browser, futures: Site) -> None:
    windows = futures.ask("/quality/ru1901?from=2018-10-08&to=2018-10-11")
    rejected = sum(window["rejected"] for window in windows)
    reasons: dict[str, int] = {}
    for window in windows:
        for reason, count in json.loads(window["reasons"]).items():
            reasons[reason] = reasons.get(reason, 0) + count
    assert rejected >= len(SPOILED)
    with viewer(browser, futures.base) as seen:
        seen.open(f"/quality?symbols=ru1901&{RANGE}&reasons=table")
        seen.until("document.querySelector('.standings tbody tr')")
        cells = seen.page.locator(".standings tbody tr").first.locator("th, td").all_inner_texts()
        assert cells[0].strip() == "shfe.ru1901"
        ticks, accepted, refused = (int(cell.replace(",", "")) for cell in cells[5:8])
        assert (ticks, accepted, refused) == (
            sum(window["ticks"] for window in windows),
            sum(window["accepted"] for window in windows),
            rejected,
        )
        assert int(cells[4]) == min(window["score"] for window in windows)
        assert "price above the upper limit 1" in cells[-1]
        heads = seen.page.locator("mp-quality-reasons th").all_inner_texts()
        assert len(heads) == len(reasons) + 1
        seen.page.locator("mp-quality-reasons button").click()
        seen.until("document.querySelectorAll('svg.reasons rect').length > 2")
        seen.page.locator(".standings button").first.click()
        seen.until("document.querySelector('table.windows')")
        assert "of=shfe.ru1901" in seen.page.url
        expect(seen.page.locator("table.windows tbody tr")).to_have_count(min(300, len(windows)))
        assert seen.problems == []


def test_a_rejected_tick_is_shown_with_its_row_and_what_it_should_have_been(browser: Browser, futures: Site) -> None:
    events = futures.ask("/events?name=InvalidDataDetected&symbol=ru1901")["events"]
    findings = {each[0]: each for event in events for each in json.loads(event["data"]["findings"])}
    for reason, field, than, _ in SPOILED.values():
        assert findings[reason][1] == field
        assert than is None or findings[reason][3] in (than, f"{than}.00")
    for language in LANGUAGES:
        with viewer(browser, futures.base, language=language) as seen:
            seen.open("/quality?symbols=ru1901")
            seen.until("document.querySelectorAll('.rejections details').length >= 3")
            rows = seen.page.evaluate("[...document.querySelectorAll('.rejections tbody tr')].map((r) => r.innerText)")
            assert any("12500" in row for row in rows)
            seen.page.locator(".rejections tr", has_text="12500").locator("summary").click()
            shown = seen.page.locator(".rejections tr", has_text="12500").locator("dt.bad")
            assert shown.all_inner_texts() == ["last"]
            row = json.loads(next(e["data"]["row"] for e in events if "above_limit" in e["data"]["reasons"]))
            names = seen.page.locator(".rejections tr", has_text="12500").locator("dt").all_inner_texts()
            assert sorted(names) == sorted(row)
            assert seen.violations() == []
            seen.picture(f"rejections-{language}")
            assert seen.problems == []


def test_nothing_there_and_a_failure_are_said(browser: Browser, futures: Site) -> None:
    with viewer(browser, futures.base) as seen:
        seen.open("/quality?symbols=zz9999")
        seen.until("document.querySelectorAll('#content .empty').length === 2")
        assert seen.problems == []
        seen.page.goto(f"{futures.base}/quality?symbols=a,,b")
        seen.until("document.querySelector('#content .failed')")
        assert "expected one between commas" in seen.page.inner_text("#content .failed >> nth=0")
