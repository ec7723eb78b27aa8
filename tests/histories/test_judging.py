"""Recorder, beliefs, stages and reads: each kind of wrong is found, and what is right is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.histories.beliefs import overlapping
from tests.histories.judging import judge
from tests.histories.operations import ENDLESS, FAIL, INFO, OK, Recorder, history_of, read_lines
from tests.histories.read_checks import judge_reads, judge_watermarks
from tests.histories.samples import Scrapes
from tests.histories.soak import judge_soak
from tests.histories.stage_checks import judge_stage, outputs_of


def test_what_processes_record_is_laid_together_and_a_cut_line_is_left_out(tmp_path: Path) -> None:
    one, two = (Recorder(tmp_path / f"{name}.jsonl", name) for name in "ab")
    first = one.invoke("put", "k", "v")
    second = two.invoke("read", "k")
    lost = two.invoke("put", "k", "w")
    two.complete(second, OK, ["v", 7])
    one.complete(first, FAIL)
    one.note("fault", what="kill")
    two.close()
    with (tmp_path / "b.jsonl").open("a") as file:
        file.write('{"p": "b", "t"')
    history = history_of(read_lines(sorted(tmp_path.iterdir())))
    found = {(each.process, each.number): each for each in history.operations}
    assert [each["what"] for each in history.of("fault")] == ["kill"]
    assert (found["a", 1].outcome, found["b", 1].got, found["b", lost].end) == (FAIL, ["v", 7], ENDLESS)
    assert (found["b", lost].outcome, found["a", 1].end > found["b", 1].start) == (INFO, True)


def test_an_end_without_a_beginning_is_named() -> None:
    with pytest.raises(ValueError, match="expected the beginning of \\('a', 3\\)"):
        history_of([{"p": "a", "t": 1, "n": 3, "type": "ok", "got": None}])


def belief(process: str, epoch: int, since: int, until: int) -> dict[str, Any]:
    return {"p": process, "epoch": epoch, "since": since, "t": until}


def test_two_who_believe_to_lead_are_found_and_one_after_the_other_is_right() -> None:
    right = [belief("a", 1, 0, 1), belief("a", 1, 8, 9), belief("b", 2, 10, 12), belief("b", 2, 20, 21)]
    assert overlapping(right) == []
    # Frozen between two looks at its clock: when it believed is not known any better.
    assert overlapping([*right, belief("a", 1, 9, 15)]) == []
    assert "a believed to lead under epoch 1" in overlapping([*right, belief("a", 1, 14, 15)])[0]
    assert overlapping([belief("a", 3, 0, 1), belief("b", 3, 2, 3)]) == ["epoch 3 is of a and of b"]


EVERY = 4


def stored(numbers: int = 12) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    for number in range(1, numbers + 1):
        lines.append({"stream": "in", "partition": number % 2, "value": number})
    for partition in (0, 1):
        outputs, side = outputs_of([n for n in range(1, numbers + 1) if n % 2 == partition], EVERY, partition)
        lines += [{"stream": "out", "partition": partition, "value": text} for text in outputs]
        lines += [{"stream": "side", "partition": partition, "value": text.partition(":")[2]} for text in side]
        lines += [{"stream": "checkpoint", "partition": partition, "value": [1, place]} for place in (3, 6)]
    return lines


def test_a_stage_that_did_everything_once_is_right() -> None:
    judged = judge_stage(stored(), range(1, 13), every=EVERY)
    assert judged.wrong == []
    assert judged.counts == {"in": 12, "out": 16, "side": 2, "checkpoint": 4}


def _without(lines: list[dict[str, Any]], stream: str) -> list[dict[str, Any]]:
    at = next(at for at, line in enumerate(lines) if line["stream"] == stream)
    return lines[:at] + lines[at + 1 :]


def _twice(lines: list[dict[str, Any]], stream: str) -> list[dict[str, Any]]:
    at = next(at for at, line in enumerate(lines) if line["stream"] == stream)
    return [*lines[: at + 1], *lines[at:]]


WRONG = {
    "an output is lost": (_without(stored(), "out"), "out: expected '1 2 2' as output 1"),
    "an output is doubled": (_twice(stored(), "out"), "as output 2 of partition 0"),
    "a side message is lost": (_without(stored(), "side"), "side: 1 messages are not there"),
    "a side message is doubled": (_twice(stored(), "side"), "is there 2 times"),
    "a number is lost": (_without(stored(), "in"), "in: expected 1 of the source, was 2"),
    "a number is doubled": (_twice(stored(), "in"), "in: expected 2 of the source, was 1"),
    "a checkpoint goes back": (
        [*stored(), {"stream": "checkpoint", "partition": 0, "value": [2, 4]}],
        "checkpoint of partition 0: went back from [1, 6] to [2, 4]",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_stage_that_did_not_is_found(name: str) -> None:
    lines, told = WRONG[name]
    assert any(told in text for text in judge_stage(lines, (), every=EVERY).wrong)


def test_what_was_acknowledged_must_be_stored_and_the_rest_may_be_under_way() -> None:
    assert "1 acknowledged numbers" in judge_stage(stored(), [13], every=EVERY).wrong[0]
    assert judge_stage(_without(stored(), "side"), (), every=EVERY, complete=False).wrong == []


def answer(**values: Any) -> dict[str, Any]:
    return {"session": "s", "key": "k", **values}


READS = {
    "newest": [answer(newest=5, by="q1"), answer(newest=4, by="q2")],
    "count": [answer(up_to=9, count=3, by="q1"), answer(up_to=9, count=2, by="q2")],
    "own write": [answer(newest=5, wrote=6)],
    "revision": [answer(bars=[[60, 2, "x"]]), answer(bars=[[60, 1, "x"]])],
    "content": [answer(bars=[[60, 1, "x"]]), answer(bars=[[60, 1, "y"]])],
}


@pytest.mark.parametrize("name", READS)
def test_a_session_that_goes_back_is_found(name: str) -> None:
    assert len(judge_reads(READS[name]).wrong) == 1


def test_a_session_that_goes_on_is_right_and_another_may_be_behind() -> None:
    lines = [
        answer(newest=5, up_to=3, count=2, wrote=5, bars=[[60, 1, "x"]]),
        answer(newest=5, up_to=3, count=2, bars=[[60, 2, "y"]]),
        {**answer(newest=4, up_to=3, count=1, bars=[[60, 1, "x"]]), "session": "other"},
    ]
    assert judge_reads(lines).wrong == []


def lines_of(what: str, *told: tuple[Any, ...], notes: tuple[dict[str, Any], ...] = ()) -> list[dict[str, Any]]:
    """Operations one after the other: (kind, key, given, outcome, got)."""
    lines: list[dict[str, Any]] = [{"p": "run", "t": 0, "type": "note", "kind": "run", "what": what, "seed": 1}]
    for number, (kind, key, given, outcome, got) in enumerate(told, 1):
        asked = {"n": number, "type": "invoke", "kind": kind, "key": key, "given": given}
        lines += [
            {"p": "a", "t": 10 * number, **asked},
            {"p": "a", "t": 10 * number + 5, "n": number, "type": outcome, "got": got},
        ]
    return [*lines, *({"p": "run", "t": 10_000, "type": "note", **note} for note in notes)]


def test_what_a_deposed_leader_refused_and_its_successor_took_is_noted_and_holds() -> None:
    made = ("put", "k", "v", "ok", 1)
    refused = ("update", "k", ["w", 1], "fail", "wrong last sequence")
    report = judge(lines_of("kv", made, refused, ("read", "k", None, "ok", ["w", 2])))
    assert (report.wrong, report.noted) == ([], {"keys with refusals that were none": 1})
    assert "a read saw what was refused" in report.told[0]
    right = ("update", "k", ["w", 7], "fail", "wrong last sequence")
    report = judge(lines_of("kv", made, right, ("read", "k", None, "ok", ["v", 1])))
    assert (report.wrong, sum(report.noted.values())) == ([], 0)
    report = judge(lines_of("kv", made, ("put", "k", "w", "ok", 2), ("update", "k", ["x", 1], "ok", 3)))
    assert "not linearizable" in report.text()


RAISED, FENCE = ("raise", "stream", ["a", 1], "ok", 1), {"kind": "stored-fence", "seq": 1, "epoch": 1, "holder": "a"}


def entry(number: int, seq: int, epoch: int = 1) -> dict[str, Any]:
    return {"kind": "stored-entry", "seq": seq, "value": f"a#{number} {epoch}"}


def test_what_a_stream_holds_says_what_became_of_a_write() -> None:
    refused = ("write", "stream", [1, 1], "fail", "wrong last sequence")
    report = judge(lines_of("lease", RAISED, refused, notes=(FENCE, entry(2, 2))))
    assert (report.wrong, report.noted["refused and stored"]) == ([], 1)
    taken = ("write", "stream", [1, 1], "ok", 2)
    assert judge(lines_of("lease", RAISED, taken, notes=(FENCE, entry(2, 2)))).wrong == []
    assert "not stored" in judge(lines_of("lease", RAISED, taken, notes=(FENCE,))).wrong[0]
    twice = judge(lines_of("lease", RAISED, taken, notes=(FENCE, entry(2, 2), entry(2, 3)))).wrong
    assert twice == ["entry a#2 is stored 2 times"]
    later = {"kind": "stored-fence", "seq": 2, "epoch": 2, "holder": "b"}
    behind = judge(
        lines_of("lease", RAISED, ("write", "stream", [1, 1], "info", None), notes=(FENCE, later, entry(2, 3)))
    )
    assert behind.wrong == ["entry a#2 of epoch 1 stands behind the fence of epoch 2"]


def test_a_history_that_does_not_say_what_was_run_is_named() -> None:
    with pytest.raises(ValueError, match="a note that says what was run"):
        judge([])


def test_a_soak_names_what_grows_and_what_is_not_known() -> None:
    flat = [(5.0 * at, 100.0 + at % 3) for at in range(200)]
    series = {
        "query-0.rss_mb": flat,
        "api-0.rss_mb": [(time, value + time / 10) for time, value in flat],
        "nats-server.rss_mb": [(time, value + time / 10) for time, value in flat],
        "query-0.tasks": flat[:5],
    }
    found = judge_soak(series, warm_up_s=100.0)
    assert (found["verdict"], found["grows"], found["unknown"]) == ("grows", ["api-0.rss_mb"], ["query-0.tasks"])


def test_a_scrape_is_summed_over_labels_and_means_are_of_the_time_since_the_one_before() -> None:
    scrapes = Scrapes()
    text = """# HELP x
marketprism_stage_lag_messages{stage="a"} 3
marketprism_stage_lag_messages{stage="b"} 4
marketprism_bar_delay_seconds_count 10
marketprism_bar_delay_seconds_sum 5
"""
    assert scrapes.take(text) == {"lag_messages": 7.0, "bar_delay_s": 0.5}
    later = text.replace("count 10", "count 14").replace("sum 5", "sum 13")
    assert scrapes.take(later) == {"lag_messages": 7.0, "bar_delay_s": 2.0}
    assert scrapes.take(later) == {"lag_messages": 7.0}


def test_a_place_that_goes_back_is_found() -> None:
    notes = [{"of": "a", "place": 3}, {"of": "b", "place": 1}, {"of": "a", "place": 4}]
    assert judge_watermarks(notes).wrong == []
    assert judge_watermarks([*notes, {"of": "a", "place": 2}]).wrong == ["a: went back from 4 to 2"]
