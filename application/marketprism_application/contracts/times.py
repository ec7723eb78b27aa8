"""Times as people write them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

CHINA = timezone(timedelta(hours=8))


def parse_time(value: str | int | date | datetime | None, name: str) -> int | None:
    """Nanoseconds UTC of a time as people write it.

    An int is nanoseconds. Text is `2018-10-09`, `20181009`, `2018-10-09 21:00` or ISO 8601 with an offset; without one
    it is China time, as are dates and naive datetimes.

    Raises:
        ValueError: not a time.
    """
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, date):
        moment = datetime(value.year, value.month, value.day, tzinfo=CHINA)
    else:
        text = value.strip()
        if text.isdigit() and len(text) > 8:
            return int(text)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(
                f"{name}: expected a date or time like 2018-10-09 or 2018-10-09T21:00, was {text!r}"
            ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=CHINA)
    delta = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000_000 + delta.microseconds * 1_000
