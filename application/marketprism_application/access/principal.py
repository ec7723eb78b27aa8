"""Who asks, as it was shown to be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from marketprism_application.access.entitlements import Entitlements
from marketprism_application.access.scopes import ROLES, Scope

_NOBODY, _PERSON = "local", "user"


class RowQuota(NamedTuple):
    """So many rows a day, counted for an account: `user-li`, `key-k7f3`."""

    account: str
    rows: int


@dataclass(frozen=True)
class Principal:
    """Somebody who was recognised, and what is allowed.

    `kind` is a person (`user`), a program (`key`), a service, or `local`: whoever asks from this machine where nobody
    logs in. `name` is unique within its kind; `owner` is the user whose key it is. `limits` names the class of limits.
    """

    kind: Literal["user", "key", "service", "local"]
    name: str
    scopes: frozenset[Scope]
    entitlements: Entitlements = field(default_factory=Entitlements)
    owner: str = ""
    limits: str = "viewer"
    credential: str = ""  # of which key or session, by its id: what a revocation ends
    quotas: tuple[RowQuota, ...] = ()  # rows a day; none is no bound

    @property
    def id(self) -> str:
        """`user:li`, `key:k7f3`: what logs, audit and commands name."""
        return f"{self.kind}:{self.name}"

    @property
    def is_local(self) -> bool:
        """Whether nobody logged in: everybody on this machine is the same one."""
        return self.kind == _NOBODY

    @property
    def is_person(self) -> bool:
        """Whether it is a user who has logged in, and no program."""
        return self.kind == _PERSON

    @property
    def user(self) -> str:
        """The id of the user whose rights these are, empty where nobody logged in."""
        return self.owner or ("" if self.is_local else self.name)

    def may(self, scope: Scope) -> bool:
        """Whether the scope is among those allowed."""
        return scope in self.scopes

    def sees(self, venue: str, symbol: str, kind: str) -> bool:
        """Whether this kind of data of this instrument may be seen."""
        return self.entitlements.allows(venue, symbol, kind)


LOCAL = Principal("local", "local", ROLES["quant"], limits="local")
