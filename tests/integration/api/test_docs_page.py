"""The page that shows the API, in Chromium."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.integration.api.described_api import SYMBOL, DescribedApi, described_api
from tests.support.browser import Watched, chromium

__all__ = ["described_api"]
pytestmark = pytest.mark.xdist_group("described")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 1280)])
def test_every_request_is_listed_and_can_be_tried(
    browser: Browser, described_api: DescribedApi, scheme: str, width: int
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    seen = Watched(page, described_api.base)
    page.goto(f"{described_api.base}/api/docs")
    page.wait_for_selector("#list button")
    listed = page.inner_text("#list")
    for endpoint in described_api.endpoints:
        if endpoint.path.startswith("/api/v1/") and ":" not in endpoint.path:
            assert endpoint.path.removeprefix("/api/v1") in listed, endpoint.path
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.fill("#search", "orderbook book instant")
    page.locator("#list button", has_text="/orderbook/{symbol}").first.click()
    page.fill("#of-symbol", SYMBOL)
    page.locator("button.try").click()
    page.locator("#shown .good", has_text="200").wait_for()
    assert '"last"' in page.inner_text("#shown [aria-live] pre >> nth=0")
    page.click("#language")
    assert "试一试" in page.inner_text("button.try")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert seen.problems == []
    page.close()
