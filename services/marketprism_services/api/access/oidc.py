"""`/api/v1/auth/oidc/…`: the login of a browser at an OpenID provider."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from aiohttp import web

from marketprism_adapters.identity.oidc_attempt import LIFE_S, LoginAttempt, check_path
from marketprism_adapters.identity.oidc_provider import OidcProvider
from marketprism_application.access.audit import Auditing
from marketprism_application.access.federation import PROVIDER, Federation
from marketprism_application.access.principal import Principal
from marketprism_application.access.refusals import AccessRefused
from marketprism_application.access.rights import FindRole, of_user
from marketprism_application.contracts.access_records import User
from marketprism_application.contracts.failures import Code
from marketprism_application.errors import ApplicationError, QueryError
from marketprism_services.api.access.bodies import actor_of
from marketprism_services.api.access.browser_sessions import BrowserSessions
from marketprism_services.api.access.login import private
from marketprism_services.api.caller_address import is_secure
from marketprism_services.api.endpoint import Endpoint, Refused
from marketprism_services.settings.oidc import CALLBACK, LOGIN, OidcSettings

_COOKIE, _SECURE_COOKIE = "mp-oidc", "__Host-mp-oidc"
_WEIGHT = 5  # what a callback takes of its caller's rate: it costs a call of the provider
_CODE = re.compile(r"[ -~]{1,4096}")  # by RFC 6749, appendix A.11
_REFUSED = "sign_in"  # the parameter of a page whose form says why a login at the provider led nowhere: a status
_PARAMETERS = ("code", "state", "error", "iss")


class OidcLogin:
    """Sends browsers to the provider of the settings, and lets in whom it sends back."""

    def __init__(
        self,
        auditing: Auditing,
        federation: Federation,
        sessions: BrowserSessions,
        find_role: FindRole,
        provider: OidcProvider | None,
        settings: OidcSettings,
    ) -> None:
        self._auditing = auditing
        self._federation = federation
        self._sessions = sessions
        self._find_role = find_role
        self._provider = provider
        self._settings = settings

    def endpoints(self) -> list[Endpoint]:
        """Where a login begins, and where the provider sends the browser back to."""
        return [
            Endpoint("GET", LOGIN, self._begin, None, refused=_led_back(_path_asked_for)),
            Endpoint("GET", CALLBACK, self._come_back, None, weight=_WEIGHT, refused=_led_back(_path_begun_at)),
        ]

    def _in_use(self) -> OidcProvider:
        if self._provider is None or not self._settings.client_id:
            raise AccessRefused(Code.NOT_FOUND, "login: expected api.oidc to be set for this, it is not")
        return self._provider

    async def _begin(self, request: web.Request) -> web.Response:
        provider = self._in_use()
        path = _path_asked_for(request)
        attempt = LoginAttempt()
        url = await provider.login_url(attempt, path, self._settings.login_scopes)
        response = private(web.Response(status=302, headers={"Location": url}))
        _set_attempt(request, response, attempt.secret)
        return response

    async def _come_back(self, request: web.Request) -> web.Response:
        provider = self._in_use()
        given = {name: request.query.getall(name, []) for name in _PARAMETERS}
        if any(len(values) > 1 for values in given.values()):
            raise QueryError("login: expected each parameter once, was several times")
        code, state, refusal, issuer = ("".join(values) for values in given.values())
        attempt = _attempt_of(request)
        # Any page can make a browser ask with a state of its own: that is not recorded.
        path = attempt.path_of(state, time.time())
        if issuer and issuer != self._settings.issuer:  # RFC 9207: of a provider that was mixed up with this one
            raise AccessRefused(Code.UNAUTHENTICATED, "iss: expected the provider of this login, was another")
        if refusal or not _CODE.fullmatch(code):
            shown = "".join(letter for letter in refusal[:40] if letter.isprintable())
            raise AccessRefused(Code.UNAUTHENTICATED, f"login: expected a code of the provider, it said {shown!r}")
        try:
            user = await self._recognised(request, provider, code, attempt)
        except AccessRefused as error:
            if error.code != Code.UNAUTHENTICATED:  # a code that is none anybody can make up
                nobody = actor_of(request, Principal("user", "", frozenset()))
                await self._auditing.record(nobody, "access.login", "oidc", f"refused: {error.code}: {error}"[:300])
            raise
        who = of_user(user, self._find_role)
        async with self._auditing.change(actor_of(request, who), "access.login", user.id):
            begun = await self._sessions.begin(request, user)
        response = private(web.Response(text=_page(path), content_type="text/html"))
        begun.give(request, response)
        _set_attempt(request, response, "")
        return response

    async def _recognised(self, request: web.Request, provider: OidcProvider, code: str, attempt: LoginAttempt) -> User:
        claims = await provider.exchange(code, attempt)
        display, values = claims.text(self._settings.name_claim), claims.texts(self._settings.roles_claim)
        user = await self._federation.enter(claims.subject, display, values, actor_of(request, PROVIDER))
        if user.is_service:
            raise AccessRefused(Code.FORBIDDEN, f"login: expected a person, {user.id} is a service account")
        return user


def _cookie_name(request: web.Request) -> str:
    return _SECURE_COOKIE if is_secure(request) else _COOKIE


def _set_attempt(request: web.Request, response: web.Response, secret: str) -> None:
    """The secret of the login, for as long as it may take. Lax: the provider sends the browser back to us."""
    response.set_cookie(
        _cookie_name(request),
        secret,
        max_age=LIFE_S if secret else 0,
        path="/",
        secure=is_secure(request),
        httponly=True,
        samesite="Lax",
    )


def _led_back(path_of: Callable[[web.Request], str]) -> Refused:
    """Whoever looks at a refusal with a browser is led back to where the login began: the form there says why."""

    def refused(request: web.Request, answer: web.Response) -> web.Response:
        if "text/html" not in request.headers.get("Accept", ""):
            return answer
        try:
            parts = urlsplit(path_of(request))
        except ApplicationError:
            parts = urlsplit("/")
        query = "&".join(filter(None, [parts.query, f"{_REFUSED}={answer.status}"]))
        text = _page(parts._replace(query=query).geturl())
        page = private(web.Response(status=answer.status, text=text, content_type="text/html"))
        if "Retry-After" in answer.headers:
            page.headers["Retry-After"] = answer.headers["Retry-After"]
        return page

    return refused


def _path_asked_for(request: web.Request) -> str:
    return check_path(request.query.get("next", "/"))


def _path_begun_at(request: web.Request) -> str:
    """Where the login began that this browser comes back from."""
    return _attempt_of(request).path_of(request.query.get("state", ""), time.time())


def _attempt_of(request: web.Request) -> LoginAttempt:
    return LoginAttempt(request.cookies.get(_cookie_name(request)) or "none")


def _page(path: str) -> str:
    """A page of ours that goes on: a browser sends a strict cookie only where one of our pages has led it."""
    shown = html.escape(path, quote=True)
    head = f'<meta charset="utf-8"><meta http-equiv="refresh" content="0;url={shown}"><title>MarketPrism</title>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body><a href="{shown}">MarketPrism</a></body></html>'
