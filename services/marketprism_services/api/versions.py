"""Versions of the API, and how callers learn that one, or a request of it, will go.

A version is a row here and a prefix of paths (`/api/v1`). A new one stands beside the old, served by the same process
over the same services; a request that does not change may be an endpoint of both. What is deprecated answers as before
and says so in headers: `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and a `Link` to what stands in its place.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from typing import NamedTuple

from marketprism_services.api.endpoint import Endpoint

_PREFIX = "/api/"


class Lifecycle(NamedTuple):
    """Since when something is not to be used any more, when it goes, and the path of what takes its place."""

    deprecated: date | None = None
    sunset: date | None = None
    successor: str = ""


class Version(NamedTuple):
    """A version: all its paths begin with `/api/<name>`."""

    name: str
    lifecycle: Lifecycle = Lifecycle()

    @property
    def path(self) -> str:
        """Where its requests begin."""
        return f"{_PREFIX}{self.name}"

    def as_row(self) -> dict[str, str | None]:
        """What `GET /api` shows of it."""
        deprecated, sunset, successor = self.lifecycle
        return {
            "name": self.name,
            "state": "current" if deprecated is None else "deprecated",
            "path": self.path,
            "openapi": f"{self.path}/openapi.json",
            "deprecated": None if deprecated is None else deprecated.isoformat(),
            "sunset": None if sunset is None else sunset.isoformat(),
            "successor": successor or None,
        }


VERSIONS = (Version("v1"),)


def lifecycle_of(endpoint: Endpoint, versions: tuple[Version, ...] = VERSIONS) -> Lifecycle:
    """The endpoint's own, else that of its version."""
    own = Lifecycle(endpoint.deprecated, endpoint.sunset, endpoint.successor)
    if own != Lifecycle():
        return own
    of = next((each for each in versions if f"{endpoint.path}/".startswith(f"{each.path}/")), None)
    return Lifecycle() if of is None else of.lifecycle


def lifecycle_headers(lifecycle: Lifecycle) -> dict[str, str]:
    """The headers that say it; none where nothing will go. A day begins at midnight UTC."""
    deprecated, sunset, successor = lifecycle
    headers: dict[str, str] = {}
    if deprecated is not None:
        headers["Deprecation"] = f"@{int(_midnight(deprecated).timestamp())}"
    if sunset is not None:
        headers["Sunset"] = format_datetime(_midnight(sunset), usegmt=True)
    if successor:
        headers["Link"] = f'<{successor}>; rel="successor-version"'
    return headers


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
