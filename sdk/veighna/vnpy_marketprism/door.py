"""Where MarketPrism is and who asks: what the settings of VeighNa mean for the client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from marketprism_client import MarketClient, SyncMarketClient
from marketprism_sdk.nats.access import NatsAccess
from marketprism_sdk.urls import Secret, hide

DEFAULT_ADDRESS = "nats://127.0.0.1:4222"
NAME = "marketprism"
_NATS = ("nats", "tls", "ws", "wss")
_HTTP = ("http", "https")
_ADDRESS = "nats://host:port, tls://host:port, http://host:port or https://host"


class WrongSetting(ValueError):
    """A setting of VeighNa that cannot be meant: names it, what is expected and what it was."""

    def __init__(self, name: str, expected: str, was: object) -> None:
        super().__init__(f"setting {name}: expected {expected}, was {hide(str(was))[:120]!r}")
        self.name = name


@dataclass(frozen=True)
class Door:
    """How a client gets in: at NATS with `access`, at an API gateway with `key`. `prefix` listens to a replay."""

    url: str
    key: str = field(default="", repr=False)
    access: NatsAccess | None = None
    ca: str = ""
    prefix: str = ""

    def client(self) -> SyncMarketClient:
        """A client of stored data, which connects when it is first asked."""
        return SyncMarketClient(self.url, key=self.key, ca=self.ca or None, access=self.access, timeout_s=120)

    def live_client(self) -> MarketClient:
        """A client of what is published, of the replay where there is a prefix."""
        return MarketClient(self.url, key=self.key, ca=self.ca or None, access=self.access, prefix=self.prefix)


@dataclass(frozen=True)
class Words:
    """What the settings of a door are called where they stand."""

    address: str
    port: str
    user: str
    password: str
    ca: str = "ca"
    prefix: str = "prefix"


OF_DATABASE = Words("database.host", "database.port", "database.user", "database.password")
OF_DATAFEED = Words("datafeed.username", "", "", "datafeed.password")
OF_GATEWAY = Words("address", "", "user", "password", "ca", "replay")


def door_of(settings: Mapping[str, object], words: Words) -> Door:
    """The door that the settings of these names lead to, the platform of this machine where none is set.

    Raises:
        WrongSetting: one is no text, no address, no port, or says what the others contradict.
    """
    address = _text(settings, words.address) or DEFAULT_ADDRESS
    if "://" not in address.partition(",")[0]:
        address = f"nats://{address}"
    user, password = _text(settings, words.user), _text(settings, words.password)
    ca, prefix = _text(settings, words.ca), _text(settings, words.prefix)
    schemes = {part.strip().partition("://")[0] for part in address.split(",") if "://" in part}
    if not schemes <= {*_NATS, *_HTTP} or len(schemes) > 1:
        raise WrongSetting(words.address, _ADDRESS, address)
    url = _with_port(address, settings.get(words.port, 0) if words.port else 0, words)
    if ca and not Path(ca).is_file():
        raise WrongSetting(words.ca, "a file of certificates", ca)
    if schemes <= set(_HTTP):
        if user:
            raise WrongSetting(words.user, f"nothing with an API gateway, whose key is {words.password}", user)
        if prefix:
            raise WrongSetting(words.prefix, "nothing with an API gateway: a replay is heard over NATS", prefix)
        return Door(url, key=password, ca=ca)
    if user and not password:
        raise WrongSetting(words.password, f"the password of {words.user} at NATS", "")
    if not password:
        return Door(url, ca=ca, prefix=prefix)
    secret = Secret(password)
    access = NatsAccess(user=user, password=secret) if user else NatsAccess(token=secret)
    return Door(url, access=access, ca=ca, prefix=prefix)


def _text(settings: Mapping[str, object], name: str) -> str:
    found = settings.get(name, "") if name else ""
    if not isinstance(found, str):
        raise WrongSetting(name, "a text", found)
    return found.strip()


def _with_port(address: str, given: object, words: Words) -> str:
    try:
        port = int(str(given or 0))
    except ValueError:
        port = -1
    if isinstance(given, bool | float) or not 0 <= port <= 65_535:
        raise WrongSetting(words.port, "a port from 1 to 65535, or 0 for that of the address", given)
    parts = []
    for part in address.split(","):
        try:
            found = urlsplit(part.strip() if "://" in part else f"nats://{part.strip()}")
            named, host = found.port, found.hostname
        except ValueError:
            named = host = None
        if not host:
            raise WrongSetting(words.address, _ADDRESS, address)
        if port and named and named != port:
            raise WrongSetting(words.port, f"{named}, as in {words.address}, or 0", given)
        tail = part.strip().rstrip("/")
        parts.append(f"{tail}:{port}" if port and not named else tail)
    return ",".join(parts)
