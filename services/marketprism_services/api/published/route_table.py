"""Requests that services have published, by method and path: which of them this door serves, and why not the others.

A service has the paths behind `/api/v1/<its name>`, or its plural, unless that is a word of the gateway's own. Of two
declarations of one request, as two versions of a service have them, the one that was known first stands until nobody
has it any more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from marketprism_application.access.scopes import Scope
from marketprism_sdk.messaging import HTTP_EVENTS, HTTP_PREFIX, HttpInterface, ServiceInterface

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
MOST_REQUESTS = 64
_MOST_WEIGHT, _LONGEST_S = 1_000, 300.0
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_SEGMENT = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_FIELD = re.compile(r"\{([a-z_]{1,40})\}")
_MOST_SEGMENTS = 12

Shape = tuple[str, ...]  # the segments behind the prefix, empty ones where a value is


@dataclass(slots=True)
class Published:
    """A request of a service. `digests` are the interfaces that have it just like this."""

    service: str
    declared: HttpInterface
    scope: Scope
    segments: tuple[str, ...]
    digests: set[str] = field(default_factory=set)

    @property
    def changes_nothing(self) -> bool:
        """Whether it reads or calculates: it may be asked twice, and is no change for the audit log."""
        return self.declared.method == "GET" or self.scope is Scope.CALCULATE

    @property
    def is_followed(self) -> bool:
        """Whether its answer is sent on as events while it changes."""
        return self.declared.method == "GET" and self.declared.content_types == (HTTP_EVENTS,)

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of its values in the path."""
        return tuple(found[1] for each in self.segments if (found := _FIELD.fullmatch(each)))

    def values_of(self, parts: tuple[str, ...]) -> dict[str, str]:
        """The values in a path that it fits."""
        pairs = zip(self.segments, parts, strict=True)
        return {found[1]: part for each, part in pairs if (found := _FIELD.fullmatch(each))}


class NotServed(NamedTuple):
    """A request that was declared and is not served."""

    service: str
    request: str
    why: str


class RouteTable:
    """Made anew whenever the interfaces are others. `reserved` are the gateway's own first words."""

    def __init__(self, interfaces: Iterable[ServiceInterface], reserved: frozenset[str]) -> None:
        self._routes: dict[str, dict[tuple[str, Shape], Published]] = {}
        self.not_served: list[NotServed] = []
        for interface in interfaces:
            self._add_all(interface, reserved)

    def services(self) -> list[str]:
        """Services that have requests here."""
        return list(dict.fromkeys(each.service for each in self.requests()))

    def requests(self) -> list[Published]:
        """Every request that is served."""
        return [each for routes in self._routes.values() for each in routes.values()]

    def find(self, service: str, method: str, parts: tuple[str, ...]) -> tuple[Published | None, set[str]]:
        """The request of a method and the parts of its path behind the prefix, a literal part before a value; and the
        methods that the path has."""
        routes = self._routes.get(service, {})
        fitting = [each for each in routes.values() if _fits(each.segments, parts)]
        methods = {each.declared.method for each in fitting}
        of_method = [each for each in fitting if each.declared.method == method]
        found = min(
            of_method, key=lambda each: [_FIELD.fullmatch(part) is not None for part in each.segments], default=None
        )
        return found, methods

    def _add_all(self, interface: ServiceInterface, reserved: frozenset[str]) -> None:
        if not interface.requests:
            return
        service, digest = interface.service, interface.digest
        if not _NAME.fullmatch(service):
            self._refuse(service, "", "service: expected a name of a-z, 0-9, - and _")
            return
        if service in reserved:
            self._refuse(service, "", f"path: expected one that the gateway does not have, was {HTTP_PREFIX}{service}")
            return
        words = {service, f"{service}s"} - reserved
        if len(interface.requests) > MOST_REQUESTS:
            text = f"requests: expected at most {MOST_REQUESTS}, was {len(interface.requests)}"
            self._refuse(service, "", text)
            return
        for declared in interface.requests:
            why = self._add(service, digest, declared, words)
            if why:
                self._refuse(service, f"{declared.method[:10]} {declared.path[:120]}", why)

    def _add(self, service: str, digest: str, declared: HttpInterface, words: set[str]) -> str:
        """Why it is not served, empty where it is. `words` are those that its paths may begin with."""
        word = declared.path.removeprefix(HTTP_PREFIX).partition("/")[0]
        prefix = f"{HTTP_PREFIX}{word}"
        if word not in words or not declared.path.startswith(HTTP_PREFIX):
            return f"path: expected one behind {HTTP_PREFIX}{service}"
        segments = tuple(declared.path.removeprefix(prefix).split("/")[1:])
        fields = [found[1] for each in segments if (found := _FIELD.fullmatch(each))]
        if len(segments) > _MOST_SEGMENTS or not all(_SEGMENT.fullmatch(e) or _FIELD.fullmatch(e) for e in segments):
            return f"path: expected at most {_MOST_SEGMENTS} parts of a-z, 0-9, . - and _, or {{name}}"
        if len(set(fields)) < len(fields):
            return "path: expected each {name} once"
        if declared.method not in METHODS:
            return f"method: expected one of {', '.join(METHODS)}"
        try:
            scope = Scope(declared.scope)
        except ValueError:
            return f"scope: expected one of {', '.join(Scope)}, was {declared.scope[:40]!r}"
        if why := _out_of_bounds(declared):
            return why
        shape = tuple("" if _FIELD.fullmatch(each) else each for each in segments)
        routes = self._routes.setdefault(word, {})
        before = routes.get((declared.method, shape))
        if before is None:
            routes[declared.method, shape] = Published(service, declared, scope, segments, {digest})
        elif before.service != service:
            return f"path: expected one that no other service has, was one of {before.service}"
        elif before.declared == declared:
            before.digests.add(digest)
        elif digest in before.digests:
            return "request: expected once, was declared twice"
        else:
            return (
                "request: expected as another version of the service declares it, which is served until that has gone"
            )
        return ""

    def _refuse(self, service: str, request: str, why: str) -> None:
        self.not_served.append(NotServed(service[:80], request, why))


def _out_of_bounds(declared: HttpInterface) -> str:
    """Why a number of a declaration cannot be, empty where all can."""
    if not 1 <= declared.weight <= _MOST_WEIGHT:
        return f"weight: expected 1 to {_MOST_WEIGHT}, was {declared.weight}"
    if not 0 < declared.timeout_s <= _LONGEST_S:
        return f"timeout_s: expected more than 0 and at most {_LONGEST_S:g}, was {declared.timeout_s:g}"
    if declared.status not in (200, 201, 202):
        return f"status: expected 200, 201 or 202, was {declared.status}"
    return ""


def _fits(segments: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    return len(segments) == len(parts) and all(
        part == each or (part != "" and _FIELD.fullmatch(each) is not None)
        for each, part in zip(segments, parts, strict=True)
    )
