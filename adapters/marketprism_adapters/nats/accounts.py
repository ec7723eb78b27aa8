"""Accounts and users of a nats-server, as the text of its configuration.

One account holds the platform: streams, services, and readers who may only ask the read side and listen to the market.
Each client that reads streams has an account of its own, without streams: it gets messages of the platform's by direct
get, and wherever it has the answer sent, it stays in that account.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from marketprism_adapters.nats.rights import Rights
from marketprism_application.errors import DataDirError
from marketprism_sdk.nats.access import PUBLIC_INBOX
from marketprism_sdk.private_files import private_folder, write_private

PLATFORM = "MARKETPRISM"
MIRRORED = "mirrored"  # begins the subjects on which a site's streams arrive
_SECRET_BYTES = 32


@dataclass(frozen=True)
class Exports:
    """What the platform offers to accounts of clients: subjects to follow, and subjects to ask on.

    `services` are answered once, `batches` with several messages.
    """

    streams: tuple[str, ...]
    services: tuple[str, ...]
    batches: tuple[str, ...]


@dataclass(frozen=True)
class Accounts:
    """Users of the platform's account by name, clients with accounts of their own, and whom a nameless one is taken
    for (empty: it is refused). `sites` are joined by leaf nodes: each has two users, the leaf node and who keeps its
    mirrors here."""

    users: Mapping[str, Rights]
    clients: tuple[str, ...]
    exports: Exports
    nameless: str = ""
    sites: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Everybody who has a password."""
        of_sites = (user for site in self.sites for user in (leaf_user(site), mirror_user(site)))
        return (*self.users, *self.clients, *of_sites)

    def config(self, passwords: Mapping[str, str]) -> str:
        """The part of a server's configuration that says who may come in, and who may do what.

        Raises:
            KeyError: a user has no password.
        """
        lines = ["accounts {", f"  {PLATFORM} {{", "    jetstream: enabled", "    users: ["]
        lines += [f"      {_user(name, passwords[name], rights)}" for name, rights in self.users.items()]
        lines += ["    ]", "    exports: ["]
        lines += [f"      {{ stream: {_text(subject)} }}" for subject in self.exports.streams]
        lines += [f"      {{ service: {_text(subject)} }}" for subject in self.exports.services]
        lines += [f"      {{ service: {_text(subject)}, response_type: stream }}" for subject in self.exports.batches]
        lines += ["    ]", "  }"]
        for client in self.clients:
            lines += self._client(client, passwords[client])
        for site in self.sites:
            lines += _site(site, passwords)
        lines += ["}"]
        if self.nameless:
            lines += [f"no_auth_user: {_text(self.nameless)}"]
        return "\n".join(lines) + "\n"

    def _client(self, name: str, password: str) -> list[str]:
        asks = (*self.exports.services, *self.exports.batches)
        rights = Rights().publishes(*asks).subscribes("market.>", "replay.>", f"{PUBLIC_INBOX}.>")
        return [
            f"  CLIENT_{name} {{",
            "    users: [",
            f"      {_user(name, password, rights)}",
            "    ]",
            "    imports: [",
            *(f"      {{ stream: {{ account: {PLATFORM}, subject: {_text(s)} }} }}" for s in self.exports.streams),
            *(f"      {{ service: {{ account: {PLATFORM}, subject: {_text(s)} }} }}" for s in asks),
            "    ]",
            "  }",
        ]


def leaf_user(site: str) -> str:
    """Who a site's leaf node is."""
    return f"site-{site}"


def mirror_user(site: str) -> str:
    """Who makes and reads the mirrors of a site's streams."""
    return f"mirror-{site}"


def site_account(site: str) -> str:
    """The account in which the mirrors of a site's streams are."""
    return f"SITE_{site}"


def _site(name: str, passwords: Mapping[str, str]) -> list[str]:
    """What comes from a site is answers about consumers and what these deliver, nothing that it publishes; what goes
    there is questions about consumers of its streams."""
    leaf = Rights().publishes("$JSC.R.>", "_R_.>", "_INBOX.>", f"{MIRRORED}.{name}.>")
    leaf.subscribes(f"$JS.{name}.API.CONSUMER.CREATE.>", f"$JS.{name}.API.CONSUMER.DELETE.>", "$JS.FC.>", "$JS.ACK.>")
    # The cloud asks for streams that are to be mirrored: what is there and how far it has come.
    leaf.subscribes(f"$JS.{name}.API.STREAM.INFO.>", f"$JS.{name}.API.DIRECT.GET.>", f"$JS.{name}.API.CONSUMER.INFO.>")
    keeper = Rights().publishes("$JS.API.STREAM.>", "$JS.API.DIRECT.GET.>", "$JS.API.INFO")
    keeper.publishes(f"$JS.{name}.API.STREAM.INFO.>", f"$JS.{name}.API.DIRECT.GET.>")
    keeper.subscribes(f"{PUBLIC_INBOX}.>")
    return [
        f"  {site_account(name)} {{",
        "    jetstream: enabled",
        "    users: [",
        f"      {_user(leaf_user(name), passwords[leaf_user(name)], leaf)}",
        f"      {_user(mirror_user(name), passwords[mirror_user(name)], keeper)}",
        "    ]",
        "  }",
    ]


def _user(name: str, password: str, rights: Rights) -> str:
    publish = _rule(rights.publish, rights.publish_denied)
    subscribe = _rule(rights.subscribe, rights.subscribe_denied)
    permissions = f"permissions: {{ publish: {publish}, subscribe: {subscribe} }}"
    return f"{{ user: {_text(name)}, password: {_text(password)}, {permissions} }}"


def _rule(allow: set[str], deny: set[str]) -> str:
    # An empty list would allow everything.
    return f"{{ allow: [{_listed(allow)}], deny: [{_listed(deny)}] }}" if allow else '{ deny: [">"] }'


def _listed(subjects: set[str]) -> str:
    return ", ".join(map(_text, sorted(subjects)))


def _text(value: str) -> str:
    return json.dumps(value)


def passwords_in(folder: Path, names: tuple[str, ...], renew: frozenset[str] = frozenset()) -> dict[str, str]:
    """The password of each user, from the file of its name in a folder of ours; made where there is none yet, or
    where it is to be renewed.

    Raises:
        DataDirError: the folder or a file cannot be read or written.
    """
    found: dict[str, str] = {}
    try:
        private_folder(folder)
        for name in names:
            path = folder / name
            password = path.read_text(encoding="utf-8").strip() if name not in renew and path.exists() else ""
            if not password:
                password = secrets.token_urlsafe(_SECRET_BYTES)
                write_private(path, password + "\n")
            found[name] = password
    except (OSError, UnicodeDecodeError) as error:
        cause = error if isinstance(error, OSError) else OSError(f"{folder}: expected texts, was something else")
        raise DataDirError.of(folder, cause) from error
    return found


__all__ = [
    "MIRRORED",
    "PLATFORM",
    "Accounts",
    "Exports",
    "leaf_user",
    "mirror_user",
    "passwords_in",
    "site_account",
]
