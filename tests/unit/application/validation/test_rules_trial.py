"""Two sets of rules over the same messages: what each decides, where they differ, and what is shown of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from marketprism_application.contracts.packed import PACKED_VERSION, Packed, encode_packed
from marketprism_application.validation.rules_trial import MOST_EXAMPLES, RulesTrial
from marketprism_application.validation.validator import ShardValidator
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.rules import ValidationRules
from tests.fakes.ticks import at, tick

SECOND = 10**9
START = at("2018-10-08 09:00:00")
NOW = ValidationRules()


def message(places: range, *, far: bool = False, symbols: int = 1) -> bytes:
    """A tick a second of some instruments; where it is `far`, 6 % from the settlement before, without limits."""
    spoiled = {"limit_up": None, "limit_down": None, "pre_settlement": Decimal(3_200)} if far else {}
    ticks = tuple(
        tick(
            START + place * SECOND, 3_000 + place % 9, place + 1, day="20181008", seq=place * symbols + number
        )._replace(symbol=f"rb19{number:02}", **spoiled)
        for place in places
        for number in range(symbols)
    )
    return encode_packed(Packed(PACKED_VERSION, "test", 1, START, ticks, session="s", chain=places.start))


def test_each_tick_is_counted_once_by_both(calendar: MarketCalendar) -> None:
    trial = RulesTrial(calendar, NOW, NOW.changed(futures_band_percent=5.0))
    trial.begin(3, b"")
    spoiled = message(range(1, 2), far=True)
    trial.feed([(1, message(range(1))), (2, spoiled), (3, spoiled), (4, message(range(2, 5)))], 1)
    found: Any = trial.result()
    assert (found["messages"], found["ticks"], found["differing"]) == (4, 5, 1)  # one came again
    assert (found["now"]["valid"], found["now"]["rejected"]) == (5, 0)
    assert (found["new"]["valid"], found["new"]["rejected"], found["new"]["accepted"]) == (4, 1, 4)
    assert found["new"]["rejected_by_reason"] == {"price_outside_band": 1}
    assert (found["now"]["mean_score"], found["new"]["mean_score"]) == (100.0, 96.0)
    (example,) = found["examples"]
    assert (example["partition"], example["stream_seq"]) == (3, 2)
    assert example["now"] == {"verdict": "valid", "reasons": (), "score": 100}
    assert (example["new"]["verdict"], example["new"]["reasons"]) == ("rejected", ("price_outside_band",))
    assert example["tick"]["last"] == "3001"
    assert (found["is_as_decided"], found["cold_partitions"]) == (True, [])


def test_what_comes_before_the_window_is_remembered_and_not_counted(calendar: MarketCalendar) -> None:
    new = NOW.changed(futures_band_percent=5.0)
    trial = RulesTrial(calendar, NOW, new)
    trial.begin(0, b"")
    trial.feed([(1, message(range(1), far=True)), (2, message(range(1, 2), far=True))], 2)
    found: Any = trial.result()
    assert (found["ticks"], found["new"]["rejected"]) == (1, 1)

    validator = ShardValidator(calendar, NOW)
    validator.process(Packed(PACKED_VERSION, "test", 1, START, ()), 1, 0)
    again = RulesTrial(calendar, NOW, new)
    again.begin(0, validator.snapshot())
    again.feed([(2, message(range(3)))], 2)
    assert again.result()["is_as_decided"] is True
    other = RulesTrial(calendar, NOW.changed(z_low=2.0), new)
    other.begin(0, validator.snapshot())
    assert other.result()["is_as_decided"] is False


@pytest.mark.parametrize(("state", "is_cut"), [(None, False), (b"\xc1", False), (b"", True)])
def test_a_partition_whose_memory_is_not_known_is_named(
    calendar: MarketCalendar, state: bytes | None, is_cut: bool
) -> None:
    trial = RulesTrial(calendar, NOW, NOW)
    trial.begin(5, state, is_cut=is_cut)
    trial.feed([(1, message(range(3)))], 1)
    found = trial.result()
    assert (found["cold_partitions"], found["is_as_decided"], found["ticks"]) == ([5], False, 3)


def test_bytes_that_are_no_message_are_counted_and_passed_over(calendar: MarketCalendar) -> None:
    trial = RulesTrial(calendar, NOW, NOW)
    with pytest.raises(ValueError, match="expected a partition"):
        trial.feed([], 1)
    trial.begin(0, b"")
    trial.feed([(1, b"\xc1"), (2, message(range(2))), (3, b"")], 1)
    assert (trial.result()["malformed"], trial.result()["ticks"]) == (2, 2)


def test_examples_and_instruments_are_bounded_and_those_that_differ_most_come_first(calendar: MarketCalendar) -> None:
    trial = RulesTrial(calendar, NOW, NOW.changed(futures_band_percent=5.0))
    trial.begin(0, b"")
    trial.feed([(1, message(range(20), far=True, symbols=60)), (2, message(range(20, 22), symbols=60))], 1)
    found: Any = trial.result()
    assert (found["instruments"], found["differing"]) == (60, 1_200)
    assert len(found["by_instrument"]) == 50
    assert len(found["examples"]) == MOST_EXAMPLES
    of_one = [each for each in found["examples"] if each["tick"]["symbol"] == "rb1900"]
    assert len(of_one) <= 5


def test_a_verdict_has_its_consequence_for_the_next_tick_of_the_same_rules_alone(calendar: MarketCalendar) -> None:
    """A price that only one of both takes is the tick before for that one alone."""
    spoiled = tick(START, 4_000, 50, day="20181008", seq=0)._replace(
        limit_up=None, limit_down=None, pre_settlement=Decimal(3_000)
    )
    after = tick(START + SECOND, 3_000, 20, day="20181008", seq=1)  # less was traded than the first one says
    trial = RulesTrial(calendar, NOW, NOW.changed(futures_band_percent=50))
    trial.begin(0, b"")
    trial.feed([(1, encode_packed(Packed(PACKED_VERSION, "test", 1, START, (spoiled, after))))], 1)
    found: Any = trial.result()
    assert found["now"]["rejected_by_reason"] == {"price_outside_band": 1}
    assert found["new"]["rejected_by_reason"] == {"volume_fell": 1}
