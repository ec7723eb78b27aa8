"""What a connection to a counter needs."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, field
from pathlib import Path

from marketprism_application.errors import SourceError


@dataclass(frozen=True)
class Account:
    """Who logs in at a front; another broker's account is another source of the same market."""

    broker: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    md_fronts: tuple[str, ...] = ()


@dataclass(frozen=True)
class CounterSettings:
    """`md_fronts` and `td_fronts` are tcp://host:port; `sim:<recordings>` stands in for a front.

    Without a trader front the instruments are those of `instruments`, which then must name them; with one, the list
    comes from the counter and `instruments` are patterns over it (`rb*`, `*`). The password is never written anywhere.

    Raises:
        SourceError: names the setting, what was expected and what it was.
    """

    name: str
    md_fronts: tuple[str, ...]
    td_fronts: tuple[str, ...] = ()
    broker: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    app_id: str = ""
    auth_code: str = field(default="", repr=False)
    instruments: tuple[str, ...] = ("*",)
    subscribe_per_second: int = 1_000
    answer_s: float = 10.0
    list_s: float = 60.0
    queue: int = 200_000
    production: bool = True
    flow: Path = Path("flow")
    others: tuple[Account, ...] = ()

    def __post_init__(self) -> None:
        if not self.md_fronts:
            raise SourceError(f"{self.name}.md_fronts: expected at least one front, like tcp://180.168.146.187:10131")
        others = tuple(front for account in self.others for front in account.md_fronts)
        if self.others and not all(account.md_fronts for account in self.others):
            raise SourceError(f"{self.name}.others: expected md_fronts in each of them")
        for kind, fronts in (("md_fronts", self.md_fronts), ("td_fronts", self.td_fronts), ("others", others)):
            for front in fronts:
                if not front.startswith(("tcp://", "ssl://", "sim:")):
                    raise SourceError(f"{self.name}.{kind}: expected tcp://host:port, was {front!r}")
        if self.real and not (self.broker and self.user):
            raise SourceError(f"{self.name}.broker and {self.name}.user: expected both for a real front")
        if not self.td_fronts and any(set(pattern) & set("*?[") for pattern in self.instruments) and self.real:
            raise SourceError(
                f"{self.name}.instruments: expected names, because without td_fronts nobody lists the instruments"
            )
        if self.subscribe_per_second < 1 or self.queue < 1:
            raise SourceError(f"{self.name}.subscribe_per_second and .queue: expected at least 1")

    @property
    def logins(self) -> tuple[tuple[str, Account], ...]:
        """Every market-data front and who logs in there; the number of a connection is its place here."""
        own = Account(self.broker, self.user, self.password, self.md_fronts)
        return tuple((front, account) for account in (own, *self.others) for front in account.md_fronts)

    @property
    def real(self) -> bool:
        """Whether any front is a real one."""
        return any(
            not front.startswith("sim:") for front in (*(address for address, _ in self.logins), *self.td_fronts)
        )

    def wants(self, symbol: str) -> bool:
        """Whether an instrument is asked for."""
        return any(fnmatch.fnmatchcase(symbol, pattern) for pattern in self.instruments)
