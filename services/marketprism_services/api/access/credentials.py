"""What a request shows of who asks, and whether a page of somewhere else made a browser ask."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple
from urllib.parse import urlsplit

from aiohttp import web

from marketprism_adapters.identity.shown_once import is_csrf_of
from marketprism_application.access.refusals import AccessRefused
from marketprism_application.contracts.failures import Code
from marketprism_application.errors import QueryError
from marketprism_services.api.caller_address import is_secure

SECURE_COOKIE, COOKIE = "__Host-mp", "mp"
CSRF_HEADER = "X-MarketPrism-Csrf"
_SAFE = ("GET", "HEAD", "OPTIONS")
_IN_URL = (
    "key",
    "token",
    "api_key",
    "apikey",
    "access_token",
    "refresh_token",
    "password",
    "x-api-key",
    "authorization",
)


class Shown(NamedTuple):
    """A credential that a request shows."""

    text: str
    is_session: bool = False  # a browser's cookie, which it sends unasked


def check_url(request: web.Request) -> None:
    """Raises QueryError: a credential stands in the URL, where logs and histories keep it."""
    for name in request.query:
        if name.lower() in _IN_URL:
            raise QueryError("URL: expected no credentials in it, send them as X-API-Key or Authorization: Bearer")


def shown_by(request: web.Request) -> Shown | None:
    """The credential of a request, None where it shows none.

    Raises:
        QueryError: it shows several, or one in a form that is not known.
    """
    headers = request.headers
    if len(headers.getall("Authorization", ())) + len(headers.getall("X-API-Key", ())) > 1:
        raise QueryError("credentials: expected one, was several")
    cookie = cookie_of(request)
    text = headers.get("X-API-Key")
    if text is None and (authorization := headers.get("Authorization")) is not None:
        scheme, _, text = authorization.partition(" ")
        if scheme.lower() != "bearer" or not text:
            raise AccessRefused(Code.UNAUTHENTICATED, "Authorization: expected Bearer and a key or token, was another")
    if text is not None and cookie:
        raise QueryError("credentials: expected one, was a session's cookie and another")
    if text is not None:
        return Shown(text)
    return Shown(cookie, is_session=True) if cookie else None


def cookie_of(request: web.Request) -> str:
    """The value of the session's cookie, empty where there is none."""
    return request.cookies.get(SECURE_COOKIE if is_secure(request) else COOKIE, "")


def set_cookie(request: web.Request, response: web.Response, value: str, max_age_s: int) -> None:
    """Give a browser the cookie of a session; it sends it to us alone, and no page can read it."""
    response.set_cookie(
        SECURE_COOKIE if is_secure(request) else COOKIE,
        value,
        max_age=max_age_s,
        path="/",
        secure=is_secure(request),
        httponly=True,
        samesite="Strict",
    )


def is_safe(request: web.Request) -> bool:
    """Whether it only reads."""
    return request.method in _SAFE


def is_to_check(request: web.Request) -> bool:
    """Whether a page of somewhere else may not ask for it: what changes something, and a WebSocket, which it could
    read."""
    return not is_safe(request) or "Upgrade" in request.headers


def check_page(request: web.Request, origins: Collection[str] = ()) -> None:
    """A page of somewhere else may not make a browser ask for anything that changes something.

    Raises:
        AccessRefused: ORIGIN.
    """
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site", "")
    if origin is not None and origin in origins:
        return
    same = origin is None or _is_own(request, origin)
    if not same or site not in ("", "same-origin", "none"):
        shown = origin if origin is not None else site
        raise AccessRefused(Code.ORIGIN, f"Origin: expected a page of this service, was {shown[:120]!r}")


def _is_own(request: web.Request, origin: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:  # no URL
        return False
    # Where a proxy ends TLS, a page by https asks us by http.
    return parts.scheme in (request.scheme, "https") and parts.netloc.lower() == request.host.lower()


def check_csrf(request: web.Request, cookie: str) -> None:
    """Raises AccessRefused: CSRF, the header that only a page of ours can send is not that of the session."""
    if not is_csrf_of(cookie, request.headers.get(CSRF_HEADER, "")):
        raise AccessRefused(Code.CSRF, f"{CSRF_HEADER}: expected that of the session, was another or none")
