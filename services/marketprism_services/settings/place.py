"""A place for files beyond this machine: a folder, or a bucket of an S3-compatible store and who asks for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import urlsplit

from marketprism_domain.errors import InvalidValue
from marketprism_domain.values import Bounds
from marketprism_sdk.urls import Secret


@dataclass(frozen=True, kw_only=True)
class PlaceSettings:
    """`place` is a folder that is there, or the http(s) URL of a bucket with a path below it; empty: none. A store that
    does not answer within `place_timeout_s` is away."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    PLACE_BOUNDS: ClassVar[Bounds] = {"place_timeout_s": (0.1, 600)}

    place: str = ""
    access_key: str = ""
    secret_key: Secret = field(default=Secret(""))
    region: str = "us-east-1"
    place_timeout_s: float = 5.0

    @property
    def is_s3(self) -> bool:
        """Whether the place is a bucket."""
        return self.place.startswith(("http://", "https://"))

    def check_place(self, section: str) -> None:
        """Whether a bucket has a name, and a user who asks. Raises InvalidValue: names the field of the section."""
        if self.is_s3 and not urlsplit(self.place).path.strip("/"):
            raise InvalidValue(f"{section}.place", "a URL with a bucket, http://host:port/bucket", self.place)
        if self.is_s3 and not self.access_key:
            raise InvalidValue(f"{section}.access_key", "the key of a user of the store", self.access_key)


__all__ = ["PlaceSettings"]
