"""The zone of a command: by `--tz`, by the venue, and for what is given as for what is shown."""

from __future__ import annotations

import time
from datetime import date

import pytest

from marketprism_adapters.calendars import CalendarSettings
from marketprism_services.cli.clocks import instrument_meant, zone_named, zone_of_symbol, zone_of_venues
from marketprism_services.cli.days import Range, range_of
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
        with pytest.raises(Stop, match="--tz: expected UTC, local, a name") as refused:
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


@pytest.mark.parametrize("name", ["ru1901", "SHFE.ru1901", "ru1901.SHFE", "BTC-USDT", "ru1901,BTC-USDT", "ru*"])
def test_a_trading_day_is_handed_to_whoever_knows_the_instrument(name: str) -> None:
    day = date(2018, 10, 9)
    for interval in ("", "1m", "1d", "tick:100"):
        assert range_of(name, None, None, "2018-10-09", None, interval) == (None, None, (day, day))
    # The bar of a week bears the last of its trading days.
    assert range_of(name, None, None, "20181009", None, "1w").trading_day == (date(2018, 10, 8), date(2018, 10, 14))


@pytest.mark.parametrize("name", ["rb2705", "SHFE.rb2705", "RB2705.SHF", "m2705-C-3000", "10008800", "rb2705,ru2705"])
def test_a_day_that_the_settings_close_is_none(name: str) -> None:
    def asked(closed: tuple[str, ...]) -> Range:
        return range_of(name, None, None, "2027-02-09", None, "1m", calendar=CalendarSettings(closed=closed))

    assert asked(()).trading_day == (date(2027, 2, 9),) * 2
    with pytest.raises(Stop, match="2027-02-09 is no trading day; the next one is 2027-02-10") as refused:
        asked(("2027-02-09",))
    assert refused.value.code == Exit.FAILED


@pytest.mark.parametrize(
    ("name", "venue", "symbol"),
    [
        ("rb2505", "shfe", "rb2505"),
        ("SHFE.rb2505", "shfe", "rb2505"),
        ("shfe:rb2505", "shfe", "rb2505"),
        ("RB2505.SHF", "shfe", "RB2505"),
        ("rb2505@SHFE", "shfe", "rb2505"),
        ("m2505-C-3000", "dce", "m2505-C-3000"),
        ("DCE.m2505-C-3000", "dce", "m2505-C-3000"),
        ("10008800", "sse", "10008800"),
        ("10008800.SSE", "sse", "10008800"),
        ("BTC-USDT", None, "BTC-USDT"),
        ("OKX.BTC-USDT", None, "OKX.BTC-USDT"),
        ("AP-USDT", None, "AP-USDT"),
        ("1INCH-USDT", None, "1INCH-USDT"),
        ("*", None, "*"),
    ],
)
def test_a_name_says_its_exchange(name: str, venue: str | None, symbol: str) -> None:
    assert instrument_meant(name) == (venue, symbol)
    assert zone_of_symbol(name).name == ("UTC" if venue is None else "China time")


def test_times_are_read_as_everywhere_else() -> None:
    zone = zone_of_symbol("ru1901")
    assert zone.instant("2018-10-09T21:00:00.123456789", "--from") == 1_539_090_000_123_456_789
    assert zone_named("local").instant("2018-10-09T21:00:00.123456789Z", "--from") == 1_539_118_800_123_456_789
    for text, name in (("+08:00", "+08:00"), ("-0530", "-05:30"), ("utc", "UTC"), ("china", "China time")):
        assert zone_named(text).name == name
    assert zone_named("+08:00").instant("2018-10-08 09:00", "--from") == _TS
    assert zone_named("+08:00").text(_TS) == "2018-10-08 09:00:00"


def test_a_day_without_trading_names_the_next_one() -> None:
    with pytest.raises(Stop, match="2018-10-06 is no trading day; the next one is 2018-10-08"):
        range_of("ru1901", None, None, "2018-10-06", None)
    with pytest.raises(Stop, match="--day: expected neither --from nor --to with it"):
        range_of("ru1901", "2018-10-06", None, "2018-10-06", None)
    with pytest.raises(Stop, match="--day: expected a day like"):
        range_of("ru1901", None, None, "tomorrow", None)


def test_what_is_made_of_ticks_is_no_bar_of_days() -> None:
    assert [text for text in ("1m", "4h", "1d", "1w", "tick:100") if is_of_days(text)] == ["1d", "1w"]
