"""The instruments that a simulated front lists: on the exchange that their recording names, never on a guessed one."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketprism_adapters.counters.simulated_front.script import Script
from marketprism_application.errors import SourceError
from marketprism_domain.sessions.calendar import MarketCalendar
from tests.unit.adapters.counters.test_recordings import write


def listed(path: Path, calendar: MarketCalendar) -> list[tuple[str, str]]:
    return [(item["InstrumentID"], item["ExchangeID"]) for item in Script(f"sim:{path}", calendar).instruments]


def test_an_unknown_product_is_listed_where_its_recording_says(tmp_path: Path, calendar: MarketCalendar) -> None:
    path = write(tmp_path / "x.csv", {"InstrumentID": "qq2505", "ExchangeID": "GFEX"}, {"InstrumentID": "m2505"})
    assert listed(path, calendar) == [("qq2505", "GFEX"), ("m2505", "DCE")]


def test_an_unknown_product_without_an_exchange_is_refused_by_its_name(
    tmp_path: Path, calendar: MarketCalendar
) -> None:
    path = write(tmp_path / "x.csv", {}, {"InstrumentID": "qq2505"})
    with pytest.raises(SourceError, match=r"x\.csv, row 2: column ExchangeID: expected an exchange.*'qq2505'"):
        Script(f"sim:{path}", calendar)
