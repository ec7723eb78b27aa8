"""A login at an OpenID provider that a browser has begun: state, nonce and PKCE.

All three follow from one secret that the browser keeps in a cookie, so that nothing has to be stored, and any instance
can finish what another has begun. Whoever does not have the cookie can neither finish the login nor make another
browser finish it; a code that was begun with another cookie fails by its nonce, and at the provider by PKCE.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

from marketprism_application.access.refusals import AccessRefused
from marketprism_application.contracts.failures import Code
from marketprism_application.errors import QueryError

LIFE_S, SKEW_S = 600, 30
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
_STATE = re.compile(r"([A-Za-z0-9_-]{43})\.([0-9]{1,12})\.([A-Za-z0-9_-]{0,700})")
_PATH = re.compile(r"/(?:[!-.0-\[\]-~][!-\[\]-~]*)?")  # of this host: neither // nor \, which browsers take for it
_LONGEST_PATH = 500


def check_path(path: str) -> str:
    """The path to go on at after a login.

    Raises:
        QueryError: it is none of this host, or too long.
    """
    if len(path) > _LONGEST_PATH or not _PATH.fullmatch(path):
        raise QueryError(f"next: expected a path of this service, like /, was {path[:80]!r}")
    return path


class LoginAttempt:
    """What is sent to the provider, and what has to come back. `secret` is the browser's."""

    def __init__(self, secret: str = "") -> None:
        self.secret = secret or secrets.token_urlsafe(32)

    @property
    def nonce(self) -> str:
        """What the provider puts into the ID token."""
        return self._derived("nonce")

    @property
    def verifier(self) -> str:
        """What proves to the provider that whoever brings the code has begun the login (RFC 7636)."""
        return self._derived("verifier")

    @property
    def challenge(self) -> str:
        """The verifier's S256 challenge."""
        return _text(hashlib.sha256(self.verifier.encode()).digest())

    def state(self, path: str, now_s: float) -> str:
        """What comes back with the code: it holds the path to go on at, and ends after `LIFE_S`."""
        rest = f"{int(now_s)}.{_text(path.encode())}"
        return f"{self._derived(f'state {rest}')}.{rest}"

    def path_of(self, state: str, now_s: float) -> str:
        """The path of a state that belongs to this attempt.

        Raises:
            AccessRefused: UNAUTHENTICATED, it belongs to another one, or is too old.
        """
        found = _STATE.fullmatch(state)
        good = found is not None and bool(_SECRET.fullmatch(self.secret))
        if found is None or not good:
            raise _foreign()
        seal, begun, path = found.groups()
        if not hmac.compare_digest(seal, self._derived(f"state {begun}.{path}")):
            raise _foreign()
        if not -SKEW_S <= now_s - int(begun) <= LIFE_S:
            raise AccessRefused(Code.UNAUTHENTICATED, f"state: expected one of the last {LIFE_S} s: begin again")
        try:  # whoever has the secret may have sealed anything
            text = base64.urlsafe_b64decode(path + "=" * (-len(path) % 4)).decode("ascii", "replace")
        except ValueError as error:
            raise _foreign() from error
        return check_path(text)

    def _derived(self, purpose: str) -> str:
        return _text(hmac.new(self.secret.encode(), f"oidc {purpose}".encode(), hashlib.sha256).digest())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _foreign() -> AccessRefused:
    text = "state: expected that of a login that this browser has begun, was another: begin again"
    return AccessRefused(Code.UNAUTHENTICATED, text)
