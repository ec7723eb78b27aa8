"""Whom a client trusts over TLS, and what it shows of itself: certificates in files, renewed while it runs."""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from marketprism_sdk.errors import InvalidSetting

_LOOK_S = 1.0
Stamp = tuple[int, int, int] | None


@dataclass(frozen=True, kw_only=True)
class ClientTls:
    """`ca` is a file of certificates that may have signed the server's (without, the system's list), `cert` and `key`
    are the client's own, PEM, both or none.

    Raises:
        InvalidSetting: one without the other.
    """

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        check_pair(self.cert, self.key)

    @property
    def tls_files(self) -> tuple[Path, ...]:
        """Those that are given."""
        return tuple(path for path in (self.ca, self.cert, self.key) if path is not None)

    def tls(self) -> ssl.SSLContext:
        """What a TLS connection is made with, from the files as they are now; TLS 1.2 at least.

        Raises:
            InvalidSetting: a file cannot be read or holds no certificate or key.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except (OSError, ssl.SSLError) as error:
            raise InvalidSetting(f"ca: expected a file of certificates, was {self.ca}: {why(error)}") from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.cert is not None:
            load_pair(context, self.cert, self.key)
        return context


class RenewedTls:
    """The context of connections that begin now, made anew where its files have changed."""

    def __init__(self, tls: ClientTls) -> None:
        self._tls = tls
        self._looked_s = float("-inf")
        self._seen: tuple[Stamp, ...] = ()
        self._context: ssl.SSLContext | None = None

    async def now(self) -> ssl.SSLContext | Literal[True]:
        """As aiohttp takes it: True, its own, where nothing is given.

        Raises:
            InvalidSetting: the files cannot be used.
        """
        if not self._tls.tls_files:
            return True
        if self._context is None or time.monotonic() - self._looked_s > _LOOK_S:
            self._context = await asyncio.to_thread(self._fresh)
            self._looked_s = time.monotonic()
        return self._context

    def _fresh(self) -> ssl.SSLContext:
        seen = tuple(map(stamp_of, self._tls.tls_files))
        if self._context is not None and seen == self._seen:
            return self._context
        found = self._tls.tls()
        self._seen = seen
        return found


def check_pair(cert: Path | None, key: Path | None) -> None:
    """Raises InvalidSetting: a certificate without its key, or the other way round."""
    if (cert is None) != (key is None):
        missing, there = ("key", "cert") if cert else ("cert", "key")
        raise InvalidSetting(f"{missing}: expected a file with {there}, was none")


def load_pair(context: ssl.SSLContext, cert: Path, key: Path | None) -> None:
    """Give a certificate and its key to a context.

    Raises:
        InvalidSetting: a file cannot be read, or they are not a certificate and its key.
    """
    try:
        context.load_cert_chain(cert, key, password=_no_password)
    except (OSError, ssl.SSLError, InvalidSetting) as error:
        text = f"cert: expected a certificate and its key, were {cert} and {key}: {why(error)}"
        raise InvalidSetting(text) from error


def stamp_of(path: Path) -> Stamp:
    """What changes when a file does, or a link to it; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def why(error: Exception) -> str:
    """The reason alone, of an error of files or of OpenSSL."""
    return getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error) or type(error).__name__


def _no_password() -> str:
    """OpenSSL would ask for it on the terminal."""
    raise InvalidSetting("key: expected a key without a password")


__all__ = ["ClientTls", "RenewedTls", "check_pair", "load_pair", "stamp_of", "why"]
