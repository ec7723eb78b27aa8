"""What the API says of its requests about who may come in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec
from pydantic import BaseModel, Field

from marketprism_adapters.http.operation import Operation, Schema
from marketprism_application.contracts.failures import Code
from marketprism_services.api.access.bodies import (
    KeyBody,
    KeyChangeBody,
    LoginBody,
    PasswordBody,
    RefreshBody,
    RoleBody,
    RoleChangeBody,
    TokenBody,
    UserBody,
    UserChangeBody,
)
from marketprism_services.api.access.ways_in import WAYS_IN, WaysInParameters
from marketprism_services.settings.oidc import CALLBACK, LOGIN

TAGS: Mapping[str, str] = {
    "auth": "Logins of browsers (a cookie) and of programs (an access and a refresh token).",
    "me": "Keys and sessions of whoever asks.",
    "admin": "Users, keys and roles, and the record of who changed what.",
}
_OBJECT: Schema = {"type": "object"}
_LIST: Schema = {"type": "array", "items": _OBJECT}
_NOTHING: Schema = {"type": "null"}
_LOGIN = (Code.ORIGIN, Code.CSRF, Code.ADDRESS, Code.LOCKED_OUT, Code.UNAVAILABLE)
_CHANGE = (Code.CSRF, Code.ORIGIN, Code.NOT_FOUND, Code.CONFLICT, Code.NOT_ENTITLED, Code.UNAVAILABLE)
_ME, _ADMIN = "/api/v1/me", "/api/v1/admin"


class _Id(BaseModel):
    id: str = Field(description="as the list has it")


class AuditParameters(BaseModel):
    """Which records of the audit log."""

    limit: int = Field(100, ge=1, le=1_000, description="the newest so many")
    before: int | None = Field(None, ge=1, description="those before this `seq`")


class OidcLoginParameters(BaseModel):
    """Where a browser goes on."""

    next: str = Field("/", description="path of this service to go on at after the login")


class OidcCallbackParameters(BaseModel):
    """What the provider sends back with the browser."""

    state: str = Field(description="that of the login")
    code: str = Field("", description="to be exchanged for tokens")
    error: str = Field("", description="why there is no code")
    iss: str = Field("", description="the provider's own name")


def operations() -> Iterator[Operation]:
    """Logins, what is one's own, and what administrators do."""
    yield from _logins()
    yield from _own()
    yield from _administration()


def _logins() -> Iterator[Operation]:
    yield Operation(
        WAYS_IN,
        "By which ways somebody comes in: whether a login is needed, by a password, at an OpenID provider.",
        (WaysInParameters,),
        {
            "type": "object",
            "properties": {
                "mode": {"enum": ["off", "local", "on"]},
                "password": {"type": "boolean"},
                "oidc": {
                    "anyOf": [
                        {
                            "type": "object",
                            "properties": {"label": {"type": "string"}, "path": {"type": "string"}},
                            "required": ["label", "path"],
                        },
                        {"type": "null"},
                    ]
                },
            },
            "required": ["mode", "password", "oidc"],
        },
        tag="auth",
    )
    bodies: tuple[tuple[str, str, type[msgspec.Struct] | None, Schema], ...] = (
        ("login", "A session for a browser; the answer sets its cookie and names its CSRF token.", LoginBody, _OBJECT),
        ("token", "An access token and a refresh token, for a key or for a user.", TokenBody, _OBJECT),
        ("refresh", "The next pair of tokens; a refresh token that comes twice ends its login.", RefreshBody, _OBJECT),
        ("logout", "The end of the session or of the login that the request shows.", None, _NOTHING),
        ("password", "Another password for whoever asks; other sessions end.", PasswordBody, _OBJECT),
    )
    for name, summary, body, data in bodies:
        yield Operation(
            f"/api/v1/auth/{name}", summary, data=data, tag="auth", method="POST", body=body, codes=_CHANGE + _LOGIN
        )
    yield Operation(
        LOGIN,
        "To the OpenID provider of the settings, by a redirection; for browsers.",
        (OidcLoginParameters,),
        tag="auth",
        status=302,
        codes=(Code.NOT_FOUND, Code.UNAVAILABLE),
    )
    yield Operation(
        CALLBACK,
        "Where the provider sends the browser back to: the answer sets the cookie of a session and goes on at `next`.",
        (OidcCallbackParameters,),
        content_types=("text/html",),
        tag="auth",
        codes=(Code.NOT_FOUND, Code.UNAVAILABLE, Code.TOKEN_INVALID, Code.CONFLICT),
    )
    yield Operation(
        "/api/v1/auth/jwks",
        "Public keys that access tokens are signed with, as RFC 7517 has them.",
        content_types=("application/jwk-set+json",),
        tag="auth",
    )


