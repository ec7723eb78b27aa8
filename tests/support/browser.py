"""Chromium, Debian's, driven by Playwright: pages are looked at as a person sees them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, Request, sync_playwright

# Without a window of its own it needs less than half of the processor for the same page.
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser. Where there is none the test is skipped; in CI, which installs one, it fails."""
    path = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if path is None:
        text = "no Chromium on PATH: apt-get install chromium-headless-shell"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def _is_given_up(request: Request) -> bool:
    """The page itself has ended it: what it asked is no longer shown."""
    return request.failure == "net::ERR_ABORTED"


class Watched:
    """A page, and whatever went wrong on it: errors on the console, exceptions, requests that failed or were refused,
    and requests to anybody but the server of the page."""

    def __init__(self, page: Page, base: str) -> None:
        self.page, self.problems = page, list[str]()
        page.on("console", lambda message: self._note(message.type in ("error", "warning"), message.text))
        page.on("pageerror", lambda error: self._note(True, str(error)))
        page.on(
            "requestfailed", lambda request: self._note(not _is_given_up(request), f"{request.url}: {request.failure}")
        )
        page.on("response", lambda answer: self._note(answer.status >= 400, f"{answer.url}: {answer.status}"))
        page.on("request", lambda request: self._note(not request.url.startswith((base, "data:")), request.url))

    def _note(self, wrong: bool, text: str) -> None:
        if wrong:
            self.problems.append(text)


__all__ = ["Watched", "chromium"]
