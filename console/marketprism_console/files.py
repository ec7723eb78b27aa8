"""The files of the console as they are sent: each under an address that names what all of them hold.

A browser keeps a file for ever, since another version has other addresses; the page that names them it asks for anew.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Final

from marketprism_console.compact import compact, without_comments
from marketprism_console.joined import VENDOR, imported, joined, place

WEB: Final = Path(__file__).parent / "web"
PREFIX: Final = "/console/"
_TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".LICENSE": "text/plain",
    ".NOTICE": "text/plain",
}
_INDEX, _ENTRY = "index.html", "shell/app.js"
_STYLE, _SHEET = "style/", "style.css"
# What the page may do: load and ask nothing but what is here, and make no markup out of text. Lit's templates are the
# one source of markup.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types lit-html"
)


class Asset:
    """One file: its bytes, what kind of text it is, and its tag."""

    def __init__(self, body: bytes, content_type: str) -> None:
        self.body = body
        self.content_type = content_type
        self.tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'

    @cached_property
    def gzipped(self) -> bytes:
        """The same bytes as they travel."""
        return gzip.compress(self.body, 9, mtime=0)


class Console:
    """All files by their address, and the page that loads them."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        digest = hashlib.blake2b(digest_size=8)
        for name in sorted(files):
            digest.update(name.encode() + b"\0" + files[name] + b"\0")
        self.version = digest.hexdigest()
        self._base = f"{PREFIX}{self.version}/"
        modules = _modules(files)
        sent = _sent(files, modules)
        self.assets: Mapping[str, Asset] = MappingProxyType(
            {self.address(name): Asset(body, _TYPES[_ending(name)]) for name, body in sent.items()}
        )
        self.page = Asset(self._page(files[_INDEX], modules), "text/html")

    def address(self, name: str) -> str:
        """Where a file is asked for, by its name among those that are sent."""
        return self._base + name

    def _page(self, index: bytes, modules: Mapping[str, bytes]) -> bytes:
        """The page, with its style and the modules that it begins with named: a browser fetches them all at once."""
        entry = place(_ENTRY)
        lines = [f'<link rel="stylesheet" href="{self.address(_SHEET)}">']
        lines += [f'<link rel="modulepreload" href="{self.address(name)}">' for name in _graph(entry, modules)]
        lines.append(f'<script type="module" src="{self.address(entry)}"></script>')
        return index.replace(b"<!-- assets -->", "\n".join(lines).encode())

    def find(self, path: str) -> Asset | None:
        """The file at an address, None where there is none."""
        return self.assets.get(path)


def _modules(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The modules of each folder as one, and the libraries, with their imports a line each as they were written."""
    modules = {name: without_comments(body).decode() for name, body in files.items() if name.endswith(".js")}
    libraries = {name: body for name, body in files.items() if name.startswith(VENDOR)}
    return {**joined(modules), **libraries}


def _sent(files: Mapping[str, bytes], modules: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files as they are sent: modules without what only readers need, libraries as they are, the styles as one."""
    styles = [without_comments(files[name]) for name in sorted(files) if name.startswith(_STYLE)]
    own = {name: body if name.startswith(VENDOR) else compact(body.decode()).encode() for name, body in modules.items()}
    return {**own, _SHEET: b"\n".join(styles)}


def _ending(name: str) -> str:
    return "." + name.rpartition(".")[2]


def _graph(entry: str, modules: Mapping[str, bytes]) -> list[str]:
    """The modules that one imports, and those that these import."""
    found: list[str] = []
    waiting = [entry]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.append(name)
            waiting += imported(modules[name].decode(), name)
    return found


@cache
def read_console(folder: Path = WEB) -> Console:
    """The console of this installation. Raises OSError where a file cannot be read."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in _TYPES or path.name == _INDEX)
    return Console({path.relative_to(folder).as_posix(): path.read_bytes() for path in files})


__all__ = ["POLICY", "PREFIX", "WEB", "Asset", "Console", "read_console"]
