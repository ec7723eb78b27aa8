"""Every page in both languages and both themes: nothing goes wrong, and nobody is kept out."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser

from marketprism_console.files import WEB, read_console
from tests.support.console import Site, module, viewer

pytestmark = [pytest.mark.xdist_group("console"), pytest.mark.timeout(300)]

_ROWS = re.findall(r"path: '([^']+)'", (WEB / "pages/index.js").read_text(encoding="utf-8"))
PATHS = [*_ROWS, "/market/shfe.ru1901", "/market/shfe.ru1901?as=table", "/nowhere"]


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=() if path in ("/market", "/data", "/system") else pytest.mark.long) for path in PATHS],
)
def test_a_page_is_right_in_both_languages_and_themes_and_on_a_phone(
    browser: Browser, futures: Site, path: str
) -> None:
    with viewer(browser, futures.base, language="zh") as seen:
        seen.open(path)
        seen.settle()
        assert seen.faults_in_both(path) == []
        assert seen.problems == []


def test_the_languages_have_the_same_texts(browser: Browser, futures: Site) -> None:
    files = sorted({module(path.relative_to(WEB).as_posix())[0] for path in WEB.rglob("*text.js")})
    with viewer(browser, futures.base) as seen:
        seen.open("/about")
        found = seen.page.evaluate(
            """async ([files, [file, texts]]) => {
              for (const each of files) await import(each);
              const { dictionaries } = (await import(file))[texts];
              if (dictionaries.length < 25) return [`only ${dictionaries.length} dictionaries`];
              const holes = (text) => [...text.matchAll(/\\{\\w+\\}/g)].map(String).sort().join();
              return dictionaries.flatMap(({ en, zh }) => [
                ...Object.keys(en).filter((key) => !zh[key] || holes(en[key]) !== holes(zh[key])),
                ...Object.keys(zh).filter((key) => !en[key]),
              ]);
            }""",
            [files, module("core/texts.js")],
        )
        assert found == []


def test_the_first_visit_asks_for_few_and_small_files(browser: Browser, futures: Site) -> None:
    with viewer(browser, futures.base) as seen:
        seen.open("/market/shfe.ru1901")
        seen.until("document.querySelector('mp-chart canvas')")
        sizes = seen.page.evaluate(
            """() => Object.fromEntries(performance.getEntriesByType('resource').filter(({ name }) => name.includes('/console/'))
              .map(({ name, encodedBodySize }) => [name.split('/').slice(5).join('/'), encodedBodySize]))"""
        )
        print(f"{len(sizes)} files, {sum(sizes.values())} bytes: {sizes}")
        assert len(sizes) <= 12
        assert sum(sizes.values()) <= 130_000
        assert all(size > 0 for size in sizes.values())
        # What only other pages need is not loaded: their own files, and the library of the charts.
        seen.open("/about")
        seen.page.reload()
        seen.settle()
        others = seen.page.evaluate("performance.getEntriesByType('resource').map(({ name }) => name).join()")
        assert "lightweight-charts.js" not in others
        assert "pages/market.js" not in others
        assert "pages/about.js" in others


def test_what_is_loaded_is_small_and_comes_from_here() -> None:
    console = read_console()
    assert sum(len(asset.gzipped) for asset in console.assets.values()) + len(console.page.gzipped) <= 302_000
    for path, asset in console.assets.items():
        if "/vendor/" not in path:
            assert b"https://" not in asset.body.replace(b"https://www.tradingview.com/", b""), path
