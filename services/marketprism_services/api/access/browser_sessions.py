"""The session of a browser that has logged in, whichever way."""

from __future__ import annotations

from typing import NamedTuple

from aiohttp import web

from marketprism_adapters.identity.shown_once import csrf_of, new_cookie, session_id
from marketprism_application.access.logins import ABSOLUTE_S, Sessions
from marketprism_application.contracts.access_records import Session, User
from marketprism_application.ports.access_store import AccessStore
from marketprism_services.api.access.credentials import cookie_of, set_cookie
from marketprism_services.api.caller_address import address_of


class BegunSession(NamedTuple):
    """A new session: the value of its cookie, which is shown once, what its pages send along, and when it ends."""

    cookie: str
    csrf: str
    ends_s: float

    def give(self, request: web.Request, response: web.Response) -> None:
        """Send the browser its cookie with this answer."""
        set_cookie(request, response, self.cookie, ABSOLUTE_S)


class BrowserSessions:
    """Begins sessions."""

    def __init__(self, store: AccessStore, sessions: Sessions) -> None:
        self._store = store
        self._sessions = sessions

    async def begin(self, request: web.Request, user: User) -> BegunSession:
        """A session with an id of its own; one that the browser had before is over."""
        if before := session_id(cookie_of(request)):
            await self._store.remove(Session, before)
        cookie = new_cookie()
        agent = request.headers.get("User-Agent", "")
        session = await self._sessions.begin(user, cookie.id, address_of(request), agent)
        return BegunSession(cookie.text, csrf_of(cookie.text), session.ts_created / 1e9 + ABSOLUTE_S)
