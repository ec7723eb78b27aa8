"""Where a request comes from, also through proxies: found once by the door, and asked for by everybody after it."""

from __future__ import annotations

from aiohttp import web

from marketprism_application.access.addresses import (
    caller_behind,
    forwarded,
    forwarded_for,
    forwarded_scheme,
    is_among,
    normal,
)
from marketprism_services.settings.api import ApiSettings

_ADDRESS = web.RequestKey("address", str)
_SECURE = web.RequestKey("secure", bool)


def find_caller(request: web.Request, settings: ApiSettings) -> None:
    """Find out where it comes from: of a proxy that is trusted by the header of the settings, and by no other one.

    A proxy that writes one of the headers hands on the other as its caller sent it.
    """
    peer, trusted = request.remote or "", settings.trusted_proxies
    if not is_among(peer, trusted):
        request[_ADDRESS] = normal(peer)
        return
    headers = request.headers
    if settings.proxy_header == "forwarded":
        lines = headers.getall("Forwarded", ())
        request[_ADDRESS] = caller_behind(peer, forwarded(lines), trusted)
        scheme = forwarded_scheme(lines)
    else:
        request[_ADDRESS] = caller_behind(peer, forwarded_for(headers.getall("X-Forwarded-For", ())), trusted)
        scheme = ",".join(headers.getall("X-Forwarded-Proto", ())).rpartition(",")[2].strip().lower()
    request[_SECURE] = request.secure or scheme == "https"


def address_of(request: web.Request) -> str:
    """The address of whoever asks, empty where there is none."""
    found = request.get(_ADDRESS)
    return (request.remote or "") if found is None else found


def is_secure(request: web.Request) -> bool:
    """Whether whoever asks does it over TLS, which a proxy may end."""
    found = request.get(_SECURE)
    return request.secure if found is None else found
