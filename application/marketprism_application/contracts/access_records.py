"""What the store of access holds: people and programs, roles, keys, sessions, and what an audit record says.

Times are nanoseconds UTC, 0 where there is none. Nothing here is a secret: passwords, keys and tokens are there as
digests only.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec


class Grant(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Data that may be seen: patterns of venue, symbol, kind; how far back, how late, how deep. None is no bound."""

    venues: tuple[str, ...] = ("*",)
    symbols: tuple[str, ...] = ("*",)
    kinds: tuple[str, ...] = ("*",)
    history_days: int | None = None
    delay_s: float | None = None
    depth: int | None = None


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person, or a service account, which has keys and no password.

    `version` grows with every change of roles, rights or password: what was issued before is no longer good.
    `grants` None is everything that the roles see.
    """

    id: str
    roles: tuple[str, ...]
    password: str = ""  # argon2id, with its parameters
    display: str = ""
    subject: str = ""  # at an OpenID provider: its issuer, a space, and whom it calls so
    grants: tuple[Grant, ...] | None = None
    limits: str = ""  # class of limits; empty: that of the roles
    rows_per_day: int = 0  # 0: as the class has it
    is_service: bool = False
    is_disabled: bool = False
    must_change: bool = False  # the password is somebody else's: it has to be changed first
    version: int = 1
    ts_created: int = 0
    ts_changed: int = 0


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key of a user: never more than its owner has. `scopes` and `grants` None: all that the owner has."""

    id: str
    owner: str
    digest: bytes  # SHA-256 of the whole key
    name: str = ""
    scopes: tuple[str, ...] | None = None
    grants: tuple[Grant, ...] | None = None
    cidrs: tuple[str, ...] = ()  # networks it may be used from; none: any
    limits: str = ""  # of its own, and counted for it alone; empty: the owner's
    rows_per_day: int = 0  # 0: as the class has it
    ts_created: int = 0
    ts_expires: int = 0
    ts_revoked: int = 0
    ts_used: int = 0  # to the hour


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """A set of scopes by name; `grants` None: everything."""

    id: str
    scopes: tuple[str, ...]
    grants: tuple[Grant, ...] | None = None
    description: str = ""
    ts_changed: int = 0


class Signer(msgspec.Struct, frozen=True, kw_only=True):
    """The public half of an instance's signing key; tokens that it signed are good until `ts_expires`."""

    id: str  # the `kid` of its tokens
    public: bytes
    instance: str = ""
    ts_created: int = 0
    ts_expires: int = 0


class RefreshFamily(msgspec.Struct, frozen=True, kw_only=True):
    """One login of a program, through all its refresh tokens: only the newest is good, an older one ends the family."""

    id: str
    user: str
    digest: bytes  # of the newest refresh token
    version: int  # of the user, at the login
    key: str = ""  # that it was begun with, if it was a key
    address: str = ""
    ts_created: int = 0
    ts_used: int = 0
    ts_expires: int = 0


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A login by a browser; `id` is the digest of its cookie."""

    id: str
    user: str
    version: int  # of the user, at the login
    address: str = ""
    agent: str = ""
    ts_created: int = 0
    ts_used: int = 0


class FailedLogins(msgspec.Struct, frozen=True, kw_only=True):
    """When logins failed last, oldest first: of an account from an address, or of an address."""

    id: str
    count: int = 0
    stamps: tuple[int, ...] = ()


class RowCount(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that one instance has answered on a day: `<yyyymmdd>.<account>.<instance>`."""

    id: str
    rows: int


AccessRecord: TypeAlias = User | ApiKey | Role | Signer | RefreshFamily | Session | FailedLogins | RowCount


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what to what, from where, and what became of it. Secrets are masked before it is made."""

    ts: int
    who: str
    action: str  # `<area>.<verb>`, like `access.key_create`
    target: str = ""
    outcome: str = "done"
    credential: str = ""
    address: str = ""
    before: dict[str, object] = {}
    after: dict[str, object] = {}
    request_id: str = ""
