"""What a question has to be, to be answered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from unicodedata import category

from marketprism_application.contracts import times
from marketprism_application.contracts.kinds import BAR, KINDS, DataKind
from marketprism_application.contracts.nearest import did_you_mean
from marketprism_application.contracts.questions import MAX_LIMIT, InstrumentSearch, Records, Search
from marketprism_application.errors import QueryError
from marketprism_application.queries.search_words import words_of
from marketprism_domain.bars.activity_bars import Activity
from marketprism_domain.errors import InvalidValue
from marketprism_domain.marketdata.instrument_record import CLASSES
from marketprism_domain.values import InstrumentId, Interval, Symbol, Venue

_MAX_NAMES = 1_000
_MAX_TEXT = 64
_MAX_NS = 2**63 - 1
_DAY_S = 86_400
_LONGEST_TEXT = 12
MAX_SEARCH_TEXT, MAX_SEARCH_LIMIT, _MAX_WORDS = 100, 200, 6
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # control characters, marks of direction and of no width, ends of lines


def parse_time(value: str | int | date | datetime | None, name: str) -> int | None:
    """`contracts.times.parse_time` for the read side.

    Raises:
        QueryError: not a time.
    """
    try:
        return times.parse_time(value, name)
    except ValueError as error:
        raise QueryError(str(error)) from error


def kind_of(name: str) -> DataKind:
    """The kind of that name.

    Raises:
        QueryError: there is none.
    """
    kind = KINDS.get(name)
    if kind is None:
        raise QueryError(f"kind: expected one of {', '.join(KINDS)}, was {name[:80]!r}")
    return kind


def checked(query: Records) -> Records:
    """The query, if it can be answered.

    Raises:
        QueryError: names the parameter, what was expected and what it was.
    """
    kind = kind_of(query.kind)
    if query.symbol or kind.is_of_instruments:  # those without one are of a venue, or of the system
        check_instrument(query.symbol, query.venue)
    try:
        if query.interval is not None and not (kind is BAR and by_activity(query.interval)):
            check_interval(query.interval)
    except InvalidValue as error:
        raise QueryError(str(error)) from error
    if query.interval is None and kind.has_interval:
        raise QueryError(f"interval: expected one for {kind.name}s, like 1m or 1d, was none")
    check_range(query.ts_from, query.ts_to)
    _check_as_of(kind, query)
    _check_after(kind, query.after)
    _check_limit(query.limit)
    return query


def check_interval(text: str) -> Interval:
    """The interval of that text, if bars can have it: none is longer than a day but a week.

    Raises:
        InvalidValue: not an interval, or a longer one.
    """
    wrong = InvalidValue(
        "interval", "a number and one of s m h d w, like 1m or 4h, of at most 24h, 1d or 1w", text[:40]
    )
    if len(text) > _LONGEST_TEXT and text[:1].isdecimal():
        raise wrong
    interval = Interval.parse(text)
    if interval.unit not in "dw" and interval.seconds > _DAY_S:
        raise wrong
    return interval


def check_instrument(symbol: str, venue: str | None) -> None:
    """Raises QueryError: no symbol, or no venue, that there could be."""
    try:
        if venue is None:
            Symbol(symbol)
        else:
            InstrumentId.of(venue, symbol)
    except InvalidValue as error:
        raise QueryError(str(error)) from error


def check_range(ts_from: int | None, ts_to: int | None) -> None:
    """Raises QueryError: a time out of range, or an end before the begin."""
    for name, value in (("ts_from", ts_from), ("ts_to", ts_to)):
        if value is not None and not 0 <= value <= _MAX_NS:
            raise QueryError(f"{name}: expected nanoseconds since 1970, was {value}")
    if ts_from is not None and ts_to is not None and ts_to < ts_from:
        raise QueryError(f"ts_to: expected at or after ts_from ({ts_from}), was {ts_to}")


def _check_as_of(kind: DataKind, query: Records) -> None:
    if query.as_of is None:
        return
    if not kind.revisions:
        those = ", ".join(each.name for each in KINDS.values() if each.revisions)
        raise QueryError(f"as_of: expected with one of {those}, since only these have revisions, was with {kind.name}")
    if query.made_of or (query.interval is not None and ":" in query.interval):
        raise QueryError("as_of: expected bars as they are stored, was bars made of ticks")
    if not 0 <= query.as_of <= _MAX_NS:
        raise QueryError(f"as_of: expected nanoseconds since 1970, was {query.as_of}")


def _check_after(kind: DataKind, key: Sequence[int | str] | None) -> None:
    if key is None:
        return
    names = kind.page_key
    if not 2 <= len(key) <= len(names):
        raise QueryError(f"after: expected 2 to {len(names)} values ({', '.join(names)}), was {len(key)}")
    for number, value in enumerate(key):
        wanted = int if number < 2 else str
        if type(value) is not wanted:
            raise QueryError(f"after[{number}]: expected {wanted.__name__}, was {type(value).__name__}")
        if isinstance(value, int) and not 0 <= value <= _MAX_NS:
            raise QueryError(f"after[{number}]: expected 0 to {_MAX_NS}, was {value}")


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_LIMIT:
        raise QueryError(f"limit: expected 1 to {MAX_LIMIT}, was {limit}")


def by_activity(interval: str) -> bool:
    """Whether bars of it are counted by activity (`volume:1000`) and not by time.

    Raises:
        InvalidValue: by an activity that is none.
    """
    if ":" not in interval:
        return False
    Activity.parse(interval)
    return True


def check_names(names: tuple[str, ...]) -> None:
    """Raises QueryError: more than a question may name."""
    if len(names) > _MAX_NAMES:
        raise QueryError(f"names: expected at most {_MAX_NAMES}, was {len(names)}")


def check_search(search: InstrumentSearch) -> None:
    """Raises QueryError: names the field that no instrument can have, or the limit."""
    _check_venue(search.venue)
    for name, value in (("text", search.text), ("product", search.product), ("class", search.class_)):
        if len(value) > _MAX_TEXT or not value.isprintable():
            raise QueryError(f"{name}: expected at most {_MAX_TEXT} printable characters, was {value[:80]!r}")
    _check_class(search.class_)
    _check_limit(search.limit)


def check_text_search(search: Search) -> None:
    """Raises QueryError: names the field that cannot be searched by, or the limit."""
    text = search.text
    if len(text) > MAX_SEARCH_TEXT:
        raise QueryError(f"text: expected at most {MAX_SEARCH_TEXT} characters, was {len(text)}")
    if any(category(char) in _UNSEEN for char in text):
        raise QueryError(f"text: expected no control character, was {text!r}")
    if (count := len(words_of(text))) > _MAX_WORDS:
        raise QueryError(f"text: expected at most {_MAX_WORDS} words, was {count}")
    _check_venue(search.venue)
    _check_class(search.class_)
    if not 1 <= search.limit <= MAX_SEARCH_LIMIT:
        raise QueryError(f"limit: expected 1 to {MAX_SEARCH_LIMIT}, was {search.limit}")


def _check_venue(venue: str) -> None:
    try:
        Venue(venue or "any")
    except InvalidValue as error:
        raise QueryError(str(error)) from error


def _check_class(class_: str) -> None:
    if class_ and class_ not in CLASSES:
        near = did_you_mean(class_, CLASSES)
        raise QueryError(f"class: expected one of {', '.join(CLASSES)}, was {class_[:80]!r}{near}")
