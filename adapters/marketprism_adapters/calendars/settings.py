"""Settings of the calendar: closed days that were announced after this was made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from marketprism_domain.errors import InvalidValue


@dataclass(frozen=True)
class CalendarSettings:
    """Days on which the Chinese exchanges are `closed`, or `open` although the table has a holiday, like 2027-02-09.

    `known_to` is the last day up to which the closed days are complete with these; empty: what the package of holidays
    knows. Week-ends are always closed; one that is named in `closed` is a holiday, without a night session before it.

    Raises:
        InvalidValue: names the field: no date, a week-end or a closed day among `open`.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    closed: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    known_to: str = ""

    def __post_init__(self) -> None:
        closed = self.closed_days()
        for day in self.open_days():
            if day.weekday() >= 5:
                raise InvalidValue("open", "weekdays, the exchanges do not open on week-ends", str(day))
            if day in closed:
                raise InvalidValue("open", "days that are not in closed too", str(day))
        self.known_day()

    def closed_days(self) -> frozenset[date]:
        """The days of `closed`."""
        return frozenset(_day("closed", text) for text in self.closed)

    def open_days(self) -> frozenset[date]:
        """The days of `open`."""
        return frozenset(_day("open", text) for text in self.open)

    def known_day(self) -> date | None:
        """The day of `known_to`."""
        return _day("known_to", self.known_to) if self.known_to else None


def _day(field: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidValue(field, "a date like 2027-02-09", text) from None


__all__ = ["CalendarSettings"]
