"""The zone of a command: by `--tz`, by the venue, and for what is given as for what is shown."""

from __future__ import annotations

import time

import pytest

from marketprism_services.cli.clocks import zone_named, zone_of_symbol, zone_of_venues
from marketprism_services.cli.days import range_of
from marketprism_services.cli.tables import is_of_days
from marketprism_services.platform.exits import Exit, Stop

_TS = 1_538_960_400_000_000_000  # 2018-10-08 09:00 in China, 01:00 UTC


@pytest.mark.parametrize(
    ("venues", "tz", "name", "text"),
    [
        (["shfe"], None, "China time", "2018-10-08 09:00:00"),
        (["shfe", "sse"], None, "China time", "2018-10-08 09:00:00"),
        (["okx"], None, "UTC", "2018-10-08 01:00:00"),
        (["okx", "shfe"], None, "UTC", "2018-10-08 01:00:00"),
        (["shfe"], "utc", "UTC", "2018-10-08 01:00:00"),
        (["okx"], "Asia/Shanghai", "Asia/Shanghai", "2018-10-08 09:00:00"),
        (["okx"], "Europe/Berlin", "Europe/Berlin", "2018-10-08 03:00:00"),
    ],
)
def test_the_zone_is_that_of_the_venue_unless_one_is_named(
    venues: list[str], tz: str | None, name: str, text: str
) -> None:
    zone = zone_of_venues(venues, tz)
    assert (zone.name, zone.text(_TS)) == (name, text)


def test_local_is_the_zone_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        zone = zone_named("local")
        assert zone.text(_TS) == "2018-10-07 21:00:00"
        assert zone.instant("2018-10-07T21:00", "--from") == _TS
        assert "EST" in zone.name
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_zone_that_does_not_exist_is_refused() -> None:
    for wrong in ("Asia/Shangai", "", "../etc/passwd", "CEST2"):
        with pytest.raises(Stop, match="--tz: expected UTC, local or a name") as refused:
            zone_named(wrong)
        assert refused.value.code == Exit.USAGE


def test_times_that_are_given_are_in_the_zone_that_is_shown() -> None:
    assert zone_of_symbol("ru1901").instant("2018-10-08 09:00", "--from") == _TS
    assert zone_of_symbol("BTC-USDT").instant("2018-10-08 01:00", "--from") == _TS
    assert zone_of_symbol("BTC-USDT", "Asia/Shanghai").instant("2018-10-08T09:00", "--from") == _TS
    assert zone_of_symbol("BTC-USDT").instant("2018-10-08T09:00+08:00", "--from") == _TS
    assert zone_of_symbol("10008800").name == "China time"
    assert zone_of_symbol("ru1901").instant(str(_TS), "--from") == _TS
    assert zone_of_symbol("ru1901").instant("20181008", "--from") == _TS - 9 * 3_600_000_000_000


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        ("2018-10-09", "2018-10-08", "--to: expected at or after --from 2018-10-09, was 2018-10-08"),
        ("yesterday", None, "--from: expected a date or time"),
        (None, "2018-13-01", "--to: expected a date or time"),
    ],
)
def test_a_wrong_range_names_the_option_and_what_was_written(start: str | None, end: str | None, text: str) -> None:
    with pytest.raises(Stop, match=text):
        range_of("ru1901", start, end, None, None)


def test_a_trading_day_begins_with_its_night() -> None:
    span = range_of("ru1901", None, None, "2018-10-09", None, "1d")
    assert span.trading_day == "20181009"
    zone = zone_of_symbol("ru1901")
    assert span.ts_from is not None
    assert span.ts_to is not None
    assert zone.text(span.ts_from) == "2018-10-08 20:55:00"
    assert zone.text(span.ts_to) == "2018-10-09 15:01:00"
    crypto = range_of("BTC-USDT", None, None, "2018-10-09", None, "1m")
    assert (crypto.ts_from, crypto.ts_to) == (1_539_043_200_000_000_000, 1_539_129_600_000_000_000)


def test_a_day_without_trading_names_the_next_one() -> None:
    with pytest.raises(Stop, match="2018-10-06 is no trading day; the next one is 2018-10-08"):
        range_of("ru1901", None, None, "2018-10-06", None)
    with pytest.raises(Stop, match="--day: expected neither --from nor --to with it"):
        range_of("ru1901", "2018-10-06", None, "2018-10-06", None)
    with pytest.raises(Stop, match="--day: expected a day like"):
        range_of("ru1901", None, None, "tomorrow", None)


def test_what_is_made_of_ticks_is_no_bar_of_days() -> None:
    assert [text for text in ("1m", "4h", "1d", "1w", "tick:100") if is_of_days(text)] == ["1d", "1w"]
