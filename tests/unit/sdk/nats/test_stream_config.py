"""What a program may change of a stream that is there."""

from __future__ import annotations

from typing import Any

import pytest

from marketprism_sdk.errors import ConfigurationError, StreamMisconfigured
from marketprism_sdk.nats.stream_config import adapt, identity

DAY_NS = 86_400 * 10**9
THERE: dict[str, Any] = {
    "name": "S",
    "subjects": ["a.>", "b.>"],
    "retention": "limits",
    "storage": "file",
    "discard": "old",
    "num_replicas": 3,
    "max_age": DAY_NS,
    "max_bytes": 1_000,
    "max_msgs": -1,
    "duplicate_window": 120 * 10**9,
    "allow_direct": True,
    "metadata": {**identity(2, partitions="32"), "_nats.ver": "2.15.1", "team": "md"},
}


def asked(**more: Any) -> dict[str, Any]:
    return {**{key: THERE[key] for key in ("name", "subjects", "num_replicas", "max_age", "max_bytes")}, **more}


@pytest.mark.parametrize(
    ("want", "told"),
    [
        ({}, 0),
        ({"num_replicas": 1}, 1),
        ({"max_age": DAY_NS // 2}, 1),
        ({"max_bytes": 999}, 1),
        ({"duplicate_window": 10**9}, 1),
        ({"subjects": ["a.>"]}, 0),
        ({"allow_direct": False}, 0),
        ({"discard": "new"}, 1),
        ({"storage": "memory"}, 1),
        ({"metadata": identity(1 + 1, partitions="32")}, 0),
    ],
)
def test_nothing_is_taken_away_and_what_differs_is_told(want: dict[str, Any], told: int) -> None:
    adapted = adapt(THERE, asked(**want))
    assert adapted.config is None
    assert len(adapted.notes) == told
    assert [note for note in adapted.notes for value in want.values() if str(value) not in note] == []


@pytest.mark.parametrize(
    "want",
    [
        {"num_replicas": 5},
        {"max_age": 0},
        {"max_age": 2 * DAY_NS},
        {"max_bytes": -1},
        {"max_bytes": 2_000},
        {"duplicate_window": 300 * 10**9},
        {"allow_atomic": True},
    ],
)
def test_more_is_taken(want: dict[str, Any]) -> None:
    config = adapt(THERE, asked(**want)).config
    assert config == {**THERE, **want}


def test_subjects_and_metadata_are_added_to() -> None:
    config = adapt(THERE, asked(subjects=["c.>"], metadata=identity(3, partitions="32", hash="fnv1a-32"))).config
    assert config is not None
    assert config["subjects"] == ["a.>", "b.>", "c.>"]
    assert config["metadata"] == {
        "marketprism.product": "marketprism",
        "marketprism.schema": "3",
        "marketprism.partitions": "32",
        "marketprism.hash": "fnv1a-32",
        "_nats.ver": "2.15.1",
        "team": "md",
    }


def test_a_limit_is_lowered_where_that_is_allowed_and_bytes_get_their_first_bound() -> None:
    lowered = adapt(THERE, asked(max_age=60 * 10**9, max_bytes=10), lower=("max_age", "max_bytes"))
    assert lowered.config == {**THERE, "max_age": 60 * 10**9, "max_bytes": 10, "duplicate_window": 60 * 10**9}
    assert len(lowered.notes) == 2
    bound = adapt({**THERE, "max_bytes": -1}, asked(max_bytes=10))
    assert bound.config == {**THERE, "max_bytes": 10}
    assert bound.notes == ("max_bytes becomes 10, was -1",)


def test_a_program_that_writes_otherwise_is_refused_with_the_reason() -> None:
    with pytest.raises(ConfigurationError, match=r"stream S: expected marketprism.partitions 16, was 32"):
        adapt(THERE, asked(metadata=identity(2, partitions="16")))
    with pytest.raises(ConfigurationError, match="stream S: expected at most schema version 1, was 2"):
        adapt(THERE, asked(metadata=identity(1, partitions="32")))
    with pytest.raises(StreamMisconfigured, match="stream S: expected retention workqueue, was limits"):
        adapt(THERE, asked(retention="workqueue"))


def test_a_stream_from_before_there_was_metadata_gets_it() -> None:
    config = adapt({**THERE, "metadata": None}, asked(metadata=identity(1, partitions="32"))).config
    assert config is not None
    assert config["metadata"] == identity(1, partitions="32")
