"""Tokens of an OpenID provider: what a good one says, and each way in which one is none."""

from __future__ import annotations

import base64
import hmac
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from marketprism_adapters.identity.oidc_attempt import LIFE_S, LoginAttempt, check_path
from marketprism_adapters.identity.oidc_tokens import head_of, key_for, signing_keys, verified
from marketprism_application.access.refusals import AccessRefused
from marketprism_application.errors import ApplicationError

NOW = 1_800_000_000
ISSUER, CLIENT = "https://login.example", "desk"
RSA, EC, ED = (
    rsa.generate_private_key(65_537, 2_048),
    ec.generate_private_key(ec.SECP256R1()),
    ed25519.Ed25519PrivateKey.generate(),
)
PRIVATE: dict[str, Any] = {"RS256": RSA, "PS512": RSA, "ES256": EC, "EdDSA": ED}


def jwk(key: Any, **more: str) -> dict[str, object]:
    algorithm = {rsa.RSAPrivateKey: jwt.algorithms.RSAAlgorithm, ec.EllipticCurvePrivateKey: jwt.algorithms.ECAlgorithm}
    of = next((found for kind, found in algorithm.items() if isinstance(key, kind)), jwt.algorithms.OKPAlgorithm)
    return {**of.to_jwk(key.public_key(), as_dict=True), "use": "sig", **more}  # type: ignore[attr-defined]


ROWS = [jwk(RSA, kid="r"), jwk(EC, kid="e", alg="ES256"), jwk(ED, kid="d")]
KIDS = {"RS256": "r", "PS512": "r", "ES256": "e", "EdDSA": "d"}


def token(algorithm: str = "RS256", kid: str | None = None, **changes: object) -> str:
    claims = {"iss": ISSUER, "aud": CLIENT, "sub": "ann", "iat": NOW, "exp": NOW + 300, "nonce": "n", **changes}
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, PRIVATE[algorithm], algorithm, {"kid": KIDS[algorithm] if kid is None else kid})


def read(text: str, rows: list[Any] | None = None, nonce: str | None = "n") -> Any:
    head = head_of(text)
    key = key_for(head, signing_keys(ROWS if rows is None else rows))
    return None if key is None else verified(text, head, key, ISSUER, CLIENT, NOW, nonce)


@pytest.mark.parametrize("algorithm", sorted(PRIVATE))
def test_a_token_says_who_it_is_by_each_kind_of_key(algorithm: str) -> None:
    found = read(token(algorithm, realm={"roles": ["a", 1, "b"]}, name="Ann"))
    assert (found.subject, found.expires_s, found.text("name")) == ("ann", NOW + 300, "Ann")
    assert (found.texts("realm.roles"), found.texts("name"), found.texts("none")) == (("a", "b"), ("Ann",), None)
    assert read(token(aud=[CLIENT, "other"], azp=CLIENT)).subject == "ann"


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": f"{ISSUER}/"},
        {"aud": "other"},
        {"aud": None},
        {"aud": [CLIENT, "other"]},
        {"azp": "other"},
        {"sub": ""},
        {"sub": None},
        {"sub": "a" * 256},
        {"sub": "a\nb"},
        {"iat": NOW + 60},
        {"iat": str(NOW)},
        {"iat": None},
        {"nbf": NOW + 60},
        {"exp": None},
        {"exp": True},
        {"exp": NOW - 31},
        {"nonce": None},
        {"nonce": "m"},
        {"nonce": "é"},
        {"nonce": 1},
    ],
    ids=str,
)
def test_what_a_token_has_to_say_is_asked_for(changes: dict[str, object]) -> None:
    with pytest.raises(AccessRefused) as refused:
        read(token(**changes))
    assert refused.value.code == ("TOKEN_EXPIRED" if changes == {"exp": NOW - 31} else "TOKEN_INVALID")


def test_a_key_counts_for_what_its_set_says() -> None:
    public = RSA.public_key().public_numbers().n.to_bytes(256, "big")
    shared = jwt.encode({"iss": ISSUER, "aud": CLIENT, "sub": "ann"}, public, "HS256", {"kid": "r"})
    for text in (shared, jwt.encode({"iss": ISSUER}, None, "none"), "a.b.c", "", "é", "x" * 20_000):
        with pytest.raises(AccessRefused) as refused:
            head_of(text)
        assert refused.value.code == "TOKEN_INVALID"
    assert read(token(kid="another")) is None
    assert read(token("ES256"), [jwk(EC, kid="e", alg="ES384")]) is None
    assert read(token("RS256"), [jwk(RSA, kid="r", use="enc")]) is None
    weak = rsa.generate_private_key(65_537, 1_024)
    oct_key = {"kty": "oct", "k": "AAAA", "kid": "r"}
    assert signing_keys([jwk(weak, kid="r"), oct_key, "x", {"kty": "RSA"}, {"kty": "EC", "crv": "x"}]) == []
    with pytest.raises(AccessRefused):  # a key of another kind under the name of the right one
        read(token("RS256"), [jwk(EC, kid="r")])
    assert read(token(kid=""), [jwk(RSA, kid="r")]).subject == "ann"
    assert read(token(kid="")) is None  # which one is not said
    with pytest.raises(AccessRefused):
        read(token(crit=["x"])[:-4] + "AAAA")


def test_a_state_is_of_one_browser_for_ten_minutes_and_leads_to_a_path_of_ours() -> None:
    attempt = LoginAttempt()
    state = attempt.state("/m/shfe.rb2610?i=1m", NOW)
    assert attempt.path_of(state, NOW + LIFE_S) == "/m/shfe.rb2610?i=1m"
    assert len({attempt.nonce, attempt.verifier, attempt.challenge, attempt.secret, state}) == 5
    for other, when in (
        (LoginAttempt(), NOW),
        (attempt, NOW + LIFE_S + 1),
        (attempt, NOW - 60),
        (LoginAttempt("x"), NOW),
    ):
        with pytest.raises(AccessRefused):
            other.path_of(state, when)
    for crafted in ("//evil.example", "/\\evil", "https://evil", "/\n", "é"):  # whoever has the secret can seal it
        with pytest.raises(ApplicationError):
            attempt.path_of(attempt.state(crafted, NOW), NOW)
    # What is sealed, but is no base64 of anything.
    rest = f"{NOW}.A"
    seal = hmac.digest(attempt.secret.encode(), f"oidc state {rest}".encode(), "sha256")
    sealed = base64.urlsafe_b64encode(seal).rstrip(b"=").decode()
    with pytest.raises(AccessRefused):
        attempt.path_of(f"{sealed}.{rest}", NOW)
    assert [check_path(each) for each in ("/", "/a//b", "/~x")] == ["/", "/a//b", "/~x"]
