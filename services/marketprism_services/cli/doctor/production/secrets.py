"""Files with secrets, who may read them, and credentials that are none."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from marketprism_sdk.urls import Url
from marketprism_services.cli.doctor.finding import Finding, ok, warning, wrong
from marketprism_services.settings.settings import Settings

_WEAK = {"", "password", "admin", "default", "changeme", "change-me", "secret", "123456", "marketprism", "clickhouse"}


def files_of(settings: Settings, config: Path | None, named: Iterable[str]) -> dict[str, Path]:
    """Files that hold secrets by what they are: of the settings, of variables (`NAME=path`), of a running pipeline."""
    found: dict[str, Path | None] = {
        "nats.password_file": settings.nats.password_file,
        "nats.creds": settings.nats.creds,
        "nats.key": settings.nats.key,
        "store.tls.key": settings.store.tls.key,
        "http.tls.key": settings.http.tls.key,
    }
    if settings.nats.users is not None and settings.nats.users.is_dir():
        found |= {f"nats.users/{path.name}": path for path in sorted(settings.nats.users.iterdir())}
    for each in named:
        name, _, path = each.partition("=")
        found[name] = Path(path)
    if config is not None and holds_a_secret(config):
        found["the settings file"] = config
    run = settings.data_dir / "run"
    found |= {f"run/{path.name}": path for path in (run / "url.secret", run / "settings.secret") if path.exists()}
    return {name: path for name, path in found.items() if path is not None}


def holds_a_secret(config: Path) -> bool:
    """Whether a settings file has a password or the like in it, or a URL with one."""
    try:
        text = config.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    for line in text.splitlines():
        name, separator, value = line.partition("=")
        value = value.partition("#")[0].strip().strip("\"'")
        words = ("password", "secret", "token", "seed", "auth_code", "access_key", "identity")
        if separator and value and not value.startswith("[") and not name.lstrip().startswith("#"):
            is_file = name.strip().endswith("_file")
            if (any(word in name for word in words) and not is_file) or Url(value).secret:
                return True
    return False


def modes(files: Mapping[str, Path]) -> list[Finding]:
    """Whether anybody but their owner may read them."""
    found = []
    for name, path in files.items():
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError as error:
            todo = "write it anew, or name the right one in the settings"
            found.append(wrong(f"secret {name}", f"{path}: {error.strerror}", "a file that can be read", todo))
            continue
        if mode & stat.S_IRWXO:
            text = f"{path} ({mode:04o}) can be read or written by every user of this machine"
            found.append(wrong(f"secret {name}", text, "0600", f"chmod 600 {path}"))
        elif mode & stat.S_IWGRP:
            text = f"{path} ({mode:04o}) can be written by its group"
            found.append(warning(f"secret {name}", text, "0600 or 0640", f"chmod 600 {path}"))
    return found or [ok("secrets in files", f"{len(files)} files, none open to others")]


def passwords(settings: Settings) -> list[Finding]:
    """Passwords of NATS and of the store that are none, or that everybody tries first."""
    found = []
    for name, url in (("store.url", settings.store.url), ("store.read_url", settings.store.read_url)):
        if settings.store.engine != "clickhouse" or not url:
            continue
        parts = urlsplit(url.reveal())
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        todo = "CREATE USER … IDENTIFIED BY a long one, and give it by a variable that names a file"
        if not user or user == "default":
            expected = "a user of its own, with a password"
            text = "the user `default`" if user else "no user, which is `default`"
            found.append(wrong(f"user of {name}", text, expected, todo))
        if password.lower() in _WEAK or password == user:
            text = "empty, or one that everybody tries first"
            found.append(wrong(f"password of {name}", text, "a long random one", todo))
    for number, address in enumerate(addresses(settings), 1):
        name, password = f"nats.url, server {number}", unquote(urlsplit(address).password or "")
        if urlsplit(address).username and password.lower() in _WEAK:
            text = "empty, or one that everybody tries first"
            found.append(
                wrong(f"password of {name}", text, "a long random one", "`marketprism nats accounts` makes users")
            )
    if settings.nats.user and settings.nats.password and settings.nats.password.reveal().lower() in _WEAK:
        todo = "`marketprism nats accounts` makes users"
        found.append(
            wrong("password of nats.user", "empty, or one that everybody tries first", "a long random one", todo)
        )
    return found or [ok("known passwords", "none is empty or known to everybody")]


def addresses(settings: Settings) -> list[str]:
    """The URLs of the NATS servers that the settings name, with what is secret."""
    return [part.strip() for part in settings.nats.url.reveal().split(",")] if settings.nats.url else []


__all__ = ["addresses", "files_of", "holds_a_secret", "modes", "passwords"]
