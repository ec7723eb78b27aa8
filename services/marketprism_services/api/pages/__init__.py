"""The page that lists every request and tries it: files of this folder, read once, served from memory.

Everything that the page needs is in the wheel, and nothing of it comes from elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

_FOLDER = Path(__file__).parent
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)


class Page(NamedTuple):
    """A file as it is sent."""

    body: bytes
    content_type: str
    tag: str


def _read(name: str, content_type: str) -> Page:
    body = (_FOLDER / name).read_bytes()
    return Page(body, content_type, f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"')


# By the path at which it is served.
PAGES: Mapping[str, Page] = MappingProxyType(
    {
        "/api/docs": _read("docs.html", "text/html"),
        "/api/docs/docs.js": _read("docs.js", "text/javascript"),
        "/api/docs/docs.css": _read("docs.css", "text/css"),
    }
)


def page_headers(page: Page) -> dict[str, str]:
    """What a browser is to know of it: its tag, and that it may load and ask nothing but what is here."""
    return {"ETag": page.tag, "Content-Security-Policy": _POLICY}
