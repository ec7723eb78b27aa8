"""What people write: names of instruments, times, zones, days, intervals, triggers, spaces of parameters, sources, logs, URLs."""

from __future__ import annotations

import contextlib
from datetime import UTC

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.imports.market_names import (
    instrument_in_name,
    instrument_written,
    market_called,
    market_of_catalog,
)
from marketprism_adapters.sources.registry import parse_source, replay_arguments
from marketprism_adapters.venues.registry import MARKETS
from marketprism_adapters.vnpy_gateway.names import spelled
from marketprism_application.backtesting.errors import ParameterError
from marketprism_application.contracts.nearest import nearest
from marketprism_application.contracts.times import iso_short, iso_time, parse_time, zone_name, zone_of
from marketprism_application.errors import ApplicationError, SourceError
from marketprism_application.queries.checks import check_interval
from marketprism_application.queries.search_words import parts_of, plain, words_of
from marketprism_application.queries.symbol_names import NameIndex, StoredName, is_several
from marketprism_application.queries.trading_days import days_given
from marketprism_application.scheduling.definitions import check_together, read_file
from marketprism_application.sweeps.constraints import Constraint
from marketprism_application.sweeps.space import Space
from marketprism_application.venues.protocol import ParseRefused
from marketprism_domain.commands import instrument_pattern
from marketprism_domain.errors import DomainError, InvalidValue
from marketprism_domain.instruments.names import base_of, class_of, has_signed_price, legs_of, month_of, product_of
from marketprism_domain.instruments.product_names import chinese_name, english_name, names_of
from marketprism_domain.instruments.sizes import size_of
from marketprism_domain.instruments.vt_symbols import from_vt_symbol, to_vt_symbol
from marketprism_domain.instruments.written_names import fits, readings_of
from marketprism_domain.scheduling.jobs import Dependency, is_name
from marketprism_domain.scheduling.triggers import parse_span, parse_trigger, span_text
from marketprism_domain.sessions.exchange_hours import hours_key, venue_of, versions_of
from marketprism_domain.sessions.listed_codes import as_listed
from marketprism_domain.sessions.trading_days import day_of, day_text
from marketprism_domain.values import InstrumentId, Interval, Symbol, TradingDay, Venue
from marketprism_sdk.nats.direct import nanoseconds
from marketprism_sdk.urls import Url, hide
from marketprism_services.cli.backtest_options import params_of
from marketprism_services.platform.log_reading import entry_of
from marketprism_services.platform.units import name_of, unit_named
from marketprism_services.settings.errors import SettingsError
from tests.fuzzing.mutation import words
from tests.fuzzing.target import Target, expect, text_of
from tests.fuzzing.word_lists import NAMES, TIMES

_CALENDAR = chinese_calendar_of_markets()
_INDEX = NameIndex(
    [
        StoredName("ru1901", "shfe"),
        StoredName("BTC-USDT-PERP", "binance"),
        StoredName("IF1812", "cffex"),
        StoredName("510050", "sse"),
    ]
)
_T0 = 1_538_960_400_000_000_000


def _instrument(data: bytes) -> None:
    """A name in every reading that it has; none of them is an error where the function has no refusal."""
    text = text_of(data)
    for ask in (
        legs_of,
        class_of,
        has_signed_price,
        product_of,
        month_of,
        hours_key,
        venue_of,
        words_of,
        plain,
        is_several,
        market_called,
        market_of_catalog,
        instrument_written,
        instrument_in_name,
        spelled,
    ):
        ask(text)  # type: ignore[operator]
    base_of(product_of(text))
    [parts_of(word) for word in words_of(text)]
    for venue in ("shfe", "czce", "cffex", "sse", "binance"):
        for ask in (names_of, chinese_name, english_name, size_of, versions_of, as_listed):
            ask(venue, text)  # type: ignore[operator]
        _CALENDAR.schedule(venue, text).place(_T0)
    for reading in readings_of(text):
        expect(
            reading.symbol == "" or reading.symbol in text or reading.symbol.casefold() in text.casefold(),
            "a reading that the text has not",
        )
    fits(text, "shfe", "ru1901")
    nearest(text, ["ru1901", "close"])
    _INDEX.find(text)
    venue, symbol = from_vt_symbol(text)
    if venue is not None:
        expect(from_vt_symbol(to_vt_symbol(venue, symbol)) == (venue, symbol), "a name is written as another one")


