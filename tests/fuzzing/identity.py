"""What says who somebody is: keys, tokens, cookies, logins, roles, networks."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import cache

from marketprism_adapters.identity.oidc_attempt import LoginAttempt, check_path
from marketprism_adapters.identity.oidc_tokens import head_of, key_for, signing_keys, verified
from marketprism_adapters.identity.shown_once import family_id, is_csrf_of, key_id, session_id
from marketprism_adapters.identity.tokens import TokenSigner, TokenVerifier
from marketprism_application.access.addresses import forwarded, forwarded_for, is_from, parsed, place_of
from marketprism_application.access.entitlements import matches_any
from marketprism_application.access.granting import check_cidrs, check_name, check_scopes, check_subject, check_text
from marketprism_application.access.refusals import AccessRefused
from marketprism_application.access.rights import scopes_named
from marketprism_application.errors import ApplicationError, QueryError
from tests.fuzzing.mutation import mutated_bytes, words
from tests.fuzzing.target import Target, expect, text_of
from tests.fuzzing.target import check_text as check_refusal

_S = 10**9
_NOW = 1_767_225_600 * _S


@cache
def _signer() -> TokenSigner:
    return TokenSigner("one", _NOW)


@cache
def _signed() -> str:
    return _signer().sign("li", "f" * 12, 1, "t", _NOW)


def _token(data: bytes) -> None:
    """A token of ours: only the one that was signed is good."""
    token = data.decode("latin-1")
    verifier = TokenVerifier(lambda: _NOW / _S)
    verifier.kid_of(token)
    claims = verifier.verify(token, _signer().record)
    expect(claims.subject == "li", "a token of somebody else is good")


def _foreign(data: bytes) -> None:
    """A token of a provider, by the keys of a key set that anybody may have written."""
    keys_text, _, token = data.decode("latin-1").partition("\n")
    try:
        rows = json.loads(keys_text)
    except (ValueError, RecursionError):
        rows = []
    keys = signing_keys(rows if isinstance(rows, list) else [rows])
    head = head_of(token)
    key = key_for(head, keys)
    if key is not None:
        claims = verified(token, head, key, "https://login.example", "us", _NOW / _S, "n")
        claims.text("a.b")
        claims.texts("groups")


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _foreign_seeds() -> list[bytes]:
    head = {"alg": "EdDSA", "kid": "k", "typ": "JWT"}
    claims = {
        "iss": "https://login.example",
        "aud": "us",
        "sub": "li",
        "iat": 1_767_225_600,
        "exp": 1_767_229_200,
        "nonce": "n",
    }
    keys = [
        {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": base64.urlsafe_b64encode(bytes(32)).decode().rstrip("="),
            "kid": "k",
            "alg": "EdDSA",
        }
    ]
    token = f"{_part(head)}.{_part(claims)}.{base64.urlsafe_b64encode(bytes(64)).decode().rstrip('=')}"
    return [f"{json.dumps(keys)}\n{token}".encode(), f"[]\n{_part(head | {'alg': 'none'})}.{_part(claims)}.".encode()]


def _shown(data: bytes) -> None:
    """A key, a refresh token, a cookie, a login's state: of none is anything believed that was not made here."""
    text = text_of(data)
    for ask in (key_id, family_id, session_id):
        found = ask(text)
        expect(
            found is None
            or found == ""
            or found.isalnum()
            or set(found) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"),
            "an id that is no token of a key",
        )
    expect(not is_csrf_of(text, "") and not is_csrf_of("", text), "nothing is good for nothing")
    attempt = LoginAttempt("s" * 43)
    try:
        attempt.path_of(text, _NOW / _S)
    except AccessRefused:
        pass
    else:
        expect(text == attempt.state("/", _NOW / _S) or "." in text, "a state that nobody made")
    path = check_path(text)
    expect(path.startswith("/") and not path.startswith(("//", "/\\")), f"a path to another host: {path!r}")


def _rights(data: bytes) -> None:
    """Names, texts, subjects, scopes and networks as whoever administrates writes them."""
    lines = [*text_of(data).split("\n"), "", "", ""][:4]
    scopes_named(lines)
    matches_any(lines[0], tuple(lines[1:]))
    for hop in (*forwarded(lines), *forwarded_for(lines)):
        parsed(hop)
        place_of(hop)
    networks = tuple(each for each in lines[1:] if each)
    checks: tuple[Callable[[], object], ...] = (
        lambda: is_from(lines[0], networks) if check_cidrs(networks) is None else None,
        lambda: check_text("display", lines[2]),
        lambda: check_name("name", lines[0]),
        lambda: check_subject(lines[1]),
        lambda: check_scopes(lines[3].split(",")),
    )
    for check in checks:
        try:
            check()
        except ApplicationError as error:
            check_refusal(error)


TARGETS = (
    Target(
        "token",
        _token,
        (AccessRefused,),
        lambda: [_signed().encode(), b"a.b.c", f"{_part({'alg': 'EdDSA', 'typ': 'JWT', 'kid': 'a'})}..".encode()],
        mutated_bytes,
    ),
    Target("token-foreign", _foreign, (AccessRefused,), _foreign_seeds, mutated_bytes),
    Target(
        "credentials",
        _shown,
        (QueryError, AccessRefused),
        lambda: [
            b"/console/",
            b"mp_abcdefghijkl_" + b"a" * 43,
            LoginAttempt("s" * 43).state("/x", _NOW / _S).encode(),
            b"//evil.example",
            b"/a?b=c#d",
        ],
        words("/", "\\", "//", "mp_", "mpr_", ".", "%2f", "https:", "@", "?"),
    ),
    Target(
        "rights",
        _rights,
        (ApplicationError,),
        lambda: [
            b"li\n\ntext\nread,history",
            b"10.1.2.3\n10.0.0.0/8\n10.0.0.0/8\n",
            b'for=1.2.3.4;by=a, for="[::1]:80"\n::ffff:1.2.3.4/96\n\nread',
        ],
        words("\n", "::", "/", "10.0.0.", "for=", "*", "?", "[", "]", "read", ",", "fe80::1%eth0"),
    ),
)
