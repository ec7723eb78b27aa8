"""One request that is answered, and what whoever asks needs for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from typing import NamedTuple, TypeAlias

from aiohttp import web

from marketprism_application.access.principal import Principal
from marketprism_application.access.scopes import Scope

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
Refused: TypeAlias = Callable[[web.Request, web.Response], web.Response]
PRINCIPAL = web.RequestKey("principal", Principal)


class Endpoint(NamedTuple):
    """A method and a path, who answers, and which scope is needed; None for what anybody may ask.

    `weight` is what a request takes of its caller's rate. `bulk` answers may be large: they wait behind the others when
    a backend is full. `lasting` ones are streams: they have limits of their own, and take no place of a request.
    What is `deprecated` says so to callers, and when it goes (`sunset`), and what path takes its place (`successor`);
    where it says nothing, its version does. `refused` makes what a person sees of the envelope of a refusal.
    """

    method: str
    path: str
    handler: Handler
    scope: Scope | None
    weight: int = 1
    bulk: bool = False
    lasting: bool = False
    deprecated: date | None = None
    sunset: date | None = None
    successor: str = ""
    refused: Refused | None = None


def principal_of(request: web.Request) -> Principal:
    """Who asks, as the door has found out."""
    return request[PRINCIPAL]
