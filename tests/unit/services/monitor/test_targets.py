"""What Prometheus is told to scrape."""

from __future__ import annotations

from typing import Any

import pytest

from marketprism_sdk.messaging import InstanceRecord
from marketprism_services.monitor.targets import LISTED_S, ScrapeTargets


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def _record(instance: str, url: str = "http://127.0.0.1:8083", **more: Any) -> InstanceRecord:
    fields: dict[str, Any] = {"status": "active", "ts_started": 1, "metadata": {"group": "default", "host": "node1"}}
    fields |= more
    return InstanceRecord("storage", instance, "1.2", ts_heartbeat=1, endpoints={"http": url}, **fields)


def test_an_instance_is_a_target_with_its_names() -> None:
    targets = ScrapeTargets(Clock())
    targets.look(
        [_record("a"), _record("b", "https://0.0.0.0:9", metadata={"host": "node2"}), _record("c", "http://[::1]:7")]
    )
    assert targets.listed() == [
        {
            "targets": ["127.0.0.1:8083"],
            "labels": {
                "__scheme__": "http",
                "service": "storage",
                "instance": "a",
                "version": "1.2",
                "group": "default",
            },
        },
        {
            "targets": ["node2:9"],
            "labels": {"__scheme__": "https", "service": "storage", "instance": "b", "version": "1.2"},
        },
        {
            "targets": ["[::1]:7"],
            "labels": {
                "__scheme__": "http",
                "service": "storage",
                "instance": "c",
                "version": "1.2",
                "group": "default",
            },
        },
    ]


def test_one_that_is_gone_stays_for_ten_minutes_so_that_it_is_seen_to_be_down() -> None:
    clock = Clock()
    targets = ScrapeTargets(clock)
    targets.look([_record("a")])
    clock.now += LISTED_S
    targets.look([])
    assert len(targets.listed()) == 1
    clock.now += 1
    targets.look([])
    assert targets.listed() == []


def test_one_that_ended_in_order_or_has_a_successor_at_its_address_is_not_missed() -> None:
    targets = ScrapeTargets(Clock())
    targets.look([_record("a"), _record("b", "http://127.0.0.1:8084")])
    targets.look([_record("b", "http://127.0.0.1:8084", status="draining"), _record("c", ts_started=2)])
    assert [each["labels"]["instance"] for each in targets.listed()] == ["c"]  # type: ignore[index]


@pytest.mark.parametrize("url", ["", "http://[::1", "http://x:99999", "http://x", "nats://x:1", "http://x:y"])
def test_one_without_an_address_is_none(url: str) -> None:
    targets = ScrapeTargets(Clock())
    targets.look([InstanceRecord("x", "y", "1", "starting", 1, 1), _record("z", url)])
    assert targets.listed() == []
