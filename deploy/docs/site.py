"""Build the documentation site into `.build/site`, English at its root and Chinese under `zh`, and look it over.

Both builds are strict. What was built must ask no foreign host for anything, and no link may lead nowhere, from one
language to the other either. Ends with 1 where something is wrong.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

HERE = Path(__file__).parent
SITE = HERE.parents[1] / ".build" / "site"
_LOADING = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "use": "href"}
_IN_STYLE = re.compile(r"(?:url\(\s*['\"]?|@import\s+['\"])((?:https?:)?//[^'\")\s]+)")


class _Page(HTMLParser):
    """Links of a page, its anchors, and what a browser loads for it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors.update(value for name in ("id", "name") if (value := given.get(name)))
        if tag == "a" and (target := given.get("href")):
            self.links.append(target)
        if tag in _LOADING and (target := given.get(_LOADING[tag])) and given.get("rel") not in ("canonical", "next"):
            self.loaded.append(target)


def build() -> int:
    """Exit code of the first build that fails; what it warns of is shown."""
    shutil.rmtree(SITE, ignore_errors=True)
    for name in ("mkdocs.yml", "mkdocs.zh.yml"):
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(HERE / name)]
        quiet = os.environ | {"NO_MKDOCS_2_WARNING": "1"}  # advertises; versions are fixed in requirements.txt
        done = subprocess.run(command, env=quiet, capture_output=True, text=True, check=False)  # noqa: S603 (ours)
        if done.returncode:
            print(re.sub(r"^INFO .*\n", "", done.stdout + done.stderr, flags=re.MULTILINE), file=sys.stderr)
            return done.returncode
    return 0


def problems(site: Path) -> Iterator[str]:
    """What is wrong with a built site, a line each."""
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        for target in page.loaded:
            if urlsplit(target).netloc:
                yield f"{path.relative_to(site)}: expected nothing of other hosts, was {target}"
        for target in {*page.links, *page.loaded}:
            if path.name != "404.html" and (problem := _problem(path, target, pages)):
                yield f"{path.relative_to(site)}: {problem}"
    for path in sorted(site.rglob("*.css")):
        for target in _IN_STYLE.findall(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(site)}: expected nothing of other hosts, was {target}"


def _problem(path: Path, target: str, pages: dict[Path, _Page]) -> str | None:
    scheme, host, where, _, anchor = urlsplit(target)
    if scheme or host:
        return None
    file = (path.parent / unquote(where)).resolve() if where else path
    if file.is_dir():
        file /= "index.html"
    if not file.is_file():
        return f"expected a file, found none at {target}"
    if anchor and file in pages and unquote(anchor) not in pages[file].anchors | {"__skip", "__search"}:
        return f"expected an anchor, found none at {target}"
    return None


def main() -> int:
    """Build and look."""
    if code := build():
        return code
    found = list(problems(SITE))
    for line in found:
        print(line, file=sys.stderr)
    pages = sum(1 for _ in SITE.rglob("*.html"))
    print(f"{pages} pages in {SITE}: {'clean' if not found else f'{len(found)} problems'}")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
