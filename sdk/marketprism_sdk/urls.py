"""Secrets, URLs that may carry a user and a password, and texts that may carry such a URL.

A URL is printed far more often than it is used: in log lines, error texts, tables of a command. So the type prints
without what comes before the `@`, and whoever connects says `reveal()`.
"""

from __future__ import annotations

import re
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

HIDDEN = "***"
_STARS = "**********"
# Up to the last @ before the path: a password may hold an @ itself. Paths are left alone (`/ws/btcusdt@trade`).
_USER = re.compile(r"(?<=://)[^\s/?#\"'<>]*@")
# Servers of a list after the first may come without a scheme: nats://a:b@one,c:d@two is one match of the above.
# The backslash of an escaped quote or line's end is no part of the value: a line of JSON has to stay one.
_PARAMETER = re.compile(
    r"(?<=[?&])((?:access_?token|api_?key|auth|listen_?key|password|secret|signature|token)=)"
    r"(?:[^&\s\"'<>#\\]|\\\\|\\(?![\\\"nrt]))+",
    re.IGNORECASE,
)


def hide(text: str) -> str:
    """The text with `***` for the user, password and token of every URL in it."""
    if "://" not in text:
        return text
    return _PARAMETER.sub(rf"\g<1>{HIDDEN}", _USER.sub(f"{HIDDEN}@", text))


class Url(str):
    """A URL, or several with commas between, whose `str`, `repr` and `format` show no user, password or token.

    It compares and hashes as the whole text. What builds bytes or other strings of it (`encode`, `split`, `+`,
    `join`) has the whole text too: that is for whoever connects, by way of `reveal()`.
    """

    __slots__ = ()

    def __new__(cls, text: str = "") -> Self:
        """From a text, or from another URL, whole: `str` of that one would be what is printed of it."""
        return super().__new__(cls, text.reveal() if isinstance(text, Url) else text)

    def reveal(self) -> str:
        """The whole text, to connect with."""
        return str.__str__(self)

    def bare(self) -> str:
        """The text without user, password and token: what a file may hold that others may read."""
        return ",".join(_bare(part) for part in self.reveal().split(","))

    @property
    def secret(self) -> bool:
        """Whether there is something to hide."""
        return hide(self.reveal()) != self.reveal()

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> Any:
        """A text to pydantic, written as JSON without what is secret in it."""
        return _schema_of(cls)

    def __str__(self) -> str:
        return hide(self.reveal())

    def __repr__(self) -> str:
        return repr(str(self))

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


class Secret(str):
    """A password or a code whose `str`, `repr` and `format` show only whether there is one.

    It compares and hashes as the whole text. What builds bytes or other strings of it has the whole text too: that is
    for whoever logs in, by way of `reveal()`.
    """

    __slots__ = ()

    def reveal(self) -> str:
        """The whole text, to log in with."""
        return str.__str__(self)

    def __str__(self) -> str:
        return _STARS if self.reveal() else ""

    def __repr__(self) -> str:
        return repr(str(self))

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> Any:
        """A text to pydantic, written as JSON in stars."""
        return _schema_of(cls)


def _schema_of(kind: type[str]) -> Any:
    from pydantic_core import core_schema  # noqa: PLC0415 (nobody but pydantic calls this: it is there then)

    return core_schema.no_info_after_validator_function(
        kind,
        core_schema.str_schema(),
        serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="json"),
    )


def _bare(url: str) -> str:
    if "://" not in url:
        return url.rpartition("@")[2]
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets of no address: what stands before the last @ may be who logs in
        return url.partition("://")[0] + "://" + url.partition("://")[2].rpartition("@")[2].partition("?")[0]
    query = "&".join(each for each in parts.query.split("&") if not _PARAMETER.search(f"?{each}"))
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, ""))
