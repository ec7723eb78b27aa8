"""Settings of the channels. Addresses are secrets: those of most chats have their token in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from marketprism_domain.values import Bounds, check_bounds
from marketprism_sdk.urls import Secret


@dataclass(frozen=True, kw_only=True)
class HookSettings:
    """A web hook. Without `url` the channel is not used."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    url: Secret = field(default=Secret(""))

    @property
    def is_set(self) -> bool:
        """Whether the channel is to be used."""
        return bool(self.url.reveal())


@dataclass(frozen=True, kw_only=True)
class SignedHookSettings(HookSettings):
    """A web hook that is signed with `signing_secret`, where there is one."""

    signing_secret: Secret = field(default=Secret(""))


@dataclass(frozen=True, kw_only=True)
class TelegramSettings:
    """A bot of Telegram and the chat that it writes to; `bot_api` is where its API is."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    bot_token: Secret = field(default=Secret(""))
    chat: str = ""
    bot_api: str = "https://api.telegram.org"

    @property
    def is_set(self) -> bool:
        """Whether the channel is to be used."""
        return bool(self.bot_token.reveal() and self.chat)


@dataclass(frozen=True, kw_only=True)
class MailSettings:
    """A mail server. `smtp_tls`: `starttls` is asked for, `tls` from the first byte, or `none`, for a server on this
    machine. `smtp_ca` is who may have signed its certificate beside those that the system trusts.

    Raises:
        InvalidValue: names the field.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    BOUNDS: ClassVar[Bounds] = {"smtp_port": (1, 65_535)}

    smtp_host: str = ""
    smtp_port: int = 587
    smtp_tls: Literal["starttls", "tls", "none"] = "starttls"
    smtp_ca: Path | None = None
    smtp_user: str = ""
    smtp_password: Secret = field(default=Secret(""))
    sender: str = ""
    recipients: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_bounds(self, MailSettings.BOUNDS)

    @property
    def is_set(self) -> bool:
        """Whether the channel is to be used."""
        return bool(self.smtp_host and self.sender and self.recipients)


@dataclass(frozen=True, kw_only=True)
class AppriseSettings:
    """Places that `apprise` knows, by its URLs; needs the extra `notify`."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    places: tuple[Secret, ...] = ()

    @property
    def is_set(self) -> bool:
        """Whether the channel is to be used."""
        return bool(self.places)


__all__ = ["AppriseSettings", "HookSettings", "MailSettings", "SignedHookSettings", "TelegramSettings"]
