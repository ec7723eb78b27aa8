"""Where backups lie, for whom they are encrypted, what is in them, and how long they stay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from marketprism_adapters.nats.streams import MARKET_STREAMS
from marketprism_application.backups.retention import KeepRules
from marketprism_domain.errors import InvalidValue
from marketprism_domain.values import Bounds, check_bounds
from marketprism_sdk.urls import Secret
from marketprism_services.settings.place import PlaceSettings

ALL = "all"
_OF_THE_MARKET = "MARKET_"
# What a server holds for a moment, to see whether it works and has room.
_PASSING = ("MARKET_ROOM", "PROBE")


@dataclass(frozen=True, kw_only=True)
class BackupSettings(PlaceSettings):
    """Backups: `place` is a folder that is there, or the http(s) URL of a bucket of an S3-compatible store with a path
    below it; empty: none are made. They are encrypted for the public keys `recipients`; `identity` is a secret key of
    one of them, which the drill alone needs.

    `streams` are market streams that are in a backup beside all others, `all` for every one of them. With `archive` the
    archive's files are in it too.

    Raises:
        InvalidValue: names the field.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    BOUNDS: ClassVar[Bounds] = PlaceSettings.PLACE_BOUNDS

    recipients: tuple[str, ...] = ()
    identity: Secret = field(default=Secret(""))
    streams: tuple[str, ...] = ()
    archive: bool = False
    keep: KeepRules = field(default_factory=KeepRules)

    def __post_init__(self) -> None:
        check_bounds(self, BackupSettings.BOUNDS)
        self.check_place("backup")
        for recipient in self.recipients:
            if not recipient.startswith("age1"):
                raise InvalidValue("backup.recipients", "public keys, age1…", recipient[:8])
        for stream in self.streams:
            if stream not in (ALL, *MARKET_STREAMS):
                raise InvalidValue("backup.streams", f"some of {', '.join((ALL, *MARKET_STREAMS))}", stream)

    @property
    def wanted(self) -> Callable[[str], bool]:
        """Whether a stream is in a backup."""
        chosen = frozenset(self.streams)

        def wants(stream: str) -> bool:
            if stream in _PASSING:
                return False
            return not stream.startswith(_OF_THE_MARKET) or ALL in chosen or stream in chosen

        return wants


__all__ = ["ALL", "BackupSettings"]
