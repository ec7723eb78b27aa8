"""Tokens that an OpenID provider has signed: which keys count, and what a token has to say.

By RFC 8725 and OpenID Connect Core 3.1.3.7: algorithms are asymmetric and listed here, keys come from the provider's
own key set and from nowhere that a token names, and issuer, audience, times and nonce are compared.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from marketprism_application.access.refusals import AccessRefused
from marketprism_application.contracts.failures import Code

ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
LONGEST = 16_384
SKEW_S = 30
_KEY_BITS = 2_048
_REQUIRED = ["iss", "aud", "sub", "exp", "iat"]
_SUBJECT = 255  # letters, by OpenID Connect Core 2


class ProviderClaims(NamedTuple):
    """What a good token of the provider says. Times are seconds since 1970."""

    subject: str
    expires_s: int
    claims: Mapping[str, object]

    def text(self, name: str) -> str:
        """A claim that is a text; empty where it is none."""
        found = self._at(name)
        return found if isinstance(found, str) else ""

    def texts(self, name: str) -> tuple[str, ...] | None:
        """A claim that is a list of texts, or one of them; None where there is no such claim."""
        found = self._at(name)
        if isinstance(found, str):
            return tuple(found.split())
        if isinstance(found, list):
            return tuple(each for each in found if isinstance(each, str))
        return None

    def _at(self, name: str) -> object:
        if name in self.claims:  # some providers have claims named by URLs
            return self.claims[name]
        found: object = self.claims
        for part in name.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        return found


class SigningKey(NamedTuple):
    """A public key of the provider; `algorithm` is empty where its key set names none."""

    id: str
    algorithm: str
    key: object


def signing_keys(rows: Iterable[object]) -> list[SigningKey]:
    """The keys of a key set that sign; what is for something else, secret or too weak is left out."""
    found = []
    for row in rows:
        if not isinstance(row, dict) or row.get("kty") not in ("RSA", "EC", "OKP") or row.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK.from_dict(row)
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            continue  # of a kind that is not known here: nothing is verified with it
        if isinstance(key.key, RSAPublicKey) and key.key.key_size < _KEY_BITS:
            continue
        found.append(SigningKey(str(row.get("kid", "")), str(row.get("alg", "")), key.key))
    return found


class TokenHead(NamedTuple):
    """What a token says before anybody has verified it: which key and algorithm, and who is said to have signed."""

    key_id: str
    algorithm: str
    issuer: str


def head_of(token: str) -> TokenHead:
    """The head of a token.

    Raises:
        AccessRefused: TOKEN_INVALID, it is none by its form, or is signed by an algorithm that does not count.
    """
    if len(token) > LONGEST:
        raise AccessRefused(Code.TOKEN_INVALID, f"token: expected at most {LONGEST} bytes, was {len(token)}")
    try:
        unverified = jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise invalid() from error
    header, issuer = unverified["header"], unverified["payload"].get("iss")
    algorithm, key_id = header.get("alg"), header.get("kid", "")
    if algorithm not in ALGORITHMS or not isinstance(key_id, str) or not isinstance(issuer, str):
        raise invalid()
    return TokenHead(key_id, algorithm, issuer)


def key_for(head: TokenHead, keys: Iterable[SigningKey]) -> SigningKey | None:
    """The key that a token names; of a token that names none, the only one there is."""
    fitting = [each for each in keys if each.algorithm in ("", head.algorithm)]
    if head.key_id:
        return next((each for each in fitting if each.id == head.key_id), None)
    return fitting[0] if len(fitting) == 1 else None


def verified(
    token: str, head: TokenHead, key: SigningKey, issuer: str, audience: str, now_s: float, nonce: str | None = None
) -> ProviderClaims:
    """What a token says; with a nonce, one that answers the login of this nonce.

    Raises:
        AccessRefused: TOKEN_INVALID, TOKEN_EXPIRED.
    """
    try:
        claims = jwt.decode(
            token,
            key.key,  # type: ignore[arg-type]  # a public key of one of the three kinds above
            algorithms=[head.algorithm],
            audience=audience,
            issuer=issuer,
            options={"require": _REQUIRED, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise invalid() from error
    subject, issued_s, expires_s, begins_s = claims["sub"], claims["iat"], claims["exp"], claims.get("nbf", 0)
    if not isinstance(subject, str) or not 0 < len(subject) <= _SUBJECT or not subject.isprintable():
        raise invalid()
    if not all(type(each) in (int, float) for each in (issued_s, expires_s, begins_s)):
        raise invalid()
    if max(issued_s, begins_s) > now_s + SKEW_S:
        raise invalid()
    if expires_s + SKEW_S <= now_s:
        text = f"token: expected one that is valid, it ended {now_s - expires_s:.0f} s ago"
        raise AccessRefused(Code.TOKEN_EXPIRED, text)
    if nonce is not None:
        _check_login(claims, audience, nonce)
    return ProviderClaims(subject, int(expires_s), claims)


def _check_login(claims: Mapping[str, object], client: str, nonce: str) -> None:
    """Raises AccessRefused: an ID token of another login, or one that was made for another client."""
    given = claims.get("nonce")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
        raise AccessRefused(Code.TOKEN_INVALID, "nonce: expected that of this login, was another")
    audiences, party = claims.get("aud"), claims.get("azp")
    if party != client and (party is not None or (isinstance(audiences, list) and len(audiences) > 1)):
        raise AccessRefused(Code.TOKEN_INVALID, "azp: expected this client, was another")


def invalid() -> AccessRefused:
    """The refusal of a token, which does not say what gave it away."""
    return AccessRefused(Code.TOKEN_INVALID, "token: expected one that the provider has signed for this service")
