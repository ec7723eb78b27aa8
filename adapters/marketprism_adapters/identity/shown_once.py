"""What is random and shown once: API keys, refresh tokens and cookies of sessions. Only digests of them are stored.

They have 256 bits, which nobody guesses, so that one pass of SHA-256 is enough where a password needs a slow function.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import NamedTuple

_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_KEY = re.compile(r"mp_([a-z0-9]{4,16})_[A-Za-z0-9_-]{43}")
_REFRESH = re.compile(r"mpr_([a-z0-9]{20})_[A-Za-z0-9_-]{43}")
_COOKIE = re.compile(r"[A-Za-z0-9_-]{43}")
_KEY_ID, _FAMILY_ID = 8, 20


class NewSecret(NamedTuple):
    """A secret with the id that is in it, and the digest to store. The text is shown once."""

    id: str
    text: str
    digest: bytes


def new_api_key() -> NewSecret:
    """A key like `mp_<id>_<43 characters>`, whose id is random too."""
    return _new("mp", _random_id(_KEY_ID))


def new_refresh_token(family: str = "") -> NewSecret:
    """`mpr_<family>_<43 characters>`, of a family that is there or of a new one."""
    return _new("mpr", family or _random_id(_FAMILY_ID))


def _new(prefix: str, key: str) -> NewSecret:
    text = f"{prefix}_{key}_{secrets.token_urlsafe(32)}"
    return NewSecret(key, text, digest_of(text))


def new_cookie() -> NewSecret:
    """The value of a session's cookie; the session's id is its digest."""
    text = secrets.token_urlsafe(32)
    return NewSecret(session_id(text), text, digest_of(text))


def new_password() -> str:
    """A password that nobody chose, to be changed by its owner."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(4))


def new_signer_id() -> str:
    """The `kid` of a signing key."""
    return _random_id(16)


def _random_id(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def key_id(text: str) -> str | None:
    """The id in an API key, None for what is none."""
    found = _KEY.fullmatch(text)
    return None if found is None else found[1]


def family_id(text: str) -> str | None:
    """The family of a refresh token, None for what is none."""
    found = _REFRESH.fullmatch(text)
    return None if found is None else found[1]


def session_id(cookie: str) -> str:
    """The id of a cookie's session; empty for what is no cookie of ours."""
    return digest_of(cookie).hex()[:32] if _COOKIE.fullmatch(cookie) else ""


def digest_of(text: str) -> bytes:
    """SHA-256 of the whole text."""
    return hashlib.sha256(text.encode()).digest()


def is_digest_of(digest: bytes, text: str) -> bool:
    """Whether the digest is that of the text, in a time that says nothing about where they differ."""
    return hmac.compare_digest(digest, digest_of(text))


def csrf_of(cookie: str) -> str:
    """What a page of ours sends along with a session's cookie: made of the cookie, which no page can read."""
    return hmac.new(cookie.encode(), b"marketprism csrf", hashlib.sha256).hexdigest()


def is_csrf_of(cookie: str, text: str) -> bool:
    """Whether it was made of this cookie."""
    return hmac.compare_digest(csrf_of(cookie).encode(), text.encode(errors="surrogateescape"))
