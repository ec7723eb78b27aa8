"""What a connection to a counter needs."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from marketprism_application.errors import SourceError
from marketprism_domain.errors import InvalidValue
from marketprism_domain.values import Bounds, check_bounds
from marketprism_sdk.urls import Secret


@dataclass(frozen=True)
class Account:
    """Who logs in at which market-data fronts; another broker's account is another source of the same market."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    md_fronts: tuple[str, ...] = ()
    broker: str = ""
    user: str = ""
    password: Secret = field(default=Secret(""), repr=False)


@dataclass(frozen=True)
class CounterSettings(Account):
    """`md_fronts` and `td_fronts` are tcp://host:port; `sim:<recordings>` stands in for a front.

    Without a trader front the instruments are those of `instruments`, which then must name them; with one, the list
    comes from the counter and `instruments` are patterns over it (`rb*`, `*`). `others` are accounts elsewhere that
    deliver the same market. `queue` ticks may wait between the API's threads and the pipeline. An answer takes at most
    `answer_s`, the instrument list at most `list_s`. No password is ever written anywhere.

    Raises:
        InvalidValue: names the field.
    """

    BOUNDS: ClassVar[Bounds] = {
        "subscribe_per_second": (1, 100_000),
        "answer_s": (0.001, 600),
        "list_s": (0.001, 3_600),
        "queue": (1, 1_000_000_000),
    }

    td_fronts: tuple[str, ...] = ()
    app_id: str = ""
    auth_code: Secret = field(default=Secret(""), repr=False)
    instruments: tuple[str, ...] = ("*",)
    subscribe_per_second: int = 1_000
    answer_s: float = 10.0
    list_s: float = 60.0
    queue: int = 200_000
    production: bool = True
    others: tuple[Account, ...] = ()

    def __post_init__(self) -> None:
        check_bounds(self, CounterSettings.BOUNDS)
        for number, account in enumerate(self.others):
            if not account.md_fronts:
                raise InvalidValue(f"others.{number}.md_fronts", "at least one front", account.md_fronts)

    @property
    def logins(self) -> tuple[tuple[str, Account], ...]:
        """Every market-data front and who logs in there; the number of a connection is its place here."""
        return tuple((front, account) for account in (self, *self.others) for front in account.md_fronts)

    @property
    def real(self) -> bool:
        """Whether any front is a real one."""
        return any(
            not front.startswith("sim:") for front in (*(address for address, _ in self.logins), *self.td_fronts)
        )

    def wants(self, symbol: str) -> bool:
        """Whether an instrument is asked for."""
        return any(fnmatch.fnmatchcase(symbol, pattern) for pattern in self.instruments)


@dataclass(frozen=True)
class Counter:
    """A counter that can be connected to: its name, its settings, and the folder where the API notes its flow.

    Raises:
        SourceError: the settings do not suffice for it; names the setting, what was expected and what it was.
    """

    name: str
    settings: CounterSettings
    flow: Path = Path("flow")

    def __post_init__(self) -> None:
        given = self.settings
        if not given.md_fronts:
            raise SourceError(f"{self.name}.md_fronts: expected at least one front, like tcp://182.254.243.31:30011")
        others = tuple(front for account in given.others for front in account.md_fronts)
        for kind, fronts in (("md_fronts", given.md_fronts), ("td_fronts", given.td_fronts), ("others", others)):
            for front in fronts:
                if not front.startswith(("tcp://", "ssl://", "sim:")):
                    raise SourceError(f"{self.name}.{kind}: expected tcp://host:port, was {front!r}")
        if given.real and not (given.broker and given.user):
            raise SourceError(f"{self.name}.broker and {self.name}.user: expected both for a real front")
        if not given.td_fronts and any(set(pattern) & set("*?[") for pattern in given.instruments) and given.real:
            raise SourceError(
                f"{self.name}.instruments: expected names, because without td_fronts nobody lists the instruments"
            )
