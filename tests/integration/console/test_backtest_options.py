"""The form of backtests offers every setting that the service has, and a sweep that a kernel ranks says so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Browser, expect

from tests.integration.console.backtest_side import Bench, bench_in
from tests.integration.console.operating_side import at_desk
from tests.integration.console.signed_side import beside, faults
from tests.support.backtest_place import fill_store

pytest.importorskip("numba", reason="the extra `fast` is not installed: make setup does")
pytestmark = [pytest.mark.xdist_group("clickhouse"), pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def bench(clickhouse_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with ThreadPoolExecutor(1) as beside_the_browser:  # in whose thread no other loop can be begun
        beside_the_browser.submit(fill_store, clickhouse_url).result()
    with beside(bench_in(clickhouse_url, tmp_path_factory.mktemp("bench"))) as (_, made):
        made.until(lambda: made.ask("GET", "/api/v1/backtests").status == 200)
        yield made


@pytest.mark.long
def test_every_setting_is_offered_and_a_ranked_sweep_says_what_is_ranked(browser: Browser, bench: Bench) -> None:
    schema = bench.ask("GET", "/api/v1/backtests/options").data["properties"]
    with at_desk(browser, bench, "/backtests/new?kind=sweep", role="quant") as seen:
        page = seen.page
        page.wait_for_selector("#bt-strategy")
        page.get_by_text("Costs, fills and other settings").click()
        for name in schema:
            expect(page.locator(f"#bt-{name}")).to_be_visible()
        for name in ("roll", "impact", "depth", "latency", "funding", "queue", "gap_policy"):
            expect(page.locator(f"#hint-{name}")).to_be_visible()
        expect(page.locator("#bt-expiry")).to_have_value("close")
        for name, text in (("params.fast", "5:20:5"), ("params.slow", "30, 60"), ("instruments", "shfe.ru1901")):
            page.locator(f"[id='bt-{name}']").fill(text)
        for name, text in (
            ("fee_rate", "0.000045"),
            ("multiplier", "10"),
            ("gap_policy", "ignore"),
            ("latency", "5ms"),
        ):
            page.locator(f"#bt-{name}").fill(text)
        page.locator("#bt-expiry").select_option("ignore")
        page.locator("#bt-touch").check()
        page.locator("#bt-kernel").check()
        page.get_by_role("button", name="Run the sweep").click()
        expect(page.locator(".field", has=page.locator("#bt-kernel"))).to_contain_text("expected no latency")
        page.locator("#bt-latency").fill("")
        page.get_by_role("button", name="Run the sweep").click()
        expect(page.get_by_text("3 by the kernel alone")).to_be_visible(timeout=60_000)
        trusted = page.get_by_role("region", name=re.compile("How far the best"))
        expect(trusted).to_contain_text("Plateau")
        expect(trusted.locator(".tile", has_text="Net at double costs").locator("b")).to_contain_text(re.compile(r"\d"))
        expect(page.get_by_role("region", name="Results").locator("tbody tr", has_text="ranked")).to_have_count(3)
        expect(page.locator("table.heat tbody td.bad")).to_have_count(0)
        made = bench.ask("GET", "/api/v1/backtests?kind=sweep").data[0]
        given = {"expiry": "ignore", "touch": True, "latency": "0", "gap_policy": "ignore", "depth": 20}
        assert {name: made["settings"][name] for name in given} == given
        assert made["sweep"]["kernel"] is True
        assert faults(seen, 400) == []
