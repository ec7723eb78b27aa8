"""Access tokens: short JWTs that an instance signs with a key of its own, and every instance verifies.

By RFC 8725: one algorithm, fixed here and never taken from the token; its type, issuer and audience are named; every
claim that is needed is required; keys come from the store of access and from nowhere that a token names.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import NamedTuple

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from marketprism_adapters.identity.shown_once import new_signer_id
from marketprism_application.access.refusals import AccessRefused
from marketprism_application.contracts.access_records import Signer
from marketprism_application.contracts.failures import Code

ISSUER, AUDIENCE = "marketprism", "api"
LIFE_S = 900
SKEW_S = 30
SIGNS_S, KEEPS_S = 24 * 3_600, 25 * 3_600  # a key signs for a day, and what it signed is verified an hour longer
LONGEST = 2_048
_ALGORITHM, _TYPE = "EdDSA", "at+jwt"
_CLAIMS = ["iss", "aud", "sub", "sid", "ver", "iat", "exp", "jti"]
_KID = re.compile(r"[a-z0-9]{16}")
_CACHED_S, _CACHED = 60.0, 10_000
_S = 10**9


class Claims(NamedTuple):
    """What a good token says: `subject` is `user:li` or `key:k7f3`, `family` its login, `version` that of the user."""

    subject: str
    family: str
    version: int
    expires_s: int


class TokenSigner:
    """A signing key; its private half never leaves this process."""

    def __init__(self, instance: str, now: int) -> None:
        self._key = Ed25519PrivateKey.generate()
        public = self._key.public_key().public_bytes(
            serialization.Encoding.Raw,
            serialization.PublicFormat.Raw,
        )
        self.record = Signer(
            id=new_signer_id(), public=public, instance=instance, ts_created=now, ts_expires=now + KEEPS_S * _S
        )

    def is_over(self, now: int) -> bool:
        """Whether another one has to sign from now on."""
        return now - self.record.ts_created >= SIGNS_S * _S

    def sign(self, subject: str, family: str, version: int, token_id: str, now: int) -> str:
        """A token that is good for a quarter of an hour."""
        issued_s = now // _S
        claims: dict[str, object] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "sid": family,
            "ver": version,
            "iat": issued_s,
            "exp": issued_s + LIFE_S,
            "jti": token_id,
        }
        headers = {"kid": self.record.id, "typ": _TYPE}
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM, headers=headers)


class TokenVerifier:
    """Verifies tokens; what was good is good for a minute more without a look at its signature."""

    def __init__(self, clock_s: Callable[[], float]) -> None:
        self._clock_s = clock_s
        self._cache: OrderedDict[bytes, tuple[Claims, str, float]] = OrderedDict()

    @staticmethod
    def kid_of(token: str) -> str:
        """The id of the key that a token says it was signed with.

        Raises:
            AccessRefused: TOKEN_INVALID, it is no token of ours by its form.
        """
        if not token.isascii():  # bytes of a header, which are no text
            raise _invalid()
        if len(token) > LONGEST:
            raise AccessRefused(Code.TOKEN_INVALID, f"token: expected at most {LONGEST} bytes, was {len(token)}")
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError as error:
            raise _invalid() from error
        kid = header.get("kid")
        known = header.keys() <= {"alg", "typ", "kid"}
        if not known or header.get("typ") != _TYPE or header.get("alg") != _ALGORITHM or not isinstance(kid, str):
            raise _invalid()
        if not _KID.fullmatch(kid):
            raise _invalid()
        return kid

    def verify(self, token: str, signer: Signer | None) -> Claims:
        """What the token says.

        Raises:
            AccessRefused: TOKEN_INVALID, TOKEN_EXPIRED.
        """
        now_s = self._clock_s()
        if signer is None or signer.ts_expires / _S <= now_s:
            raise _invalid()
        digest = hashlib.sha256(token.encode()).digest()
        cached = self._cache.get(digest)
        if cached is not None and cached[1] == signer.id and now_s < min(cached[2], cached[0].expires_s + SKEW_S):
            return cached[0]
        claims = self._decode(token, signer, now_s)
        self._cache[digest] = (claims, signer.id, now_s + _CACHED_S)
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        return claims

    def forget(self, signer: str = "") -> None:
        """Look at every signature again, or at those of one key."""
        for digest, (_, kid, _) in list(self._cache.items()):
            if not signer or kid == signer:
                del self._cache[digest]

    @staticmethod
    def _decode(token: str, signer: Signer, now_s: float) -> Claims:
        try:
            key = Ed25519PublicKey.from_public_bytes(signer.public)
            claims = jwt.decode(
                token,
                key,
                algorithms=[_ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={"require": _CLAIMS, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
            subject, family, version = claims["sub"], claims["sid"], claims["ver"]
            issued_s, expires_s, begins_s = claims["iat"], claims["exp"], claims.get("nbf", 0)
        except (jwt.PyJWTError, ValueError, UnsupportedAlgorithm) as error:
            raise _invalid() from error
        texts = isinstance(subject, str) and isinstance(family, str)
        numbers = all(type(each) is int for each in (version, issued_s, expires_s, begins_s))
        if not texts or not numbers or max(issued_s, begins_s) > now_s + SKEW_S:
            raise _invalid()
        if expires_s + SKEW_S <= now_s:
            text = f"token: expected one that is valid, it ended {now_s - expires_s:.0f} s ago"
            raise AccessRefused(Code.TOKEN_EXPIRED, text)
        return Claims(subject, family, version, expires_s)


def _invalid() -> AccessRefused:
    return AccessRefused(Code.TOKEN_INVALID, "token: expected one that this service has issued, was another")


def jwks(signers: Iterable[Signer], now: int) -> dict[str, object]:
    """The public keys as a JSON Web Key Set, those that still verify."""
    keys = [
        {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": base64.urlsafe_b64encode(each.public).rstrip(b"=").decode(),
            "kid": each.id,
            "alg": _ALGORITHM,
            "use": "sig",
        }
        for each in signers
        if each.ts_expires > now
    ]
    return {"keys": keys}
