"""The console as a person has it: a pipeline that runs, and its pages in Chromium."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import axe_playwright_python
from playwright.sync_api import Browser, Page, expect

from marketprism_adapters.nats.local_server import choose_port
from marketprism_console.files import read_console
from marketprism_console.joined import constant, place
from tests.e2e.program import ENVIRONMENT, PROGRAM, runs
from tests.support.browser import Watched

_AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_STARTED_S = 120.0
_SHOWN_MS = 30_000
expect.set_options(timeout=_SHOWN_MS)
LANGUAGES = {"en": "en-US", "zh": "zh-CN"}
_TOO_WIDE = """() => document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll('*')]
  .filter((each) => each.getBoundingClientRect().right > innerWidth && !each.closest('.scroll'))
  .map((each) => `${each.tagName}.${each.getAttribute('class')}: ${each.textContent.trim().slice(0, 60)}`)"""
_ALIKE = "data-contrast-alike"
# Contrast takes nine tenths of the time of axe-core, and depends on nothing but colours, sizes and what is around a text:
# of texts that have all of these in common the first three that are seen are measured.
_CHECK = f"""async (rules) => {{
  const keys = new Map(), places = new Map(), count = new Map();
  const place = (each) => {{
    if (!each) return 0;
    if (!places.has(each)) {{
      const s = getComputedStyle(each);
      const key = [place(each.parentElement), each.tagName, each.getAttribute('class'), s.color, s.backgroundColor, s.backgroundImage,
        s.opacity, s.fontSize, s.fontWeight, s.textShadow, s.filter, s.mixBlendMode, s.fill, s.position].join('|');
      if (!keys.has(key)) keys.set(key, keys.size + 1);
      places.set(each, keys.get(key));
    }}
    return places.get(each);
  }};
  const alike = [...document.body.querySelectorAll('*')].filter((each) => {{
    if (![...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) || !each.checkVisibility()) return false;
    const seen = (count.get(place(each)) ?? 0) + 1;
    count.set(place(each), seen);
    return seen > 3;
  }});
  for (const each of alike) each.setAttribute('{_ALIKE}', '');
  axe.configure({{ rules: [{{ id: 'color-contrast', selector: '*:not([{_ALIKE}])' }}] }});
  try {{
    const found = await axe.run({{ exclude: ['tbody tr:nth-child(n+13)'] }}, {{ runOnly: rules, resultTypes: ['violations'] }});
    return found.violations.map((v) =>
      `${{v.id}} (${{v.impact}}): ${{v.nodes.map((n) => n.target.join(' ') + ' ' + n.failureSummary).join('; ')}}`);
  }} finally {{
    for (const each of alike) each.removeAttribute('{_ALIKE}');
  }}
}}"""
THEMES: tuple[Literal["dark"], Literal["light"]] = ("dark", "light")


class Site:
    """A pipeline with its console. `base` is its address."""

    def __init__(self, process: subprocess.Popen[str], base: str, data: Path) -> None:
        self.process = process
        self.base = base
        self.data = data

    def ask(self, path: str) -> Any:
        """The data of an answer of the API."""
        with urllib.request.urlopen(f"{self.base}/api/v1{path}", timeout=30) as answer:
            return json.load(answer)["data"]

    def until(self, holds: Callable[[], object], within_s: float = _STARTED_S) -> None:
        """Wait until something holds; errors on the way are no end."""
        end = time.monotonic() + within_s
        last: object = None
        while time.monotonic() < end:
            try:
                if last := holds():
                    return
            except (OSError, KeyError, IndexError, ValueError) as error:
                last = error
            assert self.process.poll() is None, f"the pipeline has ended:\n{self.log()[-4000:]}"
            time.sleep(0.2)
        raise AssertionError(f"it did not hold within {within_s:g} s, last {last!r}:\n{self.log()[-4000:]}")

    def log(self) -> str:
        """What the pipeline has printed so far."""
        return (self.data / "printed.log").read_text(errors="replace")

    def processes(self, service: str) -> list[int]:
        """Process ids of a service's instances, which may have others beside them."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:  # it has ended meanwhile
                continue
            if runs(line, service) and str(self.data) in line:
                found.append(int(folder.name))
        return found


def module(name: str) -> list[str]:
    """A module of the console for a test in the browser: `(await import(first))[second]` is what it exports."""
    return [read_console().address(place(name)), constant(name)]


