"""Validation rules on the screen: typed, checked, tried on true recordings, applied, disputed, gone back to."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from marketprism_domain.sessions.calendar import MarketCalendar
from tests.fakes.ticks import at as instant
from tests.integration.api.access_side import Gateway, gateway
from tests.integration.console.signed_side import Doors, beside, faults, signed_in
from tests.integration.rules.rules_side import recorded, rules_place
from tests.support.console import Viewer

pytestmark = [pytest.mark.xdist_group("desks"), pytest.mark.timeout(240)]
RULES = "/api/v1/rules"
REASON = "<img src=x onerror=alert(1)> =1+1 \u202etoo few"


@asynccontextmanager
async def _place(folder: Path, files: list[Path], calendar: MarketCalendar) -> AsyncIterator[Gateway]:
    recording = await recorded(files, calendar, instant("2020-08-03 14:30:00"))
    async with rules_place(folder, calendar) as place:
        await place.validator()
        await place.monitor()
        await place.put(recording)
        await place.validated()
        async with gateway(place.url) as made:
            yield made


@pytest.fixture(scope="module")
def at(fixtures: Path, calendar: MarketCalendar, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    files = [fixtures / "ctp/ticks" / f"{name}_20200803.csv.gz" for name in ("AP010", "AP101")]
    with beside(_place(tmp_path_factory.mktemp("rules"), files, calendar)) as (loop, made):
        yield Doors(loop, made)


@pytest.fixture(scope="module")
def key(at: Doors) -> str:
    """Of a program that changes rules too."""
    return at.run(at.gateway.key(at.user("operator"), limits="bulk"))


def _rules(at: Doors, key: str) -> Any:
    answer = at.run(at.gateway.ask("GET", RULES, key))
    assert answer.status == 200, answer.body
    return answer.data


def _value(at: Doors, key: str, name: str) -> Any:
    return next(each["value"] for each in _rules(at, key)["rules"] if each["name"] == name)


def _change(at: Doors, key: str, rules: dict[str, Any], reason: str = "") -> None:
    version = _rules(at, key)["version"]
    sent = {"rules": rules, "reason": reason}
    answer = at.run(at.gateway.ask("PUT", RULES, key, sent, {"If-Match": f'"{version}"'}))
    assert answer.status == 200, answer.body


def _type(seen: Viewer, **values: str) -> None:
    for name, text in values.items():
        seen.page.fill(f"#rule-{name}", text)


@pytest.mark.parametrize(("language", "theme", "width"), [("en", "light", 1440), ("zh", "dark", 390)])
def test_rules_and_their_history_are_right(
    browser: Browser, at: Doors, key: str, language: str, theme: str, width: int
) -> None:
    shown = _rules(at, key)
    with signed_in(browser, at, at.user("operator"), "/rules", language=language, theme=theme, width=width) as seen:
        seen.page.wait_for_selector("#rule-stale_s")
        text = seen.page.inner_text("table.rules")
        for rule in shown["rules"]:
            assert rule["name"] in text
            assert rule["text"][language] in text
        assert seen.violations() == []
        assert seen.too_wide() == []
        seen.picture(f"rules-{language}-{theme}-{width}")
        seen.page.locator("[role=tab]").nth(1).click()
        seen.page.wait_for_selector("mp-rules-history")
        seen.settle()
        assert seen.violations() == []
        assert seen.too_wide() == []
        seen.picture(f"rules-history-{language}-{theme}-{width}")
        assert faults(seen) == []


def test_what_is_typed_is_checked_and_stands_in_the_address(browser: Browser, at: Doors, key: str) -> None:
    with signed_in(browser, at, at.user("operator"), "/rules") as seen:
        page = seen.page
        page.wait_for_selector("#rule-stale_s")
        for name, wrong, text in (
            ("stale_s", "0", "Expected a number from 0.001 to 86400."),
            ("stale_s", "five", "Expected a number"),
            ("stale_s", "", "Expected a number"),
            ("error_weight", "2.5", "Expected a whole number from 0 to 100."),
            ("z_low", "9", "Expected z_low < z_medium < z_high < z_critical."),
            ("stale_s_by_venue", "czce", "Expected venues with seconds"),
            ("stale_s_by_venue", "czce=-1", "Expected venues with seconds"),
        ):
            _type(seen, **{name: wrong})
            page.locator(f"#rule-{name}-problem", has_text=text).wait_for()
            assert page.get_attribute(f"#rule-{name}", "aria-invalid") == "true"
            assert page.get_by_role("button", name="Try", exact=True).is_disabled()
            assert page.get_by_role("button", name="Apply").is_disabled()
            page.get_by_role("button", name=f"Undo the change of {name}").click()
        _type(seen, z_low="2.5", stale_s_by_venue="czce=9, shfe=4")
        page.get_by_text("Changes that are not applied: 2").wait_for()
        page.reload()
        page.get_by_text("Changes that are not applied: 2").wait_for()
        assert page.input_value("#rule-stale_s_by_venue") == "czce=9, shfe=4"
        page.goto(at.base + "/rules?new=nonsense%7Cz_low%3A" + "9" * 3000 + "%7C%00")  # a broken address is no fault
        page.wait_for_selector("#rule-stale_s")
        assert _rules(at, key)["version"] >= 1
        assert faults(seen) == []


@pytest.mark.long
def test_a_trial_says_what_would_have_been_decided_and_changes_nothing(browser: Browser, at: Doors, key: str) -> None:
    before = _rules(at, key)["version"]
    rules = {"stale_s": 2, "futures_band_percent": 5}
    with signed_in(browser, at, at.user("viewer"), "/rules") as seen:
        page = seen.page
        page.wait_for_selector("#rule-stale_s")
        assert not page.get_by_role("button", name="Apply").count()
        _type(seen, **{name: str(value) for name, value in rules.items()})
        page.get_by_role("button", name="Try", exact=True).click()
        page.wait_for_selector("mp-rules-trial table")
        wanted = at.run(at.gateway.ask("POST", f"{RULES}/trial", key, {"rules": rules, "minutes": 60})).data
        assert wanted["differing"] > 20
        tables = page.evaluate(
            """() => Object.fromEntries([...document.querySelectorAll('mp-rules-trial .both table')].map((table) => [
              table.caption.innerText, Object.fromEntries([...table.tBodies[0].rows].map((row) => [row.cells[0].innerText,
                [1, 2].map((at) => Number(row.cells[at].innerText.replaceAll(',', '')))]))]))"""
        )
        for name in ("accepted", "valid", "stale", "rejected"):
            assert tables["Ticks"][name] == [wanted["now"][name], wanted["new"][name]], name
        for title, part in (("Rejected by reason", "rejected_by_reason"), ("Warnings by reason", "warned_by_reason")):
            for side, of in enumerate(("now", "new")):
                assert {reason: counts[side] for reason, counts in tables[title].items() if counts[side]} == wanted[of][
                    part
                ]
        row = page.locator("mp-rules-trial .scroll tbody tr").first.inner_text()
        best = wanted["by_instrument"][0]
        assert best["symbol"] in row
        assert f"→ {best['new']['rejected']}" in re.sub(r"\s+", " ", row)
        example = page.locator("details.example").first
        example.locator("summary").click()
        tick = wanted["examples"][0]["tick"]
        assert f"{tick['last']}" in example.inner_text()
        assert seen.violations() == []
        _type(seen, stale_s="3")
        page.get_by_text("tried with other values").wait_for()
        refused = page.evaluate(
            """fetch('/api/v1/me').then((answer) => answer.json()).then(({ data }) => fetch('/api/v1/rules', {method: 'PUT',
              headers: {'Content-Type': 'application/json', 'If-Match': '"1"', 'X-MarketPrism-Csrf': data.csrf},
              body: '{"rules": {"stale_s": 2}}'})).then((answer) => answer.status)"""
        )
        assert refused == 403
        assert faults(seen, 403) == []
    assert _rules(at, key)["version"] == before


def test_rules_are_applied_with_a_reason_and_gone_back_to(browser: Browser, at: Doors, key: str) -> None:
    first = _rules(at, key)["version"]
    jump = _value(at, key, "jump_percent")
    operator = at.user("operator")
    with signed_in(browser, at, operator, "/rules") as seen:
        page = seen.page
        page.wait_for_selector("#rule-stale_s")
        _type(seen, jump_percent="7.5")
        page.get_by_role("button", name="Apply").click()
        assert "7.5" in page.inner_text("dialog table")
        page.locator("dialog button.main").click()  # without a reason nothing is sent
        assert _rules(at, key)["version"] == first
        page.fill("#rules-reason", REASON)
        assert seen.violations() == []
        page.locator("dialog button.main").click()
        page.get_by_text(f"Version {first + 1} is in force at 1 validators.").wait_for()
        page.get_by_text("Request ").wait_for()
        page.get_by_role("button", name="Close").click()
        assert _value(at, key, "jump_percent") == 7.5
        page.locator("main").get_by_text(f"Version {first + 1} is in force").wait_for()  # the dialog says so too
        page.get_by_role("tab", name="History").click()
        row = page.locator("mp-rules-history tbody tr").first
        row.get_by_text("In force").wait_for()
        text = row.inner_text()
        assert REASON in text
        assert operator.id in text
        assert "jump_percent" in text
        assert seen.violations() == []
        page.get_by_role("button", name=f"Back to version {first}", exact=True).click()
        page.get_by_text("Changes that are not applied: 1").wait_for()
        page.get_by_role("button", name="Apply").click()
        assert page.input_value("#rules-reason") == f"back to version {first}"
        page.locator("dialog button.main").click()
        page.get_by_text(f"Version {first + 2} is in force at").wait_for()
        assert _value(at, key, "jump_percent") == jump
        assert faults(seen) == []


@pytest.mark.long
def test_of_two_who_change_the_rules_the_later_one_sees_the_other_and_loses_nothing(
    browser: Browser, at: Doors, key: str
) -> None:
    with signed_in(browser, at, at.user("operator"), "/rules") as seen:
        page = seen.page
        page.wait_for_selector("#rule-stale_s")
        _type(seen, burst_factor="321", clock_off_s="4")
        page.get_by_role("button", name="Apply").click()
        page.fill("#rules-reason", "mine")
        _change(at, key, {"burst_factor": 222, "spread_factor": 33}, REASON)
        page.locator("dialog button.main").click()
        told = page.locator("dialog [role=alert]", has_text="Nothing of yours is lost")
        told.wait_for()
        rows = {row.split("\t")[0]: row.split("\t")[1:] for row in told.locator("tbody tr").all_inner_texts()}
        assert rows["burst_factor"][1:] == ["222", "321"]
        assert rows["spread_factor"][1:] == ["33", "stays theirs"]
        assert REASON in told.inner_text()
        assert page.input_value("#rules-reason") == "mine"
        assert seen.violations() == []
        page.locator("dialog button.main").click()
        page.get_by_text("Request ").wait_for()
        values = [_value(at, key, name) for name in ("burst_factor", "clock_off_s", "spread_factor")]
        assert values == [321, 4, 33]
        assert faults(seen, 412) == []
