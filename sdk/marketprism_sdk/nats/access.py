"""Who a program is to NATS, and whom it trusts: credentials, certificates, and where answers to it go."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from marketprism_sdk.client_tls import ClientTls, why
from marketprism_sdk.errors import InvalidSetting
from marketprism_sdk.urls import Secret

PUBLIC_INBOX = "_INBOX"
SERVICE_INBOX = "_REPLY"  # below it each user has an inbox of its own, which no other may listen to

_NO_SECRET = Secret("")
_TOKENS = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


@dataclass(frozen=True, kw_only=True)
class NatsAccess(ClientTls):
    """What a connection shows to NATS and expects of it. Without any of it, what the URL says.

    One of `user` with `password` (or the `password_file` that holds it), `token`, `nkey_seed` (a text that begins with
    SU), or `creds` (a file with a JWT and a seed, as `nsc` writes it). Files are read at every connection: new ones
    count after the next reconnect. Answers go to subjects below `inbox`.

    Raises:
        InvalidSetting: names the field.
    """

    user: str = ""
    password: Secret = _NO_SECRET
    password_file: Path | None = None
    token: Secret = _NO_SECRET
    nkey_seed: Secret = _NO_SECRET
    creds: Path | None = None
    inbox: str = PUBLIC_INBOX

    def __post_init__(self) -> None:
        ClientTls.__post_init__(self)
        given = [name for name in ("user", "token", "nkey_seed", "creds") if getattr(self, name)]
        if len(given) > 1:
            raise InvalidSetting(f"{given[1]}: expected one way to log in to NATS, was {' and '.join(given)}")
        if self.password and self.password_file:
            raise InvalidSetting("password_file: expected a password of NATS or the file that holds it, were both")
        if bool(self.user) != bool(self.password or self.password_file):
            missing, there = ("password", "user") if self.user else ("user", "password")
            raise InvalidSetting(f"{missing}: expected one with the {there} of NATS, was none")
        if not _TOKENS.fullmatch(self.inbox):
            text = f"inbox: expected tokens of letters, digits, - and _ with dots between, was {self.inbox[:80]!r}"
            raise InvalidSetting(text)
        if self.nkey_seed and not self.nkey_seed.reveal().startswith("SU"):
            raise InvalidSetting("nkey_seed: expected the seed of a user, which begins with SU, was another text")

    @classmethod
    def of_user(cls, folder: Path, user: str) -> Self:
        """A user whose password is in the file of its name in a folder; answers to it can be read by nobody else."""
        return cls(user=user, password_file=folder / user, inbox=f"{SERVICE_INBOX}.{user}")

    @property
    def named(self) -> bool:
        """Whether it says who the program is, besides a certificate."""
        return bool(self.user or self.token or self.nkey_seed or self.creds)

    def options(self) -> dict[str, object]:
        """The options of nats-py that log in, with what the files hold now.

        Raises:
            InvalidSetting: a file cannot be read or holds something else, or the package for nkeys is not installed.
        """
        found: dict[str, object] = {"inbox_prefix": self.inbox}
        if self.user:
            found |= {"user": self.user, "password": self._password()}
        if self.token:
            found["token"] = self.token.reveal()
        if self.nkey_seed or self.creds:
            _check_nkeys()
        if self.nkey_seed:
            found["nkeys_seed_str"] = self.nkey_seed.reveal()
        if self.creds:
            from nats.aio.client import RawCredentials  # noqa: PLC0415 (loads aiohttp)

            found["user_credentials"] = RawCredentials(_creds_in(self.creds))
        return found

    def _password(self) -> str:
        if self.password_file is None:
            return self.password.reveal()
        return _text_of("password_file", self.password_file).strip()


def _text_of(name: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSetting(f"{name}: expected a file that can be read, was {path}: {why(error)}") from error


def _creds_in(path: Path) -> str:
    """nats-py reads on for ever in a file that lacks one of the two."""
    text = _text_of("creds", path)
    for part in ("BEGIN NATS USER JWT", "BEGIN USER NKEY SEED"):
        if part not in text:
            raise InvalidSetting(f"creds: expected a file of credentials, was {path}, without {part}")
    return text


def _check_nkeys() -> None:
    try:
        import nkeys  # type: ignore[import-not-found,import-untyped,unused-ignore]  # noqa: F401, PLC0415 (an extra)
    except ImportError as error:
        text = "nkey_seed, creds: expected the package nkeys, which is not installed: install marketprism[nkeys]"
        raise InvalidSetting(text) from error


__all__ = ["PUBLIC_INBOX", "SERVICE_INBOX", "NatsAccess"]