@contextmanager
def running_site(
    folder: Path, source: str, *options: str, environment: Mapping[str, str] | None = None
) -> Iterator[Site]:
    """`marketprism up` on free ports."""
    port = choose_port(0)
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    settings = {**ENVIRONMENT, **(environment or {}), "MARKETPRISM_HTTP__API": str(port)}
    with (data / "printed.log").open("w") as printed:
        process = subprocess.Popen(
            [*PROGRAM, "up", "--source", source, "--data-dir", str(data), "--nats-port", "0", *options],
            stdout=printed,
            stderr=subprocess.STDOUT,
            text=True,
            env=settings,
            start_new_session=True,
        )
        site = Site(process, f"http://127.0.0.1:{port}", data)
        try:
            site.until(lambda: site.ask("/me"))
            yield site
        finally:
            process.terminate()
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Viewer:
    """One person's browser: `page`, and whatever went wrong on it."""

    def __init__(self, page: Page, base: str) -> None:
        self.page = page
        self.base = base
        self.watched = Watched(page, base)
        page.set_default_timeout(_SHOWN_MS)

    @property
    def problems(self) -> list[str]:
        return self.watched.problems

    def open(self, path: str) -> None:
        """Go to a page and wait until it is there."""
        self.page.goto(self.base + path)
        self.page.wait_for_selector("#content h1")

    def settle(self) -> None:
        """Wait until nothing on the page is being loaded."""
        self.until("!document.querySelector('#content .loading')")

    def until(self, script: str, within_s: float = 30.0) -> Any:
        """Wait until an expression gives something; Playwright's own way is forbidden by the page's policy."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            if found := self.page.evaluate(script):
                return found
            self.page.wait_for_timeout(50)
        raise AssertionError(f"{script}: expected to hold within {within_s:g} s; problems: {self.problems}")

    def violations(self) -> list[str]:
        """What axe-core finds wrong, each with its element; rows of a table behind its twelfth are like those before."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(f"{_AXE}\n;undefined")
        found = self.page.evaluate(_CHECK, _RULES)
        return [str(each)[:600] for each in found]

    def faults_in_both(self, name: str) -> list[str]:
        """What is wrong with what is shown, `name` it: in the language that it is in, dark, and in the other one, light,
        whatever axe-core finds, on a phone as well; and what is too wide on a phone or a screen. The other language stays."""
        found: list[str] = []
        first = self.page.evaluate("document.documentElement.lang.slice(0, 2)")
        for language, theme in zip((first, *(LANGUAGES.keys() - {first})), THEMES, strict=True):
            if language != first:
                self.page.locator("mp-bar button[lang]").click()  # at once
                self.until(f"document.documentElement.lang.startsWith('{language}')")
            self.page.emulate_media(color_scheme=theme)
            self.until(f"document.documentElement.dataset.theme === '{theme}'")
            self.settle()
            for width in (1440, 390):
                self.page.set_viewport_size({"width": width, "height": 900})
                found += [f"{language}, {width}: {each}" for each in self.too_wide()]
                if (theme, width) != ("dark", 390):  # pairs: each language, theme and width is looked at
                    found += [f"{language}, {theme}, {width}: {each}" for each in self.violations()]
                self.picture(f"{name}-{language}-{theme}-{width}")
            self.page.set_viewport_size({"width": 1440, "height": 900})
        return found

    def picture(self, name: str) -> None:
        """Keep what is on the screen, where CONSOLE_SCREENSHOTS says."""
        folder = os.environ.get("CONSOLE_SCREENSHOTS")
        if folder:
            path = Path(folder) / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', name)}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=path, full_page=True)

    def too_wide(self) -> list[str]:
        """What makes the page so wide that it has to be scrolled sideways."""
        return list(self.page.evaluate(_TOO_WIDE))


@contextmanager
def viewer(
    browser: Browser, base: str, *, language: str = "en", theme: str = "dark", width: int = 1440
) -> Iterator[Viewer]:
    """A browser of a person who speaks a language and likes a theme; whatever goes wrong on its pages is an error."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if theme == "dark" else "light",
        locale=LANGUAGES[language],
        timezone_id="Asia/Shanghai",
        reduced_motion="reduce",
    )
    try:
        found = Viewer(context.new_page(), base)
        yield found
    finally:
        context.close()


__all__ = ["LANGUAGES", "THEMES", "Site", "Viewer", "running_site", "viewer"]
