"""The verdict of a run: whatever is missing or doubled anywhere makes it wrong, and is counted once."""

from __future__ import annotations

import pytest

from marketprism_application.contracts.kinds import KLINE, TRADE
from marketprism_application.monitoring.progress import Progress
from marketprism_application.monitoring.verdict import KindCount, Run, Stored, verdict_of

RUN = Run("replay:x", {"x": 10}, {"header": 1}, ("1m", "5m"), 0, 2.0)
STORED = Stored(rows=8, distinct_ticks=8, read_back=8, bars=3)


def progress(accepted: int = 8, **rejected: int) -> Progress:
    return Progress(accepted=accepted, rejected=rejected or {"price": 2}, bars={"1m": 2, "5m": 1, "1h": 0})


def test_a_run_of_which_everything_is_there_is_well() -> None:
    kinds = {TRADE.name: KindCount(7, 6, 1)}
    result = verdict_of(RUN, progress(), STORED, kinds, ())
    assert (result["ok"], result["missing"], result["duplicates"]) == (True, 0, 0)
    assert (result["ticks_read"], result["ticks_per_second"], result["bars"]) == (10, 5.0, {"1m": 2, "5m": 1})
    assert result["kinds"] == {"trade": {"published": 7, "stored": 6, "set_aside": 1}}
    assert result["skipped"] == {"header": 1}


def test_rows_are_counted_from_progress_where_the_source_does_not_know_them() -> None:
    seen = progress()
    seen.rows = {"live": 10}
    assert verdict_of(RUN._replace(rows={}), seen, STORED, {}, ())["ticks_read"] == 10


@pytest.mark.parametrize(
    ("seen", "stored", "kinds", "problems", "missing", "doubled"),
    [
        pytest.param(progress(7), STORED, {}, (), 1, 0, id="a tick that was not judged"),
        pytest.param(progress(), STORED._replace(distinct_ticks=7), {}, (), 1, 1, id="a tick without a row"),
        pytest.param(progress(), STORED._replace(read_back=9), {}, (), 0, 1, id="a row twice"),
        pytest.param(progress(9), STORED._replace(distinct_ticks=9, read_back=9), {}, (), 0, 1, id="a tick twice"),
        pytest.param(progress(), STORED._replace(bars=2), {}, (), 1, 0, id="a bar without a row"),
        pytest.param(progress(), STORED._replace(bars=4), {}, (), 0, 1, id="a bar twice"),
        pytest.param(progress(), STORED, {TRADE.name: KindCount(7, 5, 1)}, (), 1, 0, id="a trade without a row"),
        pytest.param(progress(), STORED, {}, ("it stands",), 0, 0, id="a problem of the reconciliation"),
    ],
)
def test_whatever_is_wrong_anywhere_makes_it_wrong(
    seen: Progress, stored: Stored, kinds: dict[str, KindCount], problems: tuple[str, ...], missing: int, doubled: int
) -> None:
    result = verdict_of(RUN, seen, stored, kinds, problems)
    assert not result["ok"]
    assert (result["missing"], result["duplicates"]) == (missing, doubled)


def test_a_running_kline_is_one_row_however_often_it_was_sent() -> None:
    assert verdict_of(RUN, progress(), STORED, {KLINE.name: KindCount(60, 1, 0)}, ())["ok"]