def _own() -> Iterator[Operation]:
    yield Operation(_ME, "Who asks, and what is allowed.", data=_OBJECT, tag="me", codes=_CHANGE)
    yield Operation(f"{_ME}/keys", "Own keys.", data=_LIST, tag="me", codes=_CHANGE)
    yield Operation(
        f"{_ME}/keys",
        "A key of one's own; it is shown this once.",
        data=_OBJECT,
        tag="me",
        method="POST",
        body=KeyBody,
        status=201,
        codes=_CHANGE,
    )
    yield _one(f"{_ME}/keys", "A key revoked.", _OBJECT, "me", "DELETE")
    yield Operation(f"{_ME}/sessions", "Own logins of browsers and of programs.", data=_LIST, tag="me", codes=_CHANGE)
    yield _one(f"{_ME}/sessions", "A login of a browser or of a program ended.", _NOTHING, "me", "DELETE")


def _one(
    path: str, summary: str, data: Schema, tag: str, method: str, body: type[msgspec.Struct] | None = None
) -> Operation:
    """A request about one of a list."""
    return Operation(
        f"{path}/{{id}}",
        summary,
        (_Id,),
        data,
        tag=tag,
        method=method,
        body=body,
        codes=_CHANGE,
        examples={"id": "k7f3"},
    )


def _administration() -> Iterator[Operation]:
    things: tuple[tuple[str, type[msgspec.Struct], type[msgspec.Struct], Schema], ...] = (
        ("user", UserBody, UserChangeBody, _NOTHING),
        ("key", KeyBody, KeyChangeBody, _OBJECT),
        ("role", RoleBody, RoleChangeBody, _NOTHING),
    )
    for thing, new, change, removed in things:
        path = f"{_ADMIN}/{thing}s"
        yield Operation(path, f"Every {thing}.", data=_LIST, tag="admin", codes=_CHANGE)
        yield Operation(
            path, f"A new {thing}.", data=_OBJECT, tag="admin", method="POST", body=new, status=201, codes=_CHANGE
        )
        yield _one(path, f"One {thing}.", _OBJECT, "admin", "GET")
        yield _one(path, f"A {thing} changed.", _OBJECT, "admin", "PATCH", change)
        yield _one(path, f"A {thing} taken out.", removed, "admin", "DELETE")
    yield Operation(
        f"{_ADMIN}/sessions",
        "Logins of everybody, of browsers and of programs.",
        data=_LIST,
        tag="admin",
        codes=_CHANGE,
    )
    yield _one(f"{_ADMIN}/sessions", "A login of anybody ended.", _NOTHING, "admin", "DELETE")
    yield Operation(
        f"{_ADMIN}/limits",
        "Classes of limits, and the rows that were answered today to each account that has so many a day.",
        data=_OBJECT,
        tag="admin",
        codes=_CHANGE,
    )
    yield Operation(
        f"{_ADMIN}/audit", "The newest of the audit log.", (AuditParameters,), _LIST, tag="admin", codes=_CHANGE
    )
