"""`store.url`: where a ClickHouse server is, as whom it is asked, and by which protocol."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from marketprism_application.errors import StoreError
from marketprism_sdk.urls import HIDDEN, Url, hide

HTTP = ("http", "https")
NATIVE = ("clickhouse", "clickhouses")
_EXPECTED = {
    "http": "http://host:8123",
    "clickhouse": "clickhouse://host:9000/database",
}


class ServerUrl(NamedTuple):
    """The parts of a URL. `port` is 0 where none is named; user, password and database are empty where they are not."""

    scheme: str
    host: str
    port: int
    user: str
    password: str
    database: str


def is_native(url: str) -> bool:
    """Whether a URL asks for the native protocol."""
    return _plain(url).split("://", 1)[0].lower() in NATIVE


def parse_server_url(url: str, schemes: tuple[str, ...]) -> ServerUrl:
    """The parts of a URL whose scheme is one of `HTTP` or `NATIVE`; user and password may have %XX in them.

    Raises:
        StoreError: another scheme, no host, a port that is no number up to 65535, or something behind the path; the
            text has the URL without its user and password.
    """
    text = _plain(url)
    try:
        parts = urlsplit(text)
        port = parts.port or 0
    except ValueError:  # its text has the part of the URL that is wrong, which may be a password's
        raise _refused(text, schemes) from None
    if parts.scheme not in schemes or not parts.hostname or parts.query or parts.fragment:
        raise _refused(text, schemes)
    database = unquote(parts.path.strip("/"))
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return ServerUrl(parts.scheme, parts.hostname, port, user, password, database)


def _plain(url: str) -> str:
    return url.reveal() if isinstance(url, Url) else url


def _refused(text: str, schemes: tuple[str, ...]) -> StoreError:
    scheme, separator, rest = text.partition("://")
    # A password with a bare # or / ends the host for whoever reads the URL: everything before the last @ is hidden.
    shown = f"{scheme}://{HIDDEN}@{rest.rpartition('@')[2]}" if separator and "@" in rest else text
    return StoreError(f"store.url: expected {_EXPECTED[schemes[0]]}, was {hide(shown)!r}")
