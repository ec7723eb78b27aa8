"""The page of backtests before the service itself and a store with three days of rubber: from the form to what runs say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.integration.console.backtest_side import HOSTILE, Bench, add_gap, bench_in
from tests.integration.console.operating_side import at_desk
from tests.integration.console.signed_side import beside, faults
from tests.support.backtest_place import RUN, fill_store
from tests.support.console import Viewer

pytestmark = [pytest.mark.xdist_group("clickhouse"), pytest.mark.timeout(240), pytest.mark.long]

NET = "704.07925"
GAP = (1_539_136_200_000_000_000, 1_539_136_800_000_000_000)  # 2018-10-10 09:50 to 10:00
OTHER = {**RUN, "params": {"fast": 20, "slow": 60}, "settings": {**RUN["settings"], "slippage": "ticks:1"}}
SWEEP = {**RUN, "params": {}, "space": {"fast": [5, 10, 20], "slow": [30, 60]}}
WALK = {**SWEEP, "train": 2, "test": 1}


@pytest.fixture(scope="module")
def bench(clickhouse_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with ThreadPoolExecutor(1) as beside_the_browser:  # in whose thread no other loop can be begun
        beside_the_browser.submit(fill_store, clickhouse_url).result()
        beside_the_browser.submit(add_gap, clickhouse_url, *GAP).result()
    with beside(bench_in(clickhouse_url, tmp_path_factory.mktemp("bench"))) as (_, made):
        made.until(lambda: made.ask("GET", "/api/v1/backtests").status == 200)
        yield made


def tile(seen: Viewer, name: str) -> Locator:
    """The number of a tile."""
    return seen.page.locator(".tile", has_text=re.compile(f"^\\s*{name}")).locator("b")


def rows(seen: Viewer, name: str) -> Locator:
    return seen.page.get_by_role("region", name=name).locator("tbody tr")


def fill_in(seen: Viewer, **fields: str) -> None:
    """The fields of the form, by their ids behind `bt-`."""
    seen.page.wait_for_selector("#bt-strategy")
    for name, value in fields.items():
        seen.page.locator(f"[id='bt-{name.replace('__', '.')}']").fill(value)


def test_a_form_of_the_schema_leads_to_a_run_that_is_followed_to_its_result(browser: Browser, bench: Bench) -> None:
    with at_desk(browser, bench, "/events", role="quant") as seen:
        page = seen.page
        page.keyboard.press("g")
        page.keyboard.press("b")
        page.get_by_role("tab", name="New backtest").click()
        expect(page.locator("#bt-strategy")).to_contain_text("examples.double_average:DoubleAverage")
        expect(page.locator("[id='hint-params.fast']")).to_contain_text("1 – 10000")
        # What is wrong is said beside its field: by the schema before anything is sent, then by the service.
        fill_in(seen, params__fast="0", instruments="shfe.ru190x")
        page.get_by_role("button", name="Run", exact=True).click()
        expect(page.locator(".field", has=page.locator("[id='bt-params.fast']"))).to_contain_text("at least 1")
        expect(page.locator("[id='bt-params.fast']")).to_be_focused()
        fill_in(seen, params__fast="10")
        page.get_by_role("button", name="Run", exact=True).click()
        expect(page.locator(".field", has=page.locator("#bt-instruments"))).to_contain_text("nearest: ru1901")
        expect(page.locator("#bt-instruments")).to_be_focused()
        fill_in(seen, instruments="shfe.ru1901", gap_policy="ignore")
        page.get_by_text("Costs, fills and other settings").click()
        fill_in(seen, fee_rate="0.000045", multiplier="10", slippage="much")
        page.get_by_role("button", name="Run", exact=True).click()
        expect(page.locator(".field", has=page.locator("#bt-slippage"))).to_contain_text("expected one of none")
        fill_in(seen, slippage="")
        page.get_by_role("button", name="Run", exact=True).click()
        expect(tile(seen, "Net")).to_contain_text(NET)
        expect(tile(seen, "Orders / lots")).to_have_text("40 / 79")
        expect(page.locator(".badge", has_text="done")).to_be_visible()
        assert faults(seen, 400) == []


def test_a_run_shows_its_progress_and_can_be_cancelled(browser: Browser, bench: Bench) -> None:
    slow = {**RUN, "strategy": "odd.ones:Trades", "params": {"n": 30}}
    id_ = bench.ask("POST", "/api/v1/backtests", role="quant", json=slow).data["run_id"]
    with at_desk(browser, bench, f"/backtests/{id_}", role="operator") as seen:
        page = seen.page
        expect(page.locator(".badge", has_text="running")).to_be_visible()
        expect(page.get_by_text(re.compile("Equity now"))).to_be_visible()
        first = page.locator("progress").get_attribute("value")
        seen.until(f"Number(document.querySelector('progress').value) > {first}")  # without anybody asking again
        expect(page.get_by_text(re.compile(r"\d+% · .* left"))).to_be_visible()
        page.get_by_role("button", name="End it").click()
        page.get_by_role("dialog").get_by_role("button", name="End it").click()
        page.get_by_role("dialog").get_by_role("button", name="Close").click()
        expect(page.locator(".backtest-head .badge")).to_have_text("cancelled")
        expect(page.locator("progress")).to_have_count(0)
        assert seen.problems == []


def test_a_result_has_every_part_and_stands_by_the_numbers_of_the_service(browser: Browser, bench: Bench) -> None:
    done = bench.done("", RUN)
    id_, gaps = done["run_id"], done["summary"]["gaps"]
    with at_desk(browser, bench, f"/backtests/{id_}", role="quant") as seen:
        page = seen.page
        expect(tile(seen, "Net")).to_contain_text(f"gap exposure {gaps['share'] * 100:.2f}%")
        assert gaps["share"] > 0
        about_gaps = page.get_by_role("region", name="Gaps")
        expect(about_gaps).to_contain_text(f"{gaps['held_through']} of {gaps['positions']}")
        expect(about_gaps).to_contain_text(f"{gaps['tainted_decisions']} of {gaps['decisions']}")
        expect(
            page.get_by_role("img", name=re.compile("Equity from 1,000,000 to 1,000,704.07925 over 4"))
        ).to_be_visible()
        expect(page.get_by_role("img", name=re.compile("Drawdown, at deepest -0.34%"))).to_be_visible()
        expect(rows(seen, "Months")).to_have_count(1)
        expect(rows(seen, "Months")).to_contain_text("0.07%")
        expect(rows(seen, "Costs").nth(1)).to_contain_text("-445.92075")
        expect(rows(seen, "Positions")).to_have_count(40)
        expect(rows(seen, "Statistics").filter(has_text="Sharpe (242)")).to_contain_text("year of 242 days")
        # Fills stand on the candles that the run saw, the gap of the ledger among them.
        expect(page.get_by_text("40 fills of ru1901")).to_be_visible()
        expect(page.get_by_role("img", name=re.compile(r"ru1901.*1 gap"))).to_be_visible()
        seen.until("document.querySelector('mp-backtest-candles').marks.count === 40")
        page.get_by_role("button", name="Table", exact=True).click()
        expect(page.locator("mp-backtest-candles tbody tr").first).to_be_visible()
        page.get_by_role("button", name="Verify").click()
        page.get_by_role("dialog").get_by_role("button", name="Verify").click()
        expect(page.get_by_role("dialog")).to_contain_text("40 of 40 fills are proved by the rows, gross 1,150.")
        page.get_by_role("dialog").get_by_role("button", name="Close").click()
        with page.expect_download() as taken:
            page.get_by_role("link", name="fills.csv").click()
        assert taken.value.path().read_text().count("\n") == 41
        with page.context.expect_page() as opened:
            page.get_by_role("link", name="Report").click()
        expect(opened.value.locator("h1")).to_contain_text("DoubleAverage")
        page.get_by_role("button", name="Run again").click()
        page.get_by_role("dialog").get_by_role("button", name="Run again").click()
        page.get_by_role("dialog").get_by_role("link").click()
        expect(page.get_by_text("Equal, to the last digit, to run")).to_be_visible()
        assert faults(seen) == []


def test_a_sweep_says_how_far_its_best_is_to_be_trusted_before_it_is_shown(browser: Browser, bench: Bench) -> None:
    with at_desk(browser, bench, "/backtests/new?kind=sweep", role="quant") as seen:
        page = seen.page
        fill_in(seen, params__fast="10", params__slow="30", instruments="shfe.ru1901")
        page.get_by_role("button", name="Run the sweep").click()
        expect(page.get_by_text("A sweep needs several values")).to_be_visible()
        fill_in(seen, params__fast="5, 10, 20", params__slow="30:60:30", constraint="fast < slow")
        page.get_by_role("button", name="Run the sweep").click()
        trust = page.get_by_role("region", name="How far the best can be trusted")
        expect(trust).to_contain_text("Probability of overfitting")
        expect(trust).to_contain_text(re.compile(r"after \d+ trials of this strategy"))
        heat = page.locator("table.heat")
        expect(heat.locator("tbody td")).to_have_count(6)
        expect(heat.locator("b")).to_have_count(1)
        boxes = [each.bounding_box() for each in (trust, heat, page.get_by_role("region", name="Results"))]
        tops = [box["y"] for box in boxes if box is not None]
        assert tops == sorted(tops)
        assert len(tops) == 3
        values = rows(seen, "Results").locator("td:nth-child(3)").all_inner_texts()
        numbers = [float(each) for each in values]
        assert numbers == sorted(numbers, reverse=True)
        page.locator("mp-backtest-sweep").get_by_role("combobox", name="By").select_option("net")
        expect(page.get_by_role("region", name="Results").locator("thead")).to_contain_text("Net")
        seen.until("document.querySelector('table.heat caption').innerText.startsWith('Net')")
        nets = [
            float(each.replace(",", "")) for each in rows(seen, "Results").locator("td:nth-child(3)").all_inner_texts()
        ]
        assert nets == sorted(nets, reverse=True)
        rows(seen, "Results").first.get_by_role("link", name="Run alone").click()
        expect(page.locator("#bt-kind")).to_have_value("run")
        page.get_by_role("button", name="Run", exact=True).click()
        expect(tile(seen, "Net")).to_contain_text(f"{nets[0]:,}".rstrip("0").rstrip("."))
        assert seen.problems == []


def test_a_walk_forward_shows_its_windows_and_what_they_chain_to(browser: Browser, bench: Bench) -> None:
    done = bench.done("/walk-forwards", WALK)
    with at_desk(browser, bench, f"/backtests/{done['run_id']}", role="quant") as seen:
        expect(tile(seen, "Net behind the trainings")).to_have_text(f"{done['summary']['net']:,.2f}".rstrip("0"))
        expect(rows(seen, "Windows")).to_have_count(2)
        expect(rows(seen, "Windows").first).to_contain_text("2018-10-08 – 2018-10-09")
        expect(
            seen.page.get_by_role("img", name=re.compile("Equity from 1,000,000 .* over 2 trading days"))
        ).to_be_visible()
        assert seen.problems == []


def test_runs_are_found_chosen_and_compared(browser: Browser, bench: Bench) -> None:
    ids = [bench.done("", each)["run_id"] for each in (RUN, OTHER)]
    bench.made("", {**RUN, "strategy": "odd.ones:Raises", "params": {"n": 1}})
    with at_desk(browser, bench, "/backtests", role="quant") as seen:
        page = seen.page
        page.get_by_label("State").select_option("failed")
        expect(page.locator("table.backtests .badge", has_text="done")).to_have_count(0)
        expect(rows(seen, "Runs").first).to_contain_text("it does that")
        page.get_by_label("State").select_option("")
        page.get_by_label("Strategy").select_option(RUN["strategy"])
        page.get_by_label("Kind").select_option("run")
        expect(page.locator("table.backtests", has_text="odd.ones")).to_have_count(0)
        for id_ in ids:
            page.get_by_label(f"Choose run {id_} to compare it").check()
        page.get_by_role("link", name="Compare 2").click()
        differ = rows(seen, "Settings that differ")
        expect(differ).to_have_count(3)
        expect(differ.filter(has_text="Slippage")).to_contain_text("ticks:1")
        expect(differ.filter(has_text="fast")).to_contain_text("20")
        expect(rows(seen, "Results").filter(has_text="Net").first).to_contain_text(NET)
        expect(page.get_by_role("img", name="Profits of 2 runs over 4 trading days")).to_be_visible()
        expect(page.locator(".plot path:not(.grid)")).to_have_count(2)
        assert seen.problems == []


def test_text_of_a_strategy_is_never_more_than_text(browser: Browser, bench: Bench) -> None:
    with at_desk(browser, bench, "/backtests/new?strategy=odd.hostile:Hostile", role="quant") as seen:
        page = seen.page
        expect(page.locator("#hint-strategy")).to_contain_text(HOSTILE)
        expect(page.locator("[id='bt-params.text']")).to_have_value(HOSTILE)
        fill_in(seen, instruments="shfe.ru1901")
        page.get_by_role("button", name="Run", exact=True).click()
        expect(page.locator(".backtest-head .failed")).to_contain_text(HOSTILE)
        expect(page.locator(".backtest-head .badge")).to_have_text("failed")
        page.get_by_role("tab", name="Runs").click()
        expect(rows(seen, "Runs").first).to_contain_text(HOSTILE)
        expect(page.locator("#content img")).to_have_count(0)
        seen.open(f"/backtests/compare?ids={json.dumps(HOSTILE)},x")
        expect(page.locator(".failed")).to_be_visible()
        expect(page.locator("#content img")).to_have_count(0)
        assert faults(seen, 400, 404) == []


def test_who_may_not_run_strategies_is_told_so(browser: Browser, bench: Bench) -> None:
    with at_desk(browser, bench, "/backtests", role="viewer") as seen:
        expect(seen.page.locator(".failed")).to_contain_text("backtest:run")
        assert seen.problems == []


def test_every_view_is_right_in_both_languages_and_themes_and_on_a_phone(browser: Browser, bench: Bench) -> None:
    ids: dict[str, Any] = {"run": bench.done("", RUN)["run_id"], "other": bench.done("", OTHER)["run_id"]}
    views = {
        "list": "/backtests",
        "new": "/backtests/new?kind=walk_forward",
        "run": f"/backtests/{ids['run']}",
        "sweep": f"/backtests/{bench.done('/sweeps', SWEEP)['run_id']}",
        "walk": f"/backtests/{bench.done('/walk-forwards', WALK)['run_id']}",
        "compare": f"/backtests/compare?ids={ids['run']},{ids['other']}",
        "none": "/backtests/0000000000000000",
    }
    with at_desk(browser, bench, "/about", role="quant") as seen:
        for name, path in views.items():
            seen.open(path)
            seen.settle()
            assert seen.faults_in_both(f"backtests-{name}") == [], name
        assert faults(seen, 404) == []
