"""Certificates: do they fit their keys, is their chain whole, do their names fit, how long are they good."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from marketprism_sdk.errors import InvalidSetting, reason_of
from marketprism_services.cli.doctor.finding import Finding, Grade, judged, ok, wrong
from marketprism_services.settings.settings import Settings

_DAY_S = 86_400
_SOON_DAYS, _NOW_DAYS = 21.0, 3.0
_ANY = {"0.0.0.0", "::", ""}  # noqa: S104 (addresses that are no name)
_WITHIN_S = 3.0


def files(settings: Settings) -> dict[str, Path]:
    """Certificates that the settings name, by the setting."""
    given = {
        "http.tls.cert": settings.http.tls.cert,
        "http.tls.client_ca": settings.http.tls.client_ca,
        "nats.cert": settings.nats.cert,
        "nats.ca": settings.nats.ca,
        "store.tls.cert": settings.store.tls.cert,
        "store.tls.ca": settings.store.tls.ca,
    }
    return {name: path for name, path in given.items() if path is not None}


def days_left(what: str, ends_s: float, now_s: float) -> Finding:
    """Judges when a certificate ends."""
    days = (ends_s - now_s) / _DAY_S
    grade: Grade = "ok" if days >= _SOON_DAYS else "warning" if days >= _NOW_DAYS else "wrong"
    text = f"ends in {days:.1f} days" if days >= 0 else f"has ended {-days:.1f} days ago"
    todo = "put a new one in its place: it is read again without a restart"
    return judged(grade, what, text, "three weeks and more", todo)


def of_file(name: str, path: Path, names: Sequence[str], now_s: float) -> list[Finding]:
    """A file of certificates: days left of each, the order of the chain, and names, where some are asked for."""
    what = f"certificate {name}"
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        return [wrong(what, f"{path}: {reason_of(error)}", "certificates, PEM", "put the right file in its place")]
    ends = min(each.not_valid_after_utc.timestamp() for each in found)
    findings = [days_left(what, ends, now_s)]
    if name.endswith("ca"):
        return findings
    for below, above in pairwise(found):
        try:
            below.verify_directly_issued_by(above)
        except (ValueError, TypeError, InvalidSignature):
            todo = "write the certificate first, then who has signed it, then who has signed that"
            findings.append(wrong(f"{what}, chain", "one was not signed by the next", "an unbroken chain", todo))
            break
    if missing := sorted(set(names) - _names_in(found[0])):
        todo = "have it made for these names too"
        findings.append(wrong(f"{what}, names", f"lacks {', '.join(missing)}", "every name that it is asked by", todo))
    return findings


def _names_in(certificate: x509.Certificate) -> set[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    addresses = {str(each) for each in found.get_values_for_type(x509.IPAddress)}
    return set(found.get_values_for_type(x509.DNSName)) | addresses


def all_files(settings: Settings) -> list[Finding]:
    """Every certificate that the settings name, and whether those of the HTTP side fit their key."""
    asked_by = [*settings.http.names, *({settings.http.host} - _ANY)]
    found = []
    for name, path in files(settings).items():
        found += of_file(name, path, asked_by if name == "http.tls.cert" else (), time.time())
    pairs = {"http.tls": settings.http.tls.context} if settings.http.tls.cert else {}
    clients = {"nats": settings.nats.tls} if settings.nats.cert else {}
    if settings.store.tls.cert:
        clients["store.tls"] = settings.store.tls.tls
    for name, load in {**pairs, **clients}.items():
        try:
            load()
        except InvalidSetting as error:
            todo = "put certificate and key of one pair in place"
            found.append(wrong(f"certificate {name}, key", reason_of(error), "a certificate and its key", todo))
    return found or [ok("certificate files", "the settings name none")]


async def shown(servers: Mapping[str, tuple[str, int, ssl.SSLContext]]) -> list[Finding]:
    """What servers that speak TLS from the first byte show, as a client of ours would see it."""
    found = []
    for name, (host, port, context) in servers.items():
        what = f"certificate of {name}"
        try:
            async with asyncio.timeout(_WITHIN_S):
                _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
            certificate = writer.get_extra_info("ssl_object").getpeercert()
            writer.close()
        except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
            todo = "a certificate for this name, of an authority that the `ca` of the settings names"
            found.append(wrong(what, f"is not taken: {reason_of(error)}", "one that a service takes", todo))
            continue
        ends = ssl.cert_time_to_seconds(certificate["notAfter"])
        found.append(days_left(what, ends, time.time()))
    return found


__all__ = ["all_files", "days_left", "files", "of_file", "shown"]
