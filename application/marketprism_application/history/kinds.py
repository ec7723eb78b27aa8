"""The kinds of data of which rows of the past can be stored: how a row is known again, and what of it is compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from marketprism_application.contracts.kinds import BAR, BOOK_TOP, FUNDING_RATE, KLINE, OPEN_INTEREST, TRADE, DataKind
from marketprism_application.ports.imports import FileFacts

_BAR = ("open", "high", "low", "close", "volume", "turnover")


@dataclass(frozen=True)
class HistoryKind:
    """One of them.

    A row of a file is the stored one with the same `key`, which may be stored `beside_ns` from the time that the file
    has. `needed` are fields without which it cannot be known again; `compared` are those in which two may differ where
    both have them; `more` is what else is read of stored rows. `same` fields have the time of the row, `constant` ones
    a value of their own. `numbered`: by the venue's own number of it. `of_quotes`: files have it as quotes.
    """

    kind: DataKind
    key: str
    compared: tuple[str, ...]
    more: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    beside_ns: int = 0
    same: tuple[str, ...] = ()
    constant: Mapping[str, object] = field(default_factory=dict)
    numbered: bool = False
    of_quotes: bool = False

    @property
    def has_revisions(self) -> bool:
        """Whether a row can be replaced by a later one, and the earlier one asked for still."""
        return bool(self.kind.revisions)


_ROWS = (
    HistoryKind(BAR, "ts_open", (*_BAR, "open_interest"), ("revision",)),
    HistoryKind(KLINE, "ts_open", (*_BAR, "trades", "taker_buy_volume"), ("closed",), constant={"closed": True}),
    HistoryKind(
        TRADE,
        "trade_id",
        ("price", "quantity", "side"),
        ("trade_id", "first_id"),
        ("trade_id", "side"),
        beside_ns=10**9,  # a live message may have the time in another unit than the venue's archive
        numbered=True,
    ),
    HistoryKind(FUNDING_RATE, "ts_event", ("rate",), same=("ts_funding",), constant={"settled": True}),
    HistoryKind(OPEN_INTEREST, "ts_event", ("open_interest",)),
    HistoryKind(
        BOOK_TOP,
        "seq",
        ("bids", "asks"),  # their best levels: what came live has more of them
        beside_ns=10**9,
        constant={"valid": True, "depth": 1},
        of_quotes=True,
    ),
)
HISTORY_KINDS: dict[str, HistoryKind] = {row.kind.name: row for row in _ROWS}


def kind_of_bars(facts: FileFacts) -> str:
    """The kind that bars of a file are of: those that a venue made are its klines."""
    return KLINE.name if facts.own_bars else BAR.name


__all__ = ["HISTORY_KINDS", "HistoryKind", "kind_of_bars"]
