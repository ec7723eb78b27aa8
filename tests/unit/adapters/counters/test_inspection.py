"""What a recording of a counter is said to hold."""

from __future__ import annotations

from pathlib import Path

from marketprism_adapters.counters.recordings.formats import CTP_COLUMNS
from marketprism_adapters.counters.recordings.inspection import inspected_counter
from marketprism_domain.sessions.calendar import MarketCalendar
from tests.unit.adapters.counters.test_spoiled_rows import ctp_row, save


def test_instruments_and_refused_rows_of_a_recording(tmp_path: Path, calendar: MarketCalendar) -> None:
    rows = [ctp_row(number) for number in range(4)]
    rows[1] |= {"LastPrice": "?"}
    rows[3] |= {"InstrumentID": "SPD SR505&SR509", "ExchangeID": "CZCE"}
    (report,) = inspected_counter([save(tmp_path / "x.csv", CTP_COLUMNS, rows)], calendar, partial=False)
    assert [(row["symbol"], row["product"], row["class"], row["ticks"]) for row in report["instruments"]] == [
        ("SPD SR505&SR509", "SR", "combination", 1),
        ("rb2505", "rb", "future", 2),
    ]
    assert {day for row in report["instruments"] for day in row["trading_days"]} == {"20250304"}
    assert report["refused"] == ["row 2: column LastPrice: expected a number, was '?'"]
    assert (report["skipped"], report["ok"], report["form"]) == ({"refused_row_LastPrice": 1}, False, "CTP depth")
