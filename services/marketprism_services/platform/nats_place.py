"""Where a command of the command line finds NATS, and who it is to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from marketprism_sdk.nats.access import NatsAccess
from marketprism_sdk.urls import Url
from marketprism_services.platform.known_files import known_access, known_url

if TYPE_CHECKING:
    from marketprism_client import MarketClient
    from marketprism_sdk.nats.connection import NatsConnection
    from marketprism_services.settings.settings import Settings

OPERATOR = "operator"  # the user of these commands


class NatsPlace(NamedTuple):
    """An address, and what is shown there."""

    url: Url
    access: NatsAccess

    @classmethod
    def of(cls, settings: Settings, data_dir: Path, default: str) -> NatsPlace:
        """The address of the settings, else that of the pipeline which runs on the data directory, else the default.

        Where it is the server that `up` has started there, the password is beside its other run files.
        """
        from marketprism_services.platform.run_files import access_to  # noqa: PLC0415 (settings: not of every command)

        url = Url(settings.nats.url or known_url(data_dir) or default)
        return cls(url, access_to(url, OPERATOR, settings, data_dir))

    @classmethod
    def without_settings(cls, url: Url | None, access: NatsAccess, data_dir: Path, default: str) -> NatsPlace:
        """As `of`, of a URL that is given and of who this is by the environment."""
        known = known_url(data_dir)
        url = url or known or Url(default)
        if access.named or url.secret or known is None or known.bare() != url.bare():
            return cls(url, access)
        return cls(url, known_access(data_dir, OPERATOR) or access)

    async def open(self, name: str, connect_timeout_s: float = 5.0) -> NatsConnection:
        """Connect. Raises NotConnected, InvalidSetting."""
        from marketprism_sdk.nats.connection import NatsConnection  # noqa: PLC0415 (only who connects)

        return await NatsConnection.open(self.url, name=name, access=self.access, connect_timeout_s=connect_timeout_s)

    def client(self, prefix: str = "") -> MarketClient:
        """A client that connects there when it is entered; with a `prefix` it listens to a replay."""
        from marketprism_client import MarketClient  # noqa: PLC0415 (only who reads)

        return MarketClient(self.url, access=self.access, prefix=prefix)


__all__ = ["OPERATOR", "NatsPlace"]
