"""`marketprism calendar`: which instrument a name means, and which exchange is none."""

from __future__ import annotations

import pytest

from marketprism_services.cli.calendar import calendar
from marketprism_services.platform.exits import Stop

DAY = "2025-05-06"


@pytest.mark.parametrize(
    ("symbol", "venue", "shown"),
    [
        ("rb2505.shfe", None, "shfe.rb2505"),
        ("rb2505.SHF", None, "shfe.rb2505"),
        ("IO2506-C-4000.CFFEX", None, "cffex.IO2506-C-4000"),
        ("m2509-C-3000.DCE", None, "dce.m2509-C-3000"),
        ("10008801.SSE", None, "sse.10008801"),
        ("10008801", "SSE", "sse.10008801"),
        ("xx2505", "SHFE", "shfe.xx2505"),
        ("okx.BTC-USDT", None, "okx.BTC-USDT"),
        ("BTC-USDT-PERP", "binance-usdm", "binance.BTC-USDT-PERP"),
    ],
)
def test_an_exchange_is_taken_in_any_case(
    symbol: str, venue: str | None, shown: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKETPRISM_LANG", "en")
    calendar(symbol, DAY, venue)
    assert capsys.readouterr().out.startswith(shown)


@pytest.mark.parametrize(
    ("symbol", "venue", "why"),
    [
        ("rb2505.SHEF", None, r"venue: expected one of shfe, .*, was 'shef'; did you mean 'shfe'"),
        ("rb2505", "foo", "venue: expected one of shfe, .*, was 'foo'"),
        ("rb2505.DCE", None, "venue: expected shfe, which lists rb2505, was dce"),
        ("sc2507", "shfe", "venue: expected ine, which lists sc2507, was shfe"),
    ],
)
def test_an_exchange_that_is_none_or_another_is_refused(symbol: str, venue: str | None, why: str) -> None:
    with pytest.raises(Stop, match=why):
        calendar(symbol, DAY, venue)
