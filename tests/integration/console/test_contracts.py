"""Contracts of a product in one line with the roll marked, two instruments on one chart, and what is shown as a file."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from playwright.sync_api import Browser, expect

from tests.support.console import Site, running_site, viewer

pytestmark = [pytest.mark.xdist_group("sites"), pytest.mark.timeout(300)]

UNTIL = "09:30:00"  # of each day, so that it costs little
# Recordings of two contracts of apples. That the later one leads, no recording has: its open interest is raised on the
# second day, and on the third it has the rows of the other.
FILES = (
    ("AP010_20200803", "AP010", 1),
    ("AP010_20200804", "AP010", 1),
    ("AP101_20200804", "AP101", 10),
    ("AP010_20200805", "AP101", 1),
    ("AP010_20200806", "AP101", 1),  # its bars close the day before
)
_TABLE = """(selector) => [...document.querySelectorAll(`${selector} tbody tr`)].map((row) =>
  [...row.children].map((cell) => cell.innerText.trim()))"""


def _recording(source: Path, found: Path, symbol: str, interest: int) -> Path:
    with gzip.open(source, "rt", newline="") as rows, gzip.open(found, "wt", newline="") as kept:
        reader = csv.DictReader(rows)
        writer = csv.DictWriter(kept, reader.fieldnames or ())
        writer.writeheader()
        for row in reader:
            if row["UpdateTime"] < UNTIL:
                held = str(Decimal(row["OpenInterest"]) * interest)
                writer.writerow({**row, "InstrumentID": symbol, "OpenInterest": held})
    return found


@pytest.fixture(scope="module")
def apples(fixtures: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("apples")
    files = [
        _recording(
            fixtures / f"ctp/ticks/{name}.csv.gz", folder / f"{symbol}_{name.split('_')[1]}.csv.gz", symbol, interest
        )
        for name, symbol, interest in FILES
    ]
    with running_site(folder, f"replay:{','.join(map(str, files))}") as site:
        site.until(lambda: len(site.ask("/dominant/AP")) == 2)
        site.until(lambda: site.ask("/sessions/AP101?venue=czce"))  # names that have just come are known a little later
        site.until(lambda: site.ask("/bars/AP101?interval=1m&last=1")[0]["trading_day"] == "20200806")
        yield site


def test_the_contracts_of_a_product_are_one_line_with_the_roll_marked(browser: Browser, apples: Site) -> None:
    rolls = apples.ask("/dominant/AP")
    assert [(each["trading_day"], each["symbol"]) for each in rolls] == [("20200803", "AP010"), ("20200805", "AP101")]
    with viewer(browser, apples.base) as seen:
        seen.open("/contracts")
        seen.page.get_by_role("link", name="AP", exact=True).click()
        seen.page.wait_for_selector("mp-chart canvas")
        seen.page.get_by_role("button", name="1m", exact=True).click()
        shown = seen.until(
            "(() => { const { history } = document.querySelector('mp-chart') ?? {}; return history?.interval === '1m' && "
            "history.candles.length && history.candles.map((each) => [each.time, each.contract, each.rolled, each.close]); })()"
        )
        bars = apples.ask("/continuous/AP?interval=1m&last=1500")
        assert [each[:2] for each in shown] == [[bar["ts_open"] // 10**6, bar["symbol"]] for bar in bars]
        assert [each[3] for each in shown] == [bar["close"] for bar in bars]
        (rolled,) = [each for each in shown if each[2]]
        first = next(bar for bar in bars if bar["trading_day"] == "20200805")
        assert rolled[:2] == [first["ts_open"] // 10**6, "AP101"]
        gap = Decimal(rolls[1]["close"]) - Decimal(rolls[1]["previous_close"])
        ratio = Decimal(rolls[1]["close"]) / Decimal(rolls[1]["previous_close"])
        rows = seen.page.evaluate(_TABLE, "mp-contracts-page > .scroll")
        assert rows == [
            ["2020-08-05", "AP101", "AP010", f"{gap:f}", f"{ratio:.6f}"],
            ["2020-08-03", "AP010", "–", "–", "–"],
        ]
        seen.picture("contracts")
        # Moved by the difference, the bars before the roll meet those behind it.
        seen.page.get_by_label("Prices before a roll").select_option("difference")
        moved = seen.until(
            "(() => { const { history } = document.querySelector('mp-chart') ?? {}; "
            "return history?.adjust === 'difference' && history.candles[0]?.close; })()"
        )
        assert Decimal(moved) - Decimal(bars[0]["close"]) == gap
        assert seen.page.url.endswith("/contracts/AP?i=1m&adjust=difference")
        assert seen.violations() == []
        seen.page.get_by_role("button", name="As table").click()
        seen.page.wait_for_selector("mp-bars-table tbody tr")
        seen.page.set_viewport_size({"width": 390, "height": 844})
        assert seen.too_wide() == []
        assert seen.problems == []


@pytest.mark.long
def test_two_instruments_are_on_one_chart_and_the_address_holds_it(browser: Browser, apples: Site) -> None:
    with viewer(browser, apples.base) as seen:
        seen.open("/market/czce.AP101")
        seen.page.wait_for_selector("mp-chart canvas")
        box = seen.page.locator("mp-instrument-input input")
        box.fill("AP010")
        seen.page.wait_for_selector("datalist option[value='czce.AP010']", state="attached")
        box.press("Tab")
        expect(seen.page).to_have_url(f"{apples.base}/market/czce.AP101?with=czce.AP010")
        url = seen.page.url
        with viewer(browser, apples.base, language="zh", theme="light") as colleague:
            colleague.page.goto(url)
            points = colleague.until(
                "(() => { const line = document.querySelector('mp-chart')?.lines?.get('compared'); const data = line?.data() ?? []; "
                "return data.length && data.map((each) => [each.time, each.value]); })()"
            )
            both = {bar["ts_open"] for bar in apples.ask("/bars/AP101?interval=1m&last=1500")}
            others = [bar for bar in apples.ask("/bars/AP010?interval=1m&last=1500") if bar["ts_open"] in both]
            assert points == [[bar["ts_open"] // 10**9, float(bar["close"])] for bar in others]
            assert "czce.AP010" in colleague.page.inner_text("mp-chart .legend .compared")
            colleague.picture("compared")
            assert colleague.violations() == []
            assert colleague.problems == []
        # One of which nothing is known: the reason stands there, and the chart goes on.
        box.fill("czce.AP505")
        box.press("Tab")
        alert = seen.page.locator("mp-instrument [role=alert]")
        expect(alert).to_contain_text("expected one that is stored, was 'AP505'")
        assert seen.page.locator("mp-chart canvas").count() > 0
        box.fill("")
        box.press("Tab")
        expect(alert).to_have_count(0)
        assert [each for each in seen.problems if "404" not in each] == []


def _numbers(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    fields = ("open", "high", "low", "close", "volume", "turnover", "open_interest")
    return [(row["symbol"], int(row["ts_open"]), *(Decimal(str(row[name])) for name in fields)) for row in rows]


def test_what_is_shown_is_downloaded(browser: Browser, apples: Site) -> None:
    with viewer(browser, apples.base) as seen:
        seen.open("/market/czce.AP010?i=5m")
        seen.page.wait_for_selector("mp-chart canvas")
        bars = apples.ask("/bars/AP010?interval=5m&last=1500")
        assert len(bars) > 10
        files = {}
        for name in ("CSV", "Parquet"):
            with seen.page.expect_download() as told:
                seen.page.get_by_role("link", name=name).click()
            files[name] = (told.value.suggested_filename, Path(told.value.path()).read_bytes())
        assert seen.page.url.endswith("/market/czce.AP010?i=5m")
        assert files["CSV"][0] == "czce.AP010-5m-2020-08-03T0100Z-2020-08-04T0125Z.csv"
        assert files["Parquet"][0] == "czce.AP010-5m-2020-08-03T0100Z-2020-08-04T0125Z.parquet"
        assert _numbers(list(csv.DictReader(io.StringIO(files["CSV"][1].decode())))) == _numbers(bars)
        table = pyarrow.parquet.read_table(io.BytesIO(files["Parquet"][1]))
        assert table.num_rows == len(bars)
        assert [str(value) for value in table["symbol"].to_pylist()] == [bar["symbol"] for bar in bars]
        assert [Decimal(str(value)) for value in table["close"].to_pylist()] == [Decimal(bar["close"]) for bar in bars]
        assert seen.problems == []
