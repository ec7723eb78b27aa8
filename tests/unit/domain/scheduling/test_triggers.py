"""Triggers as people write them, and what is refused."""

from __future__ import annotations

import pytest

from marketprism_domain.errors import InvalidValue
from marketprism_domain.scheduling.triggers import parse_span, parse_trigger, span_text


@pytest.mark.parametrize(
    "text",
    [
        "cron 10 3 * * 1-5 Asia/Shanghai",
        "cron */5 * * * * UTC",
        "every 15m +30s",
        "every 1d",
        "session shfe.rb day_open -30m",
        "session shfe.rb trading_day_end +15m",
        "funding okx +30s",
        "funding binance",
        "after",
        "manual",
    ],
)
def test_a_trigger_reads_as_it_was_written(text: str) -> None:
    assert str(parse_trigger(text)) == text


def test_bounds_are_allowed() -> None:
    for text in (
        "every 1s",
        "every 366d",
        "session shfe.rb day_open +7d",
        "session shfe.rb day_open -7d",
        "funding okx",
    ):
        assert str(parse_trigger(text)) == text
    assert str(parse_trigger("every 5m +0s")) == "every 5m"
    assert str(parse_trigger("every 5m +299s")) == "every 5m +299s"
    assert [parse_span(text) for text in ("1ms", "1s", "1m", "1h", "1d", "-2m")] == [
        10**6,
        10**9,
        60 * 10**9,
        3_600 * 10**9,
        86_400 * 10**9,
        -120 * 10**9,
    ]
    assert [span_text(ns) for ns in (0, 1_500_000, 90 * 10**9, -86_400 * 10**9)] == ["0s", "1ms", "90s", "-1d"]


def test_the_same_time_is_written_in_one_way() -> None:
    assert str(parse_trigger("every 900s")) == "every 15m"
    assert str(parse_trigger("cron 0 0 * * *")) == "cron 0 0 * * * UTC"
    assert [span_text(parse_span(text)) for text in ("+90s", "-3600s", "0m", "48h", "250ms")] == [
        "90s",
        "-1h",
        "0s",
        "2d",
        "250ms",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", r"trigger: expected cron …, every …, session …, funding …, after or manual, was ''"),
        ("hourly", "trigger: expected cron …"),
        ("cron * * * *", "cron, five fields and perhaps a time zone"),
        ("cron * * * * * * UTC", "cron, five fields and perhaps a time zone"),
        ("every", "trigger: expected cron …"),
        ("every 0s", "a period of 1s to 366d, was '0s'"),
        ("every 500ms", "a period of 1s to 366d, was '500ms'"),
        ("every -5m", "a period of 1s to 366d, was '-5m'"),
        ("every 367d", "a period of 1s to 366d"),
        ("every 5m +5m", "an offset below 5m, was '5m'"),
        ("every 5m -1s", "an offset below 5m, was '-1s'"),
        ("every five", "time: expected a number and one of ms s m h d"),
        ("session rb day_open", "a product as exchange.product, was 'rb'"),
        (
            "session shfe.rb noon",
            "an anchor: one of night_open, day_open, break, day_close, trading_day_end, was 'noon'",
        ),
        ("session SHFE.rb day_open", "venue: expected a lower-case word"),
        ("session shfe.rb day_open -8d", "an offset of at most 7d, was '-8d'"),
        ("funding okx -1h", "an offset of 0s or more, was '-1h'"),
        ("funding OKX", "venue: expected a lower-case word"),
        ("session shfe. day_open", "symbol: expected 1 to 64"),
        ("session shfe.rb day_open +1h +1h", "trigger: expected cron …"),
        ("every 5m +1s +1s", "trigger: expected cron …"),
        ("manual now", "trigger: expected cron …"),
    ],
)
def test_a_trigger_that_cannot_be_is_refused_by_what_is_wrong_with_it(text: str, problem: str) -> None:
    with pytest.raises(InvalidValue, match=problem):
        parse_trigger(text)
