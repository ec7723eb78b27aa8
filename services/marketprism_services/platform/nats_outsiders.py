"""The clients and sites that a folder of accounts is for, kept beside the passwords.

Whoever writes the accounts again (an upgrade, an installer) names none of them, and must not take their rights away.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import NamedTuple

from marketprism_adapters.nats.accounts import leaf_user, mirror_user
from marketprism_sdk.errors import ConfigurationError, InvalidSetting
from marketprism_sdk.private_files import write_private
from marketprism_services.platform import nats_users

FILE, USERS = "outsiders.toml", "users"


class Outsiders(NamedTuple):
    """Clients with accounts of their own, and sites that join by a leaf node; `gone` are users of those that went."""

    clients: tuple[str, ...]
    sites: tuple[str, ...]
    gone: tuple[str, ...] = ()

    def save(self, folder: Path) -> None:
        """Keep them for the next time, and no password of who is gone. Raises OSError, DataDirError."""
        text = f"clients = {json.dumps(list(self.clients))}\nsites = {json.dumps(list(self.sites))}\n"
        write_private(folder / FILE, text)
        for user in self.gone:
            (folder / USERS / user).unlink(missing_ok=True)


def outsiders(
    folder: Path, clients: tuple[str, ...] = (), sites: tuple[str, ...] = (), without: tuple[str, ...] = ()
) -> Outsiders:
    """Those whom the folder knows, with the given ones and without others.

    A folder that knows nobody has the client `client`, where no other is given.

    Raises:
        InvalidSetting: one that is to go is not known. ConfigurationError: what the folder keeps is malformed.
        OSError: it cannot be read.
    """
    known = _named(folder) or _of_passwords(folder)
    if known is None:
        known = Outsiders((), ()) if clients else Outsiders((nats_users.CLIENT,), ())
    found = Outsiders(_with(known.clients, clients), _with(known.sites, sites))
    for name in without:
        if name not in (*found.clients, *found.sites):
            expected = ", ".join((*found.clients, *found.sites)) or "nobody, there is none"
            raise InvalidSetting(f"without: expected one of {expected}, was {name[:80]!r}")
    of_sites = [user for name in without if name in found.sites for user in (leaf_user(name), mirror_user(name))]
    return Outsiders(
        tuple(name for name in found.clients if name not in without),
        tuple(name for name in found.sites if name not in without),
        (*of_sites, *(name for name in without if name in found.clients)),
    )


def _with(known: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*known, *more)))


def _named(folder: Path) -> Outsiders | None:
    try:
        text = (folder / FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        found = tomllib.loads(text)
        names = [found["clients"], found["sites"]]
        if all(isinstance(each, list) and all(isinstance(name, str) for name in each) for each in names):
            return Outsiders(*(tuple(each) for each in names))
    except (tomllib.TOMLDecodeError, KeyError, UnicodeDecodeError):
        pass
    raise ConfigurationError(f"{folder / FILE}: expected clients and sites, each a list of names, was {text[:80]!r}")


def _of_passwords(folder: Path) -> Outsiders | None:
    """Of a folder that keeps no names yet: whoever has a password and is none of the platform's own."""
    users = folder / USERS
    there = sorted(path.name for path in users.iterdir() if path.is_file()) if users.is_dir() else []
    if not there:
        return None
    prefix = leaf_user("")
    sites = tuple(name[len(prefix) :] for name in there if name.startswith(prefix))
    taken = {*nats_users.accounts().users, *(user for site in sites for user in (leaf_user(site), mirror_user(site)))}
    return Outsiders(tuple(name for name in there if name not in taken), sites)


__all__ = ["Outsiders", "outsiders"]
