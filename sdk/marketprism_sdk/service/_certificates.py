"""TLS of a service's HTTP side: its certificate, renewed while it runs.

Whoever renews certificates writes new files over the old ones, or, as Kubernetes does, sets a link to another folder.
The files are looked at every second. What can be used counts for every connection from then on; what cannot leaves the
certificate that there is, and is told.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from marketprism_sdk.client_tls import Stamp, check_pair, load_pair, stamp_of, why
from marketprism_sdk.errors import InvalidSetting
from marketprism_sdk.observability.logger import get_logger

if TYPE_CHECKING:
    from marketprism_sdk.observability import Metrics

log = get_logger(__name__)

_LOOK_S = 1.0
_SOON_S = 14 * 86_400.0
HANDSHAKE_S = 5.0


@dataclass(frozen=True, kw_only=True)
class HttpTls:
    """Files of a server's certificate: `cert` (with the chain above it) and `key`, PEM, both or none. With `client_ca`
    only those are let in who show a certificate that it has signed.

    Raises:
        InvalidSetting: one without the other.
    """

    cert: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None

    def __post_init__(self) -> None:
        check_pair(self.cert, self.key)
        if self.client_ca is not None and self.cert is None:
            raise InvalidSetting("cert: expected a file with client_ca, was none")

    @property
    def files(self) -> tuple[Path, ...]:
        """Those that are given; none where HTTP is spoken in clear."""
        return tuple(path for path in (self.cert, self.key, self.client_ca) if path is not None)

    def context(self) -> ssl.SSLContext:
        """What connections are made with, from the files as they are now.

        Raises:
            InvalidSetting: there is none, one cannot be read, or they are not a certificate and its key.
        """
        if self.cert is None:
            raise InvalidSetting("cert: expected a file to speak TLS with, was none")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        load_pair(context, self.cert, self.key)
        if self.client_ca is not None:
            try:
                context.load_verify_locations(self.client_ca)
            except (OSError, ssl.SSLError) as error:
                text = f"client_ca: expected a file of certificates, was {self.client_ca}: {why(error)}"
                raise InvalidSetting(text) from error
            context.verify_mode = ssl.CERT_REQUIRED
        return context


class Certificates:
    """The context that a server listens with; connections that begin later have the files of then."""

    def __init__(self, tls: HttpTls, metrics: Metrics) -> None:
        self._tls = tls
        self._metrics = metrics
        self._seen = self._state()
        self._now = tls.context()
        self.not_after_s: float | None = _end_of(tls.cert)
        self.trouble: str = ""
        # The context of the listening socket stays; each handshake takes the one of its moment.
        self.context: ssl.SSLContext = tls.context()
        self.context.sni_callback = self._take
        if self.not_after_s is not None:
            metrics.watch("http_certificate_not_after_seconds", lambda: self.not_after_s or 0.0)

    @classmethod
    async def read(cls, tls: HttpTls, metrics: Metrics) -> Certificates:
        """From the files as they are now, which is done in a thread.

        Raises:
            InvalidSetting: they cannot be used.
        """
        return await asyncio.to_thread(cls, tls, metrics)

    def _take(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._now

    async def watch(self) -> None:
        """Look at the files until cancelled."""
        told_soon = 0.0
        while True:
            if self.not_after_s is not None and self.not_after_s - time.time() < _SOON_S and time.time() > told_soon:
                told_soon = time.time() + 86_400.0
                log.warning("http.certificate_ends", file=str(self._tls.cert), not_after_s=self.not_after_s)
            await asyncio.sleep(_LOOK_S)
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Take the files where they have changed."""
        seen = self._state()
        if seen == self._seen:
            self.trouble = ""  # a link that was set back: the files are those that are used
            return
        try:
            self._now = self._tls.context()
        except InvalidSetting as error:
            # Certificate and key are two files, written one after the other: the next look may find both.
            if self.trouble != str(error):
                self.trouble = str(error)
                self._metrics.count("http_certificates_refused_total")
                log.warning("http.certificate_refused", error=str(error), detail="the one before is used")
            return
        self._seen, self.trouble = seen, ""
        self.not_after_s = _end_of(self._tls.cert)
        self._metrics.count("http_certificates_renewed_total")
        log.info("http.certificate_renewed", file=str(self._tls.cert), not_after_s=self.not_after_s)

    def _state(self) -> tuple[Stamp, ...]:
        return tuple(map(stamp_of, self._tls.files))

    def shown(self) -> dict[str, object]:
        """What `/status` says of it."""
        return {"certificate": {"not_after_s": self.not_after_s, "trouble": self.trouble}}

    async def health(self) -> str:
        """Degraded while the files cannot be used or the certificate ends soon, unhealthy once it has ended."""
        left_s = None if self.not_after_s is None else self.not_after_s - time.time()
        if left_s is not None and left_s <= 0:
            return "unhealthy: the certificate has ended"
        if self.trouble:
            return f"degraded: {self.trouble}"
        if left_s is not None and left_s < _SOON_S:
            return f"degraded: the certificate ends in {left_s / 86_400:.0f} days"
        return "healthy"


def _end_of(path: Path | None) -> float | None:
    """When the certificate of a file ends, seconds since 1970; None where nothing here can read it."""
    try:
        from cryptography import x509  # noqa: PLC0415 (of the extra `server`)
    except ImportError:
        return None
    if path is None:
        return None
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())[0].not_valid_after_utc.timestamp()
    except (OSError, ValueError, IndexError):
        return None


__all__ = ["HANDSHAKE_S", "Certificates", "HttpTls"]