def _values(data: bytes) -> None:
    text = text_of(data)
    for made in (Symbol, Venue, TradingDay, instrument_pattern):
        with contextlib.suppress(InvalidValue):
            expect(str(made(text)) == text or made is instrument_pattern, "a value is another text")
    InstrumentId.of("shfe", text)


def _native(data: bytes) -> None:
    """A venue's own name of an instrument as ours, and back."""
    text = text_of(data)
    from marketprism_adapters.imports import market_names  # noqa: PLC0415

    for market in MARKETS:
        market_names.instrument_of(market, text)


def _time(data: bytes) -> None:
    text, _, zone_text = text_of(data).partition("\n")
    zone = zone_of(zone_text or "UTC")
    expect(zone_of(zone_name(zone)).utcoffset(None) == zone.utcoffset(None), "a zone is written as another one")
    ts = parse_time(text, "from", zone)
    assert ts is not None
    expect(parse_time(iso_time(ts, UTC), "from") == ts, f"a time is written as another one: {iso_time(ts)}")
    expect(parse_time(iso_short(ts), "from") == ts, "a short time is another one")
    iso_time(ts, zone)


def _server_time(data: bytes) -> None:
    nanoseconds(text_of(data))


def _days(data: bytes) -> None:
    first, _, last = text_of(data).partition("\n")
    found = days_given(first or None, last or None)
    for day in found:
        expect(day is None or day_text(day_of(day)) == day, "a day is written as another one")


def _interval(data: bytes) -> None:
    found = Interval.parse(text_of(data))
    expect(Interval.parse(str(found)) == found and found.seconds > 0, "an interval is written as another one")
    check_interval(str(found))


def _trigger(data: bytes) -> None:
    text = text_of(data)
    for ask in (parse_span, Dependency.parse):
        try:
            found = ask(text)
        except InvalidValue:
            continue
        if isinstance(found, int):
            expect(abs(parse_span(span_text(found)) - found) < 1_000_000, "a span is written as another one")
    is_name(text)
    parse_trigger(text)


def _jobs(data: bytes) -> None:
    check_together(read_file(text_of(data), "jobs.toml"))


def _space(data: bytes) -> None:
    constraint, *dimensions = text_of(data).split("\n")[:5]
    space = Space.of_texts([each for each in dimensions if each], constraint)
    expect(space.size >= 1, "a space without a set")
    for n, found in enumerate(space.sets("random", 3, 7)):
        if constraint:
            Constraint(constraint, tuple(found)).holds(found)
        if n > 3:
            break


def _source(data: bytes) -> None:
    spec = parse_source(text_of(data))
    expect(spec.name in text_of(data), "another source")
    if spec.name == "replay":
        replay_arguments(spec.arguments)


def _log(data: bytes) -> None:
    entry = entry_of(text_of(data), "gateway")
    expect(entry.ts >= -(2**63), "a time that is none")


def _unit(data: bytes) -> None:
    unit = unit_named(text_of(data))
    expect(unit_named(name_of(unit)) == unit, "a unit is written as another one")


def _url(data: bytes) -> None:
    """A URL never shows who logs in, however it is written."""
    text = text_of(data)
    url = Url(text)
    expect(hide(str(url)) == str(url), "what is hidden is hidden otherwise the second time")
    expect(
        not text.startswith(("nats://", "https://")) or "://u:hunter2@" not in f"{url} {url.bare()}",
        f"a password is shown: {url} {url.bare()}",
    )


