"""The documentation site as a person reads it: built as `make site` builds it, and looked at without any other host."""

from __future__ import annotations

import functools
import http.server
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.support.browser import Watched, chromium

ROOT = Path(__file__).parents[3]
pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name of the base class)
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    done = subprocess.run(["make", "site"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    handler = functools.partial(_Quiet, directory=str(ROOT / ".build/site"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def _find(page: Page, text: str) -> list[str]:
    """Titles of the pages that the search has for a text."""
    page.locator("input.md-search__input").click()
    page.locator("input.md-search__input").fill(text)
    page.locator(".md-search-result__item").first.wait_for(timeout=30_000)
    return page.locator(".md-search-result__item h1").all_inner_texts()


@pytest.mark.parametrize(
    ("start", "text", "title", "other"),
    [
        ("/index.html", "keep_days", "Settings", "/zh/index.html"),
        ("/zh/index.html", "加密副本", "设置", "/index.html"),
    ],
    ids=["English", "Chinese"],
)
def test_a_reader_finds_a_page_and_the_other_language(
    start: str, text: str, title: str, other: str, site: str, browser: Browser
) -> None:
    page = browser.new_page()
    watched = Watched(page, site)
    page.goto(site + start)
    assert page.locator("h1").first.inner_text().startswith("MarketPrism")
    assert title in _find(page, text)
    page.keyboard.press("Escape")
    page.goto(site + start)
    page.locator("a[hreflang]").first.click()
    page.wait_for_url(site + other)
    assert watched.problems == []
    page.close()


def test_a_page_without_a_translation_is_english_in_a_chinese_frame(site: str, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"{site}/zh/status.html")
    assert page.locator("h1").first.inner_text().startswith("What a service shows")
    assert page.locator(".admonition").first.inner_text().startswith("本页只有英文")
    page.goto(f"{site}/zh/settings.html#nats")
    assert page.locator("#nats").count() == 1
    page.close()
