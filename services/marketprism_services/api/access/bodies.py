"""Bodies of the requests about access: what each may hold, and nothing beside."""

from __future__ import annotations

from typing import Literal, TypeVar

import msgspec
from aiohttp import web
from msgspec import UNSET, UnsetType

from marketprism_adapters.http.envelope import REQUEST_ID
from marketprism_application.access.audit import Actor
from marketprism_application.access.principal import Principal
from marketprism_application.contracts.access_records import Grant
from marketprism_application.contracts.failures import wrong_field
from marketprism_application.errors import QueryError
from marketprism_services.api.caller_address import address_of

B = TypeVar("B", bound=msgspec.Struct)
_LONGEST = 65_536


class LoginBody(msgspec.Struct, forbid_unknown_fields=True):
    """A login by a browser."""

    user: str
    password: str


class TokenBody(msgspec.Struct, forbid_unknown_fields=True):
    """A login by a program: with a key, or with a user and its password."""

    grant: Literal["key", "password"]
    key: str = ""
    user: str = ""
    password: str = ""


class RefreshBody(msgspec.Struct, forbid_unknown_fields=True):
    """A refresh token, for the next one and an access token."""

    refresh: str


class PasswordBody(msgspec.Struct, forbid_unknown_fields=True):
    """Another password for whoever asks."""

    password: str
    new: str


class KeyBody(msgspec.Struct, forbid_unknown_fields=True):
    """A new key; `owner` and `limits` are for administrators."""

    name: str = ""
    scopes: tuple[str, ...] | None = None
    entitlements: tuple[Grant, ...] | None = None
    days: float | None = None
    cidrs: tuple[str, ...] = ()
    limits: str = ""
    rows_per_day: int = 0
    owner: str = ""


class KeyChangeBody(msgspec.Struct, forbid_unknown_fields=True):
    """What of a key is to be another."""

    name: str | UnsetType = UNSET
    scopes: tuple[str, ...] | UnsetType | None = UNSET
    entitlements: tuple[Grant, ...] | UnsetType | None = UNSET
    days: float | UnsetType | None = UNSET
    cidrs: tuple[str, ...] | UnsetType = UNSET
    limits: str | UnsetType = UNSET
    rows_per_day: int | UnsetType = UNSET


class UserBody(msgspec.Struct, forbid_unknown_fields=True):
    """A new user; one without a password gets one that is shown once and has to be changed.

    Whoever has a `subject` at an OpenID provider (its issuer, a space, the subject) gets only a password that is given.
    """

    id: str
    roles: tuple[str, ...]
    display: str = ""
    subject: str = ""
    entitlements: tuple[Grant, ...] | None = None
    limits: str = ""
    rows_per_day: int = 0
    password: str = ""
    service: bool = False


class UserChangeBody(msgspec.Struct, forbid_unknown_fields=True):
    """What of a user is to be another."""

    roles: tuple[str, ...] | UnsetType = UNSET
    display: str | UnsetType = UNSET
    subject: str | UnsetType = UNSET
    entitlements: tuple[Grant, ...] | UnsetType | None = UNSET
    limits: str | UnsetType = UNSET
    rows_per_day: int | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET
    password: str | UnsetType = UNSET


class RoleBody(msgspec.Struct, forbid_unknown_fields=True):
    """A new role."""

    id: str
    scopes: tuple[str, ...]
    entitlements: tuple[Grant, ...] | None = None
    description: str = ""


class RoleChangeBody(msgspec.Struct, forbid_unknown_fields=True):
    """What of a role is to be another."""

    scopes: tuple[str, ...] | UnsetType = UNSET
    entitlements: tuple[Grant, ...] | UnsetType | None = UNSET
    description: str | UnsetType = UNSET


async def body_of(request: web.Request, kind: type[B]) -> B:
    """The request's body. Raises QueryError: it is no JSON, or not what is expected."""
    if request.content_type != "application/json":
        raise QueryError(f"Content-Type: expected application/json, was {request.content_type[:64]!r}")
    data = await request.read()
    if len(data) > _LONGEST:
        raise QueryError(f"body: expected at most {_LONGEST} bytes, was {len(data)}")
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise QueryError(wrong_field(error, "body")) from error


def actor_of(request: web.Request, who: Principal) -> Actor:
    """Who does it, from where, by which request."""
    return Actor(who, address_of(request), request.get(REQUEST_ID) or "")