TARGETS = (
    Target(
        "instrument",
        _instrument,
        (DomainError, ValueError),
        lambda: [
            each.encode()
            for each in (
                "ru1901.SHFE",
                "SHFE.ru1901",
                "BTC-USDT-PERP.binance",
                "SP l2602&l2603",
                "螺纹2605",
                "IO1901-C-3000",
                "a.b.c",
            )
        ],
        words(*NAMES),
    ),
    Target("values", _values, (InvalidValue,), lambda: [b"ru1901", b"20181008", b"shfe.ru*"], words(*NAMES)),
    Target(
        "native-name",
        _native,
        (ParseRefused,),
        lambda: [b"BTCUSDT", b"BTCUSD_250328", b"BTC-USD-SWAP", b"BTC-27JUN25-50000-C", b"BTC_USDC-PERPETUAL"],
        words("BTC", "USDT", "USD", "_", "-", "250328", "27JUN25", "PERPETUAL", "SWAP", "C", "P"),
    ),
    Target(
        "time",
        _time,
        (ValueError,),
        lambda: [
            b"2018-10-08\nAsia/Shanghai",
            b"2018-10-08T21:00:00.123456789+08:00",
            b"1538960400123",
            b"20181008",
            b"2018-10-08 21:00\n-05:30",
        ],
        words(*TIMES),
    ),
    Target(
        "server-time",
        _server_time,
        (ValueError,),
        lambda: [b"2026-01-01T00:00:00.123456789Z", b"2026-01-01T00:00:00+08:00"],
        words(*TIMES),
    ),
    Target("days", _days, (ApplicationError,), lambda: [b"20181008\n2018-10-09"], words(*TIMES)),
    Target(
        "interval",
        _interval,
        (InvalidValue,),
        lambda: [b"1m", b"15s", b"1d", b"1w", b"4h"],
        words("1", "m", "s", "h", "d", "w", "0", "mo", "٣"),
    ),
    Target(
        "trigger",
        _trigger,
        (InvalidValue,),
        lambda: [
            b"cron 0 9 * * 1-5",
            b"every 15m",
            b"session close shfe.ru +30m",
            b"funding binance -2h",
            b"after archive",
            b"manual",
            b"+30s",
            b"archive:any",
        ],
        words(
            "cron ",
            "every ",
            "session ",
            "open",
            "close",
            "funding ",
            "after ",
            "*",
            "*/5",
            "1-5",
            "15m",
            "-2h",
            " in ",
            "UTC",
            " ",
            "ru",
            "shfe.",
        ),
    ),
    Target(
        "jobs",
        _jobs,
        (ApplicationError, DomainError),
        lambda: [
            b"[jobs.a]\ntrigger = 'every 15m'\ncommand = 'storage.archive'\n[jobs.b]\ntrigger = 'after a'\ncommand = 'data.check'\n"
        ],
        words(
            "[jobs.",
            "]",
            "trigger = ",
            "'every 15m'",
            "command = ",
            "\n",
            "'",
            "after ",
            "a",
            "{",
            "}",
            "retries = 3",
            "timeout = ",
            "1e999",
            "-1",
        ),
    ),
    Target(
        "space",
        _space,
        (ParameterError,),
        lambda: [b"fast < slow\nfast=5:50:5\nslow=10,20", b"\na=0.1:1", b"a * 2 >= b and not b\na=1:3\nb=1"],
        words("fast", "slow", "=", ":", ",", "5", "0.1", "\n", "<", "**", "(", ")", " and ", "not ", "1e9", "-1", "/0"),
    ),
    Target(
        "parameters",
        lambda data: params_of(text_of(data).split("\n")),
        (ApplicationError, ValueError),
        lambda: [b"fast=5\nslow=10"],
        words("=", "\n", "a"),
    ),
    Target(
        "source",
        _source,
        (SourceError,),
        lambda: [
            b"replay:a.csv.gz,b\\,c.csv",
            b"sim:seed=7,days=1",
            b"ctp",
            b"binance:BTC-USDT+ETH-USDT",
            b"vnpy:vnpy_xtp.XtpGateway",
            b"capture:~/x",
            b"replay:a,market=okx,partial",
        ],
        words("replay:", "sim:", ",", "\\", "market=", "partial", "=", "+", "vnpy:", ".", "capture:"),
    ),
    Target(
        "log-line",
        _log,
        (),
        lambda: [
            b'{"timestamp": "2026-01-01T00:00:00.5Z", "level": "info", "event": "a.b", "service": "gateway", "instance": "x"}',
            b"[1] 2026/01/01 00:00:00.123456 [INF] text",
            b"text",
        ],
        words(
            '{"timestamp": "',
            "2026-01-01T00:00:00Z",
            "0001-01-01",
            "9999-12-31T23:59:59-23:59",
            '"',
            "}",
            "[1] ",
            "2026/13/45 ",
            "99:99:99.1",
            " [ERR] ",
            "null",
            "[",
            ":",
        ),
    ),
    Target(
        "unit",
        _unit,
        (SettingsError,),
        lambda: [b"gateway+validator", b"storage"],
        words("gateway", "+", "validator", "storage", " "),
    ),
    Target(
        "url",
        _url,
        (),
        lambda: [
            b"nats://u:hunter2@h:4222,nats://v:hunter2@i",
            b"https://h/p?token=hunter2&a=b",
            b"wss://h/ws/btcusdt@trade",
        ],
        words("://", "@", "/", "?", "&token=hunter2", ":", "u:hunter2@", "[", "]", ",", "#", "nats", "h"),
    ),
)
