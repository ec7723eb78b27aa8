"""Access tokens: what is not exactly what this service signs is refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from marketprism_adapters.identity.tokens import LIFE_S, SKEW_S, TokenSigner, TokenVerifier, jwks
from marketprism_application.access.refusals import AccessRefused
from marketprism_application.contracts.access_records import Signer

NOW = int(time.time()) * 10**9
CLAIMS: dict[str, Any] = {
    "iss": "marketprism",
    "aud": "api",
    "sub": "user:ann",
    "sid": "f1",
    "ver": 1,
    "iat": NOW // 10**9,
    "exp": NOW // 10**9 + 900,
    "jti": "j",
}


class Issuer:
    """A key whose public half is known, and whoever has its private half."""

    def __init__(self) -> None:
        self.private = Ed25519PrivateKey.generate()
        self.public = self.private.public_key().public_bytes_raw()
        self.signer = Signer(id="a" * 16, public=self.public, ts_expires=NOW + 10**15)
        self.verifier = TokenVerifier(lambda: NOW / 1e9)

    def token(self, claims: dict[str, Any] | None = None, private: Any = None, **headers: Any) -> str:
        named = {"kid": self.signer.id, "typ": "at+jwt", **headers}
        return jwt.encode({**CLAIMS, **(claims or {})}, private or self.private, algorithm="EdDSA", headers=named)

    def code(self, token: str) -> str:
        try:
            known = {self.signer.id: self.signer}
            self.verifier.verify(token, known.get(self.verifier.kid_of(token)))
        except AccessRefused as error:
            return str(error.code)
        return "good"


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_what_an_instance_signs_every_instance_verifies() -> None:
    signer, verifier = TokenSigner("api-1", NOW), TokenVerifier(lambda: NOW / 1e9)
    token = signer.sign("user:ann", "f1", 3, "j1", NOW)
    assert verifier.kid_of(token) == signer.record.id
    for _ in range(2):  # the second time without a look at the signature
        claims = verifier.verify(token, signer.record)
        assert (claims.subject, claims.family, claims.version) == ("user:ann", "f1", 3)
    verifier.forget(signer.record.id)
    with pytest.raises(AccessRefused):
        verifier.verify(token, None)
    assert not signer.is_over(NOW)
    assert signer.is_over(NOW + 24 * 3_600 * 10**9)


def test_a_token_ends_also_where_it_was_seen_before() -> None:
    now = [NOW / 1e9]
    signer, verifier = TokenSigner("api-1", NOW), TokenVerifier(lambda: now[0])
    token = signer.sign("user:ann", "f1", 3, "j1", NOW)
    now[0] += LIFE_S + SKEW_S - 1
    verifier.verify(token, signer.record)
    now[0] += 2
    with pytest.raises(AccessRefused, match="it ended 31 s ago") as error:
        verifier.verify(token, signer.record)
    assert error.value.code == "TOKEN_EXPIRED"


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "other"},
        {"aud": None},
        {"iss": "other"},
        {"sub": 7},
        {"sid": None},
        {"ver": "1"},
        {"ver": True},
        {"exp": "later"},
        {"iat": NOW // 10**9 + 3_600},
        {"nbf": NOW // 10**9 + 3_600},
        {"nbf": "x"},
        *({name: ...} for name in CLAIMS),
    ],
    ids="-".join,
)
def test_claims_that_are_missing_or_others_are_refused(issuer: Issuer, claims: dict[str, Any]) -> None:
    wanted = {**CLAIMS, **claims}
    wanted = {name: value for name, value in wanted.items() if value is not ...}
    headers = {"kid": issuer.signer.id, "typ": "at+jwt"}
    header, body = part({"alg": "EdDSA", **headers}), part(wanted)
    signature = base64.urlsafe_b64encode(issuer.private.sign(f"{header}.{body}".encode())).rstrip(b"=").decode()
    assert issuer.code(f"{header}.{body}.{signature}") == "TOKEN_INVALID"


def test_attacks_on_its_form_are_refused(issuer: Issuer) -> None:
    assert issuer.code(issuer.token()) == "good"
    assert issuer.code(issuer.token({"exp": NOW // 10**9 - 60})) == "TOKEN_EXPIRED"
    forged = {
        "another key": issuer.token(private=Ed25519PrivateKey.generate()),
        "another kid": issuer.token(kid="b" * 16),
        "kid with a path": issuer.token(kid="../../etc/passwd"),
        "kid that is none": issuer.token(kid="a" * 15 + "\n"),
        "jku": issuer.token(jku="https://evil.example/jwks"),
        "x5u": issuer.token(x5u="https://evil.example/x"),
        "embedded key": issuer.token(jwk={"kty": "OKP"}),
        "another type": issuer.token(typ="JWT"),
        "3 kB": issuer.token({"jti": "x" * 3_000}),
        "two parts": issuer.token().rpartition(".")[0],
        "noise": "a.b.c",
        "nothing": "",
    }
    head = {"kid": issuer.signer.id, "typ": "at+jwt"}
    body = part(CLAIMS)
    forged["none"] = f"{part({'alg': 'none', **head})}.{body}."
    for alg in ("HS256", "EdDSA"):
        header = part({"alg": alg, **head})
        mac = hmac.new(issuer.public, f"{header}.{body}".encode(), hashlib.sha256).digest()
        forged[f"{alg} by the public key"] = f"{header}.{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    assert {name: issuer.code(token) for name, token in forged.items()} == dict.fromkeys(forged, "TOKEN_INVALID")
    old = Signer(id=issuer.signer.id, public=issuer.public, ts_expires=NOW - 1)
    with pytest.raises(AccessRefused):
        issuer.verifier.verify(issuer.token(), old)


def test_public_keys_are_shown_as_libraries_read_them(issuer: Issuer) -> None:
    shown = jwks([issuer.signer, Signer(id="b" * 16, public=issuer.public, ts_expires=NOW - 1)], NOW)
    (key,) = jwt.PyJWKSet.from_dict(shown).keys
    assert key.key_id == issuer.signer.id
    # By the library's own clock, which goes on while other tests run.
    claims = jwt.decode(issuer.token(), key.key, algorithms=["EdDSA"], audience="api", options={"verify_exp": False})
    assert claims["sub"] == "user:ann"
