"""Every page in both languages and both themes: nothing goes wrong, and nobody is kept out."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser

from marketprism_console.files import WEB, read_console
from tests.support.console import LANGUAGES, THEMES, Site, viewer

pytestmark = [pytest.mark.xdist_group("console"), pytest.mark.timeout(300)]

_ROWS = re.findall(r"path: '([^']+)'", (WEB / "pages/index.js").read_text(encoding="utf-8"))
PATHS = [*_ROWS, "/market/shfe.ru1901", "/market/shfe.ru1901?as=table", "/nowhere"]


@pytest.mark.parametrize("path", PATHS)
def test_a_page_is_right_in_both_languages_and_themes(browser: Browser, futures: Site, path: str) -> None:
    for language in LANGUAGES:
        for theme in THEMES:
            with viewer(browser, futures.base, language=language, theme=theme) as seen:
                seen.open(path)
                seen.settle()
                assert seen.page.evaluate("document.documentElement.lang").startswith(language)
                assert seen.page.evaluate("document.documentElement.dataset.theme") == theme
                seen.picture(f"{path}-{language}-{theme}")
                assert seen.violations() == []
                assert seen.problems == []


@pytest.mark.parametrize("path", PATHS)
def test_a_page_fits_on_a_phone(browser: Browser, futures: Site, path: str) -> None:
    with viewer(browser, futures.base, width=390) as seen:
        seen.open(path)
        seen.settle()
        assert not seen.is_too_wide()
        seen.picture(f"{path}-phone")
        assert seen.problems == []


def test_the_languages_have_the_same_texts(browser: Browser, futures: Site) -> None:
    base = f"/console/{read_console().version}/"
    modules = [base + path.relative_to(WEB).as_posix() for path in WEB.rglob("*text.js")]
    with viewer(browser, futures.base) as seen:
        seen.open("/about")
        found = seen.page.evaluate(
            """async ([base, modules]) => {
              for (const module of modules) await import(module);
              const { dictionaries } = await import(`${base}core/texts.js`);
              const holes = (text) => [...text.matchAll(/\\{\\w+\\}/g)].map(String).sort().join();
              return dictionaries.flatMap(({ en, zh }) => [
                ...Object.keys(en).filter((key) => !zh[key] || holes(en[key]) !== holes(zh[key])),
                ...Object.keys(zh).filter((key) => !en[key]),
              ]);
            }""",
            [base, modules],
        )
        assert found == []


def test_what_is_loaded_is_small_and_comes_from_here() -> None:
    console = read_console()
    assert sum(len(asset.gzipped) for asset in console.assets.values()) + len(console.page.gzipped) <= 250_000
    for path, asset in console.assets.items():
        if "/vendor/" not in path:
            assert b"https://" not in asset.body.replace(b"https://www.tradingview.com/", b""), path
