"""Jobs as they are shown: definitions that can be read again, spans, fields, times within sentences."""

from __future__ import annotations

import tomllib

import msgspec
import pytest

from marketprism_application.contracts.schedule_records import JobDocument
from marketprism_application.scheduling.definitions import read_file
from marketprism_services.cli.clocks import CHINA_TIME, UTC_TIME
from marketprism_services.cli.jobs_view import JobRow, OpenRun, definition, duration, fields_of, readable

SECOND = 1_000_000_000


class Body(msgspec.Struct):
    """A body with a field that has to be there."""

    day: str
    deep: dict[str, list[int]] = {}


def test_a_definition_is_read_again_as_it_was() -> None:
    body = {"a b": 1, "c": [1.5, True, {"d": 'x"y\\z'}], "e": {}, "f": "两\n行", "g": "\x1b[31m"}
    document = JobDocument("cron 0 3 * * 1-5 Asia/Shanghai", "storage.archive", body, ["x:any"], retry_factor=1.5)
    text = "\n".join(definition("a-1", msgspec.to_builtins(document)))
    assert read_file(text, "here") == {"a-1": document}
    assert "\x1b" not in text


def test_a_null_which_toml_has_not_is_left_out() -> None:
    lines = definition("a", {"body": {"gone": None, "there": [None, 1]}})
    assert tomllib.loads("\n".join(lines)) == {"jobs": {"a": {"body": {"there": [1]}}}}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (0.25, "0.25 s"),
        (9.0, "9 s"),
        (12.4, "12 s"),
        (59.7, "1 min"),
        (60.0, "1 min"),
        (3725.0, "62 min 5 s"),
    ],
)
def test_a_duration_has_what_a_person_needs_of_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_fields_that_have_to_be_there_have_a_star() -> None:
    assert fields_of(msgspec.json.schema(Body)) == "day*, deep"
    assert fields_of({}) == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"the run of {1_767_225_600 * SECOND} is not done", "the run of 2026-01-01 00:00:00 is not done"),
        (f"({1_767_225_600 * SECOND + SECOND // 10})", "(2026-01-01 00:00:00.100)"),
        ("12 rows, 12345678901234567890 of them", "12 rows, 12345678901234567890 of them"),
    ],
)
def test_instants_within_a_sentence_are_times(text: str, shown: str) -> None:
    assert readable(text, UTC_TIME) == shown
    assert readable(f"{1_767_225_600 * SECOND}", CHINA_TIME) == "2026-01-01 08:00:00"


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({}, "waiting"),
        ({"open": [OpenRun(1, "retrying", "schedule", 1, 1, 1, 1, "", "")]}, "waiting"),
        ({"open": [OpenRun(1, "running", "schedule", 1, 1, 1, 0, "", "")]}, "running"),
        ({"paused": True, "open": [OpenRun(1, "running", "schedule", 1, 1, 1, 0, "", "")]}, "paused"),
        ({"enabled": False, "paused": True}, "disabled"),
        ({"refused": "why", "enabled": False}, "refused"),
    ],
)
def test_what_keeps_a_job_from_being_planned_is_its_status(changed: dict[str, object], status: str) -> None:
    row = JobRow("a", "manual", "b.c", [], "", True, False, "file", 0, "", 0, "", 0, 0, [])
    assert msgspec.structs.replace(row, **changed).status == status
